"""The experimental classes: MSST's keywords and defaults, the recipe of their parts, and what they refuse."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import hfbs_model.bs_roformer
import hfbs_model.mel_band_roformer
from hfbs_experimental.attend import HYPER_CONNECTIONS, MSST_RESIDUALS
from hfbs_experimental.bs_roformer import BSRoformer
from hfbs_experimental.mel_band_roformer import MelBandRoformer
from hfbs_model import BandSplitRotator, MaskEstimator, Parts, load_checkpoint

from .conftest import away_from_start

STABLE: dict[type[BandSplitRotator], type[BandSplitRotator]] = {
    BSRoformer: hfbs_model.bs_roformer.BSRoformer,
    MelBandRoformer: hfbs_model.mel_band_roformer.MelBandRoformer,
}
SMALL: dict[str, Any] = {"dim": 8, "depth": 2, "heads": 2, "dim_head": 4, "mlp_expansion_factor": 1}
each_class = pytest.mark.parametrize("kind", STABLE)


def built(kind: type[BandSplitRotator], **keywords: Any) -> BandSplitRotator:
    return away_from_start(kind(**SMALL, **keywords).eval())


@each_class
def test_without_msst_residuals_it_is_the_stable_class(kind: type[BandSplitRotator]) -> None:
    torch.manual_seed(0)
    ours = built(kind, msst_residuals=False, use_value_residual_learning=True)
    stable = STABLE[kind](**SMALL, use_value_residual_learning=True, zero_dc=False).eval()
    stable.load_state_dict(ours.state_dict())
    audio = torch.randn(1, 1, 3000)
    torch.testing.assert_close(ours(audio), stable(audio))
    assert ours.parts.recipe == {}


@each_class
@pytest.mark.parametrize("values", [False, True])
def test_defaults_are_mssts_experimental_class(kind: type[BandSplitRotator], values: bool) -> None:
    model = built(kind, use_value_residual_learning=values, num_residual_streams=4)
    connections = {
        "num_residual_streams": 4,
        "num_residual_fracs": 1,
        "hyper_connections": "2024",
        "sinkhorn_iters": None,
    }
    assert model.parts.recipe == {"hyper-connections": connections, "msst-residuals": {}}
    assert not model.zero_dc
    assert model.skip_connection is False
    assert any("to_value_residual_mix" in name for name in model.state_dict()) == values
    twin = kind(
        **SMALL,
        use_value_residual_learning=values,
        msst_residuals=False,
        parts=MSST_RESIDUALS.build(HYPER_CONNECTIONS.build(Parts(), **connections)),
    ).eval()
    twin.load_state_dict(model.state_dict())
    audio = torch.randn(1, 1, 3000)
    assert torch.equal(twin(audio), model(audio))


CONFIG = """\
audio: {chunk_size: 4000, sample_rate: 44100}
training: {target_instrument: vocals}
model: {dim: 8, depth: 2, use_value_residual_learning: true, num_residual_streams: 2}
"""


def test_its_checkpoint_with_its_yaml_is_the_same_model(tmp_path: Path) -> None:
    """MSST's class does not set the lowest bin to zero, so that this is not assumed."""
    torch.manual_seed(0)
    model = built(BSRoformer, use_value_residual_learning=True, num_residual_streams=2)
    torch.save(model.state_dict(), tmp_path / "m.ckpt")
    (tmp_path / "m.yaml").write_text(CONFIG)
    loaded = load_checkpoint(tmp_path / "m.ckpt", tmp_path / "m.yaml", stft_hop_length=512)
    audio = torch.randn(1, 1, 3000)
    with torch.no_grad():
        assert torch.equal(loaded.model(audio), model(audio))
    assert "zero_dc: nobody says, assumed is False" in str(loaded.report)
    assert load_checkpoint(tmp_path / "m.ckpt", tmp_path / "m.yaml", stft_hop_length=512, zero_dc=True).model.zero_dc


def test_every_keyword_of_its_own_does_something() -> None:
    torch.manual_seed(0)
    recipes: dict[str, Any] = {}
    for name, keywords in {
        "sinkhorn_iters": {"num_residual_streams": 2, "hyper_connections": "manifold", "sinkhorn_iters": 5},
        "num_residual_fracs": {"num_residual_fracs": 2},
        "attention_bias": {"attention_bias": True},
        "lucidrains_mel_values": {"lucidrains_mel_values": True, "use_value_residual_learning": True},
    }.items():
        recipes[name] = MelBandRoformer(**SMALL, msst_residuals=False, **keywords).parts.recipe
    manifold = {"num_residual_streams": 2, "num_residual_fracs": 1, "hyper_connections": "manifold"}
    assert recipes["sinkhorn_iters"] == {"hyper-connections": manifold | {"sinkhorn_iters": 5}}
    assert recipes["num_residual_fracs"]["hyper-connections"]["num_residual_fracs"] == 2
    assert recipes["attention_bias"] == {"biased-attention": {}}
    assert recipes["lucidrains_mel_values"] == {"value-residual": {}}


def with_another_head(*args: Any, **keywords: Any) -> MaskEstimator:
    return MaskEstimator(*args, **keywords, activation=torch.nn.ReLU)


@each_class
def test_it_builds_on_other_parts(kind: type[BandSplitRotator]) -> None:
    parts = Parts(mask_estimator=with_another_head, recipe={"another-head": {"size": 3}})
    model = built(kind, parts=parts)
    assert model.parts.mask_estimator is with_another_head
    assert model.parts.recipe == {"another-head": {"size": 3}, "msst-residuals": {}}


@each_class
@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("num_residual_stream", "num_residual_streams"),
        ("msst_residual", "msst_residuals"),
        ("use_value_residual", "use_value_residual_learning"),
        ("stft_hop_lenght", "stft_hop_length"),
    ],
)
def test_an_unknown_keyword_is_refused_with_the_nearest_known_one(
    kind: type[BandSplitRotator], unknown: str, nearest: str
) -> None:
    with pytest.raises(TypeError, match=rf"{kind.__name__} has no keyword '{unknown}'; did you mean '{nearest}'\?"):
        kind(**SMALL, **{unknown: 1})


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"lucidrains_mel_values": True}, "lucidrains_mel_values=True is a way to mix values; set use_value_residual"),
        ({"hyper_connections": "2024"}, "hyper_connections='2024' needs num_residual_streams of at least 2"),
        ({"num_residual_streams": 2, "sinkhorn_iters": 2}, "hyper_connections='2024' iterates nothing"),
        ({"num_residual_streams": 0}, "num_residual_streams is at least 1, got 0"),
    ],
)
def test_refuses_what_contradicts_itself(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        MelBandRoformer(**SMALL, **keywords)
