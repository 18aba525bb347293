"""log-WMSE as a loss: the library's filter of hearing, with a gradient."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .._extra import import_extra
from ._criteria import PerStem, Signals

_RATE = 44100  # Hz, that of the library's filter
_GRID = 1 << 18
_EPS = 1e-8
_QUIETEST = 1e-8  # mean square of a weighted mixture, -80 dB: with a quieter one, gradients would explode
_SCALER = 4.0


class LogWMSELoss(torch.nn.Module):
    """log-WMSE, negative: 4·ln(energy of the weighted error / that of the weighted mixture + 1e-8), mean over channels.

    The filter of hearing is that of log-wmse-audio-quality, which defines the metric. Energies are those of spectra, so
    that one transform does, at any rate; above 22 050 Hz the filter lets nothing through. Samples whose error is below
    -68 dB, for which the metric has 0, count as they are, since a threshold has no gradient. A louder mixture is no way
    to a lower loss: no gradient goes there. A mixture below -80 dB counts as one of -80 dB; digital silence has the
    least loss, and no gradient.

    Args:
        sample_rate: In Hz.

    Raises:
        ConfigurationError: log-wmse-audio-quality is missing.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        library = import_extra("log_wmse_audio_quality.freq_weighting_filter", extra="losses", purpose="log_wmse")
        response: NDArray[Any] = np.asarray(library.HumanHearingSensitivityFilter().impulse_response, np.float64)
        self._taps = len(response)
        self._sample_rate = sample_rate
        self._power = np.abs(np.fft.rfft(response, _GRID)) ** 2
        self._weights: dict[tuple[int, torch.device, torch.dtype], Tensor] = {}

    def forward(self, signals: Signals) -> PerStem:
        """One number per item and stem, at least -73.7."""
        quietest = _QUIETEST * signals.mixture.shape[-1]
        error, loudness = self._energy(signals.error), self._energy(signals.mixture.detach())[:, None]
        relative = torch.where(loudness > 0, error / loudness.clamp(min=quietest), 0)
        return _SCALER * (relative + _EPS).log().mean(-1)

    def _energy(self, audio: Tensor) -> Tensor:
        taps = -(-self._taps * self._sample_rate // _RATE)
        n_fft = 1 << (audio.shape[-1] + taps - 1).bit_length()
        rfft: Any = torch.fft  # which has no types
        return (torch.view_as_real(rfft.rfft(audio, n_fft)).square().sum(-1) * self._weigh(n_fft, audio)).sum(-1)

    def _weigh(self, n_fft: int, audio: Tensor) -> Tensor:
        """What each bin's power counts for in the energy."""
        key = (n_fft, audio.device, audio.dtype)
        if key not in self._weights:
            hertz = np.fft.rfftfreq(n_fft, 1 / self._sample_rate)
            power = np.interp(hertz, np.linspace(0, _RATE / 2, len(self._power)), self._power, right=0.0)
            twice = np.full(len(hertz), 2.0)  # a bin stands for its mirror image, too; the first and the last have none
            twice[[0, -1]] = 1.0
            self._weights = {key: torch.as_tensor(power * twice / n_fft, dtype=audio.dtype, device=audio.device)}
        return self._weights[key]
