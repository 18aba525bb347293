"""What the separator takes, checked at its door."""

from collections.abc import Sequence
from operator import index

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def checked_audio(audio: object, channels: int) -> Float[Tensor, "batch channel time"]:
    """Audio as (batch, channel, time), finite and not empty.

    Raises:
        TypeError: No tensor, or not floating-point.
        ValueError: Wrong rank or number of channels, no samples, NaN or infinity.
    """
    audio = _floating_point("raw_audio", audio)
    if audio.ndim not in (2, 3):
        raise ValueError(f"raw_audio is (batch, time) or (batch, channel, time), got shape {tuple(audio.shape)}")
    if audio.ndim == 2:
        audio = rearrange(audio, "b t -> b 1 t")
    if audio.shape[1] != channels:
        remedy = (
            "repeat a mono mixture to two channels, or build the model with stereo=False"
            if channels == 2
            else "separate each channel on its own, or build the model with stereo=True"
        )
        raise ValueError(
            f"this model takes {channels} channel(s), got {audio.shape[1]} (shape {tuple(audio.shape)}); {remedy}"
        )
    if audio.numel() == 0:
        raise ValueError(f"raw_audio holds at least one sample, got shape {tuple(audio.shape)}")
    _refuse_not_finite("raw_audio", audio)
    return audio


def checked_target(target: object, mixture: Tensor, num_stems: int) -> Float[Tensor, "batch stem channel longer"]:
    """True stems as (batch, stem, channel, time), at least as long as the mixture.

    Raises:
        TypeError: No tensor, or not floating-point.
        ValueError: Any other shape, NaN or infinity.
    """
    target = _floating_point("target", target)
    batch, channels, time = mixture.shape
    expected = (batch, num_stems, channels)
    full = target
    if target.ndim < 4 and channels == 1:
        full = full.unsqueeze(-2)
    if full.ndim < 4 and num_stems == 1:
        full = full.unsqueeze(1)
    if full.ndim != 4 or full.shape[:3] != expected or full.shape[-1] < time:
        raise ValueError(
            f"target is (batch, stem, channel, time) = {(*expected, time)} or longer in time, all stems included, "
            f"got {tuple(target.shape)}"
        )
    _refuse_not_finite("target", target)
    return full


def checked_stems(active_stem_ids: Sequence[int] | None, num_stems: int) -> list[int]:
    """Indices of the stems to compute.

    Raises:
        TypeError: No whole numbers.
        ValueError: None at all, one that is not there, or one twice.
    """
    if active_stem_ids is None:
        return list(range(num_stems))
    try:
        stems = [index(stem) for stem in active_stem_ids]
    except TypeError as error:
        raise TypeError(f"active_stem_ids are whole numbers, got {active_stem_ids!r}") from error
    if not stems or len(set(stems)) < len(stems) or not all(0 <= stem < num_stems for stem in stems):
        raise ValueError(f"active_stem_ids are different numbers from 0 to {num_stems - 1}, at least one, got {stems}")
    return stems


def _floating_point(name: str, audio: object) -> Tensor:
    if not isinstance(audio, Tensor):
        raise TypeError(f"{name} is a tensor, got {type(audio).__name__}; convert it by torch.as_tensor")
    if not audio.is_floating_point():
        raise TypeError(f"{name} holds floating-point samples, got {audio.dtype}; divide 16-bit samples by 32768.0")
    return audio


def _refuse_not_finite(name: str, audio: Tensor) -> None:
    if torch.compiler.is_compiling() or bool(torch.isfinite(audio).all()):
        return
    count = int((~torch.isfinite(audio)).sum())
    raise ValueError(
        f"{name} holds finite samples only, got {count} NaN or infinite of {audio.numel()}; repair the source, "
        "or replace them with torch.nan_to_num"
    )
