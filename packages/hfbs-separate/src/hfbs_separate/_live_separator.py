"""Stems of a stream, block by block, a stated number of samples later."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self, TypedDict, Unpack, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hfbs_model import Checkpoint, load_checkpoint

from ._device import describe, resolve_devices, resolve_precision, words_for
from ._errors import OptionError, OutOfMemory, SeparationError
from ._estimate import Estimator, as_array, at_work, unheard
from ._live_meter import LiveMeter
from ._live_plan import LivePlan
from ._stems import Outputs
from ._types import Audio

_WHOLE = 1 << 24  # weights are multiples of its inverse: two that sum to 1 do so without rounding


class LiveOptions(TypedDict, total=False):
    """Keywords of :class:`LiveSeparator`."""

    latency: float | LivePlan
    chunk_seconds: float | None
    device: str
    precision: str
    stems: Sequence[str] | None
    residuals: Mapping[str, Sequence[str]] | None
    compiled: bool


class LiveSeparator:
    """A model at work on one stream: as many samples of each stem come out of :meth:`process` as went in.

    Every ``plan.hop`` samples, the model separates the ``plan.chunk_size`` samples that came last, whatever the blocks:
    the work per hop is always the same, and so is the memory. Before the stream there is silence. Nothing is
    normalised: a level that depends on what is still to come cannot be known.

    One object is for one stream and one thread at a time.

    Attributes:
        plan: how the latency is made up.
        stems: names of what is given: what was chosen, then the further residuals.
        sample_rate: rate in Hz of the stream, the model's.
        audio_channels: channels of the stream, the model's: 1 or 2.
        meter: drop-outs and load since the stream began.
        device: where the model runs.
        precision: type that its attention and feed-forward layers compute in.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        latency: float | LivePlan = 0.5,
        *,
        chunk_seconds: float | None = None,
        device: str = "auto",
        precision: str = "auto",
        stems: Sequence[str] | None = None,
        residuals: Mapping[str, Sequence[str]] | None = None,
        compiled: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Take over a loaded checkpoint, and separate a chunk of silence, which makes all ready.

        Args:
            checkpoint: as :func:`hfbs_model.load_checkpoint` gives it.
            latency: budget in seconds, of which :meth:`LivePlan.within` makes a plan; or the plan itself.
            chunk_seconds: what the model sees at once, the past included; longer chunks separate better and take
                longer. None: by that rule.
            device: ``"auto"`` (CUDA, else MPS, else CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
            precision: as for :class:`~hfbs_separate.Separator` with clean chunking.
            stems: the stems to give, the checkpoint's residual among them or not, as for
                :class:`~hfbs_separate.Separator`. None: all, the residual last.
            residuals: further stems by name, each the mixture less the stems listed.
            compiled: compile the model's blocks at once (see ``compile_blocks`` of the model).
            clock: seconds that :attr:`meter` goes by.

        Raises:
            OptionError: an option is out of its range, or this machine or model cannot honour it.
            SeparationError: the model gave NaN or infinity, or the device's memory does not hold a chunk.
        """
        model = checkpoint.model
        self.sample_rate = checkpoint.sample_rate
        self.audio_channels: int = model.audio_channels
        if isinstance(latency, LivePlan):
            if chunk_seconds is not None:
                raise OptionError("the plan given as latency says how long chunks are: leave out chunk_seconds")
            self.plan = latency
        else:
            self.plan = LivePlan.within(
                latency,
                sample_rate=self.sample_rate,
                hop_length=model.stft_settings.hop_length,
                longest_chunk=checkpoint.chunk_size,
                chunk_seconds=chunk_seconds,
            )
        self._outputs = Outputs(checkpoint.stems, checkpoint.residual, stems, residuals or {})
        self.stems = self._outputs.names
        self.device, *others = resolve_devices(device)
        if others:
            raise OptionError(f"a stream is separated on one device, got {device!r}: name one of them")
        research = bool(model.parts.recipe)
        self.precision = resolve_precision("float32" if precision == "auto" and research else precision, self.device)
        ready = at_work(model, self.device, self.precision)
        if compiled:
            ready.compile_blocks()
        self._estimate = Estimator(
            ready,
            self.device,
            self.precision,
            stems=self._outputs.computed,
            averaged=False,
            note=unheard,  # a single chunk at once is never halved, of which a note would tell
        )
        self._clock = clock
        self._allocate()

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: str | os.PathLike[str],
        config: str | os.PathLike[str] | None = None,
        *,
        lora: str | os.PathLike[str] | None = None,
        settings: Mapping[str, object] | None = None,
        **options: Unpack[LiveOptions],
    ) -> Self:
        """Load a checkpoint as :meth:`hfbs_separate.Separator.from_checkpoint` does.

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
            OptionError, SeparationError: as for the constructor.
        """
        return cls(load_checkpoint(checkpoint, config, lora=lora, **(settings or {})), **options)

    def __repr__(self) -> str:
        seconds = self.latency / self.sample_rate
        return f"LiveSeparator(stems={self.stems}, {self.sample_rate} Hz, latency {seconds:.3g} s, {self.computes_on})"

    @property
    def latency(self) -> int:
        """Samples by which the stems come later than the mixture, exactly, whatever the blocks.

        A device that plays without gaps adds the time that computing a chunk takes, at most ``plan.hop`` samples as
        long as there is no drop-out.
        """
        return self.plan.latency

    @property
    def computes_on(self) -> str:
        """Device and precision in words, such as ``cpu, float32, 2 threads``."""
        return describe([self.device], self.precision)

    @property
    def settings(self) -> dict[str, object]:
        """What its stems depend on besides model and stream, in values that JSON has."""
        plan = self.plan
        return {
            "latency": plan.latency,
            "hop": plan.hop,
            "look_ahead": plan.look_ahead,
            "crossfade": plan.crossfade,
            "chunk_size": plan.chunk_size,
            "precision": words_for(self.precision),
            "stems": list(self.stems),
        }

    @overload
    def process(self, block: Tensor) -> dict[str, Tensor]: ...
    @overload
    def process(self, block: ArrayLike) -> dict[str, NDArray[np.float32]]: ...
    def process(self, block: ArrayLike | Tensor) -> dict[str, NDArray[np.float32]] | dict[str, Tensor]:
        """Take the stream's next samples, and give as many of each stem, those of ``latency`` samples before.

        How a stream is cut into blocks changes nothing. A block in which a hop ends waits for the model.

        Args:
            block: floating point, shape (channel, time), with the model's channels, all finite; ``time`` may be 0. Full
                scale is 1, and exceeding it is fine.

        Returns:
            For each name in ``stems``, in that order, float32 of the block's shape, as a tensor on the CPU where the
            block is a tensor. The stream's first ``latency`` samples are of the silence before it.

        Raises:
            TypeError: the block is not floating point.
            ValueError: wrong shape, or a NaN or infinite sample. Nothing of the block was taken.
            SeparationError: the model gave NaN or infinity, or the device's memory ran out.
        """
        if isinstance(block, Tensor):
            arrays = self.process(as_array(block))
            return {name: torch.as_tensor(stem) for name, stem in arrays.items()}
        samples = self._checked(block)
        given = np.empty((len(self.stems), *samples.shape), np.float32)
        done = 0
        while done < samples.shape[1]:
            begin, phase = done, self._phase
            done = min(begin + self.plan.hop - phase, samples.shape[1])
            self._phase += done - begin
            given[..., begin:done] = self._ready[..., phase : self._phase]
            self._hear(samples[:, begin:done])
            if self._phase == self.plan.hop:
                self._advance()
        return {name: given[index] for index, name in enumerate(self.stems)}

    def flush(self) -> dict[str, NDArray[np.float32]]:
        """The stream has ended: give the last ``latency`` samples of each stem, as if silence followed.

        After that a new stream begins, with silence before it and a new :attr:`meter`.
        """
        rest = self.process(np.zeros((self.audio_channels, self.latency), np.float32))
        self.reset()
        return rest

    def reset(self) -> None:
        """Forget the stream; a new one begins."""
        for buffer in (self._past, self._tail, self._ready):
            buffer.fill(0)
        self._place = self._phase = 0
        self.meter = LiveMeter(self.plan.hop / self.sample_rate)

    def _allocate(self) -> None:
        """Make all buffers, with the shape of what the model gives for a chunk of silence."""
        plan, channels = self.plan, self.audio_channels
        # Each sample is written twice, a chunk apart, so that the last chunk lies in one piece wherever it begins.
        try:
            self._past = np.zeros((channels, 2 * plan.chunk_size), np.float32)
        except MemoryError as error:
            seconds = plan.chunk_size / self.sample_rate
            raise SeparationError(f"the memory does not hold a chunk of {seconds:.3g} s: give a shorter one") from error
        self._place = self._phase = 0
        computed = len(self._separated())
        self._stems = np.zeros((computed, channels, plan.hop), np.float32)
        self._fading = np.zeros((computed, channels, plan.crossfade))
        self._tail = np.zeros((computed, channels, plan.crossfade))
        self._ready = np.zeros((len(self.stems), channels, plan.hop), np.float32)
        ramp = np.arange(1, plan.crossfade + 1) / (plan.crossfade + 1)
        self._rising = np.floor(ramp * _WHOLE) / _WHOLE
        self._falling = 1 - self._rising
        self.reset()

    def _hear(self, samples: Audio) -> None:
        """Write no more than a chunk of samples over the oldest ones."""
        size = self.plan.chunk_size
        first = min(samples.shape[1], size - self._place)
        for copy in (0, size):
            self._past[:, copy + self._place : copy + self._place + first] = samples[:, :first]
            self._past[:, copy : copy + samples.shape[1] - first] = samples[:, first:]
        self._place = (self._place + samples.shape[1]) % size

    def _separated(self) -> Audio:
        """Estimates of the last chunk: (stem computed, channel, time)."""
        chunk = self._past[:, self._place : self._place + self.plan.chunk_size]
        try:
            return self._estimate(chunk[np.newaxis, np.newaxis])[0, 0]
        except OutOfMemory as error:
            seconds = self.plan.chunk_size / self.sample_rate
            raise SeparationError(f"{error} of {seconds:.3g} s: give a lower chunk_seconds") from error

    def _advance(self) -> None:
        """A hop is complete: make ready what comes out with the next one."""
        began = self._clock()
        plan = self.plan
        begin = plan.chunk_size - plan.latency
        estimate = self._separated()[..., begin : begin + plan.hop + plan.crossfade]
        self._stems[:] = estimate[..., : plan.hop]
        np.multiply(estimate[..., : plan.crossfade], self._rising, out=self._fading)
        self._fading += self._tail
        self._stems[..., : plan.crossfade] = self._fading
        np.multiply(estimate[..., plan.hop :], self._falling, out=self._tail)
        oldest = self._place + begin
        self._outputs.into(self._ready, self._stems, self._past[:, oldest : oldest + plan.hop])
        self._phase = 0
        self.meter.add(self._clock() - began)

    def _checked(self, block: ArrayLike) -> Audio:
        given = np.asarray(block)
        if not np.issubdtype(given.dtype, np.floating):
            raise TypeError(
                f"a block must be floating point with full scale 1, got {given.dtype}: "
                "divide integer samples by full scale first (int16 by 32768)"
            )
        if given.ndim != 2 or given.shape[0] != self.audio_channels:
            many = f"{self.audio_channels} channel{'s' if self.audio_channels > 1 else ''}"
            if given.ndim == 2 and given.shape[1] == self.audio_channels:
                remedy = "it looks like (time, channel), so pass block.T"
            elif self.audio_channels == 2:
                remedy = "give mono as both channels, np.broadcast_to(block, (2, block.shape[-1]))"
            else:
                remedy = "give mono as block.reshape(1, -1), and each channel of stereo to a separator of its own"
            raise ValueError(
                f"a block must have shape (channel, time) with the model's {many}, got {given.shape}: {remedy}"
            )
        with np.errstate(over="ignore"):
            samples = given.astype(np.float32, copy=False)
        finite = np.isfinite(samples)
        if not finite.all():
            where = tuple(int(axis[0]) for axis in np.nonzero(~finite))
            raise ValueError(f"a block must be finite, got {samples[where]} at index {where}")
        return samples
