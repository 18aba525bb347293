"""The model at work on a batch of chunks, whatever the memory holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor

from hfbs_model import BandSplitRotator
from hfbs_model.export import ExportedModel

from ._device import current, words_for
from ._errors import OutOfMemory, SeparationError
from ._types import Audio


@dataclass(slots=True)
class Estimator:
    """Runs the model for one song.

    Attributes:
        model: as :func:`at_work` gives it.
        device: where it runs.
        precision: in which its layers compute.
        stems: indices of the stems to compute; None means all.
        averaged: average over the chunk as it is, with its channels swapped, and with its polarity reversed.
        note: called with one sentence for each thing that a person should know.
        at_once: most inputs that the memory is known to hold, or None as long as it held all.
    """

    model: BandSplitRotator | ExportedModel
    device: torch.device
    precision: torch.dtype
    stems: Sequence[int] | None
    averaged: bool
    note: Callable[[str], None]
    at_once: int | None = None

    def __call__(self, chunks: Audio) -> Audio:
        """(batch, lane, channel, time) → (batch, lane, stem, channel, time).

        Raises:
            OutOfMemory: the device's memory does not hold a single chunk.
            SeparationError: the model gave NaN or infinity.
        """
        inputs = torch.as_tensor(chunks).flatten(0, 1)
        if not self.averaged:
            output = self._run(inputs)
        elif inputs.shape[1] == 1:
            output = (self._run(inputs) - self._run(-inputs)) / 2
        else:
            output = (self._run(inputs) + self._run(inputs.flip(1)).flip(2) - self._run(-inputs)) / 3
        if not bool(torch.isfinite(output).all()):
            remedy = "use float32" if self.precision != torch.float32 else "the checkpoint may be damaged"
            raise SeparationError(f"the model gave NaN or infinity in {words_for(self.precision)}: {remedy}")
        return output.numpy().reshape(*chunks.shape[:2], *output.shape[1:])

    def _run(self, inputs: Tensor) -> Tensor:
        """All inputs, in as many turns as the memory asks for. What an input gives does not depend on the others."""
        outputs: list[Tensor] = []
        first = 0
        while first < len(inputs):
            turn = inputs[first : first + (self.at_once or len(inputs))]
            try:
                outputs.append(self._forward(turn))
                first += len(turn)
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                if len(turn) == 1:
                    raise OutOfMemory(f"the memory of {self.device} does not hold a single chunk") from error
                self.at_once = len(turn) // 2
                self.note(
                    f"the memory of {self.device} ran out with {len(turn)} chunks at once: "
                    f"going on with {self.at_once}, which changes nothing else"
                )
                self._release()
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def _forward(self, inputs: Tensor) -> Tensor:
        casts = _is_research(self.model) and self.precision != torch.float32
        with (
            current(self.device),
            torch.inference_mode(),
            torch.autocast(self.device.type, self.precision, enabled=casts),
        ):
            given = inputs.to(self.device)
            output = self.model(given) if self.stems is None else self.model(given, active_stem_ids=self.stems)
            return cast(Tensor, output).float().cpu()

    def _release(self) -> None:
        """Give back what a failed attempt left in the caching allocator."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def at_work[Model: BandSplitRotator | ExportedModel](
    model: Model, device: torch.device, precision: torch.dtype
) -> Model:
    """The model on its device and in its precision, for inference.

    Weights of research variants may be complex, and cannot be cast: those run under autocast.
    """
    return model.to(device, None if _is_research(model) else precision).eval()


def _is_research(model: BandSplitRotator | ExportedModel) -> bool:
    return bool(model.parts.recipe)


def unheard(_note: str) -> None:
    """Where nobody listens."""


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """PyTorch has a class for it on GPUs only; elsewhere it says so in a plain RuntimeError."""
    told = ("DefaultCPUAllocator", "MPS backend out of memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in told)


def as_array(tensor: Tensor) -> NDArray[Any]:
    """The tensor's values on the processor: in float32 where it is floating point, else as they are."""
    values = tensor.detach().cpu()
    return (values.float() if values.is_floating_point() else values).numpy()
