"""From waveform to spectrum and back: exact for any length, and refused where it cannot be."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from hfbs_model import ParametersSTFT
from hfbs_model._stft import WindowFunction, istft, stft

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-5}


def short_hann(win_length: int, share_of_zeros: float = 1 / 3, **placement: Any) -> Tensor:
    """A Hann window in the middle, zeros beside it."""
    side = int(win_length * share_of_zeros / 2)
    return torch.nn.functional.pad(torch.hann_window(win_length - 2 * side, **placement), (side, side))


def late_hann(win_length: int, **placement: Any) -> Tensor:
    """A Hann window that is not symmetric: its peak is at three quarters."""
    early = torch.linspace(0, 1, win_length + 1, **placement)[:-1] ** 2.4
    return torch.sin(torch.pi * early).square()


WINDOWS: dict[str, WindowFunction] = {
    "hann": torch.hann_window,
    "hamming": torch.hamming_window,
    "blackman": torch.blackman_window,
    "kaiser": partial(torch.kaiser_window, periodic=True, beta=6.0),
    "ones": torch.ones,
    "symmetric hann": partial(torch.hann_window, periodic=False),
    "late hann": late_hann,
}


@st.composite
def transforms(draw: st.DrawFn) -> ParametersSTFT:
    n_fft = 2 * draw(st.integers(4, 96))
    win_length = draw(st.just(n_fft) | st.integers(max(4, n_fft // 4), n_fft))
    hop_length = draw(st.just(win_length // 2) | st.integers(1, win_length // 2))
    return ParametersSTFT(
        n_fft,
        hop_length,
        win_length,
        normalized=draw(st.booleans()),
        window_fn=WINDOWS[draw(st.sampled_from(list(WINDOWS)))],
    )


@st.composite
def lengths(draw: st.DrawFn, transform: ParametersSTFT) -> int:
    """Any length, and those just before a multiple of the hop, whose last samples the last frame hardly reaches."""
    hops = draw(st.integers(0, 12))
    return max(1, hops * transform.hop_length + draw(st.integers(-3, 1) | st.integers(0, transform.hop_length)))


@given(data=st.data(), transform=transforms(), dtype=st.sampled_from(list(TOLERANCES)), seed=st.integers(0, 999))
def test_forth_and_back_is_the_identity(
    data: st.DataObject, transform: ParametersSTFT, dtype: torch.dtype, seed: int
) -> None:
    length = data.draw(lengths(transform), label="length")
    audio = torch.rand(2, length, dtype=dtype, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    spectrum = stft(audio, transform)
    assert spectrum.shape[:2] == (2, transform.num_bins)
    back = istft(spectrum, transform, length)
    assert back.dtype == dtype
    torch.testing.assert_close(back, audio, rtol=0, atol=TOLERANCES[dtype])


@pytest.mark.parametrize("length", [1, 2, 511, 512, 513, 1023, 1024, 1025, 4607, 4608, 11025])
@pytest.mark.parametrize("hop_length", [441, 512, 882, 1024])
def test_forth_and_back_is_the_identity_at_published_settings(length: int, hop_length: int) -> None:
    transform = ParametersSTFT(hop_length=hop_length)
    audio = torch.rand(1, length) * 2 - 1
    torch.testing.assert_close(istft(stft(audio, transform), transform, length), audio, rtol=0, atol=1e-5)


@given(transform=transforms(), frame=st.integers(0, 8), seed=st.integers(0, 999))
@example(transform=ParametersSTFT(8, 2, 6), frame=0, seed=0)
def test_each_frame_is_the_transform_of_the_windowed_samples_around_it(
    transform: ParametersSTFT, frame: int, seed: int
) -> None:
    audio = np.random.default_rng(seed).standard_normal(8 * transform.hop_length + transform.n_fft)
    spectrum = stft(torch.from_numpy(audio), transform).numpy()
    half = transform.n_fft // 2
    window = np.zeros(transform.n_fft)
    left = (transform.n_fft - transform.win_length) // 2
    window[left : left + transform.win_length] = transform.window(torch.device("cpu"), torch.float64).numpy()
    mirrored = np.pad(audio, half, mode="reflect")
    around = mirrored[frame * transform.hop_length :][: transform.n_fft]
    expected = np.fft.rfft(window * around) / (transform.n_fft**0.5 if transform.normalized else 1.0)
    np.testing.assert_allclose(spectrum[:, frame], expected, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_spectrum_of_half_precision_is_float32_also_under_autocast(dtype: torch.dtype) -> None:
    transform = ParametersSTFT(64, 16, 64)
    audio = torch.rand(1, 200).to(dtype)
    expected = stft(audio.float(), transform)
    with torch.autocast("cpu", torch.bfloat16):
        spectrum = stft(audio, transform)
        back = istft(spectrum, transform, 200)
    assert spectrum.dtype == torch.complex64
    assert torch.equal(spectrum, expected)
    torch.testing.assert_close(back, audio.float())


def test_nothing_of_a_spectrum_is_nothing() -> None:
    transform = ParametersSTFT(64, 16, 64)
    assert istft(stft(torch.rand(3, 2, 40), transform), transform, 0).shape == (3, 2, 0)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"hop_length": 33}, r"stft_hop_length is .* at most half of stft_win_length=64, .* got 33"),
        ({"hop_length": 0}, "stft_hop_length is at least 1 .* got 0"),
        ({"win_length": 65}, "stft_win_length is at least 1 and at most stft_n_fft=64, got 65"),
        ({"win_length": 0}, "stft_win_length is at least 1 .* got 0"),
        ({"win_length": 1}, "stft_hop_length is at least 1 and at most half of stft_win_length=1, .* got 16"),
        ({"n_fft": 63}, "stft_n_fft is an even number of samples, at least 2, got 63"),
        ({"n_fft": 0}, "stft_n_fft is an even number of samples, at least 2, got 0"),
        ({"window_fn": torch.zeros}, "stft_window_fn leaves samples with no weight at stft_hop_length=16; use"),
        (
            {"window_fn": partial(short_hann, share_of_zeros=0.6), "hop_length": 32},
            "leaves samples with no weight .* hop",
        ),
        ({"window_fn": lambda n, **_: torch.ones(n - 1)}, r"stft_window_fn gives \(64,\) .* got \(63,\)"),
    ],
)
def test_refuses_settings_from_which_the_signal_cannot_be_recovered(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParametersSTFT(**{"n_fft": 64, "hop_length": 16, "win_length": 64, **keywords})


def ends_later(win_length: int, **placement: Any) -> Tensor:
    """Weight in the last quarter only: the first samples of a signal are in no frame."""
    return (torch.arange(win_length, **placement) >= 0.75 * win_length).to(placement["dtype"])


def test_refuses_a_window_that_does_not_reach_the_first_samples() -> None:
    with pytest.raises(ValueError, match="stft_window_fn leaves samples with no weight"):
        ParametersSTFT(64, 16, 64, window_fn=ends_later)


@settings(max_examples=50)
@given(length=st.integers(1, 300), hop_length=st.integers(1, 32))
def test_a_window_with_zeros_at_its_ends_serves_any_length(length: int, hop_length: int) -> None:
    """Also where no frame but one after the end reaches the last samples."""
    transform = ParametersSTFT(64, hop_length, 64, window_fn=short_hann)
    audio = torch.rand(1, length, dtype=torch.float64) * 2 - 1
    torch.testing.assert_close(istft(stft(audio, transform), transform, length), audio, rtol=0, atol=1e-9)
