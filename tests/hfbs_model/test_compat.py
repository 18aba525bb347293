"""The compat classes are MSST's classes of that name: constructor, shapes, lengths, and what a depth means."""

from inspect import Parameter, signature
from typing import Any

import pytest
import torch
from torch import nn

from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS
from hfbs_model import BandSplitRotator
from hfbs_model.bs_roformer import BSRoformer
from hfbs_model.mel_band_roformer import MelBandRoformer

REQUIRED = Parameter.empty
# Constructors of MSST's models/bs_roformer/bs_roformer.py and mel_band_roformer.py, 2026-02: names, order and defaults.
BS: dict[str, Any] = {
    "dim": REQUIRED,
    "depth": REQUIRED,
    "stereo": False,
    "num_stems": 1,
    "time_transformer_depth": 2,
    "freq_transformer_depth": 2,
    "linear_transformer_depth": 0,
    "freqs_per_bands": (2,) * 24 + (4,) * 12 + (12,) * 8 + (24,) * 8 + (48,) * 8 + (128, 129),
    "dim_head": 64,
    "heads": 8,
    "attn_dropout": 0.0,
    "ff_dropout": 0.0,
    "flash_attn": True,
    "dim_freqs_in": 1025,
    "stft_n_fft": 2048,
    "stft_hop_length": 512,
    "stft_win_length": 2048,
    "stft_normalized": False,
    "stft_window_fn": None,
    "zero_dc": True,
    "mask_estimator_depth": 2,
    "multi_stft_resolution_loss_weight": 1.0,
    "multi_stft_resolutions_window_sizes": (4096, 2048, 1024, 512, 256),
    "multi_stft_hop_size": 147,
    "multi_stft_normalized": False,
    "multi_stft_window_fn": torch.hann_window,
    "mlp_expansion_factor": 4,
    "use_torch_checkpoint": False,
    "skip_connection": False,
    "use_pope": False,
}
MEL: dict[str, Any] = {
    "dim": REQUIRED,
    "depth": REQUIRED,
    "stereo": False,
    "num_stems": 1,
    "time_transformer_depth": 2,
    "freq_transformer_depth": 2,
    "linear_transformer_depth": 0,
    "num_bands": 60,
    "dim_head": 64,
    "heads": 8,
    "attn_dropout": 0.1,
    "ff_dropout": 0.1,
    "flash_attn": True,
    "dim_freqs_in": 1025,
    "sample_rate": 44100,
    "stft_n_fft": 2048,
    "stft_hop_length": 512,
    "stft_win_length": 2048,
    "stft_normalized": False,
    "stft_window_fn": None,
    "zero_dc": True,
    "mask_estimator_depth": 1,
    "multi_stft_resolution_loss_weight": 1.0,
    "multi_stft_resolutions_window_sizes": (4096, 2048, 1024, 512, 256),
    "multi_stft_hop_size": 147,
    "multi_stft_normalized": False,
    "multi_stft_window_fn": torch.hann_window,
    "match_input_audio_length": False,
    "mlp_expansion_factor": 4,
    "use_torch_checkpoint": False,
    "skip_connection": False,
    "use_pope": False,
}
# Not in those files: MSST removed the first in January 2026 and has the second in its experimental classes; the third
# is for the classes of hfbs-experimental, which are built on these.
OURS = {"sage_attention": False, "use_value_residual_learning": False, "parts": None}
TABLES: dict[type[BandSplitRotator], dict[str, Any]] = {BSRoformer: BS, MelBandRoformer: MEL}
TINY: dict[str, Any] = {"dim": 4, "depth": 1, "heads": 1, "dim_head": 4, "mlp_expansion_factor": 1}


@pytest.mark.parametrize("kind", TABLES)
def test_constructor_is_mssts(kind: type[BandSplitRotator]) -> None:
    ours = {name: p for name, p in signature(kind).parameters.items() if p.kind is not Parameter.VAR_KEYWORD}
    assert [(name, p.default) for name, p in ours.items()] == list((TABLES[kind] | OURS).items())
    assert ours["dim"].kind is Parameter.POSITIONAL_OR_KEYWORD
    assert {p.kind for name, p in ours.items() if name != "dim"} == {Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("kind", TABLES)
def test_defaults_build_what_the_rotator_builds_from_the_same_words(kind: type[BandSplitRotator]) -> None:
    torch.manual_seed(0)
    shell = kind(8, depth=1).eval()
    bands: dict[str, Any] = (
        {"freqs_per_bands": DEFAULT_FREQS_PER_BANDS} if kind is BSRoformer else {"num_bands": 60, "sample_rate": 44100}
    )
    torch.manual_seed(0)
    plain = BandSplitRotator(8, depth=1, mask_estimator_depth=1, **bands).eval()
    assert shell.layout == plain.layout
    audio = torch.randn(1, 1, 4096)
    assert shell.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(shell(audio).view(-1), plain(audio).view(-1))


@pytest.mark.parametrize(("stereo", "num_stems"), [(False, 1), (True, 1), (True, 3)])
@pytest.mark.parametrize("length", [300, 2048, 5000])
@torch.no_grad()
def test_bs_gives_all_axes_and_all_samples(stereo: bool, num_stems: int, length: int) -> None:
    model = BSRoformer(**TINY, stereo=stereo, num_stems=num_stems).eval()
    channels = 2 if stereo else 1
    assert model(torch.randn(2, channels, length)).shape == (2, num_stems, channels, length)


@pytest.mark.parametrize(("stereo", "num_stems"), [(False, 1), (True, 1), (True, 3)])
@pytest.mark.parametrize(("length", "hop_length", "kept"), [(300, 512, 0), (11025, 512, 10752), (2048, 441, 1764)])
@torch.no_grad()
def test_mel_gives_whole_hops_and_one_stem_without_its_axis(
    stereo: bool, num_stems: int, length: int, hop_length: int, kept: int
) -> None:
    channels = 2 if stereo else 1
    audio = torch.randn(2, channels, length)
    stems = () if num_stems == 1 else (num_stems,)
    keywords = TINY | {"stereo": stereo, "num_stems": num_stems, "stft_hop_length": hop_length}
    assert MelBandRoformer(**keywords).eval()(audio).shape == (2, *stems, channels, kept)
    model = MelBandRoformer(**keywords, match_input_audio_length=True).eval()
    assert model(audio).shape == (2, *stems, channels, length)
    assert model(audio, active_stem_ids=[0]).shape == (2, channels, length)


@pytest.mark.parametrize("return_loss_breakdown", [False, True])
@pytest.mark.parametrize("num_stems", [1, 2])
def test_mel_compares_both_channels_of_one_stem(num_stems: int, return_loss_breakdown: bool) -> None:
    """MSST's class compares both estimates with the left channel's truth."""
    model = MelBandRoformer(**TINY, stereo=True, num_stems=num_stems, attn_dropout=0.0, ff_dropout=0.0)
    audio, target = torch.randn(1, 2, 2048), torch.randn(1, num_stems, 2, 2048)
    result = model(audio, target, return_loss_breakdown=True)
    total, (waveform, _) = result
    estimate = model(audio).reshape(1, num_stems, 2, 2048)
    torch.testing.assert_close(waveform, (estimate - target).abs().mean())
    if not return_loss_breakdown:
        assert torch.equal(model(audio, target), total)
    if num_stems == 1:
        assert torch.equal(model(audio, target[:, 0]), total)


@pytest.mark.parametrize(
    ("kind", "depth", "hidden"),
    [
        (BSRoformer, 1, 0),
        (BSRoformer, 2, 1),
        (BSRoformer, 3, 2),
        (MelBandRoformer, 0, 0),
        (MelBandRoformer, 1, 1),
        (MelBandRoformer, 2, 2),
        (BandSplitRotator, 0, 0),
        (BandSplitRotator, 2, 2),
    ],
)
def test_mask_estimator_depth_means_what_upstreams_file_means(
    kind: type[BandSplitRotator], depth: int, hidden: int
) -> None:
    model = kind(**TINY, mask_estimator_depth=depth)
    linear = [module for module in model.mask_estimators[0].modules() if isinstance(module, nn.Linear)]
    assert len(linear) == (hidden + 1) * model.layout.num_bands


@pytest.mark.parametrize(("kind", "least"), [(BSRoformer, 1), (MelBandRoformer, 0)])
def test_refuses_a_mask_estimator_without_a_layer(kind: type[BandSplitRotator], least: int) -> None:
    with pytest.raises(ValueError, match=rf"mask_estimator_depth of a \w+ model is at least {least}, got {least - 1}"):
        kind(**TINY, mask_estimator_depth=least - 1)


@pytest.mark.parametrize("kind", TABLES)
def test_dim_freqs_in_is_checked_but_for_its_default(kind: type[BandSplitRotator]) -> None:
    with pytest.raises(ValueError, match=r"dim_freqs_in is stft_n_fft // 2 \+ 1 = 1025, got 1000"):
        kind(**TINY, dim_freqs_in=1000)
    bands: dict[str, Any] = {"freqs_per_bands": (9, 2040)} if kind is BSRoformer else {}
    for dim_freqs_in in (1025, 2049):
        model = kind(**TINY, **bands, stft_n_fft=4096, stft_win_length=4096, dim_freqs_in=dim_freqs_in)
        assert model.layout.num_bins == 2049
