"""HyperACE: features of all scales correlated through hyperedges, each of which joins any number of places."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ._hyperace_blocks import CrossStage, PointwiseConv, resize


class AdaptiveHyperedgeGeneration(nn.Module):
    """How much each vertex takes part in each hyperedge, learned from the vertices :cite:p:`lei2025yolov13`.

    Each hyperedge has a prototype: a learned one, moved by an offset computed from the mean and the maximum of all
    vertices. Its scaled product with a projection of each vertex, averaged over heads, says by a softmax over the
    vertices how they share in the hyperedge.

    Args:
        dim: Features of a vertex.
        num_hyperedges: Number of hyperedges.
        num_heads: Parts of the features that are compared apart; it divides ``dim``. Weights do not tell it.
    """

    def __init__(self, dim: int, num_hyperedges: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.global_proto = nn.Parameter(torch.randn(num_hyperedges, dim))
        self.context_mapper = nn.Linear(2 * dim, num_hyperedges * dim, bias=False)
        self.query_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, vertices: Float[Tensor, "batch vertex dim"]) -> Float[Tensor, "batch edge vertex"]:
        """Participation of the vertices, which sums to one over them for every hyperedge."""
        context = torch.cat((vertices.mean(dim=1), vertices.amax(dim=1)), dim=-1)
        offsets = rearrange(self.context_mapper(context), "b (e d) -> b e d", e=self.global_proto.shape[0])
        prototypes = rearrange(self.global_proto + offsets, "b e (h d) -> b h e d", h=self.num_heads)
        queries = rearrange(self.query_proj(vertices), "b n (h d) -> b h n d", h=self.num_heads)
        # One product over all heads would do, but rounds otherwise, and small excerpts multiply the difference.
        similarity = (queries @ prototypes.mT * queries.shape[-1] ** -0.5).mean(dim=1)
        return similarity.mT.softmax(dim=-1)


class HypergraphConvolution(nn.Module):
    """Messages from vertices to hyperedges and back, added to the vertices :cite:p:`lei2025yolov13`.

    The activation is SiLU, which published weights need, where the paper has GELU.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.W_e = nn.Linear(dim, dim, bias=False)
        self.W_v = nn.Linear(dim, dim, bias=False)

    def forward(
        self, vertices: Float[Tensor, "batch vertex dim"], participation: Float[Tensor, "batch edge vertex"]
    ) -> Float[Tensor, "batch vertex dim"]:
        edges = F.silu(self.W_e(participation @ vertices))
        return vertices + F.silu(self.W_v(participation.mT @ edges))


class AdaptiveHypergraphComputation(nn.Module):
    """Hypergraph convolution whose vertices are all frames of all bands :cite:p:`lei2025yolov13`."""

    def __init__(self, dim: int, num_hyperedges: int, num_heads: int) -> None:
        super().__init__()
        self.adaptive_hyperedge_gen = AdaptiveHyperedgeGeneration(dim, num_hyperedges, num_heads)
        self.hypergraph_conv = HypergraphConvolution(dim)

    def forward(self, x: Float[Tensor, "batch dim frame band"]) -> Float[Tensor, "batch dim frame band"]:
        vertices = rearrange(x, "b d t f -> b (t f) d")
        vertices = self.hypergraph_conv(vertices, self.adaptive_hyperedge_gen(vertices))
        return rearrange(vertices, "b (t f) d -> b d t f", f=x.shape[-1])


class HighOrderBranch(nn.Module):
    """Hypergraph computation beside a bypass, both mixed at the end: YOLOv13's C3AH :cite:p:`lei2025yolov13`."""

    def __init__(self, dim: int, num_hyperedges: int, num_heads: int) -> None:
        super().__init__()
        self.cv1 = PointwiseConv(dim, dim)
        self.cv2 = PointwiseConv(dim, dim)
        self.ahc = AdaptiveHypergraphComputation(dim, num_hyperedges, num_heads)
        self.cv3 = PointwiseConv(2 * dim, dim)

    def forward(self, x: Float[Tensor, "batch dim frame band"]) -> Float[Tensor, "batch dim frame band"]:
        return self.cv3(torch.cat((self.ahc(self.cv2(x)), self.cv1(x)), dim=1))


class HyperACE(nn.Module):
    """Gather four scales at the third, and enhance them by correlations :cite:p:`lei2025yolov13`.

    Of the gathered channels, a half goes through branches of hypergraphs (high order), a quarter through separable
    convolutions (low order), and a quarter is passed on.

    Args:
        dims: Channels of the four scales, finest first. The third's are the output's, a multiple of 4 and of 2 ×
            ``num_heads``.
        num_high_order: Branches of hypergraphs side by side.
        num_low_order: Cross stages one after the other.
        num_hyperedges: See :class:`AdaptiveHyperedgeGeneration`, as for ``num_heads``.
        num_heads: Likewise.
    """

    def __init__(
        self,
        dims: tuple[int, int, int, int],
        *,
        num_high_order: int,
        num_low_order: int,
        num_hyperedges: int,
        num_heads: int,
    ) -> None:
        super().__init__()
        dim = dims[2]
        self.parts = [dim // 2, dim // 4, dim // 4]
        high, low, _ = self.parts
        self.fuse_conv = PointwiseConv(sum(dims), dim)
        self.high_order_branch = nn.ModuleList(
            HighOrderBranch(high, num_hyperedges, num_heads) for _ in range(num_high_order)
        )
        self.high_order_fuse = PointwiseConv(num_high_order * high, high)
        self.low_order_branch = nn.Sequential(*(CrossStage(low, 1) for _ in range(num_low_order)))
        self.final_fuse = PointwiseConv(dim, dim)

    def forward(
        self, scales: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> Float[Tensor, "batch dim coarse_frame coarse_band"]:
        """From the four scales, each (batch, channel, frame, band), to one tensor of the third's shape."""
        frames, bands = scales[2].shape[-2:]
        gathered = self.fuse_conv(torch.cat([resize(scale, (frames, bands)) for scale in scales], dim=1))
        high, low, rest = gathered.split(self.parts, dim=1)
        high = self.high_order_fuse(torch.cat([branch(high) for branch in self.high_order_branch], dim=1))
        return self.final_fuse(torch.cat((high, self.low_order_branch(low), rest), dim=1))
