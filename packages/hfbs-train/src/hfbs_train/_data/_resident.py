"""Songs that are held on the device, for those of which there is room: excerpts are cut there, and no file is read."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from .._errors import ConfigurationError
from ._excerpts import Excerpts, Recipe

_ROOM = 0.7  # of the device's free memory that songs may take: the model needs some, too
_READERS = 8  # files that are read at once


class ResidentSongs:
    """All files of excerpts on a device, in float32 as they are read.

    Batches are the same as from disk, to the bit but where files are resampled: parts round otherwise than a whole.
    """

    def __init__(
        self, excerpts: Excerpts, device: torch.device, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Read all files.

        Args:
            excerpts: what is to be cut.
            device: where.
            progress: is told how many files are read, of how many.

        Raises:
            ConfigurationError: a GPU has no room for them.
            AudioFileError: a file cannot be read any more.
        """
        numbers = range(len(excerpts.files))
        _require_room(4 * excerpts.channels * sum(map(excerpts.file_samples, numbers)), device)
        self._shape = len(excerpts.stems) + 1, excerpts.channels, excerpts.samples
        self._files: list[Tensor] = []
        with ThreadPoolExecutor(_READERS) as threads:
            for audio in threads.map(excerpts.whole_file, numbers):
                self._files.append(torch.as_tensor(audio).to(device))
                if progress is not None:
                    progress(len(self._files), len(numbers))
        self._device = device

    def audio(self, recipes: Sequence[Recipe]) -> Tensor:
        """The stems of excerpts and, after them, their rests: float32, shape (batch, stem + 1, channel, time)."""
        audio = torch.zeros(len(recipes), *self._shape, device=self._device)
        for item, recipe in zip(audio, recipes, strict=True):
            for cut in recipe.cuts:
                piece = self._files[cut.file][:, cut.start : cut.start + audio.shape[-1]]
                item[cut.place, :, : piece.shape[-1]].add_(piece, alpha=cut.gain)
        return audio


def _require_room(needed: int, device: torch.device) -> None:
    if device.type != "cuda":
        return
    free = torch.cuda.mem_get_info(device)[0]
    if needed > _ROOM * free:
        raise ConfigurationError(
            f"data.resident: the songs take {needed / 2**30:.1f} GiB as float32, and {_ROOM:.0%} of what is free on "
            f"{device} is {_ROOM * free / 2**30:.1f} GiB: leave it out, and they are read from disk while training"
        )
