"""Positions of a checkpoint: the frequencies of RoPE and PoPE as defined, where the file holds them rounded."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from .._errors import CheckpointError

_FREQUENCIES = re.compile(
    r"^((?:mask_estimators\.\d+\.)?layers)\.\d+\.(\d)\..*\.(rotary_embed\.freqs|pope_embed\.inv_freqs)$"
)
_TABLE = re.compile(r"(^|\.)(cos|sin)_emb(_time|_freq)?$")
_THETA = 10000.0
_TABLE_ROUNDING = 1e-3
"""How far a cosine in float16 may be off: a unit in its last place is at most 2⁻¹⁰."""


def rope_frequencies(dim_head: int) -> Tensor:
    """Angles in radians that one position more adds to each pair of features :cite:p:`su2021roformer`."""
    return 1.0 / _THETA ** (torch.arange(0, dim_head, 2).float() / dim_head)


def pope_frequencies(dim_head: int) -> Tensor:
    """Angles in radians that one position more adds to each feature :cite:p:`gopalakrishnan2025pope`."""
    return _THETA ** -(torch.arange(dim_head).float() / dim_head)


def with_exact_frequencies(weights: Mapping[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """Frequencies as RoPE defines them in place of those rounded to half precision, and of stored tables.

    Other frequencies, which may be learned, are left alone.

    Raises:
        CheckpointError: Tables that are not RoPE's, or layers of one axis that differ.
    """
    tables = {name: tensor for name, tensor in weights.items() if _TABLE.search(name)}
    exact = {name: tensor for name, tensor in weights.items() if name not in tables}
    if tables:
        _refuse_learned_tables(tables)
        notes.append("stored rotary tables are RoPE's to within half precision; RoPE in float32 takes their place")
        dim_head = next(iter(tables.values())).shape[-1]
        for name in [name for name in exact if re.match(r"layers\.\d+\.\d\.layers\.\d+\.0\.to_qkv\.weight$", name)]:
            exact[f"{name.removesuffix('to_qkv.weight')}rotary_embed.freqs"] = rope_frequencies(dim_head)
        return exact

    of_axis: dict[tuple[str, str], Tensor] = {}
    rounded = 0
    for name, tensor in exact.items():
        if match := _FREQUENCIES.match(name):
            first = of_axis.setdefault((match[1], match[2]), tensor)
            if first.shape != tensor.shape or not torch.equal(first, tensor):
                raise CheckpointError(
                    f"{name} differs from the frequencies of another layer on the same axis, which share one "
                    "embedding; the file is damaged, or of another model"
                )
            count = tensor.numel()
            defined = pope_frequencies(count) if "pope" in match[3] else rope_frequencies(2 * count)
            if _is_rounded(tensor, defined):
                exact[name], rounded = defined, rounded + 1
    if rounded:
        notes.append(
            "the frequencies of positions are in half precision in the file and exact in the model, so that far "
            "positions differ from a program that takes them as they are"
        )
    return exact


def _is_rounded(frequencies: Tensor, defined: Tensor) -> bool:
    if frequencies.dtype not in (torch.float16, torch.bfloat16):
        return False
    rounding = torch.finfo(frequencies.dtype).eps
    return frequencies.shape == defined.shape and torch.allclose(frequencies.float(), defined, rtol=rounding, atol=1e-7)


def _refuse_learned_tables(tables: Mapping[str, Tensor]) -> None:
    for name, table in tables.items():
        if table.ndim != 2 or table.shape[1] % 2:
            raise CheckpointError(f"{name} is a rotary table of (position, feature), got shape {tuple(table.shape)}")
        angles = torch.outer(torch.arange(len(table)).float(), rope_frequencies(table.shape[1])).repeat_interleave(2, 1)
        rope = angles.cos() if "cos_emb" in name else angles.sin()
        difference = (table.float() - rope).abs().max().item()
        if not difference <= _TABLE_ROUNDING:
            raise CheckpointError(
                f"{name} differs from RoPE's table by up to {difference:.2g}: such learned positions are not supported"
            )
