"""The metrics by name, and the function that gives an estimate's scores."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from .._errors import OptionError
from ._extra import import_extra, is_there
from ._names import METRICS
from ._ratios import scale_free_sdr, whole_sdr
from ._signals import Signal, checked

_LOG_WMSE = "log_wmse_audio_quality"

type Judge = Callable[[Signal], dict[str, float]]


def choose_metrics(names: Sequence[str] | None) -> list[str]:
    """The metrics of these names, in the order of ``METRICS``; None: all whose libraries are installed.

    Raises:
        OptionError: There is no such metric.
        ImportError: Its library is missing; the message says how to install it.
    """
    if names is None:
        return [name for name in METRICS if name != "log_wmse" or is_there(_LOG_WMSE)]
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names:
        raise OptionError(f"metrics are {', '.join(METRICS)}, got {', '.join(unknown) or 'none'}")
    if "log_wmse" in names:
        import_extra(_LOG_WMSE, extra="log-wmse", purpose="log_wmse")
    return [name for name in METRICS if name in names]


def judge_by(metrics: Sequence[str], reference: Signal, mixture: Signal, sample_rate: int) -> Judge:
    """The function that scores estimates of one stem by all these metrics but museval's, which needs all stems at once.

    What depends on the true stem alone is computed once, here.
    """
    from ._spectra import bleedless_and_fullness_against, l1_freq_against

    judges: list[Judge] = []
    if "sdr" in metrics:
        judges.append(lambda estimate: {"sdr": whole_sdr(reference, estimate)})
    if "si_sdr" in metrics:
        judges.append(lambda estimate: {"si_sdr": scale_free_sdr(reference, estimate)})
    if "l1_freq" in metrics:
        l1_freq = l1_freq_against(reference)
        judges.append(lambda estimate: {"l1_freq": l1_freq(estimate)})
    if "bleedless" in metrics or "fullness" in metrics:
        both = bleedless_and_fullness_against(reference, sample_rate)
        judges.append(lambda estimate: dict(zip(("bleedless", "fullness"), both(estimate), strict=True)))
    if "log_wmse" in metrics:
        judges.append(lambda estimate: {"log_wmse": log_wmse(reference, estimate, mixture, sample_rate)})

    def score(estimate: Signal) -> dict[str, float]:
        values: dict[str, float] = {}
        for judge in judges:
            values |= judge(estimate)
        return {name: values[name] for name in metrics if name in values}

    return score


def log_wmse(reference: ArrayLike, estimate: ArrayLike, mixture: ArrayLike, sample_rate: int) -> float:
    """Logarithm of the error's energy, weighted as hearing weighs frequencies, by the library log-wmse-audio-quality.

    -4·ln(mean square of the weighted error, relative to the weighted mixture's, + 1e-8), mean over channels. That
    library is the one that defines the metric. MSST's numbers differ a little: it calls a translation to PyTorch such
    that each channel's error is compared with every channel's loudness.

    Args:
        reference: The true stem, floating point, shape (channel, time), finite.
        estimate: Of the same shape.
        mixture: Of the same shape: its loudness is what errors are compared with.
        sample_rate: In Hz.

    Returns:
        At most 73.7, for no audible error.

    Raises:
        TypeError: An array is not floating point.
        ValueError: The shapes are not as said, or a sample is NaN or infinite.
        ImportError: The library is missing; the message says how to install it.
    """
    truth = checked("reference", reference)
    others = checked("mixture", mixture, like=truth), checked("estimate", estimate, like=truth)
    library: Any = import_extra(_LOG_WMSE, extra="log-wmse", purpose="log_wmse")
    song, guess, stem = (np.asarray(signal, np.float32) for signal in (*others, truth))
    return float(cast(float, library.calculate_log_wmse(song, guess, stem, sample_rate)))
