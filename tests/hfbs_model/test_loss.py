"""The loss equals a straightforward reference, for any length from one sample up."""

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import gradcheck
from torch.autograd.graph import saved_tensors_hooks

from hfbs_model import ParametersComputeLoss, lossComputation, spectral_error


def spectra(audio: NDArray[Any], size: int, loss: ParametersComputeLoss) -> NDArray[Any]:
    """(time,) → (frame, bin), frame by frame."""
    n_fft = max(size, loss.n_fft)
    audio = np.pad(audio, (0, max(0, n_fft // 2 + 1 - len(audio))))
    mirrored = np.pad(audio, n_fft // 2, mode="reflect")
    window = np.zeros(n_fft)
    left = (n_fft - size) // 2
    window[left : left + size] = np.asarray(loss.window_fn(size, dtype=torch.float64, device=torch.device("cpu")))
    frames = [
        np.fft.rfft(mirrored[start : start + n_fft] * window)
        for start in range(0, len(mirrored) - n_fft + 1, loss.hop_length)
    ]
    return np.array(frames) / (np.sqrt(n_fft) if loss.normalized else 1)


@settings(max_examples=60)
@given(
    length=st.integers(1, 200),
    longer=st.integers(0, 9),
    stem_ids=st.permutations(range(3)).flatmap(lambda order: st.integers(1, 3).map(lambda count: order[:count])),
    sizes=st.lists(st.integers(2, 64), min_size=1, max_size=3).map(tuple),
    hop_length=st.integers(1, 40),
    half=st.integers(1, 32),
    normalized=st.booleans(),
    weight=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    window_fn=st.sampled_from([torch.hann_window, torch.hamming_window, torch.ones]),
)
def test_loss_is_the_error_of_waveform_and_spectra(
    length: int,
    longer: int,
    stem_ids: list[int],
    sizes: tuple[int, ...],
    hop_length: int,
    half: int,
    normalized: bool,
    weight: float,
    window_fn: Any,
) -> None:
    loss = ParametersComputeLoss(sizes, hop_length, 2 * half, normalized, weight, window_fn)
    estimate = torch.randn(2, len(stem_ids), 2, length, dtype=torch.float64)
    target = torch.randn(2, 3, 2, length + longer, dtype=torch.float64)
    total, terms = lossComputation(estimate, target, stem_ids, loss, return_loss_breakdown=True)

    truth = target.numpy()[:, stem_ids, :, :length]
    waveform = np.abs(estimate.numpy() - truth).mean()
    pairs = list(zip(estimate.numpy().reshape(-1, length), truth.reshape(-1, length), strict=True))
    spectral = sum(
        np.mean([np.abs(spectra(ours, size, loss) - spectra(theirs, size, loss)).mean() for ours, theirs in pairs])
        for size in sizes
    )
    np.testing.assert_allclose([term.item() for term in terms], [waveform, spectral], rtol=1e-10)
    np.testing.assert_allclose(total.item(), waveform + weight * spectral, rtol=1e-10)
    assert torch.equal(lossComputation(estimate, target, stem_ids, loss), total)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 100), shape=st.lists(st.integers(1, 3), max_size=3))
def test_the_spectral_error_of_a_signal_is_what_it_has_alone(seed: int, length: int, shape: list[int]) -> None:
    generator = torch.Generator().manual_seed(seed)
    errors = torch.randn(*shape, length, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(shape, generator=generator, dtype=torch.float64)
    loss = ParametersComputeLoss((32, 64), 8, 64)
    together = spectral_error(errors, loss)
    assert together.shape == tuple(shape)
    (gradient,) = torch.autograd.grad((weights * together).sum(), errors)
    for place in np.ndindex(*shape):
        alone = errors[place].detach().requires_grad_()
        error = spectral_error(alone, loss)
        torch.testing.assert_close(error, together[place])
        torch.testing.assert_close(torch.autograd.grad(weights[place] * error, alone)[0], gradient[place])


@given(length=st.integers(1, 100))
@settings(max_examples=30)
def test_a_perfect_estimate_has_no_loss(length: int) -> None:
    target = torch.randn(1, 2, 1, length)
    assert lossComputation(target, target, [0, 1], ParametersComputeLoss((32, 64), 8, 64)) == 0


@pytest.mark.parametrize("length", [1, 2, 1024, 1025, 2048, 2049, 5000])
def test_the_published_settings_take_any_length(length: int) -> None:
    """Windows up to 4096 samples need audio of more than 2048, unless it is lengthened."""
    estimate, target = torch.randn(1, 1, 2, length, requires_grad=True), torch.randn(1, 1, 2, length)
    loss = lossComputation(estimate, target, [0], ParametersComputeLoss())
    loss.backward()
    assert loss.isfinite()
    assert estimate.grad is not None
    assert estimate.grad.isfinite().all()


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, 40), normalized=st.booleans())
def test_the_gradient_is_that_of_finite_differences(seed: int, length: int, normalized: bool) -> None:
    torch.manual_seed(seed)
    target = torch.randn(2, 2, 1, length, dtype=torch.float64)
    estimate = torch.randn_like(target).requires_grad_()
    loss = ParametersComputeLoss((16, 32), 7, 16, normalized, 0.3)
    assert gradcheck(lambda audio: lossComputation(audio, target, [0, 1], loss), estimate)


@dataclass(eq=False)
class Kept:
    tensor: Tensor


def test_no_spectrum_is_kept_for_the_backward_pass() -> None:
    target = torch.randn(2, 2, 2, 44100)
    estimate = torch.randn_like(target).requires_grad_()
    alive: weakref.WeakSet[Kept] = weakref.WeakSet()

    def pack(tensor: Tensor) -> Kept:
        kept = Kept(tensor)
        alive.add(kept)
        return kept

    with saved_tensors_hooks(pack, lambda kept: kept.tensor):
        loss = lossComputation(estimate, target, [0, 1], ParametersComputeLoss())
    assert sum(kept.tensor.nbytes for kept in alive) < 3 * estimate.nbytes
    loss.backward()
    assert estimate.grad is not None


@pytest.mark.parametrize("length", [1, 31, 32, 33, 100])
def test_a_model_learns_from_audio_of_any_length(tiny: Any, length: int) -> None:
    model = tiny(stereo=True, num_stems=2)
    loss = model(torch.randn(2, 2, length), torch.randn(2, 2, 2, length))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_without_whole_hops_there_is_nothing_to_learn_from(tiny: Any) -> None:
    """An output cut to whole hops is empty where the input is shorter than one: the loss must not be NaN."""
    model = tiny(match_input_audio_length=False)
    with pytest.raises(
        ValueError, match=r"at least one sample of output.*shorter than one hop.*match_input_audio_length=True"
    ):
        model(torch.randn(1, 1, 5), torch.randn(1, 1, 1, 5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_target_of_another_precision_is_taken_as_it_is_meant(tiny: Any, dtype: torch.dtype) -> None:
    model = tiny()
    audio, target = torch.randn(1, 1, 100), torch.randn(1, 1, 1, 100).to(dtype)
    torch.testing.assert_close(model(audio, target), model(audio, target.float()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_sizes": ()}, r"multi_stft_resolutions_window_sizes are lengths in samples, got \(\)"),
        ({"window_sizes": (256, 0)}, r"multi_stft_resolutions_window_sizes are lengths in samples, got \(256, 0\)"),
        ({"hop_length": 0}, "multi_stft_hop_size is a number of samples, at least 1, got 0"),
    ],
)
def test_refuses_settings_without_frames(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParametersComputeLoss(**settings)
