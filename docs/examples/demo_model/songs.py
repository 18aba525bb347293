"""All songs in two long tensors on the device, from which excerpts are drawn and changed there."""

import math

import torch
from network import CHUNK
from torch import Tensor

RENDERED, REAL = 0, 1
RATE = 44100
_GRID = RATE // 4  # samples between places where an excerpt may begin; it is moved at random besides
_PER_CHUNK = CHUNK // _GRID
POINTS = 7  # where the equaliser's curve is drawn, over 8.3 octaves from 50 Hz up


class Songs:
    """Songs of two kinds, of which more can be added while excerpts are drawn by a CUDA graph.

    Args:
        seconds: Room for how much.
        device: Where.
        places: Room for how many places to begin, of each kind.
    """

    def __init__(self, seconds: float, device: torch.device, places: int = 400_000) -> None:
        self._device = device
        self._vocals, self._rest = (
            torch.zeros(2, int(seconds * RATE), device=device, dtype=torch.float16) for _ in range(2)
        )
        self.samples = 0
        self._places = torch.zeros(2, 2, places, dtype=torch.int64, device=device)  # (any or sung, kind, place)
        self._counts = torch.zeros(2, 2, device=device)
        self.counts = [[0, 0], [0, 0]]
        self._bells = bells(octaves_of(device))

    def add(self, vocals: Tensor, rest: Tensor, kind: int, every: int = 1) -> bool:
        """Add a song, float32, (2, time) each; excerpts begin at each ``every``-th place. False: there is no room."""
        length = vocals.shape[1]
        blocks = length // _GRID
        begins = blocks - _PER_CHUNK - 2
        if begins < 1 or self.samples + length > self._vocals.shape[1]:
            return False
        here = slice(self.samples, self.samples + length)
        self._vocals[:, here], self._rest[:, here] = vocals, rest
        at = self.samples + _GRID * torch.arange(begins, device=self._device)
        for sung, (audio, level, share) in enumerate(((rest, 0.003, 0.5), (vocals, 0.006, 0.3))):
            loud = audio[:, : blocks * _GRID].unflatten(1, (blocks, _GRID)).square().mean((0, 2)).sqrt() > level
            enough = loud.float().unfold(0, _PER_CHUNK, 1).mean(1)[:begins] >= share
            before = self.counts[sung][kind]
            found = at[enough][::every][: self._places.shape[2] - before]
            self._places[sung, kind, before : before + len(found)] = found
            self.counts[sung][kind] = before + len(found)
        self.samples += length
        self._counts.copy_(torch.tensor(self.counts))
        return True

    def draw(self, batch: int, *, real: float, aligned: float) -> Tensor:
        """Vocals and the rest of excerpts, (2, batch, channel, time), float32; nothing of this waits for the device.

        Args:
            batch: How many.
            real: Share of vocals, and of rests, that are of real songs.
            aligned: Share of excerpts whose vocals and rest are of the same moment of one song.
        """
        sung = (self._random(batch) < 0.95).long()
        kind, other = ((self._random(batch) < real).long() for _ in range(2))
        together = self._random(batch) < aligned
        first = self._begin(sung, kind)
        second = torch.where(together, first, self._begin(torch.zeros_like(sung), other))
        along = torch.arange(CHUNK, device=self._device)
        cuts = ((self._vocals, first), (self._rest, second))
        return self._changed(torch.stack([song[:, at[:, None] + along].transpose(0, 1) for song, at in cuts]).float())

    def _begin(self, sung: Tensor, kind: Tensor) -> Tensor:
        place = (self._random(len(kind)) * self._counts[sung, kind]).long()
        return self._places[sung, kind, place] + (self._random(len(kind)) * _GRID).long()

    def _changed(self, stems: Tensor) -> Tensor:
        """Gain within 4 dB, polarity, channels; for a quarter an equaliser with a spread of 3 dB, without delay."""
        size = stems.shape[:2]
        gain = ((2 * self._random(*size) - 1) * (4 * math.log(10) / 20)).exp()
        gain = gain * (1 - 2 * (self._random(*size) < 0.5).float())
        swapped = self._random(*size) < 0.5
        stems = torch.where(swapped[..., None, None], stems.flip(2), stems) * gain[..., None, None]
        decibels = 3 * torch.randn(*size, POINTS, device=self._device) * (self._random(*size, 1) < 0.25)
        response = (decibels @ self._bells * (math.log(10) / 20)).exp()
        return torch.fft.irfft(torch.fft.rfft(stems) * response[:, :, None], CHUNK)

    def _random(self, *size: int) -> Tensor:
        return torch.rand(*size, device=self._device)


def played_faster(audio: Tensor, semitones: float) -> Tensor:
    """Audio, (2, time), at another speed and so at another pitch, by cutting or lengthening its spectrum."""
    length = audio.shape[1] // RATE * RATE
    after = round(length / 2 ** (semitones / 12) / 4410) * 4410
    spectrum = torch.fft.rfft(audio[:, :length])
    bins = min(length, after) // 2  # without the last, which would have to be real
    changed = spectrum.new_zeros(2, after // 2 + 1)
    changed[:, :bins] = spectrum[:, :bins]
    return torch.fft.irfft(changed, after) * (after / length)


def octaves_of(device: torch.device) -> Tensor:
    """How far an excerpt's bins are from 50 Hz, at most 8.3 octaves."""
    return (torch.fft.rfftfreq(CHUNK, 1 / RATE, device=device).clamp(min=1) / 50).log2().clamp(0, 8.3)


def bells(octaves: Tensor) -> Tensor:
    """What each point of the equaliser counts at each bin, (point, bin); over points, it adds up to one."""
    points = torch.linspace(0, 8.3, POINTS, device=octaves.device)
    return (1 - (octaves - points[:, None]).abs() / (8.3 / (POINTS - 1))).clamp(min=0)
