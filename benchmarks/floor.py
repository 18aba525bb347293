"""The least that the network costs: its matrix products and attention alone, as single calls on ready operands."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfbs_model import BandSplitRotator


@dataclass(frozen=True)
class Product:
    """``count`` products at once: (count, rows, inner) × (count, inner, columns)."""

    count: int
    rows: int
    inner: int
    columns: int

    @property
    def multiply_adds(self) -> int:
        return self.count * self.rows * self.inner * self.columns


@dataclass(frozen=True)
class Attention:
    """Attention within ``batch`` sequences of ``length`` positions."""

    batch: int
    heads: int
    length: int
    features: int

    @property
    def multiply_adds(self) -> int:
        return 2 * self.batch * self.heads * self.length**2 * self.features


def operations(model: BandSplitRotator, frames: int, chunks: int) -> Iterator[Product | Attention]:
    """What one forward pass of a batch of chunks multiplies; bands of equal width go together."""
    bands, heads = model.layout.num_bands, model.mask_estimators
    dim = model.band_split.to_features[0][1].out_features
    widths = Counter(model.band_gather.widths)
    for width, count in widths.items():
        yield Product(count, chunks * frames, width, dim)
    for transformer, batch, length in (
        (transformer, chunks * sizes[0], sizes[1])
        for layer in model.layers
        for transformer, sizes in zip(layer, [(bands, frames), (frames, bands)], strict=True)
    ):
        for attention, feed_forward in transformer.layers:
            features = attention.to_qkv.out_features // 3 // attention.heads
            yield Attention(batch, attention.heads, length, features)
            linears = [
                attention.to_qkv,
                attention.to_gates,
                attention.to_out[0],
                feed_forward.net[1],
                feed_forward.net[4],
            ]
            for linear in linears:
                yield Product(1, batch * length, linear.in_features, linear.out_features)
    for head in heads:
        hidden = [module for module in head.to_freqs[0][0] if isinstance(module, nn.Linear)][:-1]
        for linear in hidden:
            yield Product(bands, chunks * frames, linear.in_features, linear.out_features)
        for width, count in widths.items():
            yield Product(count, chunks * frames, hidden[-1].out_features if hidden else dim, 2 * width)


def multiply_adds(model: BandSplitRotator, frames: int, chunks: int) -> int:
    return sum(operation.multiply_adds for operation in operations(model, frames, chunks))


def floor(model: BandSplitRotator, frames: int, chunks: int, dtype: torch.dtype, device: str) -> Callable[[], None]:
    """A function that does these operations once."""

    def operand(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=dtype, device=device)

    calls: list[Callable[[], Tensor]] = []
    for operation in operations(model, frames, chunks):
        if isinstance(operation, Product):
            left = operand(operation.count, operation.rows, operation.inner)
            right = operand(operation.count, operation.inner, operation.columns)
            single = operation.count == 1
            calls.append(
                (lambda a=left[0], b=right[0]: torch.mm(a, b)) if single else (lambda a=left, b=right: torch.bmm(a, b))
            )
        else:
            shape = (operation.batch, operation.heads, operation.length, operation.features)
            q, k, v = operand(*shape), operand(*shape), operand(*shape)
            calls.append(lambda q=q, k=k, v=v: F.scaled_dot_product_attention(q, k, v))

    @torch.inference_mode()
    def run() -> None:
        for call in calls:
            call()

    return run
