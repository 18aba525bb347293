"""From the samples of a song to the samples of its stems."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from operator import index
from typing import Self, TypedDict, Unpack, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hfbs_model import BandSplitRotator, Checkpoint, inference_memory, load_checkpoint
from hfbs_model.export import ExportedCheckpoint, ExportedModel

from ._audio_source import HIGHEST_RATE, LOWEST_RATE, ArraySource, AudioSource, in_blocks
from ._chunking import Mode, Signal, halved, separated
from ._chunking import mode as chunking_mode
from ._crossover import LOWEST, holds, lowpassed
from ._device import describe, of_exported, parts_of_processor, resolve_devices, resolve_precision, words_for
from ._errors import OptionError, OutOfMemory, SeparationError
from ._estimate import Estimator, as_array, at_work, unheard
from ._options import CHUNKINGS
from ._resample import resampled
from ._stems import Outputs
from ._types import Audio, Progress


class SeparatorOptions(TypedDict, total=False):
    """Keywords of :class:`Separator`."""

    device: str
    precision: str
    chunking: str
    overlap: int | None
    chunk_seconds: float | None
    batch_size: int | None
    shifts: int
    test_time_augmentation: bool
    stems: Sequence[str] | None
    residuals: Mapping[str, Sequence[str]] | None
    lowpass: float | None
    compiled: bool


class Separator:
    """A model that is ready to separate songs of any length and rate, mono or stereo.

    It holds no state of a song: several threads may separate at once.

    Attributes:
        stems: names of what is given for each song: what was chosen, then the further residuals.
        sample_rate: rate in Hz that the model works at; songs of another rate are resampled to it and back.
        audio_channels: channels that the model works on, 1 or 2.
        chunking: the way of chunking: ``"clean"``, ``"msst"`` or ``"audio-separator"``.
        mode: the same with its settings: samples that the model sees at once, how many chunks cover each sample.
        batch_size: how many chunks the model gets at once.
        averaged: whether each chunk is separated several times, see ``test_time_augmentation``.
        lowpass: the frequency in Hz above which nothing is given; None where there is none.
        devices: where the model runs; several share the chunks of each song.
        precision: type that its attention and feed-forward layers compute in. Fourier transforms, masks and the
            adding up of chunks are in float32 or wider always.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | ExportedCheckpoint,
        *,
        device: str = "auto",
        precision: str = "auto",
        chunking: str = "clean",
        overlap: int | None = None,
        chunk_seconds: float | None = None,
        batch_size: int | None = None,
        shifts: int = 1,
        test_time_augmentation: bool = False,
        stems: Sequence[str] | None = None,
        residuals: Mapping[str, Sequence[str]] | None = None,
        lowpass: float | None = None,
        compiled: bool = False,
    ) -> None:
        """Take over a loaded checkpoint; its model is moved to the device and cast.

        Args:
            checkpoint: as :func:`hfbs_model.load_checkpoint` gives it; or a core as
                :func:`hfbs_model.export.load_exported` gives it, which runs on the CPU in the precision that it has.
            device: ``"auto"`` (CUDA, else MPS, else CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or several
                GPUs as ``"cuda:0,cuda:1"``: each gets a copy of the model, and whichever is free takes the next batch
                of chunks. Stems are those of one device.
            precision: ``"float32"``, ``"bfloat16"``, ``"float16"``, or ``"auto"``: float16 on CUDA, bfloat16 on
                processors with fast bfloat16 products, else float32; float32 wherever another program's stems
                are wanted, and for models with research variants.
            chunking: ``"clean"``: weights sum to 1, ends are covered as often as the middle, and nothing depends on the
                batch size; ``"msst"`` and ``"audio-separator"``: as those programs do it, quirks included.
            overlap: how many chunks cover each sample, at least 1: a count, neither a fraction nor seconds. More
                takes longer in proportion. With 1 and clean chunking, they still fade into each other. None: as the
                checkpoint has it.
            chunk_seconds: length of a chunk. None: as the checkpoint has it.
            batch_size: how many chunks the model gets at once, at least 1. None: 1, on CUDA as many as fit, at most 8.
            shifts: passes whose chunks begin in other places, averaged; each takes as long as one. With clean chunking
                only.
            test_time_augmentation: average over the chunk as it is, with its channels swapped, and with its polarity
                reversed; takes three times as long (twice for one channel).
            stems: the stems to give, of those that the model has and the checkpoint's residual, the mixture less all of
                them; what nothing needs is not computed. None: all, the residual last.
            residuals: further stems by name, each the mixture less the stems listed. ``{"instrumental": ["vocals"]}``.
                One of the name of the checkpoint's residual takes its place where ``stems`` is None.
            lowpass: take away what the model gives above this frequency in Hz, by a filter of linear phase that fades
                over a fifth of it, at most 500 Hz. Residuals are of what is left, and so hold the mixture above it.
                None: do not.
            compiled: compile the model's blocks when they are first needed (see ``compile_blocks`` of the model).

        Raises:
            OptionError: an option is out of its range, or this machine or model cannot honour it.
        """
        self.sample_rate = checkpoint.sample_rate
        self.audio_channels: int = checkpoint.model.audio_channels
        self.chunking = chunking
        self.mode = chunking_mode(
            chunking,
            chunk_size=checkpoint.chunk_size,
            chunk_seconds=chunk_seconds,
            overlap=checkpoint.num_overlap if overlap is None else overlap,
            hop_length=checkpoint.model.stft_settings.hop_length,
            sample_rate=checkpoint.sample_rate,
            shifts=shifts,
        )
        self.averaged = test_time_augmentation
        if lowpass is not None and not (lowpass >= LOWEST and holds(lowpass, self.sample_rate)):
            raise OptionError(
                f"lowpass is a frequency from {LOWEST:g} Hz to below half the model's rate, "
                f"{self.sample_rate / 2:g} Hz, by half of its transition, got {lowpass:g}"
            )
        self.lowpass = lowpass
        self._outputs = Outputs(checkpoint.stems, checkpoint.residual, stems, residuals or {})
        self.stems = self._outputs.names
        if isinstance(checkpoint, ExportedCheckpoint):
            device, precision = of_exported(device, precision, compiled=compiled)
        self.devices = resolve_devices(device)
        research = bool(checkpoint.model.parts.recipe)
        exact = research or chunking != CHUNKINGS[0]
        wanted = "float32" if precision == "auto" and exact else precision
        self.precision, *_ = [resolve_precision(wanted, device) for device in self.devices]
        if batch_size is not None and batch_size < 1:
            raise OptionError(f"batch_size is how many chunks the model gets at once, at least 1, got {batch_size}")
        models = [checkpoint.model, *(deepcopy(checkpoint.model) for _ in self.devices[1:])]
        self._models = [
            at_work(model, device, self.precision) for model, device in zip(models, self.devices, strict=True)
        ]
        for model in self._models:
            if compiled and isinstance(model, BandSplitRotator):
                model.compile_blocks()
        # PyTorch's sums differ by a bit with the number of threads: for another program's stems, all of them.
        plain = not (exact or compiled or isinstance(checkpoint, ExportedCheckpoint))
        self._in_parts = plain and self.devices[0].type == "cpu"
        self.batch_size = self._batch_that_fits() if batch_size is None else batch_size

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: str | os.PathLike[str],
        config: str | os.PathLike[str] | None = None,
        *,
        lora: str | os.PathLike[str] | None = None,
        settings: Mapping[str, object] | None = None,
        **options: Unpack[SeparatorOptions],
    ) -> Self:
        """Load a checkpoint of MSST's or our own format as :func:`hfbs_model.load_checkpoint` does.

        Args:
            checkpoint: path of the weights.
            config: path of the YAML that came with them. None: they need none, or ``settings`` say what they do not
                tell.
            lora: path of adapters to merge into them. None: none.
            settings: what neither weights nor YAML tell, by keyword, such as ``stft_hop_length``. None: nothing.
            options: as for the constructor.

        Raises:
            hfbs_model.CheckpointError: the weights cannot be read or contradict what is said of them.
            hfbs_model.ConfigError: the configuration cannot be read, or nobody says what weights do not tell.
            TypeError: a setting that nothing knows.
            OptionError: as for the constructor.
        """
        return cls(load_checkpoint(checkpoint, config, lora=lora, **(settings or {})), **options)

    def __repr__(self) -> str:
        return f"Separator(stems={self.stems}, {self.sample_rate} Hz, {self.computes_on})"

    @property
    def computes_on(self) -> str:
        """Device and precision in words, such as ``cpu, float32, 2 threads``."""
        words = describe(self.devices, self.precision)
        model = self._models[0]
        return f"{words}, {model.runs_under}" if isinstance(model, ExportedModel) else words

    @property
    def settings(self) -> dict[str, object]:
        """What its stems depend on besides model and song, in values that JSON has.

        The batch size counts only where chunks are weighted by it.
        """
        batch = {"batch_size": self.batch_size} if self.chunking == "msst" else {}
        filtered = {} if self.lowpass is None else {"lowpass": self.lowpass}
        return {
            "chunking": self.chunking,
            **asdict(self.mode),
            **batch,
            **filtered,
            "test_time_augmentation": self.averaged,
            "precision": words_for(self.precision),
            "stems": list(self.stems),
        }

    @property
    def chunk_size(self) -> int:
        """Samples, at ``sample_rate``, that the model sees at once."""
        return self.mode.chunk_size

    @property
    def overlap(self) -> int:
        """How many chunks cover each sample of a song longer than one chunk."""
        return self.mode.overlap

    @overload
    def separate(self, audio: Tensor, sample_rate: int, *, progress: Progress | None = None) -> dict[str, Tensor]: ...
    @overload
    def separate(
        self, audio: ArrayLike, sample_rate: int, *, progress: Progress | None = None
    ) -> dict[str, NDArray[np.float32]]: ...
    def separate(
        self, audio: ArrayLike | Tensor, sample_rate: int, *, progress: Progress | None = None
    ) -> dict[str, NDArray[np.float32]] | dict[str, Tensor]:
        """Separate one song that is in memory.

        A mono song is given to a stereo model on both channels, and each stem is the mean of the two channels that
        come back. Each channel of a stereo song goes through a mono model by itself.

        Args:
            audio: floating point, shape (time,) for mono or (channel, time) with one or two channels, at least one
                sample, all finite. Full scale is 1, and exceeding it is fine.
            sample_rate: rate of ``audio`` in Hz.
            progress: called with (samples done, samples in all), first with (0, samples in all).

        Returns:
            For each name in ``stems``, in that order, float32 of the same shape and rate as ``audio``, as a tensor on
            the CPU where ``audio`` is a tensor. Where the rate is not the model's, nothing above half the lower rate is
            in the stems (but in the residuals).

        Raises:
            TypeError: ``audio`` is not floating point, or ``sample_rate`` is no integer.
            ValueError: wrong shape, no sample, a NaN or infinite sample, or a rate outside 1 kHz to 1 MHz.
            SeparationError: the model gave NaN or infinity, or the device's memory ran out.
        """
        if isinstance(audio, Tensor):
            arrays = self.separate(as_array(audio), sample_rate, progress=progress)
            return {name: torch.as_tensor(stem) for name, stem in arrays.items()}
        song = _checked_audio(audio)
        stems = {name: np.empty(np.atleast_2d(song).shape, np.float32) for name in self.stems}
        done = 0
        for block in self.stream(ArraySource(np.atleast_2d(song), sample_rate), progress=progress):
            first = done
            for name, part in block.items():
                done = first + part.shape[-1]
                stems[name][:, first:done] = part
        return {name: stem.reshape(song.shape) for name, stem in stems.items()}

    def stream(
        self, source: AudioSource, *, progress: Progress | None = None, note: Callable[[str], None] = unheard
    ) -> Iterator[dict[str, Audio]]:
        """Separate one song block by block, in memory that does not depend on its length.

        A processor of several threads takes up to four batches of chunks at once. Where the memory does not hold one,
        it is halved, which changes no stem; where it does not hold a chunk of each, batches are taken one by one; where
        it does not hold a chunk alone, chunks are halved before the first block is given: stems are those of a
        separator with such chunks.

        Args:
            source: the song. It is read from its beginning once, or more often where chunks were halved, or where the
                level of the whole song must be known first (chunking ``"audio-separator"``).
            progress: called with (samples done, samples in all or None where ``source.samples`` is None).
            note: called with one sentence for each thing that a person should know.

        Returns:
            Blocks one after the other, each of (channel, time) in float32 by the names in ``stems``, at the rate of
            the source and as many samples in all as it has.

        Raises:
            TypeError, ValueError, SeparationError: as :meth:`separate`.
        """
        rate = _checked_rate(source.sample_rate)
        if source.channels not in (1, 2):
            raise ValueError(f"a song has one or two channels, got {source.channels}: downmix first")
        mode = self.mode
        parts = parts_of_processor() if self._in_parts else 1
        while True:
            begun = False
            try:
                for block in self._stream(source, rate, mode, parts, progress, note):
                    begun = True
                    yield block
                return
            except OutOfMemory as error:
                if parts > 1 and not begun:
                    note(f"the memory does not hold {parts} chunks at once: they are taken one by one for this song")
                    parts = 1
                    continue
                smaller = halved(mode)
                if begun or smaller is None:
                    raise SeparationError(f"{error} of {mode.chunk_size / self.sample_rate:.3g} s") from error
                note(f"{error}: chunks are halved to {smaller.chunk_size / self.sample_rate:.3g} s for this song")
                mode = smaller

    def _stream(
        self,
        source: AudioSource,
        rate: int,
        mode: Mode,
        parts: int,
        progress: Progress | None,
        note: Callable[[str], None],
    ) -> Iterator[dict[str, Audio]]:
        gain = self._level(source, rate, mode)
        outputs = self._outputs.of_song(gain)
        notes: deque[str] = deque()  # devices work in threads of their own, and listeners need not know
        estimators = [
            Estimator(
                model,
                device,
                self.precision,
                stems=self._outputs.computed,
                averaged=self.averaged,
                note=notes.append,
            )
            for model, device in zip(self._models, self.devices, strict=True)
            for _ in range(parts)
        ]
        if progress is not None:
            progress(0, source.samples)
        mixture = outputs.heard(in_blocks(source.blocks()))
        song = Signal(self._to_lanes(block * gain) for block in resampled(mixture, rate, self.sample_rate))
        estimates = _told(separated(song, mode, estimators, self.batch_size), notes, note)
        at_rate = (self._from_lanes(estimate, source.channels) for estimate in estimates)
        computed = resampled(at_rate, self.sample_rate, rate)
        for stems in computed if self.lowpass is None else lowpassed(computed, self.lowpass, rate):
            block = outputs.named(stems)
            if progress is not None:
                progress(outputs.given, source.samples)
            if block:
                yield block
        if outputs.given == 0:
            raise ValueError("audio must have at least one sample, got none")

    def _level(self, source: AudioSource, rate: int, mode: Mode) -> np.float32:
        """What the song is multiplied by before the model sees it."""
        if mode.peak is None:
            return np.float32(1)
        peak = max(
            (np.abs(block).max() for block in resampled(source.blocks(), rate, self.sample_rate) if block.size),
            default=np.float32(0),
        )
        return np.float32(1) if peak <= mode.peak else np.float32(mode.peak / peak)

    def _batch_that_fits(self) -> int:
        model = self._models[0]
        if isinstance(model, ExportedModel) or self.devices[0].type != "cuda":
            return 1
        if self.chunking == "msst" or model.parts.recipe:
            return 1
        free = min(torch.cuda.mem_get_info(device)[0] for device in self.devices)
        fits = (
            size
            for size in (8, 4, 2)
            if 0.7 * free
            > inference_memory(
                model,
                samples=self.chunk_size,
                batch_size=size,
                bytes_per_element=self.precision.itemsize,
                device_type="cuda",
            )
        )
        return next(fits, 1)

    def _to_lanes(self, song: Audio) -> Audio:
        """(channel, time) → (lane, model's channels, time): a lane is what the model sees of a song in one piece."""
        if song.shape[0] > self.audio_channels:
            return song[:, np.newaxis]
        return np.broadcast_to(song, (1, self.audio_channels, song.shape[-1]))

    def _from_lanes(self, estimates: Audio, channels: int) -> Audio:
        """(lane, stem, model's channels, time) → (stem, song's channels, time)."""
        if channels > self.audio_channels:
            return estimates[:, :, 0].swapaxes(0, 1)
        if channels < self.audio_channels:
            return estimates[0].mean(axis=1, keepdims=True)
        return estimates[0]


def _told[T](items: Iterator[T], notes: deque[str], note: Callable[[str], None]) -> Iterator[T]:
    """The same items, and what was noted on the way to each, or to the error in its place."""
    try:
        for item in items:
            while notes:
                note(notes.popleft())
            yield item
    finally:
        while notes:
            note(notes.popleft())


def _checked_audio(audio: ArrayLike) -> Audio:
    given = np.asarray(audio)
    if not np.issubdtype(given.dtype, np.floating):
        raise TypeError(
            f"audio must be floating point with full scale 1, got {given.dtype}: "
            "divide integer samples by full scale first (int16 by 32768)"
        )
    if given.ndim not in (1, 2):
        raise ValueError(f"audio must have shape (time,) or (channel, time), got {given.shape}")
    if given.ndim == 2 and given.shape[0] not in (1, 2):
        hint = "it looks like (time, channel), so pass audio.T" if given.shape[1] in (1, 2) else "downmix first"
        raise ValueError(f"audio must have one or two channels in its first axis, got shape {given.shape}: {hint}")
    if given.shape[-1] == 0:
        raise ValueError(f"audio must have at least one sample, got shape {given.shape}")
    with np.errstate(over="ignore"):
        samples = given.astype(np.float32, copy=False)
    finite = np.isfinite(samples)
    if not finite.all():
        where = tuple(int(axis[0]) for axis in np.nonzero(~finite))
        raise ValueError(f"audio must be finite, got {samples[where]} at index {where}")
    return samples


def _checked_rate(sample_rate: int) -> int:
    try:
        rate = index(sample_rate)
    except TypeError as error:
        raise TypeError(f"sample_rate must be an integer number of Hz, got {sample_rate!r}") from error
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(f"sample_rate is in Hz, from {LOWEST_RATE} to {HIGHEST_RATE}, got {rate}")
    return rate
