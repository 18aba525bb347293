"""What the keywords of the experimental classes mean in variants."""

from collections.abc import Mapping
from dataclasses import replace

from hfbs_model import Parts

from ._connections import Generation, resolve_connections
from ._variants import BIASED_ATTENTION, HYPER_CONNECTIONS, MSST_RESIDUALS, VALUE_RESIDUAL

_VARIANTS = {
    "hyper-connections": HYPER_CONNECTIONS,
    "value-residual": VALUE_RESIDUAL,
    "biased-attention": BIASED_ATTENTION,
    "msst-residuals": MSST_RESIDUALS,
}


def experimental_parts(
    base: Parts | None,
    dim: int,
    *,
    num_residual_streams: int,
    hyper_connections: Generation | None,
    sinkhorn_iters: int | None,
    num_residual_fracs: int,
    attention_bias: bool,
    msst_residuals: bool,
    lucidrains_mel_values: bool = False,
) -> Parts:
    """Parts with the variants that the keywords ask for, and with their recipe.

    Raises:
        ValueError: Keywords that contradict each other.
    """
    if hyper_connections is None and (num_residual_streams > 1 or num_residual_fracs > 1):
        hyper_connections = "2024"
    connections = resolve_connections(num_residual_streams, hyper_connections, sinkhorn_iters, num_residual_fracs, dim)
    recipe: dict[str, Mapping[str, object]] = {}
    if connections is not None:
        recipe["hyper-connections"] = {
            "num_residual_streams": connections.streams,
            "num_residual_fracs": connections.fracs,
            "hyper_connections": connections.generation,
            "sinkhorn_iters": connections.sinkhorn_iters if connections.generation == "manifold" else None,
        }
    asked = {
        "value-residual": lucidrains_mel_values,
        "biased-attention": attention_bias,
        "msst-residuals": msst_residuals,
    }
    recipe |= {name: {} for name, wanted in asked.items() if wanted}

    parts = Parts() if base is None else base
    for name, keywords in recipe.items():
        parts = _VARIANTS[name].build(parts, **keywords)
    return replace(parts, recipe={**parts.recipe, **recipe})
