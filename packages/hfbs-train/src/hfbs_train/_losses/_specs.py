"""What a configuration says of the losses: a tagged union, one small dataclass per kind."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from .._errors import ConfigurationError
from .._settings import named_values, read_settings


@dataclass(frozen=True, kw_only=True)
class _Spec:
    """What every kind has.

    Attributes:
        weight: Factor in the total, at least 0.
        name: What reports call the term; None means its kind.
    """

    kind: ClassVar[str]
    weight: float = 1.0
    name: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ConfigurationError(f"weight must be a number of at least 0, got {self.weight}")

    @property
    def term(self) -> str:
        """What reports call the term."""
        return self.kind if self.name is None else self.name


@dataclass(frozen=True, kw_only=True)
class ModelLoss(_Spec):
    """The model's own loss, with the model's own settings: the error of the waveform and of its spectra."""

    kind: ClassVar[str] = "model"


@dataclass(frozen=True, kw_only=True)
class L1(_Spec):
    """Mean absolute error of the waveform."""

    kind: ClassVar[str] = "l1"


@dataclass(frozen=True, kw_only=True)
class MSE(_Spec):
    """Mean square error of the waveform."""

    kind: ClassVar[str] = "mse"


@dataclass(frozen=True, kw_only=True)
class STFT(_Spec):
    """The model's own multi-resolution term by itself: mean absolute error of complex spectra.

    Attributes:
        windows: Length of each resolution's Hann window in samples.
        hop_length: Distance between frames in samples.
        n_fft: Least length of a transform; a longer window makes it longer.
        normalized: Divide each spectrum by √n_fft.
    """

    kind: ClassVar[str] = "stft"
    windows: tuple[int, ...] = (4096, 2048, 1024, 512, 256)
    hop_length: int = 147
    n_fft: int = 2048
    normalized: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_lengths(windows=self.windows, hop_length=(self.hop_length,), n_fft=(self.n_fft,))


@dataclass(frozen=True, kw_only=True)
class SISDR(_Spec):
    """Scale-invariant SDR, negative, in dB."""

    kind: ClassVar[str] = "si_sdr"


@dataclass(frozen=True, kw_only=True)
class L1SNR(_Spec):
    """Mean absolute error relative to the stem's mean magnitude, in dB.

    Attributes:
        eps: Added to both, of full scale 1: what keeps silence finite, and the loudness below which it is L1.
    """

    kind: ClassVar[str] = "l1_snr"
    eps: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_eps(self.eps)


@dataclass(frozen=True, kw_only=True)
class SpectralL1SNR(_Spec):
    """The same of spectra: of their real and their imaginary parts, added, mean over resolutions.

    Attributes:
        windows: Length of each resolution's Hann window and transform in samples, multiples of 4; the hop is a quarter.
        eps: As for ``l1_snr``; spectra are divided by the root of the window's energy.
    """

    kind: ClassVar[str] = "stft_l1_snr"
    windows: tuple[int, ...] = (512, 1024, 2048)
    eps: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_lengths(windows=self.windows)
        if any(window % 4 for window in self.windows):
            raise ConfigurationError(f"windows must be multiples of 4, as the hop is a quarter, got {self.windows}")
        _check_eps(self.eps)


@dataclass(frozen=True, kw_only=True)
class LogWMSE(_Spec):
    """log-WMSE, negative: the logarithm of the error as hearing weighs frequencies, relative to the mixture."""

    kind: ClassVar[str] = "log_wmse"


@dataclass(frozen=True, kw_only=True)
class MultiResolutionSTFT(_Spec):
    """Errors of the magnitudes of spectra, by auraloss's ``MultiResolutionSTFTLoss``.

    Attributes:
        fft_sizes: Length of each resolution's transform in samples.
        hop_sizes: Distance between its frames in samples.
        win_lengths: Length of its window in samples, at most that of the transform.
        window: The window's shape.
        spectral_convergence: Factor of ‖error of magnitudes‖ / ‖magnitudes‖, auraloss's ``w_sc``.
        log_magnitude: Factor of the error of the logarithms, ``w_log_mag``.
        linear_magnitude: Factor of the error of the magnitudes, ``w_lin_mag``.
        distance: Of magnitudes: ``L1`` or ``L2``.
        perceptual_weighting: Weigh frequencies by the A curve first.
    """

    kind: ClassVar[str] = "multi_resolution_stft"
    fft_sizes: tuple[int, ...] = (1024, 2048, 512)
    hop_sizes: tuple[int, ...] = (120, 240, 50)
    win_lengths: tuple[int, ...] = (600, 1200, 240)
    window: Literal["hann", "hamming", "blackman", "bartlett"] = "hann"
    spectral_convergence: float = 1.0
    log_magnitude: float = 1.0
    linear_magnitude: float = 0.0
    distance: Literal["L1", "L2"] = "L1"
    perceptual_weighting: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_lengths(fft_sizes=self.fft_sizes, hop_sizes=self.hop_sizes, win_lengths=self.win_lengths)
        if not len(self.fft_sizes) == len(self.hop_sizes) == len(self.win_lengths):
            raise ConfigurationError(
                "fft_sizes, hop_sizes and win_lengths must have one value per resolution, "
                f"got {len(self.fft_sizes)}, {len(self.hop_sizes)} and {len(self.win_lengths)}"
            )
        for fft_size, window in zip(self.fft_sizes, self.win_lengths, strict=True):
            if window > fft_size:
                raise ConfigurationError(f"a window cannot be longer than its transform, got {window} and {fft_size}")
        if min(factors := (self.spectral_convergence, self.log_magnitude, self.linear_magnitude)) < 0 or not any(
            factors
        ):
            raise ConfigurationError(
                "spectral_convergence, log_magnitude and linear_magnitude must be at least 0, and one of them above, "
                f"got {factors}"
            )


type LossSpec = ModelLoss | L1 | MSE | STFT | SISDR | L1SNR | SpectralL1SNR | LogWMSE | MultiResolutionSTFT
_SPECS = (ModelLoss, L1, MSE, STFT, SISDR, L1SNR, SpectralL1SNR, LogWMSE, MultiResolutionSTFT)
KINDS: dict[str, type[LossSpec]] = {spec.kind: spec for spec in _SPECS}


def read_losses(entries: object, where: str = "losses") -> tuple[LossSpec, ...]:
    """The losses that a configuration lists, checked.

    Args:
        entries: A list of mappings, each with ``kind`` and what that kind has, ``weight`` among it; or, in a mapping's
            place, the kind alone.
        where: What the list is called in messages.

    Raises:
        ConfigurationError: No list, or empty; an unknown kind or key; a value that does not fit; two terms of one name;
            no term with a weight.

    Example:
        >>> [spec.term for spec in read_losses([{"kind": "model"}, {"kind": "si_sdr", "weight": 0.01}])]
        ['model', 'si_sdr']
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise ConfigurationError(f"{where} must be a list such as [{{kind: model}}], got {entries!r}")
    specs = tuple(_read_loss(entry, f"{where}[{i}]") for i, entry in enumerate(cast("Sequence[object]", entries)))
    check_terms(specs, where)
    return specs


# What a run tells of beside its terms.
_TAKEN = {"loss", "gradient_norm", "learning_rate", "step", "steps", "seconds"}


def check_terms(specs: Sequence[LossSpec], where: str = "losses") -> None:
    """See that terms can be told apart, and from a run's other figures, and that something is minimised.

    Raises:
        ConfigurationError: Two terms have one name, one has that of another figure, or no term has a weight.
    """
    names = [spec.term for spec in specs]
    if taken := sorted(_TAKEN & set(names)):
        raise ConfigurationError(
            f"{where}: a term is called {taken[0]!r}, which a run's figures have already; give it another `name`"
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"{where}: two terms are called {twice!r}; give one of them another `name`")
    if not any(spec.weight for spec in specs):
        raise ConfigurationError(f"{where}: no term has a weight above 0, so there is nothing to minimise")


def _read_loss(entry: object, where: str) -> LossSpec:
    values = dict(named_values({"kind": entry} if isinstance(entry, str) else entry, where))
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        given = f"unknown kind {kind!r}" if kind is not None else "kind is missing"
        raise ConfigurationError(f"{where}: {given}; there are {', '.join(KINDS)}")
    return cast(
        "LossSpec", read_settings(cast("type[object]", KINDS[kind]), cast("Mapping[str, object]", values), where)
    )


def _check_lengths(**lengths: tuple[int, ...]) -> None:
    for name, values in lengths.items():
        if not values or min(values) < 1:
            raise ConfigurationError(f"{name} must be in samples, at least 1, got {values}")


def _check_eps(eps: float) -> None:
    if not 0 < eps < math.inf:
        raise ConfigurationError(f"eps must be a number above 0, got {eps}")
