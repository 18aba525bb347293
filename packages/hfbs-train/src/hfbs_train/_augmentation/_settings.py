"""What a configuration says of augmentation: one small dataclass per effect; what is not named is off."""

import math
from dataclasses import dataclass
from typing import Final, Literal

from .._errors import ConfigurationError
from .._settings import read_settings

type Range = tuple[float, float]
"""From, to; drawn evenly, frequencies and ratios by their logarithm."""

MARGIN: Final = 512  # samples of the output on either side that resampling needs
N_FFT: Final = 2048  # of the phase vocoder


@dataclass(frozen=True, kw_only=True)
class _Effect:
    """What every effect has.

    Attributes:
        probability: With which it is applied to a stem of an item, 0 to 1.
    """

    probability: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigurationError(f"probability must be from 0 to 1, got {self.probability}")


@dataclass(frozen=True, kw_only=True)
class Gain(_Effect):
    """A factor.

    Attributes:
        decibels: Its range.
    """

    decibels: Range = (-6.0, 6.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("decibels", self.decibels, -100.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class Polarity(_Effect):
    """A factor of -1."""

    probability: float = 0.5


@dataclass(frozen=True, kw_only=True)
class ChannelSwap(_Effect):
    """Left for right."""

    probability: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Pan(_Effect):
    """Louder on one side, softer on the other, by a sine and a cosine, so that white noise on both keeps its energy.

    Attributes:
        position: -1 leaves the left channel alone, 0 changes nothing, 1 leaves the right one alone.
    """

    position: Range = (-0.5, 0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("position", self.position, -1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Equalizer(_Effect):
    """A low shelf, bells and a high shelf in a row: the second-order filters of the Audio EQ Cookbook.

    Attributes:
        decibels: Each filter's gain.
        bells: How many.
        low_hertz: The low shelf's middle.
        bell_hertz: The bells' centres.
        high_hertz: The high shelf's middle.
        quality: The bells' Q.
    """

    decibels: Range = (-6.0, 6.0)
    bells: int = 2
    low_hertz: Range = (80.0, 400.0)
    bell_hertz: Range = (100.0, 10000.0)
    high_hertz: Range = (2500.0, 10000.0)
    quality: Range = (0.5, 2.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("decibels", self.decibels, -30.0, 30.0)
        if not 0 <= self.bells <= 20:
            raise ConfigurationError(f"bells must be from 0 to 20, got {self.bells}")
        for name in ("low_hertz", "bell_hertz", "high_hertz"):
            _check_range(name, getattr(self, name), 20.0, math.inf)
        _check_range("quality", self.quality, 0.1, 10.0)


@dataclass(frozen=True, kw_only=True)
class LowPass(_Effect):
    """Nothing above a frequency, as in sources that had a lower rate or a lossy format once; no phase is turned.

    Attributes:
        hertz: Where the magnitude is one half.
        octaves: Width of the cosine slope from 1 to 0; 0.05 is a brick wall.
    """

    hertz: Range = (4000.0, 16000.0)
    octaves: Range = (0.05, 0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("hertz", self.hertz, 100.0, math.inf)
        _check_range("octaves", self.octaves, 0.05, 4.0)


@dataclass(frozen=True, kw_only=True)
class Reverb(_Effect):
    """The sound and, after a delay, its convolution with noise that decays exponentially, other noise per channel.

    Attributes:
        seconds: Time in which the tail decays by 60 dB.
        decibels: The tail's energy relative to the sound's, for sounds like white noise.
        delay_milliseconds: From the sound to the tail.
    """

    seconds: Range = (0.2, 1.2)
    decibels: Range = (-24.0, -6.0)
    delay_milliseconds: Range = (0.0, 30.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("seconds", self.seconds, 0.01, 10.0)
        _check_range("decibels", self.decibels, -100.0, 20.0)
        _check_range("delay_milliseconds", self.delay_milliseconds, 0.0, 1000.0)


@dataclass(frozen=True, kw_only=True)
class Saturation(_Effect):
    """A hyperbolic tangent, which leaves the peak as it is and makes the rest louder.

    Attributes:
        decibels: How far the peak is driven into it; 0 is gentle, 20 nearly a square.
    """

    decibels: Range = (-6.0, 9.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("decibels", self.decibels, -60.0, 40.0)


@dataclass(frozen=True, kw_only=True)
class Clipping(_Effect):
    """Samples cut off above a level.

    Attributes:
        decibels: The level below the peak.
    """

    decibels: Range = (1.0, 6.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("decibels", self.decibels, 0.0, 60.0)


@dataclass(frozen=True, kw_only=True)
class Speed(_Effect):
    """Faster and higher, or slower and lower, as a tape: all frequencies times one ratio.

    Attributes:
        ratio: Of the speed, in steps of a quarter of a semitone; 1.06 is a semitone.
        same_for_all_stems: One draw for all stems of an item, which then still fit each other.
    """

    ratio: Range = (0.95, 1.05)
    same_for_all_stems: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("ratio", self.ratio, 0.5, 2.0)


@dataclass(frozen=True, kw_only=True)
class PitchAndTempo(_Effect):
    """Higher or lower, faster or slower, each by itself: a phase vocoder, then resampling.

    Attributes:
        semitones: Of the pitch, whose ratio is rounded to thousandths.
        tempo: Ratio of the speed.
        same_for_all_stems: One draw for all stems of an item, which then still fit each other.
    """

    semitones: Range = (-2.0, 2.0)
    tempo: Range = (1.0, 1.0)
    same_for_all_stems: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("semitones", self.semitones, -12.0, 12.0)
        _check_range("tempo", self.tempo, 0.5, 2.0)


type CodecName = Literal["mp3", "opus", "aac"]


@dataclass(frozen=True, kw_only=True)
class Codec(_Effect):
    """There and back through a lossy format, on the CPU.

    Attributes:
        names: The formats, of which one is drawn.
        kilobits: A second, for each channel.
    """

    names: tuple[CodecName, ...] = ("mp3", "opus", "aac")
    kilobits: Range = (32.0, 96.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.names:
            raise ConfigurationError("names must list at least one of mp3, opus, aac, got none")
        _check_range("kilobits", self.kilobits, 16.0, 160.0)


@dataclass(frozen=True, kw_only=True)
class AugmentationSettings:
    """What is done to stems, in this order. None means that it is not done.

    Attributes:
        codec: See :class:`Codec`, and so on.
        speed: Takes excerpts that are longer than what comes out; see :meth:`input_length`.
        pitch_and_tempo: So does this.
        equalizer: See :class:`Equalizer`.
        saturation: See :class:`Saturation`.
        clipping: See :class:`Clipping`.
        reverb: See :class:`Reverb`.
        low_pass: See :class:`LowPass`.
        pan: Needs stereo.
        channel_swap: Needs stereo.
        polarity: See :class:`Polarity`.
        gain: See :class:`Gain`.
    """

    codec: Codec | None = None
    speed: Speed | None = None
    pitch_and_tempo: PitchAndTempo | None = None
    equalizer: Equalizer | None = None
    saturation: Saturation | None = None
    clipping: Clipping | None = None
    reverb: Reverb | None = None
    low_pass: LowPass | None = None
    pan: Pan | None = None
    channel_swap: ChannelSwap | None = None
    polarity: Polarity | None = None
    gain: Gain | None = None

    def input_length(self, length: int) -> int:
        """How many samples an excerpt must have for ``length`` to come out: more where it may be played faster."""
        if self.pitch_and_tempo is not None:
            length = vocoder_input(length, self.pitch_and_tempo)
        if self.speed is not None:
            length = speed_input(length, self.speed)
        return length

    def output_length(self, length: int) -> int:
        """How many samples come out of an excerpt of ``length``: the most whose :meth:`input_length` is not more.

        Raises:
            ConfigurationError: None would come out.
        """
        low, high = 0, length
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.input_length(middle) <= length else (low, middle - 1)
        if low < 1:
            raise ConfigurationError(
                f"excerpts of {length} samples are too short for speed or pitch_and_tempo, which need "
                f"{self.input_length(1)} for one: make them longer"
            )
        return low


def speed_input(length: int, settings: Speed) -> int:
    """What :class:`Speed` needs for ``length`` samples."""
    return math.ceil(max(settings.ratio[1], 1.0) * (length + 2 * MARGIN)) + 1


def vocoder_input(length: int, settings: PitchAndTempo) -> int:
    """What :class:`PitchAndTempo` needs for ``length`` samples."""
    return math.ceil(max(settings.tempo[1], 1.0) * (length + 2 * MARGIN)) + 2 * N_FFT


def read_augmentation(values: object, where: str = "augmentation") -> AugmentationSettings:
    """The settings that a configuration gives, checked.

    Args:
        values: A mapping of effects to mappings of what they have; an effect without a value has its usual ones.
        where: What the mapping is called in messages.

    Raises:
        ConfigurationError: An unknown effect or key, or a value that does not fit.

    Example:
        >>> read_augmentation({"gain": {"decibels": [-6, 6]}, "polarity": None}).gain
        Gain(probability=1.0, decibels=(-6.0, 6.0))
    """
    return read_settings(AugmentationSettings, values, where)


def _check_range(name: str, values: Range, least: float, most: float) -> None:
    low, high = values
    if not least <= low <= high <= most or not math.isfinite(high):
        bounds = f"from {least:g} to {most:g}" if math.isfinite(most) else f"of at least {least:g}"
        raise ConfigurationError(f"{name} must be two numbers {bounds}, the smaller first, got {list(values)}")
