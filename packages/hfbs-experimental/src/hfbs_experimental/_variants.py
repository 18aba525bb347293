"""The variants of the attention stack, which the checkpoint loader finds by the entry points ``hfbs.variants``."""

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import cast

from torch import Tensor

from hfbs_model import Parts, Variant

from ._connections import Connections, Generation, expand_and_reduce, resolve_connections
from ._stacks import ConformerSizes, stacks_of


def _first(weights: Mapping[str, Tensor], pattern: str, variant: str) -> Tensor:
    """The first tensor whose name ends with what the pattern describes."""
    ending = re.compile(rf"{pattern}$")
    for name, tensor in weights.items():
        if ending.search(name):
            return tensor
    raise ValueError(f"weights of the variant {variant!r} have names that end with {pattern!r}, got none")


def _infer_nothing(_: Mapping[str, Tensor]) -> Mapping[str, object]:
    return {}


def _infer_connections(weights: Mapping[str, Tensor]) -> Mapping[str, object]:
    """Streams and fracs from alphas of (streams × fracs) rows, which have a column for each row and each frac."""
    rows, columns = _first(weights, r"\.static_alpha", "hyper-connections").shape
    fracs = columns - rows
    manifold = _first(weights, r"\.dynamic_alpha_fn", "hyper-connections").ndim == 3
    keywords: dict[str, object] = {
        "num_residual_streams": rows // fracs,
        "num_residual_fracs": fracs,
        "hyper_connections": "manifold" if manifold else "2024",
    }
    return keywords if manifold else keywords | {"sinkhorn_iters": None}


def _with_connections(
    base: Parts,
    *,
    num_residual_streams: int,
    hyper_connections: Generation,
    sinkhorn_iters: int | None = None,
    num_residual_fracs: int = 1,
) -> Parts:
    """Parts with hyper-connections, and tokens expanded to streams before the first layer.

    Raises:
        ValueError: Keywords that contradict each other, or parts whose tokens are expanded already.
    """
    # Sizes that contradict each other are found here rather than at the first layer; None needs a generation of None.
    connections = cast(
        "Connections",
        resolve_connections(
            num_residual_streams, hyper_connections, sinkhorn_iters, num_residual_fracs, dim=num_residual_fracs
        ),
    )
    if base.expand is not Parts().expand or base.reduce is not Parts().reduce:
        raise ValueError("these parts expand tokens to streams already; build 'hyper-connections' once, on others")
    expand, reduce = expand_and_reduce(num_residual_streams)
    stacks = replace(stacks_of(base), **connections.keywords)
    parts = replace(base, transformer_of=stacks, expand=expand, reduce=reduce)
    return parts.built_by("hyper-connections", **connections.keywords)


def _with_value_residual(base: Parts) -> Parts:
    return replace(base, transformer_of=replace(stacks_of(base), lucidrains_mel_values=True)).built_by("value-residual")


def _with_biases(base: Parts) -> Parts:
    return replace(base, transformer_of=replace(stacks_of(base), bias=True)).built_by("biased-attention")


def _with_msst_residuals(base: Parts) -> Parts:
    return replace(base, transformer_of=replace(stacks_of(base), msst_residuals=True)).built_by("msst-residuals")


def _infer_conformer(weights: Mapping[str, Tensor]) -> Mapping[str, object]:
    dim = _first(weights, r"\.conv\.net\.0\.gamma", "conformer").shape[0]
    inner, _, kernel_size = _first(weights, r"\.conv\.net\.4\.weight", "conformer").shape
    return {"conv_expansion_factor": inner // dim, "conv_kernel_size": kernel_size}


def _with_conformers(base: Parts, *, conv_expansion_factor: int, conv_kernel_size: int) -> Parts:
    sizes = ConformerSizes(conv_expansion_factor, conv_kernel_size)
    parts = replace(base, transformer_of=replace(stacks_of(base), conformer=sizes))
    return parts.built_by("conformer", **asdict(sizes))


HYPER_CONNECTIONS = Variant(
    infer=_infer_connections,
    build=_with_connections,
    questions={"sinkhorn_iters": "2, lucidrains' default"},
)
"""Hyper-connections of both generations :cite:p:`zhu2024hyperconnections`, found by ``static_alpha``."""

VALUE_RESIDUAL = Variant(infer=_infer_nothing, build=_with_value_residual)
"""Value residuals of lucidrains' Mel-Band RoFormer :cite:p:`zhou2024valueresidual`, found by
``learned_value_residual_mix.0``; the model needs ``use_value_residual_learning=True``. Those under
``to_value_residual_mix`` the stable model has."""

BIASED_ATTENTION = Variant(infer=_infer_nothing, build=_with_biases)
"""Attention with biases, found by ``to_qkv.bias``; where upstream shares one bias, each layer has its own copy."""

MSST_RESIDUALS = Variant(infer=_infer_nothing, build=_with_msst_residuals)
"""Residual sums as MSST's experimental files have them: in the first layer and not in later ones, with
hyper-connections or without. Nothing in the weights tells it."""

CONFORMER = Variant(infer=_infer_conformer, build=_with_conformers)
"""Conformers in the place of transformers, found by ``conv.net``."""
