"""What the backward pass is given, and what it computes again."""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.utils import checkpoint as checkpointing
from torch.utils.checkpoint import CheckpointPolicy, SelectiveCheckpointContext

_aten = torch.ops.aten
_KEPT = {
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten.baddbmm.default,
    _aten.convolution.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
}
_checkpointing: Any = checkpointing  # whose functions have no types
# Newer versions of PyTorch ask whether hooks, such as those that move tensors to main memory, shall see these.
_HOOKED = dict.fromkeys({"respect_saved_tensors_hooks"} & signature(_checkpointing.checkpoint).parameters.keys(), True)


def recomputed[Result](
    function: Callable[..., Result], x: Tensor, *others: Tensor | bool | None, summed: int | None = None
) -> Result:
    """Call a function, and for the backward pass keep its inputs and what takes long to compute: the results of matrix
    products, convolutions and attention. All else (norms, activations, gates, turned queries) is computed again.

    Args:
        function: A block of a model.
        x: Its input, (…).
        others: What else it is called with.
        summed: Features of a product with bias whose result only enters a sum, so that nothing in the backward pass
            needs it: it is not kept. None: there is no such product.

    Returns:
        What the function returns.
    """
    device = x.device.type
    contexts = partial(_checkpointing.create_selective_checkpoint_contexts, partial(_policy, summed))
    # Weights that autocast has cast for an earlier call are not there when this one is computed again, and the steps
    # would not be the same.
    with torch.autocast(device, enabled=torch.is_autocast_enabled(device), cache_enabled=False):
        result: Any = _checkpointing.checkpoint(
            function, x, *others, use_reentrant=False, context_fn=contexts, **_HOOKED
        )
    return result


def _policy(
    summed: int | None, _context: SelectiveCheckpointContext, operation: Any, *inputs: Any, **_keywords: Any
) -> CheckpointPolicy:
    if operation == _aten.addmm.default and inputs[2].shape[-1] == summed:
        return CheckpointPolicy.PREFER_RECOMPUTE
    return CheckpointPolicy.MUST_SAVE if operation in _KEPT else CheckpointPolicy.PREFER_RECOMPUTE
