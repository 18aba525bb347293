"""Every keyword does something or is refused; what contradicts itself is refused with the remedy."""

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode

from hfbs_attention import Transformer
from hfbs_filterbanks import BandLayout, contiguous_layout
from hfbs_model import BandSplitRotator, MaskEstimator, Parts
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer

TINY: dict[str, Any] = {
    "dim": 8,
    "depth": 2,
    "heads": 2,
    "dim_head": 4,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "mlp_expansion_factor": 1,
    "mask_estimator_depth": 1,
    "multi_stft_resolutions_window_sizes": (64, 32),
    "multi_stft_hop_size": 16,
    "attn_dropout": 0.0,
    "ff_dropout": 0.0,
}
SMALL_STFT: dict[str, Any] = {"stft_n_fft": 64, "stft_hop_length": 16, "stft_win_length": 64}
BANDS: dict[str, Any] = {"freqs_per_bands": (3, 5, 9, 16)}
CASES: dict[type[BandSplitRotator], dict[str, Any]] = {
    BandSplitRotator: TINY | SMALL_STFT | BANDS,
    BSRoformer: TINY | SMALL_STFT | BANDS | {"mask_estimator_depth": 2},
    MelBandRoformer: TINY | {"depth": 1},
}
# Another value than the class's own, and what has to stand beside it in both models for it to mean something.
CHANGES: dict[str, tuple[Any, dict[str, Any]]] = {
    "dim": (12, {}),
    "depth": (3, {}),
    "stereo": (True, {}),
    "num_stems": (2, {}),
    "time_transformer_depth": (2, {}),
    "freq_transformer_depth": (2, {}),
    "linear_transformer_depth": (1, {}),
    "freqs_per_bands": ((1, 32), {}),
    "num_bands": (30, {"num_bands": 60, "sample_rate": 44100}),
    "sample_rate": (48000, {"num_bands": 60, "sample_rate": 44100}),
    "mask_filter_bank": ([[1] * 20 + [0] * 13, [0] * 9 + [1] * 24], {"mask_filter_bank": [[1] * 33]}),
    "freq_range": ((5, 25), {"freq_range": (0, 20), "freqs_per_bands": (10, 10)}),
    "dim_head": (8, {}),
    "heads": (1, {}),
    "attn_dropout": (0.5, {}),
    "ff_dropout": (0.5, {}),
    "ff_mult": (2.0, {}),
    "flash_attn": (False, {}),
    "sage_attention": (True, {}),
    "scale": (2.0, {}),
    "use_pope": (True, {}),
    "use_value_residual_learning": (True, {}),
    "learned_value_residual_mix": (False, {"use_value_residual_learning": True}),
    "norm_output": (True, {}),
    "final_norm": (False, {}),
    "skip_connection": (True, {"depth": 2}),
    "dim_freqs_in": (1024, {}),
    "stft_n_fft": (4096, {}),
    "stft_hop_length": (24, {}),
    "stft_win_length": (60, {}),
    "stft_normalized": (True, {}),
    "stft_window_fn": (torch.hamming_window, {}),
    "zero_dc": (False, {}),
    "mask_estimator_depth": (3, {}),
    "mlp_expansion_factor": (2, {}),
    "multi_stft_resolution_loss_weight": (0.5, {}),
    "multi_stft_resolutions_window_sizes": ((64,), {}),
    "multi_stft_hop_size": (20, {}),
    "multi_stft_normalized": (True, {}),
    "multi_stft_window_fn": (torch.hamming_window, {}),
    "match_input_audio_length": (None, {}),
    "use_torch_checkpoint": (True, {}),
    "parts": (Parts(mask_estimator=partial(MaskEstimator, activation=nn.ReLU)), {}),
}
BEFORE: dict[tuple[type[BandSplitRotator], str], dict[str, Any]] = {}
DEFAULT_BANDS: dict[str, Any] = {"freqs_per_bands": None}


def parameters(kind: type[BandSplitRotator]) -> list[str]:
    return [name for name in signature(kind).parameters if name != "unknown"]


class FusedKernels(TorchFunctionMode):
    """Counts calls of PyTorch's fused attention."""

    calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        self.calls += func is F.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


def observed(kind: type[BandSplitRotator], keywords: dict[str, Any]) -> dict[str, Any]:
    """All that can be seen of a model: keys, what it hears, gives, learns from, keeps for that, and runs."""
    torch.manual_seed(0)
    model = kind(**keywords).eval()
    seen: dict[str, Any] = {"keys": {name: tuple(value.shape) for name, value in model.state_dict().items()}}
    model.band_split.register_forward_pre_hook(lambda _, x: seen.__setitem__("features", x[0]))
    audio = torch.randn(1, model.audio_channels, 2100)
    target = torch.randn(1, model.num_stems, model.audio_channels, 2100)
    kernels = FusedKernels()
    with torch.no_grad(), kernels:
        seen["output"] = model(audio)
    seen["kernels"] = kernels.calls
    seen["loss"] = model(audio, target)
    torch.manual_seed(1)
    seen["kept"] = 0

    def keep(tensor: Tensor) -> Tensor:
        seen["kept"] += tensor.nbytes
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        seen["training loss"] = model.train()(audio, target)
    return seen


def same(a: Any, b: Any) -> bool:
    return a.shape == b.shape and torch.equal(a, b) if isinstance(a, Tensor) else a == b


def test_each_keyword_has_a_case() -> None:
    assert set(CHANGES) == set(parameters(BandSplitRotator))
    assert {*parameters(BSRoformer), *parameters(MelBandRoformer)} <= set(CHANGES)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in CASES for name in parameters(kind)], ids=lambda value: str(value)
)
def test_no_keyword_is_accepted_and_ignored(kind: type[BandSplitRotator], name: str) -> None:
    value, beside = CHANGES[name]
    base = CASES[kind] | beside
    if name in ("num_bands", "sample_rate", "mask_filter_bank"):
        base.pop("freqs_per_bands", None)
    if kind is BandSplitRotator and name in ("num_bands", "sample_rate"):
        base = {key: given for key, given in base.items() if key not in SMALL_STFT}
    if name == "match_input_audio_length":
        value = not signature(kind).parameters[name].default
    cached = (kind, repr(base))
    before = BEFORE[cached] = BEFORE.get(cached) or observed(kind, base)
    try:
        after = observed(kind, base | {name: value})
    except (ValueError, ImportError) as refusal:
        after = {"refusal": str(refusal)}
    refused = name in after.get("refusal", "") or (name == "num_bands" and "mel" in after.get("refusal", ""))
    assert refused or not all(same(before[key], after[key]) for key in before)


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("stft_hop_lenght", "stft_hop_length"),
        ("hop_length", "stft_hop_length"),
        ("num_stem", "num_stems"),
        ("mask_estimators_depth", "mask_estimator_depth"),
        ("flash_attention", "flash_attn"),
        ("use_checkpoint", "use_torch_checkpoint"),
    ],
)
@pytest.mark.usefixtures("as_users_run")
def test_an_unknown_keyword_is_refused_with_the_nearest_known_one(
    kind: type[BandSplitRotator], unknown: str, nearest: str
) -> None:
    with pytest.raises(TypeError, match=rf"{kind.__name__} has no keyword '{unknown}'; did you mean '{nearest}'\?"):
        kind(**CASES[kind], **{unknown: 1})


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.usefixtures("as_users_run")
def test_an_unknown_keyword_like_no_other_is_refused_without_a_guess(kind: type[BandSplitRotator]) -> None:
    with pytest.raises(TypeError, match=rf"{kind.__name__} has no keyword 'xyzzy'$"):
        kind(**CASES[kind], xyzzy=1)


MATRIX = [[1] * 33]
REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"mask_filter_bank": MATRIX}, "given by one of .* got freqs_per_bands, mask_filter_bank"),
    ({"num_bands": 60, "sample_rate": 44100}, "given by one of .* got freqs_per_bands, num_bands, sample_rate"),
    (
        DEFAULT_BANDS | {"mask_filter_bank": MATRIX, "num_bands": 60},
        "given by one of .* got mask_filter_bank, num_bands",
    ),
    (DEFAULT_BANDS | {"num_bands": 60}, "need num_bands and sample_rate; got num_bands alone, add sample_rate"),
    (DEFAULT_BANDS | {"sample_rate": 44100}, "need num_bands and sample_rate; got sample_rate alone, add num_bands"),
    (
        DEFAULT_BANDS | {"num_bands": 60, "sample_rate": 44100, "freq_range": (0, 20)},
        "freq_range cuts bins that mel bands .* mask_filter_bank",
    ),
    (DEFAULT_BANDS, "must hold the 33 bins .* got bands over 1025 bins; .* fits stft_n_fft=2048"),
    ({"freqs_per_bands": (3, 5)}, "must hold the 33 bins .* got bands over 8 bins; .* fits stft_n_fft=14"),
    (
        DEFAULT_BANDS | {"mask_filter_bank": contiguous_layout((4, 5))},
        "must hold the 33 bins .* got bands over 9 bins; .* fits stft_n_fft=16",
    ),
    (DEFAULT_BANDS | {"mask_filter_bank": [[1, 1, 0]]}, "bin 2 of 3 is in none"),
    ({"freqs_per_bands": (0, 33)}, "width of band 0"),
    ({"freq_range": (0, 32)}, "must hold the 32 bins that stft_n_fft .and freq_range. give, got bands over 33"),
    ({"freq_range": (10, 34)}, r"freq_range is \(first bin, bin after the last\) within 0 to 33, got \(10, 34\)"),
    ({"freq_range": (10, 10)}, r"freq_range is .* got \(10, 10\)"),
    ({"freq_range": (-2, 10)}, r"freq_range is .* got \(-2, 10\)"),
    ({"learned_value_residual_mix": True}, "learned_value_residual_mix=True needs use_value_residual_learning=True"),
    ({"learned_value_residual_mix": False}, "learned_value_residual_mix=False needs use_value_residual_learning=True"),
    ({"depth": 1, "use_value_residual_learning": True}, "use_value_residual_learning=True needs depth of at least 2"),
    ({"dim_freqs_in": 1025}, r"dim_freqs_in is stft_n_fft // 2 \+ 1 = 33, got 1025; correct it or leave it out"),
    ({"dim_head": 5}, "dim_head is even and at least 4, .* got 5; or set use_pope=True"),
    ({"dim_head": 2}, "dim_head is even and at least 4, .* got 2; or set use_pope=True"),
    ({"dim": 0}, "dim is at least 1, got 0"),
    ({"depth": 0}, "depth is at least 1, got 0"),
    ({"num_stems": 0}, "num_stems is at least 1, got 0"),
    ({"heads": 0}, "heads .* at least 1, got 0"),
    ({"mlp_expansion_factor": 0}, "mlp_expansion_factor is at least 1, got 0"),
    ({"time_transformer_depth": 0}, "time_transformer_depth is at least 1, got 0"),
    ({"freq_transformer_depth": -1}, "freq_transformer_depth is at least 1, got -1"),
    ({"linear_transformer_depth": -1}, "linear_transformer_depth is at least 0, got -1"),
    ({"mask_estimator_depth": -1}, "depth is a number of hidden layers, at least 0, got -1"),
    ({"attn_dropout": 1.0}, r"attn_dropout is a share in \[0, 1\), got 1.0"),
    ({"ff_dropout": 1.5}, r"ff_dropout is a share in \[0, 1\), got 1.5"),
    ({"ff_mult": 0.0}, "ff_mult times dim .* at least 1"),
    ({"stft_hop_length": 33}, "stft_hop_length is .* at most half of stft_win_length=64"),
    ({"stft_win_length": 65}, "stft_win_length is .* at most stft_n_fft=64"),
    ({"multi_stft_hop_size": 0}, "multi_stft_hop_size is .* at least 1, got 0"),
    ({"multi_stft_resolutions_window_sizes": ()}, "multi_stft_resolutions_window_sizes are lengths in samples"),
    ({"linear_transformer_depth": 1, "scale": 2.0, "sage_attention": True}, "sage"),
    ({"use_pope": True, "sage_attention": True}, "PoPE doubles them; set sage_attention=False"),
]


@pytest.mark.parametrize(("keywords", "message"), REFUSALS)
def test_refuses_what_contradicts_itself(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, ImportError), match=message):
        BandSplitRotator(**CASES[BandSplitRotator] | keywords)


class Marked(Transformer):
    """A transformer that knows its layer, and counts the sequences that it was given."""

    def __init__(self, layer: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.layer, self.sequences = layer, 0

    def forward(self, x: Tensor, *args: Any, **keywords: Any) -> Any:
        self.sequences += len(x)
        return super().forward(x, *args, **keywords)


def marked(layer: int) -> Callable[..., Marked]:
    return partial(Marked, layer)


def doubled(x: Tensor) -> Tensor:
    return torch.cat((x, x))


def halved(x: Tensor) -> Tensor:
    return x[: len(x) // 2]


@pytest.mark.parametrize("values", [False, True])
def test_injected_parts_take_the_place_of_the_models_own(values: bool) -> None:
    keywords = CASES[BandSplitRotator] | {"linear_transformer_depth": 1, "use_value_residual_learning": values}
    parts = Parts(marked, doubled, halved, partial(MaskEstimator, activation=nn.ReLU))
    ours = BandSplitRotator(**keywords).eval()
    other = BandSplitRotator(**keywords, parts=parts).eval()
    other.load_state_dict(ours.state_dict())
    assert "parts" not in other.keywords
    assert other.parts is parts

    audio = torch.randn(1, 160)
    stems = other(audio)
    for layer, transformers in enumerate(other.layers):
        assert isinstance(transformers, nn.ModuleList)
        linear, time, band = transformers
        assert (linear.layer, time.layer, band.layer) == (layer, layer, layer)
        # Twice one mixture, its 4 bands, and its 11 frames.
        assert (linear.sequences, time.sequences, band.sequences) == (2, 2 * 4, 2 * 11)

    assert not torch.allclose(stems, ours(audio))
    for estimator in cast("list[MaskEstimator]", list(ours.mask_estimators)):
        for band in cast("list[nn.Sequential]", list(estimator.to_freqs)):
            cast("nn.Sequential", band[0])[1] = nn.ReLU()
    torch.testing.assert_close(stems, ours(audio))


class GivesValues(nn.Module):
    """A linear transformer whose values are its input, and which adds those of the first layer."""

    gives_values = True

    def forward(self, x: Tensor, value_residual: Tensor | None = None, *, return_values: bool = False) -> Any:
        out = x if value_residual is None else x + value_residual
        return (out, x) if return_values else out


def linear_that_gives_values(layer: int) -> Callable[..., nn.Module]:
    return lambda *, linear_attn=False, **keywords: GivesValues() if linear_attn else Transformer(**keywords)


def test_a_linear_transformer_takes_the_first_layers_values_where_it_gives_them() -> None:
    keywords = CASES[BandSplitRotator] | {"depth": 3, "linear_transformer_depth": 1}
    parts = Parts(transformer_of=linear_that_gives_values)
    torch.manual_seed(0)
    model = BandSplitRotator(**keywords, use_value_residual_learning=True, parts=parts).eval()
    seen: list[tuple[Tensor, ...]] = []
    for layer in model.layers:
        assert isinstance(layer, nn.ModuleList)
        layer[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    model(torch.randn(1, 160))
    (first, _), (_, second_residual), (_, third_residual) = seen
    assert torch.equal(first, second_residual)
    assert torch.equal(first, third_residual)


def test_pope_takes_any_dim_head() -> None:
    model = BandSplitRotator(**CASES[BandSplitRotator] | {"use_pope": True, "dim_head": 5}).eval()
    assert model(torch.randn(1, 100)).isfinite().all()


def test_a_layout_and_its_matrix_mean_the_same() -> None:
    layout = BandLayout([[1] * 20 + [0] * 13, [0] * 9 + [1] * 24])
    base = {name: value for name, value in CASES[BandSplitRotator].items() if name != "freqs_per_bands"}
    outputs: list[Tensor] = []
    for bank in (layout, layout.matrix, layout.matrix.tolist(), torch.tensor(layout.matrix.tolist())):
        torch.manual_seed(0)
        model = BandSplitRotator(**base, mask_filter_bank=bank).eval()
        assert model.layout == layout
        outputs.append(model(torch.ones(1, 100)))
    assert all(torch.equal(output, outputs[0]) for output in outputs)
