"""Where we differ from upstream on purpose, upstream's fault shown next to what we do."""

import warnings

import pytest
import torch
from torch import Tensor, nn

from hfbs_model import BandSplitRotator
from parity.cases import SMALL, Case, mel
from parity.oracles import LucidrainsMel, build, our_keywords, renamed


def plain_bs() -> tuple[nn.Module, BandSplitRotator]:
    case = Case("lucidrains BS", 11025, {"depth": 1, "stereo": True, "num_stems": 2})
    theirs, ours = build(case), BandSplitRotator(**our_keywords(case))
    ours.load_state_dict(renamed(theirs.state_dict(), case))
    return theirs, ours


def test_loss_equals_that_of_lucidrains_bs() -> None:
    torch.manual_seed(1)
    theirs, ours = plain_bs()
    mixture, target = torch.randn(2, 2, 11025), torch.randn(2, 2, 2, 11025)
    their_total, their_terms = theirs(mixture, target, return_loss_breakdown=True)
    our_total, our_terms = ours(mixture, target, return_loss_breakdown=True)
    torch.testing.assert_close(our_total, their_total, rtol=1e-5, atol=0)
    torch.testing.assert_close(our_terms, their_terms, rtol=1e-5, atol=0)


@pytest.mark.parametrize("length", [1, 700, 1024])
def test_audio_too_short_to_mirror_is_separated_where_upstream_fails(length: int) -> None:
    torch.manual_seed(2)
    theirs, ours = plain_bs()
    mixture = torch.randn(1, 2, length)
    with pytest.raises(RuntimeError, match="Padding size should be less than"):
        theirs(mixture)
    ours.match_input_audio_length = True
    stems = ours(mixture)
    assert stems.shape == (1, 2, 2, length)
    assert stems.isfinite().all()


def test_all_samples_come_back_where_upstream_cuts_to_whole_hops() -> None:
    torch.manual_seed(3)
    theirs, ours = plain_bs()
    mixture = torch.randn(1, 2, 11025)
    assert theirs(mixture).shape[-1] == 11025 // 512 * 512
    ours.match_input_audio_length = True
    stems = ours(mixture)
    assert stems.shape[-1] == 11025
    torch.testing.assert_close(stems[..., : 11025 // 512 * 512], theirs(mixture), rtol=0, atol=1e-5)


def test_value_residual_of_lucidrains_mel_is_ours_once_its_swapped_lerp_is_put_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """lucidrains' Mel model calls ``v.lerp(mix, value_residual)``: from v to the gate, by the other values."""
    torch.manual_seed(4)
    keywords = SMALL | mel() | {"stereo": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = LucidrainsMel(
            **keywords,
            linear_transformer_depth=0,
            attn_dropout=0.0,
            ff_dropout=0.0,
            num_residual_streams=1,
            flash_attn=False,
            match_input_audio_length=True,
        )
    ours = BandSplitRotator(**keywords, use_value_residual_learning=True, zero_dc=False)
    names = renamed(theirs.state_dict(), Case("lucidrains Mel", 11025))
    ours.load_state_dict(
        {
            name.replace("learned_value_residual_mix.0.", "to_value_residual_mix."): tensor
            for name, tensor in names.items()
        }
    )
    mixture = torch.randn(1, 2, 11025)
    stems = ours(mixture).squeeze(1)
    assert (stems - theirs(mixture)).abs().max() > 1e-4 * stems.abs().max()

    def swapped(v: Tensor, gate: Tensor, value_residual: Tensor) -> Tensor:
        return torch.lerp(v, value_residual, gate)

    monkeypatch.setattr(torch.Tensor, "lerp", swapped)
    torch.testing.assert_close(stems, theirs(mixture), rtol=0, atol=1e-5 * stems.abs().max().item())
