"""All effects, one after another, on a batch of stems."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.random import Generator
from torch import Tensor

from .._errors import ConfigurationError
from .._transfer import sent
from ._codec import degrade
from ._draws import chances, generator
from ._filters import equalizer, low_pass
from ._levels import Rows, channel_swap, clipping, gain, pan, polarity, saturation
from ._reverb import reverb
from ._settings import MARGIN, AugmentationSettings, Codec, speed_input, vocoder_input
from ._stretch import pitch_and_tempo, speed

type Effect = Callable[[Rows, Sequence[Generator]], Rows]


@torch.no_grad()
def augment(
    stems: Float[Tensor, "batch stem channel time"],
    indices: Int[Tensor, " batch"] | Sequence[int],
    settings: AugmentationSettings,
    *,
    seed: int,
    sample_rate: int,
) -> Float[Tensor, "batch stem channel kept"]:
    """Change stems at random, on the device where they are, in float32.

    What is drawn for a stem depends on ``seed``, its item's index and its number among the stems alone: neither on the
    other items of the batch nor on the device, and no generator's state is read or changed. The mixture is the sum of
    what comes back; what a song holds beside its stems can be given as one more.

    Args:
        stems: Full scale 1.
        indices: Number of each item among all that a run draws, at least 0: another one, other draws. On the CPU,
            where stems are on a GPU: else it is waited for.
        settings: What to do.
        seed: Of the run, at least 0.
        sample_rate: In Hz.

    Returns:
        As many samples as ``settings.output_length`` says: all, but for ``speed`` and ``pitch_and_tempo``.

    Raises:
        ValueError: Not as many indices as items.
        ConfigurationError: ``pan`` or ``channel_swap`` of other than stereo, or excerpts too short for ``speed`` or
            ``pitch_and_tempo``.
    """
    if len(indices) != len(stems):
        raise ValueError(f"indices must have one number per item, got {len(indices)} for {len(stems)} items")
    batch = _Batch(stems.float(), [int(index) for index in indices], seed)
    _check_channels(stems.shape[2], settings)
    length = settings.output_length(stems.shape[-1])
    with torch.autocast(stems.device.type, enabled=False):
        if settings.codec is not None:
            batch.through_codec(settings.codec, sample_rate)
        if (faster := settings.speed) is not None:
            after = length
            if settings.pitch_and_tempo is not None:
                after = vocoder_input(length, settings.pitch_and_tempo)
            batch.stems = batch.stems[..., : speed_input(after, faster)]
            batch.apply(
                "speed",
                faster.probability,
                lambda rows, draws: speed(rows, draws, faster, after),
                together=faster.same_for_all_stems,
                part=slice(MARGIN, MARGIN + after),
            )
        if (shifted := settings.pitch_and_tempo) is not None:
            batch.apply(
                "pitch_and_tempo",
                shifted.probability,
                lambda rows, draws: pitch_and_tempo(rows, draws, shifted, length),
                together=shifted.same_for_all_stems,
                part=slice(MARGIN, MARGIN + length),
            )
        for name, probability, effect in _effects(settings, sample_rate):
            batch.apply(name, probability, effect)
    return batch.stems


class _Batch:
    """Stems on their way through the effects."""

    def __init__(self, stems: Float[Tensor, "batch stem channel time"], indices: list[int], seed: int) -> None:
        self.stems: Tensor = stems
        self._indices = indices
        self._seed = seed

    def apply(
        self,
        name: str,
        probability: float,
        effect: Effect,
        *,
        together: bool = False,
        part: slice = slice(None),
    ) -> None:
        """Put the effect's result in the place of the stems that are drawn for it.

        Args:
            name: Of the effect, for its draws.
            probability: Of each stem.
            effect: Gets those stems, and a generator for each.
            together: Whether all stems of an item have the same draws.
            part: The samples that take the place of the effect's result where it is not applied.
        """
        items, stems = self.stems.shape[:2]
        numbers: Sequence[int | None] = [None] if together else range(stems)
        drawn = chances(name, seed=self._seed, indices=self._indices, stems=numbers) < probability
        places = np.flatnonzero(np.broadcast_to(drawn, (items, stems)))
        rows = self.stems.flatten(0, 1)
        result = rows[..., part]
        if len(places):
            draws = [
                generator(name, seed=self._seed, index=self._indices[item], stem=None if together else stem)
                for item, stem in (divmod(int(place), stems) for place in places)
            ]
            chosen = sent(torch.as_tensor(places), rows.device)
            result = result.index_copy(0, chosen, effect(rows[chosen], draws))
        self.stems = result.unflatten(0, (items, stems))

    def through_codec(self, settings: Codec, sample_rate: int) -> None:
        """Send what is drawn for it through lossy formats, on the CPU."""
        numbers = range(self.stems.shape[1])
        before = self.stems.cpu().numpy()
        after = [
            degrade(item, settings, seed=self._seed, index=index, sample_rate=sample_rate, numbers=numbers)
            for item, index in zip(before, self._indices, strict=True)
        ]
        self.stems = torch.as_tensor(np.stack(after)).to(self.stems.device)


def _effects(settings: AugmentationSettings, sample_rate: int) -> list[tuple[str, float, Effect]]:
    """The effects that leave the length as it is, in their order."""
    effects: list[tuple[str, float, Effect]] = []
    if (each := settings.equalizer) is not None:
        effects.append(("equalizer", each.probability, _bound(equalizer, each, sample_rate)))
    if (each := settings.saturation) is not None:
        effects.append(("saturation", each.probability, _bound(saturation, each)))
    if (each := settings.clipping) is not None:
        effects.append(("clipping", each.probability, _bound(clipping, each)))
    if (each := settings.reverb) is not None:
        effects.append(("reverb", each.probability, _bound(reverb, each, sample_rate)))
    if (each := settings.low_pass) is not None:
        effects.append(("low_pass", each.probability, _bound(low_pass, each, sample_rate)))
    if (each := settings.pan) is not None:
        effects.append(("pan", each.probability, _bound(pan, each)))
    if (each := settings.channel_swap) is not None:
        effects.append(("channel_swap", each.probability, lambda rows, _: channel_swap(rows)))
    if (each := settings.polarity) is not None:
        effects.append(("polarity", each.probability, lambda rows, _: polarity(rows)))
    if (each := settings.gain) is not None:
        effects.append(("gain", each.probability, _bound(gain, each)))
    return effects


def _bound(effect: Callable[..., Rows], *after: object) -> Effect:
    return lambda rows, draws: effect(rows, draws, *after)


def _check_channels(channels: int, settings: AugmentationSettings) -> None:
    for name in ("pan", "channel_swap"):
        if getattr(settings, name) is not None and channels != 2:
            raise ConfigurationError(f"{name} needs two channels, got {channels}: leave it out of augmentation")
