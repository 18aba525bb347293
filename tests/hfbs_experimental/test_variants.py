"""The variants of the attention stack: found by entry points, inferred from what they build, composed in any order."""

import copy
import json
import pickle
import re
from functools import partial, reduce
from importlib.metadata import entry_points
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import hfbs_attention
from hfbs_experimental import attend, mask_heads
from hfbs_model import BandSplitRotator, Checkpoint, CheckpointError, Parts, Variant, load_checkpoint, save_checkpoint

from .conftest import TINY, Tiny

VARIANTS: dict[str, Variant] = {
    "hyper-connections": attend.HYPER_CONNECTIONS,
    "value-residual": attend.VALUE_RESIDUAL,
    "biased-attention": attend.BIASED_ATTENTION,
    "msst-residuals": attend.MSST_RESIDUALS,
    "conformer": attend.CONFORMER,
    "axial-refiner": mask_heads.AXIAL_REFINER,
    "fno": mask_heads.FNO,
    "hyperace": mask_heads.HYPERACE,
}
STREAMS: dict[str, Any] = {"num_residual_streams": 2, "hyper_connections": "2024"}
CONVOLUTION: dict[str, Any] = {"conv_kernel_size": 3, "conv_expansion_factor": 1}


def composed(recipe: dict[str, dict[str, Any]]) -> Parts:
    return reduce(lambda parts, name: VARIANTS[name].build(parts, **recipe[name]), recipe, Parts())


def test_entry_points_name_the_variants() -> None:
    found = {entry_point.name: entry_point.load() for entry_point in entry_points(group="hfbs.variants")}
    for name, variant in VARIANTS.items():
        assert found[name] is variant


@settings(max_examples=15)
@given(
    streams=st.integers(1, 4),
    fracs=st.sampled_from([1, 2, 4]),
    generation=st.sampled_from(["2024", "manifold"]),
    bias=st.booleans(),
)
def test_weights_tell_the_keywords_of_hyper_connections(streams: int, fracs: int, generation: Any, bias: bool) -> None:
    if streams == fracs == 1:
        streams = 2
    keywords = {"num_residual_streams": streams, "num_residual_fracs": fracs, "hyper_connections": generation}
    parts = composed({"hyper-connections": keywords} | ({"biased-attention": {}} if bias else {}))
    weights = BandSplitRotator(**TINY, parts=parts).state_dict()
    inferred = attend.HYPER_CONNECTIONS.infer(weights)
    # What one generation does not have is no question of its.
    assert inferred == keywords | ({"sinkhorn_iters": None} if generation == "2024" else {})
    assert json.loads(json.dumps(inferred)) == inferred
    assert attend.HYPER_CONNECTIONS.questions.keys() == {"sinkhorn_iters"}
    again = BandSplitRotator(**TINY, parts=attend.HYPER_CONNECTIONS.build(Parts(), **inferred))
    assert bias or again.state_dict().keys() == weights.keys()


@settings(max_examples=10)
@given(kernel=st.sampled_from([1, 3, 31]), expansion=st.integers(1, 3))
def test_weights_tell_the_sizes_of_conformers(kernel: int, expansion: int) -> None:
    keywords = {"conv_kernel_size": kernel, "conv_expansion_factor": expansion}
    weights = BandSplitRotator(**TINY, parts=attend.CONFORMER.build(Parts(), **keywords)).state_dict()
    assert attend.CONFORMER.infer(weights) == keywords


@pytest.mark.parametrize("name", ["value-residual", "biased-attention", "msst-residuals"])
def test_the_other_variants_have_no_keywords(name: str) -> None:
    assert VARIANTS[name].infer({}) == {}
    assert VARIANTS[name].questions == {}


@pytest.mark.parametrize("name", ["hyper-connections", "conformer"])
def test_weights_of_another_model_are_refused(tiny: Tiny, name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"weights of the variant {name!r} have names that end with")):
        VARIANTS[name].infer(tiny().state_dict())


ORDERS: list[dict[str, dict[str, Any]]] = [
    {"hyper-connections": STREAMS, "value-residual": {}, "biased-attention": {}},
    {"hyper-connections": STREAMS, "msst-residuals": {}},
    {"conformer": CONVOLUTION, "biased-attention": {}},
]


@pytest.mark.parametrize("recipe", ORDERS, ids=lambda recipe: ", ".join(recipe))
def test_variants_compose_in_any_order(tiny: Tiny, recipe: dict[str, dict[str, Any]]) -> None:
    keywords = {"use_value_residual_learning": "value-residual" in recipe}
    models: list[BandSplitRotator] = []
    for names in permutations(recipe):
        torch.manual_seed(0)
        models.append(tiny(**keywords, parts=composed({name: recipe[name] for name in names})))
    audio = torch.randn(1, 160)
    expected = models[0](audio)
    assert not torch.allclose(expected, tiny(**keywords)(audio))
    for model in models[1:]:
        assert torch.equal(model(audio), expected)


RECIPES: dict[str, tuple[dict[str, dict[str, Any]], dict[str, Any]]] = {
    "2024": ({"hyper-connections": {"num_residual_streams": 4, "hyper_connections": "2024"}}, {}),
    "lucidrains Mel": (
        {"hyper-connections": STREAMS | {"hyper_connections": "manifold"}, "value-residual": {}},
        {"use_value_residual_learning": True, "linear_transformer_depth": 1},
    ),
    "MSST": (
        {"hyper-connections": STREAMS, "msst-residuals": {}},
        {"use_value_residual_learning": True, "skip_connection": True},
    ),
    "shared bias": ({"biased-attention": {}}, {"linear_transformer_depth": 1, "use_pope": True}),
    "Conformer": ({"conformer": CONVOLUTION, "biased-attention": {}}, {"linear_transformer_depth": 1}),
}
each_recipe = pytest.mark.parametrize("name", RECIPES)


def of_recipe(tiny: Tiny, name: str, **keywords: Any) -> BandSplitRotator:
    recipe, own = RECIPES[name]
    return tiny(**own, **keywords, parts=composed(recipe))


@each_recipe
def test_one_mixture_does_not_see_another(tiny: Tiny, name: str) -> None:
    torch.manual_seed(0)
    model = of_recipe(tiny, name, stereo=True)
    first, second = torch.randn(2, 1, 2, 200).unbind()
    both = model(torch.cat((first, second)))
    torch.testing.assert_close(both, torch.cat((model(first), model(second))), rtol=1e-4, atol=1e-5)


@each_recipe
def test_every_parameter_learns(tiny: Tiny, name: str) -> None:
    torch.manual_seed(0)
    model = of_recipe(tiny, name)
    model(torch.randn(2, 200)).square().sum().backward()
    still = [n for n, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert not still


@each_recipe
def test_recomputing_changes_no_gradients(tiny: Tiny, name: str) -> None:
    torch.manual_seed(0)
    plain = of_recipe(tiny, name)
    sparing = of_recipe(tiny, name, use_torch_checkpoint=True)
    sparing.load_state_dict(plain.state_dict())
    audio = torch.randn(2, 200)
    for model in (plain.train(), sparing.train()):
        model(audio).square().sum().backward()
    torch.testing.assert_close(
        [p.grad for p in sparing.parameters() if p.grad is not None],
        [p.grad for p in plain.parameters() if p.grad is not None],
    )


@each_recipe
def test_models_are_copied_and_pickled(tiny: Tiny, name: str) -> None:
    torch.manual_seed(0)
    model = of_recipe(tiny, name)
    audio = torch.randn(1, 200)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(audio), model(audio))


HEADS: dict[str, dict[str, Any]] = {
    "axial-refiner": {
        "refiner_depth": 1,
        "refiner_time_transformer_depth": 1,
        "refiner_freq_transformer_depth": 1,
        "refiner_dim_head": 4,
        "refiner_heads": 2,
        "refiner_ff_mult": 2.0,
    },
    "fno": {"fno_num_modes": 4, "fno_num_blocks": 1, "fno_lifting_ratio": 1.0, "fno_mlp_ratio": 0.5},
    "hyperace": {
        "audio_channels": 1,
        "hyperace_version": 1,
        "hyperace_num_hyperedges": 2,
        "hyperace_num_heads": 2,
        "hyperace_num_high_order": 1,
        "hyperace_num_low_order": 1,
        "hyperace_base_channels": 4,
        "hyperace_dims": (4, 4, 4, 4),
        "hyperace_base_depth": 1,
    },
}


@pytest.mark.parametrize("name", [*RECIPES, *HEADS])
def test_a_separator_is_saved_with_the_variants_that_built_its_parts(tiny: Tiny, tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    model = tiny(parts=composed({name: HEADS[name]})) if name in HEADS else of_recipe(tiny, name)
    save_checkpoint(Checkpoint(model, ("vocals",), 44100, 4000), tmp_path / "m.safetensors")
    loaded = load_checkpoint(tmp_path / "m.safetensors").model
    assert {variant: dict(said) for variant, said in loaded.parts.recipe.items()} == model.parts.recipe
    audio = torch.randn(1, 200)
    with torch.no_grad():
        assert torch.equal(loaded(audio), model(audio))


def test_multiples_of_mask_heads_are_saved_as_they_were_given(tiny: Tiny, tmp_path: Path) -> None:
    """Weights tell them only rounded to whole features."""
    for name, said in {"axial-refiner": {"refiner_ff_mult": 8 / 3}, "fno": {"fno_mlp_ratio": 0.3}}.items():
        model = tiny(parts=composed({name: HEADS[name] | said}))
        save_checkpoint(Checkpoint(model, ("vocals",), 44100, 4000), tmp_path / "m.safetensors")
        assert load_checkpoint(tmp_path / "m.safetensors").model.parts.recipe == model.parts.recipe
        far = {keyword: value + 1 for keyword, value in said.items()}
        with pytest.raises(CheckpointError, match=f"{next(iter(said))}: the weights say"):
            load_checkpoint(tmp_path / "m.safetensors", **far)


def test_a_list_says_what_a_tuple_says(tiny: Tiny, tmp_path: Path) -> None:
    model = tiny(parts=composed({"hyperace": HEADS["hyperace"]}))
    save_checkpoint(Checkpoint(model, ("vocals",), 44100, 4000), tmp_path / "m.safetensors")
    for dims in ([4] * 4, (4,) * 4):
        assert load_checkpoint(tmp_path / "m.safetensors", hyperace_dims=dims).model.parts.recipe == model.parts.recipe


def test_the_recipe_holds_every_keyword_with_the_value_that_counts() -> None:
    manifold = {"num_residual_streams": 2, "hyper_connections": "manifold"}
    parts = composed({"biased-attention": {}, "hyper-connections": manifold})
    counts = manifold | {"num_residual_fracs": 1, "sinkhorn_iters": 2}
    assert parts.recipe == {"biased-attention": {}, "hyper-connections": counts}


def test_streams_are_copies_at_first_and_summed_at_last() -> None:
    parts = attend.HYPER_CONNECTIONS.build(Parts(), **STREAMS | {"num_residual_streams": 3})
    tokens = torch.randn(2, 4, 5, 6)
    streams = parts.expand(tokens)
    assert torch.equal(streams, tokens.repeat_interleave(3, dim=0))
    torch.testing.assert_close(parts.reduce(streams), 3 * tokens)


def test_connections_mix_adjacent_bands_along_time_as_upstreams_do(tiny: Tiny) -> None:
    """The streams lie beside each other in the batch, the bands within: what is split off as streams are bands."""
    torch.manual_seed(0)
    model = tiny(parts=attend.HYPER_CONNECTIONS.build(Parts(), **STREAMS))
    first = model.layers[0]
    assert isinstance(first, nn.ModuleList)
    x = torch.randn(2, 5, 4, 8)  # two streams, five frames, four bands
    sequences = x.transpose(1, 2).reshape(2 * 4, 5, 8)
    given: list[Tensor] = []
    first[0].register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    first(x)
    assert torch.equal(given[0], sequences)
    moved = sequences.clone()
    moved[3] += 1.0  # band 3 of stream 0 lies beside band 2 of stream 0, and far from band 3 of stream 1
    changed = (first[0](moved) - first[0](sequences)).abs().amax(dim=(1, 2)) > 0
    assert changed.tolist() == [False, False, True, True, False, False, False, False]


@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("values", [False, True])
def test_msst_adds_residual_sums_in_the_first_layer_only(tiny: Tiny, streams: int, values: bool) -> None:
    torch.manual_seed(0)
    recipe: dict[str, dict[str, Any]] = {"msst-residuals": {}}
    if streams > 1:
        recipe["hyper-connections"] = STREAMS
    model = tiny(depth=3, use_value_residual_learning=values, parts=composed(recipe))
    sums = {name: pair.sums for name, pair in model.layers.named_modules() if hasattr(pair, "sums")}
    assert sums == {f"{layer}.{axis}.layers.0": layer == 0 for layer in range(3) for axis in range(2)}
    if streams == 1:
        # A block without a sum is all there is: where it gives nothing, nothing is left.
        last = model.layers[-1]
        assert isinstance(last, nn.ModuleList)
        for parameter in last.parameters():
            parameter.data.zero_()
        seen: list[Tensor] = []
        model.final_norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        model(torch.randn(1, 200))
        assert not seen[0].any()


def test_msst_and_plain_residuals_agree_where_there_is_one_layer(tiny: Tiny) -> None:
    torch.manual_seed(0)
    plain = tiny(depth=1)
    msst = tiny(depth=1, parts=composed({"msst-residuals": {}}))
    msst.load_state_dict(plain.state_dict())
    audio = torch.randn(1, 200)
    torch.testing.assert_close(msst(audio), plain(audio))


def fixed(_: int) -> Any:
    return partial(hfbs_attention.Transformer)


REFUSALS: list[tuple[dict[str, dict[str, Any]], dict[str, Any], str]] = [
    (
        {"conformer": CONVOLUTION, "hyper-connections": STREAMS},
        {},
        "'conformer' goes with 'biased-attention' only, got it with 'hyper-connections'",
    ),
    ({"msst-residuals": {}, "conformer": CONVOLUTION}, {}, "got it with 'msst-residuals'"),
    ({"hyper-connections": STREAMS | {"sinkhorn_iters": 2}}, {}, "hyper_connections='2024' iterates nothing"),
    (
        {"hyper-connections": STREAMS | {"num_residual_streams": 1}},
        {},
        "hyper_connections='2024' needs num_residual_streams of at least 2",
    ),
    ({"value-residual": {}}, {}, "'value-residual' mixes the first layer's values into later ones; set use_value"),
    (
        {"conformer": CONVOLUTION},
        {"use_value_residual_learning": True},
        "Conformers mix no values, got value_mix='learned'; set use_value_residual_learning=False",
    ),
    (
        {"msst-residuals": {}},
        {"linear_transformer_depth": 1},
        "MSST's experimental models fail with linear attention, so that there are no weights; set linear_transformer",
    ),
]


@pytest.mark.parametrize(("recipe", "keywords", "message"), REFUSALS)
@pytest.mark.usefixtures("as_users_run")
def test_refuses_what_contradicts_itself(
    tiny: Tiny, recipe: dict[str, dict[str, Any]], keywords: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        tiny(**keywords, parts=composed(recipe))


def test_refuses_streams_twice_and_transformers_that_it_does_not_know() -> None:
    once = attend.HYPER_CONNECTIONS.build(Parts(), **STREAMS)
    with pytest.raises(
        ValueError, match="these parts expand tokens to streams already; build 'hyper-connections' once"
    ):
        attend.HYPER_CONNECTIONS.build(once, **STREAMS)
    with pytest.raises(TypeError, match="build on the stable transformers or on each other's, got"):
        attend.BIASED_ATTENTION.build(Parts(transformer_of=fixed))
