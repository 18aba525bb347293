"""Hyper-connections: several residual streams in the place of one, by the hyper-connections library."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from hyper_connections import (
    HyperConnections,
    ManifoldConstrainedHyperConnections,
    get_expand_reduce_stream_functions,  # pyright: ignore[reportUnknownVariableType]
)
from torch import Tensor, nn

type Generation = Literal["2024", "manifold"]
"""Hyper-connections as their paper has them, or with mixing kept on the manifold of doubly stochastic matrices."""

SINKHORN_ITERS = 2
"""What lucidrains' models take; the library's own default is 20."""


@dataclass(frozen=True)
class Connections:
    """How the blocks of a transformer are connected :cite:p:`zhu2024hyperconnections`.

    Attributes:
        streams: Residual streams.
        fracs: Parts that each stream's features fall into.
        generation: Kind of the connections.
        sinkhorn_iters: Iterations towards a doubly stochastic matrix; not of ``"2024"``.
    """

    streams: int
    fracs: int
    generation: Generation
    sinkhorn_iters: int

    @property
    def keywords(self) -> dict[str, object]:
        """Those of the variant that builds them, each with the value that counts."""
        return {
            "num_residual_streams": self.streams,
            "num_residual_fracs": self.fracs,
            "hyper_connections": self.generation,
            "sinkhorn_iters": self.sinkhorn_iters if self.generation == "manifold" else None,
        }

    def around(self, branch: nn.Module, dim: int) -> nn.Module:
        """The block with its connections, under the key ``branch``. It begins by reading a stream drawn at random."""
        first_stream = int(torch.randint(self.streams, ()))
        if self.generation == "2024":
            return HyperConnections(
                self.streams, dim=dim, branch=branch, layer_index=first_stream, num_fracs=self.fracs
            )
        return ManifoldConstrainedHyperConnections(
            self.streams,
            dim=dim,
            branch=branch,
            layer_index=first_stream,
            num_fracs=self.fracs,
            sinkhorn_iters=self.sinkhorn_iters,
        )


def resolve_connections(
    num_residual_streams: int,
    hyper_connections: Generation | None,
    sinkhorn_iters: int | None,
    num_residual_fracs: int,
    dim: int,
) -> Connections | None:
    """Connections that the keywords of :class:`Transformer` describe, or None for plain residual sums.

    Raises:
        ValueError: Keywords that contradict each other.
    """
    for name, size in {"num_residual_streams": num_residual_streams, "num_residual_fracs": num_residual_fracs}.items():
        if size < 1:
            raise ValueError(f"{name} is at least 1, got {size}")
    if num_residual_streams == num_residual_fracs == 1:
        given = {"hyper_connections": hyper_connections, "sinkhorn_iters": sinkhorn_iters}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"{name}={value!r} needs num_residual_streams of at least 2; set it, often 4, or leave {name} out"
                )
        return None
    if dim % num_residual_fracs:
        raise ValueError(f"num_residual_fracs divides dim, got {num_residual_fracs} for dim={dim}")
    if hyper_connections == "2024" and sinkhorn_iters is not None:
        raise ValueError(
            f"hyper_connections='2024' iterates nothing, got sinkhorn_iters={sinkhorn_iters}; leave it out"
        )
    if hyper_connections not in (None, "2024", "manifold"):
        raise ValueError(f"hyper_connections is '2024' or 'manifold', got {hyper_connections!r}")
    if sinkhorn_iters is not None and sinkhorn_iters < 1:
        raise ValueError(f"sinkhorn_iters is at least 1, got {sinkhorn_iters}")
    return Connections(
        streams=num_residual_streams,
        fracs=num_residual_fracs,
        generation=hyper_connections or "manifold",
        sinkhorn_iters=SINKHORN_ITERS if sinkhorn_iters is None else sinkhorn_iters,
    )


def expand_and_reduce(num_residual_streams: int) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """From tokens to their streams, a copy each beside each other in the batch axis, and from streams to their sum."""
    return cast(
        "tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]",
        get_expand_reduce_stream_functions(num_residual_streams, disable=num_residual_streams == 1),
    )
