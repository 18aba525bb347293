"""The axial refiner: its keys, its laws, and that its sizes are read back from its weights."""

import dataclasses
import re
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hfbs_experimental.mask_heads import AXIAL_REFINER, AxialRefinerMaskEstimator, AxialRefinerSettings
from hfbs_model import BandSplitRotator, MaskEstimator, Parts, inspect_checkpoint, load_checkpoint

from .conftest import TINY, away_from_start

BANDS = (2, 4, 6)
SMALL = AxialRefinerSettings(depth=2, dim_head=4, heads=2, ff_mult=2.0)


def head(sizes: AxialRefinerSettings = SMALL, dim: int = 8) -> AxialRefinerMaskEstimator:
    return away_from_start(AxialRefinerMaskEstimator(dim, BANDS, depth=1, settings=sizes)).eval()


def keywords_of(sizes: AxialRefinerSettings) -> dict[str, object]:
    return {f"refiner_{name}": value for name, value in dataclasses.asdict(sizes).items()}


def test_keys_are_those_of_the_published_checkpoint() -> None:
    weights = AxialRefinerMaskEstimator(256, BANDS, depth=1).state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    per_transformer = {
        "0.norm.gamma": (256,),
        "0.rotary_embed.freqs": (32,),
        "0.to_qkv.weight": (1536, 256),
        "0.to_gates.weight": (8, 256),
        "0.to_gates.bias": (8,),
        "0.to_out.0.weight": (256, 512),
        "1.net.0.gamma": (256,),
        "1.net.1.weight": (1024, 256),
        "1.net.1.bias": (1024,),
        "1.net.4.weight": (256, 1024),
        "1.net.4.bias": (256,),
    }
    expected = {
        f"layers.{layer}.{axis}.layers.0.{name}": shape
        for layer in range(4)
        for axis in range(2)
        for name, shape in per_transformer.items()
    }
    assert {name: shape for name, shape in shapes.items() if not name.startswith("to_freqs.")} == {
        **expected,
        "norm.gamma": (256,),
    }


@settings(max_examples=10)
@given(frames=st.integers(1, 20))
def test_batch_of_two_gives_what_two_batches_of_one_give(frames: int) -> None:
    estimator, tokens = head(), torch.randn(2, frames, 3, 8)
    masks = estimator(tokens)
    assert masks.shape == (2, frames, sum(BANDS))
    torch.testing.assert_close(masks, torch.cat([estimator(one) for one in tokens.split(1)]), rtol=0, atol=1e-5)


def test_every_parameter_has_a_gradient() -> None:
    torch.manual_seed(0)
    estimator = head()
    estimator(torch.randn(2, 9, 3, 8)).square().sum().backward()
    learned = [(name, p) for name, p in estimator.named_parameters() if p.requires_grad]
    assert not [name for name, p in learned if p.grad is None or not p.grad.any()]


def test_masks_are_the_plain_estimators_of_refined_and_normalised_tokens() -> None:
    """Attention along time within each band, then along the bands within each frame, layer by layer, then the norm."""
    torch.manual_seed(1)
    estimator, x = head(), torch.randn(1, 5, 3, 8)
    plain = MaskEstimator(8, BANDS, depth=1)
    plain.load_state_dict({name: p for name, p in estimator.state_dict().items() if name.startswith("to_freqs.")})
    tokens = x
    for layer in range(2):
        along_time, along_bands = (estimator.get_submodule(f"layers.{layer}.{axis}") for axis in range(2))
        tokens = torch.stack([along_time(tokens[:, :, band]) for band in range(3)], dim=2)
        tokens = torch.stack([along_bands(tokens[:, frame]) for frame in range(5)], dim=1)
    torch.testing.assert_close(estimator(x), plain(estimator.norm(tokens)))


@settings(max_examples=15)
@given(
    depth=st.integers(1, 3),
    time_depth=st.integers(1, 2),
    band_depth=st.integers(1, 2),
    pairs=st.integers(2, 4),
    heads=st.integers(1, 3),
    ff_mult=st.sampled_from([1.0, 1.5, 4.0]),
)
def test_weights_tell_all_sizes(
    depth: int, time_depth: int, band_depth: int, pairs: int, heads: int, ff_mult: float
) -> None:
    sizes = AxialRefinerSettings(depth, time_depth, band_depth, 2 * pairs, heads, ff_mult)
    weights = AxialRefinerMaskEstimator(8, BANDS, depth=1, settings=sizes).state_dict(prefix="mask_estimators.0.")
    assert AXIAL_REFINER.infer(weights) == keywords_of(sizes)
    assert not AXIAL_REFINER.questions


@pytest.mark.parametrize(("dim", "features"), [(88, 98), (8, 21)])
def test_inferred_multiples_give_the_features_that_weights_have(dim: int, features: int) -> None:
    sizes = dataclasses.replace(SMALL, ff_mult=(features + 0.5) / dim)
    weights = AxialRefinerMaskEstimator(dim, BANDS, depth=1, settings=sizes).state_dict(prefix="mask_estimators.0.")
    assert int(dim * cast("float", AXIAL_REFINER.infer(weights)["refiner_ff_mult"])) == features


@pytest.mark.parametrize("sizes", [SMALL, AxialRefinerSettings(1, 2, 1, 6, 3, 1.0)], ids=["small", "other"])
def test_separator_built_from_its_weights_gives_its_output(sizes: AxialRefinerSettings) -> None:
    torch.manual_seed(2)

    def separator(**of_variant: Any) -> BandSplitRotator:
        return BandSplitRotator(**{**TINY, "num_stems": 2}, parts=AXIAL_REFINER.build(Parts(), **of_variant)).eval()

    saved = away_from_start(separator(**keywords_of(sizes)))
    loaded = separator(**AXIAL_REFINER.infer(saved.state_dict()))
    loaded.load_state_dict(saved.state_dict())
    mixture = torch.randn(1, 1, 200)
    assert torch.equal(loaded(mixture), saved(mixture))


def test_its_positions_are_counted_once_and_exact_in_files_of_half_precision(tmp_path: Path) -> None:
    model = BandSplitRotator(**TINY, num_stems=2, parts=AXIAL_REFINER.build(Parts(), **keywords_of(SMALL))).eval()
    half = {name: tensor.half() for name, tensor in model.state_dict().items()}
    torch.save(half, tmp_path / "m.ckpt")
    inspection = inspect_checkpoint(tmp_path / "m.ckpt")
    assert inspection.parameters.total == sum(parameter.numel() for parameter in model.parameters())
    answers = {"stft_hop_length": 16, "stft_win_length": 64, "zero_dc": False, "skip_connection": False}
    answers |= {"stems": ["a", "b"], "sample_rate": 44100, "chunk_size": 4000}
    loaded = load_checkpoint(tmp_path / "m.ckpt", **answers)
    for name, tensor in loaded.model.state_dict().items():
        expected = model.state_dict()[name] if "rotary" in name else half[name].float()
        assert torch.equal(tensor, expected), name
    assert any("frequencies of positions are in half precision" in note for note in loaded.report.notes)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"depth": 0}, "depth of an axial refiner is at least 1, got 0"),
        ({"dim_head": 7}, "dim_head is even and at least 4, since RoPE turns pairs of features, got 7"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(SMALL, **sizes)


def test_weights_of_another_head_are_refused_by_the_missing_name() -> None:
    with pytest.raises(
        ValueError, match=r"the checkpoint lacks mask_estimators\.0\.layers\.0\.0\.layers\.0\.0\.to_gates"
    ):
        AXIAL_REFINER.infer(MaskEstimator(4, (4, 4), depth=1).state_dict(prefix="mask_estimators.0."))
