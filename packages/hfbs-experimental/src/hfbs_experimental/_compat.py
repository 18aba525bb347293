"""What the keywords of the experimental classes mean in variants."""

from hfbs_model import Parts

from ._connections import Generation, resolve_connections
from ._variants import BIASED_ATTENTION, HYPER_CONNECTIONS, MSST_RESIDUALS, VALUE_RESIDUAL


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
    """Parts with the variants that the keywords ask for.

    Raises:
        ValueError: Keywords that contradict each other.
    """
    if hyper_connections is None and (num_residual_streams > 1 or num_residual_fracs > 1):
        hyper_connections = "2024"
    connections = resolve_connections(num_residual_streams, hyper_connections, sinkhorn_iters, num_residual_fracs, dim)
    parts = Parts() if base is None else base
    if connections is not None:
        parts = HYPER_CONNECTIONS.build(parts, **connections.keywords)
    asked = (
        (VALUE_RESIDUAL, lucidrains_mel_values),
        (BIASED_ATTENTION, attention_bias),
        (MSST_RESIDUALS, msst_residuals),
    )
    for variant, wanted in asked:
        parts = variant.build(parts) if wanted else parts
    return parts
