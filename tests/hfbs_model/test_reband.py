"""A model carried to other bands: what stays exactly, what stays on the bins that are shared, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hfbs_filterbanks import BandLayout, contiguous_layout
from hfbs_model import BandSplitRotator, MaskEstimator, Parts, reband
from hfbs_model._shared_bins import _amounts, donors_of
from hfbs_model.mel_band_roformer import MelBandRoformer

LAYOUTS = st.from_type(BandLayout)
SPACINGS = st.sampled_from([0.5, 1.0, 2.0]) | st.floats(0.1, 4.0)
ENDS = ("band_split.", "mask_estimators.")


@st.composite
def partitions(draw: st.DrawFn, num_bins: int = 33) -> BandLayout:
    """Bands side by side."""
    cuts = sorted(draw(st.sets(st.integers(1, num_bins - 1), max_size=6)))
    return contiguous_layout(np.diff([0, *cuts, num_bins]).tolist())


def split_in_two(layout: BandLayout) -> BandLayout:
    halves = [half for band in layout.matrix for half in np.array_split(np.flatnonzero(band), 2) if len(half)]
    return BandLayout([np.isin(np.arange(layout.num_bins), half) for half in halves])


@torch.no_grad()
def unlike_new(model: BandSplitRotator) -> BandSplitRotator:
    """The model with every gain and bias drawn too, gains of either sign, and one gain zero."""
    for name, weight in model.named_parameters():
        if weight.ndim == 1 and not name.endswith("freqs"):
            weight.normal_()
    model.band_split.get_parameter("to_features.0.0.gamma")[0] = 0.0
    return model


def white(model: BandSplitRotator, frames: int = 5) -> Tensor:
    bins = model.layout.num_bins
    return torch.randn(1, model.audio_channels, bins, frames, dtype=torch.complex64)


def tokens_of(model: BandSplitRotator, spectrum: Tensor) -> Tensor:
    return model.band_split(model.band_gather.split(spectrum))


def tokens_without_bias(model: BandSplitRotator, spectrum: Tensor) -> Tensor:
    return tokens_of(model, spectrum) - tokens_of(model, torch.zeros_like(spectrum))


def assert_same_weights(model: BandSplitRotator, other: BandSplitRotator, tolerance: float | None = None) -> None:
    ours, theirs = model.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        if tolerance is None:
            assert torch.equal(weight, theirs[name]), name
        else:
            torch.testing.assert_close(weight, theirs[name], rtol=0, atol=tolerance, msg=name)


@settings(max_examples=40)
@given(layout=LAYOUTS | partitions(), stereo=st.booleans(), dtype=st.sampled_from([torch.float32, torch.float64]))
@example(layout=BandLayout(np.ones((3, 33))), stereo=False, dtype=torch.float32)
def test_unchanged_layout_gives_the_same_model_bit_for_bit(
    tiny: Any, layout: BandLayout, stereo: bool, dtype: torch.dtype
) -> None:
    model = unlike_new(tiny(mask_filter_bank=layout, stereo=stereo, num_stems=2)).to(dtype)
    carried = reband(model, layout)
    assert_same_weights(carried, model)
    audio = torch.randn(1, model.audio_channels, 100, dtype=dtype)
    assert torch.equal(carried(audio), model(audio))


@settings(max_examples=20)
@given(layout=LAYOUTS | partitions(), data=st.data())
def test_permuted_bands_take_their_weights_along(tiny: Any, layout: BandLayout, data: st.DataObject) -> None:
    assume(len(np.unique(layout.matrix, axis=0)) == layout.num_bands)
    order = data.draw(st.permutations(range(layout.num_bands)))
    model = unlike_new(tiny(mask_filter_bank=layout))
    carried = reband(model, BandLayout(layout.matrix[list(order)]))
    for new, old in enumerate(order):
        for ends in (("band_split.to_features",), ("mask_estimators", "0", "to_freqs")):
            path = ".".join(ends)
            ours, theirs = carried.get_submodule(f"{path}.{new}"), model.get_submodule(f"{path}.{old}")
            assert all(torch.equal(*pair) for pair in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert_same_weights(reband(carried, layout), model)


@settings(max_examples=20)
@given(layout=partitions(), data=st.data())
def test_permuted_bands_give_the_same_stems_where_attention_knows_no_positions(
    tiny: Any, layout: BandLayout, data: st.DataObject
) -> None:
    model = unlike_new(tiny(mask_filter_bank=layout)).double()
    for name, weight in model.named_parameters():
        if name.endswith("rotary_embed.freqs"):
            weight.zero_()
    carried = reband(model, BandLayout(layout.matrix[data.draw(st.permutations(range(layout.num_bands)))]))
    audio = torch.randn(1, 1, 100, dtype=torch.float64)
    torch.testing.assert_close(carried(audio), model(audio), rtol=0, atol=1e-9)


@settings(max_examples=30)
@given(old=partitions(), new=partitions(), stereo=st.booleans())
def test_tokens_are_the_old_ones_but_for_their_bias_where_all_that_sounds_is_shared(
    tiny: Any, old: BandLayout, new: BandLayout, stereo: bool
) -> None:
    model = unlike_new(tiny(mask_filter_bank=old, stereo=stereo))
    carried = reband(model, new)
    for n, b in np.argwhere(new.matrix.astype(int) @ old.matrix.T):
        spectrum = white(model) * torch.tensor(new.matrix[n] & old.matrix[b])[:, None]
        ours, theirs = tokens_without_bias(carried, spectrum), tokens_without_bias(model, spectrum)
        torch.testing.assert_close(ours[..., n, :], theirs[..., b, :], rtol=1e-4, atol=1e-4)


@settings(max_examples=20)
@given(layout=partitions())
def test_tokens_of_halves_are_those_of_the_whole_where_the_other_half_is_silent(tiny: Any, layout: BandLayout) -> None:
    model = unlike_new(tiny(mask_filter_bank=layout))
    halves = split_in_two(layout)
    carried = reband(model, halves)
    for half, members in enumerate(halves.matrix):
        band = int(np.flatnonzero((layout.matrix & members).any(axis=1))[0])
        spectrum = white(model) * torch.tensor(members)[:, None]
        torch.testing.assert_close(
            tokens_of(carried, spectrum)[..., half, :], tokens_of(model, spectrum)[..., band, :], rtol=1e-4, atol=1e-4
        )


@settings(max_examples=20)
@given(layout=partitions(), stereo=st.booleans())
def test_refining_and_then_coarsening_gives_the_model_back(tiny: Any, layout: BandLayout, stereo: bool) -> None:
    model = unlike_new(tiny(mask_filter_bank=layout, stereo=stereo)).double()
    there_and_back = reband(reband(model, split_in_two(layout)), layout)
    assert_same_weights(there_and_back, model, tolerance=1e-12)


@settings(max_examples=20)
@given(old=partitions(), new=partitions(), depth=st.integers(0, 2))
def test_masks_stay_where_they_do_not_depend_on_the_input(
    tiny: Any, old: BandLayout, new: BandLayout, depth: int
) -> None:
    model = unlike_new(tiny(mask_filter_bank=old, mask_estimator_depth=depth)).double()
    for name, weight in model.named_parameters():
        if name.endswith(f".0.{2 * depth}.weight"):
            weight.data.zero_()
    audio = torch.randn(1, 1, 100, dtype=torch.float64)
    torch.testing.assert_close(reband(model, new)(audio), model(audio), rtol=0, atol=1e-8)


@settings(max_examples=20)
@given(layout=partitions(), depth=st.integers(0, 2))
def test_mask_networks_of_a_refinement_give_for_each_token_what_they_gave(
    tiny: Any, layout: BandLayout, depth: int
) -> None:
    model = unlike_new(tiny(mask_filter_bank=layout, mask_estimator_depth=depth))
    halves = split_in_two(layout)
    carried = reband(model, halves)
    token = torch.randn(8)
    ours = carried.mask_estimators[0](token.expand(1, 1, halves.num_bands, -1))
    theirs = model.mask_estimators[0](token.expand(1, 1, layout.num_bands, -1))
    torch.testing.assert_close(carried.band_gather.merge(ours[:, None]), model.band_gather.merge(theirs[:, None]))


@settings(max_examples=30)
@given(old=LAYOUTS, new=LAYOUTS | partitions(), depth=st.integers(0, 2), num_stems=st.integers(1, 2))
def test_any_layout_gives_a_whole_model_of_its_own(
    tiny: Any, old: BandLayout, new: BandLayout, depth: int, num_stems: int
) -> None:
    model = unlike_new(tiny(mask_filter_bank=old, mask_estimator_depth=depth, num_stems=num_stems))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    carried = reband(model, new)
    assert carried.layout == new
    assert all(weight.isfinite().all() for weight in carried.state_dict().values())
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    same_norms = {"norm_output": not old.is_partition, "final_norm": old.is_partition}
    fresh = tiny(mask_filter_bank=new, mask_estimator_depth=depth, num_stems=num_stems, **same_norms)
    fresh.load_state_dict(carried.state_dict())
    BandSplitRotator(**carried.keywords).load_state_dict(carried.state_dict())
    owned = {weight.untyped_storage().data_ptr() for weight in model.state_dict().values()}
    assert owned.isdisjoint(weight.untyped_storage().data_ptr() for weight in carried.state_dict().values())
    assert torch.isfinite(carried(torch.randn(1, 1, 100))).all()


@given(old=LAYOUTS | partitions(), new=LAYOUTS | partitions(), spacing=SPACINGS)
def test_each_bin_of_a_new_band_is_wholly_made_of_bins_of_its_donors(
    old: BandLayout, new: BandLayout, spacing: float
) -> None:
    for width, donors in zip(new.widths, donors_of(old, new, spacing), strict=True):
        assert sum(donor.share for donor in donors) == pytest.approx(1)
        assert min(donor.share for donor in donors) > 0
        np.testing.assert_allclose(sum(donor.bins.sum(axis=1) for donor in donors), np.ones(width))
        assert all(donor.bins.shape == (width, old.widths[donor.band]) for donor in donors)
        assert min(donor.bins.min() for donor in donors) >= 0


@given(
    matrix=st.integers(1, 6).flatmap(lambda n: st.lists(st.tuples(*[st.integers(0, 3)] * n), min_size=1, max_size=8))
)
def test_amounts_are_the_best_of_those_that_are_not_negative(matrix: list[tuple[int, ...]]) -> None:
    columns = np.array(matrix, dtype=float)
    gram, product = columns.T @ columns, columns.sum(axis=0)
    assume(product.max() > 0)
    amounts = _amounts(gram, product)
    slope = product - gram @ amounts
    assert amounts.min() >= 0
    assert slope.max() <= 1e-6
    assert np.abs(slope[amounts > 0]).max(initial=0) <= 1e-6


@pytest.mark.parametrize("spacing", [1.0, 0.5, 2.0])
def test_a_model_of_overlapping_bands_on_other_bins_is_made_band_by_band(spacing: float) -> None:
    matrix = np.array([[1] * 12 + [0] * 21, [0] * 6 + [1] * 14 + [0] * 13, [0] * 12 + [1] * 21], dtype=bool)
    places = np.rint(np.arange(round(32 / spacing) + 1) * spacing).astype(int)
    donors = donors_of(BandLayout(matrix), BandLayout(matrix[:, places]), spacing)
    mains = [max(made_of, key=lambda donor: donor.share) for made_of in donors]
    assert [donor.band for donor in mains] == [0, 1, 2]
    assert min(donor.share for donor in mains) > 0.85


@pytest.mark.parametrize("stereo", [False, True])
def test_bins_are_matched_by_frequency_and_phase(tiny: Any, stereo: bool) -> None:
    model = unlike_new(tiny(stereo=stereo))
    carried = reband(model, contiguous_layout((6, 10, 18, 31)), stft_n_fft=128)  # the window stays
    audio = torch.randn(model.audio_channels, 400)

    def spectrum(n_fft: int) -> Tensor:
        window = torch.hann_window(64)
        return torch.stft(audio, n_fft, 16, 64, window, return_complex=True)[None]

    coarse, fine = spectrum(64), spectrum(128)
    fine[:, :, 1::2] = 0  # of what lies between the old bins, the old model knew nothing
    ours, theirs = tokens_without_bias(carried, fine), tokens_without_bias(model, coarse)
    scale = (ours * theirs).sum() / theirs.square().sum()
    torch.testing.assert_close(ours, scale * theirs, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        carried.band_gather.merge(carried.mask_estimators[0](torch.ones(1, 1, 4, 8))[:, None])[:, :, :, ::2],
        model.band_gather.merge(model.mask_estimators[0](torch.ones(1, 1, 4, 8))[:, None]),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize(("n_fft", "win_length"), [(128, 64), (128, 128), (64, 32), (96, 96), (48, 48)])
def test_tokens_of_white_noise_keep_their_variance_on_other_bins(tiny: Any, n_fft: int, win_length: int) -> None:
    model = tiny(freqs_per_bands=(11, 11, 11), stft_hop_length=16)
    third = (n_fft // 2 + 1) // 3
    carried = reband(
        model,
        contiguous_layout((third, third, n_fft // 2 + 1 - 2 * third)),
        stft_n_fft=n_fft,
        stft_win_length=win_length,
    )

    def power(of: BandSplitRotator) -> Tensor:
        settings = of.stft_settings
        noise = torch.randn(1, 40000, generator=torch.Generator().manual_seed(0))
        window = torch.hann_window(settings.win_length)
        spectrum = torch.stft(noise, settings.n_fft, 16, settings.win_length, window, return_complex=True)
        return tokens_without_bias(of, spectrum[None]).square().mean(dim=(0, 1, 3))

    with torch.no_grad():
        ratio = power(carried) / power(model)
    assert ratio.mean().item() == pytest.approx(1, abs=0.15)


def test_only_the_topmost_old_band_speaks_for_what_lies_above_it(tiny: Any) -> None:
    old = contiguous_layout((3, 5, 9, 16))
    donors = donors_of(old, contiguous_layout((2, 4, 10, 17)), 48000 / 24000)
    assert [[donor.band for donor in made_of] for made_of in donors[-1:]] == [[3]]
    carried = reband(tiny(), contiguous_layout((2, 4, 10, 17)), sample_rates=(24000, 48000))
    assert torch.isfinite(carried(torch.randn(1, 1, 100))).all()


def test_what_is_not_about_bands_stays(tiny: Any) -> None:
    model = tiny(num_stems=3, zero_dc=False, scale=0.7, skip_connection=True, depth=2, norm_output=True).half().train()
    carried = reband(model, split_in_two(model.layout), stft_hop_length=8)
    assert carried.training
    assert {weight.dtype for weight in carried.band_split.parameters()} == {torch.float16}
    for name, weight in model.state_dict().items():
        assert carried.state_dict()[name].dtype == weight.dtype or name.startswith(ENDS)
        assert name.startswith(ENDS) or name.endswith("freqs") or torch.equal(carried.state_dict()[name], weight)
    changed = {name for name, value in carried.keywords.items() if value != model.keywords[name]}
    assert changed == {"freqs_per_bands", "mask_filter_bank", "final_norm", "stft_hop_length"}
    assert (carried.keywords["norm_output"], carried.keywords["final_norm"]) == (True, True)
    assert all(weight.requires_grad for weight in carried.band_split.parameters())


@pytest.mark.parametrize("linear_transformer_depth", [0, 1])
@pytest.mark.parametrize("use_pope", [False, True])
def test_positions_stay_as_far_apart_in_time_and_in_frequency(
    tiny: Any, use_pope: bool, linear_transformer_depth: int
) -> None:
    model = tiny(use_pope=use_pope, linear_transformer_depth=linear_transformer_depth)
    same_hertz = contiguous_layout((3, 5, 9, 16, *[16] * 2))
    halves = split_in_two(model.layout)
    for changes, frame_step, band_step in (
        ({"layout": halves}, 1, 0.5),
        ({"layout": model.layout, "stft_hop_length": 8}, 0.5, 1),
        ({"layout": model.layout, "sample_rates": (100, 200), "stft_hop_length": 32}, 1, 4 / 3),
        ({"layout": same_hertz, "sample_rates": (100, 200), "stft_n_fft": 128}, 0.5, 1),
    ):
        carried = reband(model, **changes)
        for axis, step in ((linear_transformer_depth, frame_step), (linear_transformer_depth + 1, band_step)):
            ours, theirs = (of.get_submodule(f"layers.0.{axis}").state_dict() for of in (carried, model))
            frequencies = [name for name in theirs if name.endswith("freqs")]
            assert len(frequencies) == 1
            assert all(torch.equal(ours[name], step * theirs[name]) for name in frequencies)


def test_norms_stay_where_the_new_layout_suggests_other_ones(tiny: Any) -> None:
    overlapping = BandLayout(np.ones((2, 33)))
    assert isinstance(reband(tiny(), overlapping).final_norm, type(tiny().final_norm))
    model = tiny(mask_filter_bank=overlapping)
    assert isinstance(reband(model, tiny().layout).final_norm, nn.Identity)


def test_models_of_msst_s_classes_are_carried_too() -> None:
    keywords: dict[str, Any] = {"dim": 8, "depth": 1, "heads": 1, "dim_head": 4, "num_bands": 60}
    model = MelBandRoformer(**keywords, mlp_expansion_factor=1).eval()
    audio = torch.randn(1, 1, 3000)
    torch.testing.assert_close(reband(model, model.layout)(audio).reshape(-1), model(audio).reshape(-1))


def test_parts_come_along(tiny: Any) -> None:
    parts = Parts(mask_estimator=lambda *args, **keywords: MaskEstimator(*args, **keywords, activation=nn.ReLU))
    carried = reband(tiny(parts=parts), contiguous_layout((1,) * 33))
    assert carried.parts is parts
    assert isinstance(carried.get_submodule("mask_estimators.0.to_freqs.32.0.1"), nn.ReLU)


def test_the_same_is_made_at_each_call_and_no_one_s_random_numbers_change(tiny: Any) -> None:
    model = tiny()
    state = torch.get_rng_state()
    first = reband(model, contiguous_layout((10, 10, 13)))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    assert_same_weights(reband(model, contiguous_layout((10, 10, 13))), first)


class OtherEstimator(MaskEstimator):
    """Of another class, and so not known."""


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda model, layout: reband(nn.Linear(1, 1), layout), TypeError, ("BandSplitRotator", "Linear")),  # type: ignore
        (lambda model, layout: reband(model, layout.matrix), TypeError, ("BandLayout", "ndarray")),
        (
            lambda model, layout: reband(model, contiguous_layout((3, 5))),
            ValueError,
            ("33 bins", "8 bins", "stft_n_fft=14"),
        ),
        (
            lambda model, layout: reband(model, layout, stft_n_fft=32, stft_win_length=32),
            ValueError,
            ("17 bins", "33 bins", "stft_n_fft=64"),
        ),
        (lambda model, layout: reband(model, layout, stft_n_fft=32), ValueError, ("stft_win_length", "32", "64")),
        (lambda model, layout: reband(model, layout, stft_n_fft=0), ValueError, ("stft_n_fft", "even", "0")),
        (lambda model, layout: reband(model, layout, stft_hop_length=60), ValueError, ("stft_hop_length", "60")),
        (
            lambda model, layout: reband(model, layout, sample_rates=(0, 44100)),
            ValueError,
            ("sample_rates", "above 0", "(0, 44100)", "(44100, 48000)"),
        ),
    ],
)
def test_what_cannot_be_carried_is_refused(
    tiny: Any, call: Any, error: type[Exception], words: tuple[str, ...]
) -> None:
    model = tiny()
    with pytest.raises(error) as caught:
        call(model, model.layout)
    assert [word for word in words if word not in str(caught.value)] == []


def test_other_parts_at_the_ends_are_refused_by_name(tiny: Any) -> None:
    with pytest.raises(TypeError, match="MaskEstimator, but this model has OtherEstimator in its place"):
        reband(tiny(parts=Parts(mask_estimator=OtherEstimator)), tiny().layout)


def test_a_model_of_a_range_of_bins_keeps_its_bins(tiny: Any) -> None:
    model = unlike_new(tiny(freq_range=(3, 30), freqs_per_bands=(7, 20)))
    assert_same_weights(reband(model, model.layout), model)
    with pytest.raises(ValueError, match=r"freq_range=\(3, 30\) keeps its stft_n_fft .* got 128 after 64"):
        reband(model, model.layout, stft_n_fft=128)
