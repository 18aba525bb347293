"""From the samples of a song to the samples of its stems."""

import os
from collections.abc import Mapping
from operator import index
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hfbs_model import Checkpoint, load_checkpoint

from ._chunks import Audio, Progress, overlap_add, plan_chunks, samples_per_chunk
from ._device import describe, resolve_device, resolve_precision
from ._errors import OptionError, SeparationError
from ._resample import resample

_LOWEST_RATE, _HIGHEST_RATE = 1_000, 1_000_000


class Separator:
    """A model that is ready to separate songs of any length and rate, mono or stereo.

    Attributes:
        stems: names of the stems, in the order of the model's heads.
        sample_rate: rate in Hz that the model works at; songs of another rate are resampled to it and back.
        audio_channels: channels that the model works on, 1 or 2.
        chunk_size: samples, at ``sample_rate``, that the model sees at once.
        overlap: how many chunks cover each sample of a song longer than one chunk.
        batch_size: how many chunks the model gets at once.
        device: where the model runs.
        precision: type that its attention and feed-forward layers compute in. Fourier transforms, masks and the
            adding up of chunks are in float32 always.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = "auto",
        precision: str = "auto",
        overlap: int | None = None,
        chunk_seconds: float | None = None,
        batch_size: int = 1,
    ) -> None:
        """Take over a loaded checkpoint; its model is moved to the device.

        Args:
            checkpoint: as :func:`hfbs_model.load_checkpoint` gives it.
            device: ``"auto"`` (CUDA, else MPS, else CPU), ``"cpu"``, ``"cuda"`` or ``"mps"``.
            precision: ``"auto"`` (float32 on every device), ``"float32"``, ``"bfloat16"`` or ``"float16"``.
            overlap: how many chunks cover each sample, at least 1: a count, neither a fraction nor seconds. More
                takes longer in proportion. None: as the checkpoint has it.
            chunk_seconds: length of a chunk. None: as the checkpoint has it.
            batch_size: how many chunks the model gets at once, at least 1. More needs more memory.

        Raises:
            OptionError: an option is out of its range, or this machine cannot honour it.
        """
        self.stems = checkpoint.stems
        self.sample_rate = checkpoint.sample_rate
        self.audio_channels: int = checkpoint.model.audio_channels
        self.chunk_size = (
            checkpoint.chunk_size if chunk_seconds is None else samples_per_chunk(chunk_seconds, self.sample_rate)
        )
        self.overlap = checkpoint.num_overlap if overlap is None else overlap
        self.batch_size = batch_size
        if batch_size < 1:
            raise OptionError(f"batch_size is how many chunks the model gets at once, at least 1, got {batch_size}")
        plan_chunks(1, self.chunk_size, self.overlap)  # raises where the two do not fit each other
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self._model = checkpoint.model.to(self.device).eval()

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: str | os.PathLike[str],
        config: str | os.PathLike[str] | None = None,
        *,
        lora: str | os.PathLike[str] | None = None,
        settings: Mapping[str, object] | None = None,
        device: str = "auto",
        precision: str = "auto",
        overlap: int | None = None,
        chunk_seconds: float | None = None,
        batch_size: int = 1,
    ) -> Self:
        """Load a checkpoint of MSST's or our own format as :func:`hfbs_model.load_checkpoint` does.

        Args:
            checkpoint: path of the weights.
            config: path of the YAML that came with them. None: they need none, or ``settings`` say what they do not
                tell.
            lora: path of adapters to merge into them. None: none.
            settings: what neither weights nor YAML tell, by keyword, such as ``stft_hop_length``. None: nothing.
            device, precision, overlap, chunk_seconds, batch_size: as for the constructor.

        Raises:
            hfbs_model.CheckpointError: the weights cannot be read or contradict what is said of them.
            hfbs_model.ConfigError: the configuration cannot be read, or nobody says what weights do not tell.
            TypeError: a setting that nothing knows.
            OptionError: as for the constructor.
        """
        return cls(
            load_checkpoint(checkpoint, config, lora=lora, **(settings or {})),
            device=device,
            precision=precision,
            overlap=overlap,
            chunk_seconds=chunk_seconds,
            batch_size=batch_size,
        )

    def __repr__(self) -> str:
        return f"Separator(stems={self.stems}, {self.sample_rate} Hz, {self.computes_on})"

    @property
    def computes_on(self) -> str:
        """Device and precision in words, such as ``cpu, float32, 2 threads``."""
        return describe(self.device, self.precision)

    def separate(
        self, audio: ArrayLike, sample_rate: int, *, progress: Progress | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Separate one song.

        A mono song is given to a stereo model on both channels, and each stem is the mean of the two channels that
        come back. Each channel of a stereo song goes through a mono model by itself.

        Args:
            audio: floating point, shape (time,) for mono or (channel, time) with one or two channels, at least one
                sample, all finite. Full scale is 1, and exceeding it is fine.
            sample_rate: rate of ``audio`` in Hz.
            progress: called with (chunks done, chunks in all), first with (0, chunks in all).

        Returns:
            For each stem, in the order of ``stems``, float32 of the same shape and rate as ``audio``. Where the rate
            is not the model's, nothing above half the lower rate is in the stems.

        Raises:
            TypeError: ``audio`` is not floating point, or ``sample_rate`` is no integer.
            ValueError: wrong shape, no sample, a NaN or infinite sample, or a rate outside 1 kHz to 1 MHz.
            SeparationError: the model gave NaN or infinity, or the device's memory ran out.
        """
        song = _checked_audio(audio)
        rate = _checked_rate(sample_rate)
        lanes = self._to_lanes(resample(np.atleast_2d(song), rate, self.sample_rate))
        plan = plan_chunks(lanes.shape[-1], self.chunk_size, self.overlap)
        estimates = overlap_add(lanes, plan, self._estimate, batch_size=self.batch_size, progress=progress)
        stems = self._from_lanes(estimates, 1 if song.ndim == 1 else song.shape[0])
        shape = song.shape
        return {
            name: resample(stem, self.sample_rate, rate)[..., : shape[-1]].reshape(shape)
            for name, stem in zip(self.stems, stems, strict=True)
        }

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

    def _estimate(self, chunks: Audio) -> Audio:
        """(batch, lane, channel, time) → (batch, lane, stem, channel, time)."""
        batch = torch.as_tensor(chunks).flatten(0, 1).to(self.device)
        autocast = torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision != torch.float32)
        try:
            with torch.inference_mode(), autocast:
                output = cast(torch.Tensor, self._model(batch)).float().cpu()
        except torch.OutOfMemoryError as error:
            raise SeparationError(
                f"the memory of {self.device.type} ran out with chunks of {self.chunk_size / self.sample_rate:.1f} s "
                f"and a batch size of {self.batch_size}: make either smaller"
            ) from error
        if not bool(torch.isfinite(output).all()):
            words = str(self.precision).removeprefix("torch.")
            remedy = "use float32" if self.precision != torch.float32 else "the checkpoint may be damaged"
            raise SeparationError(f"the model gave NaN or infinity in {words}: {remedy}")
        return output.numpy().reshape(*chunks.shape[:2], *output.shape[1:])


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
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise ValueError(f"sample_rate is in Hz, from {_LOWEST_RATE} to {_HIGHEST_RATE}, got {rate}")
    return rate
