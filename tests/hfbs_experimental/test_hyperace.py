"""The HyperACE mask head: its keys, its laws, and that its sizes are read back from its weights."""

import dataclasses
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hfbs_experimental._hyperace_hypergraph import AdaptiveHyperedgeGeneration, AdaptiveHypergraphComputation
from hfbs_experimental.mask_heads import HYPERACE, HyperACEMaskEstimator, HyperACESettings
from hfbs_model import BandSplitRotator, MaskEstimator, Parts

from .conftest import TINY, away_from_start

V1_PUBLISHED = HyperACESettings(version=1, num_hyperedges=16, num_high_order=3, num_low_order=2)
V2_PUBLISHED = HyperACESettings()
SMALL = HyperACESettings(
    num_hyperedges=3, num_heads=2, num_high_order=2, base_channels=4, dims=(16, 8, 12, 10), base_depth=1
)
SMALL_V1 = dataclasses.replace(SMALL, version=1, num_low_order=2, num_high_order=3, dims=(12, 6, 8, 4))
VERSIONS = pytest.mark.parametrize("small", [SMALL_V1, SMALL], ids=["v1", "v2"])
STEREO_BANDS = (4, 8, 4, 12, 8, 20)
SETTINGS = st.builds(
    lambda version, heads, dims, **sizes: HyperACESettings(
        version=version,
        num_heads=heads,
        dims=(16 * dims[0], 2 * dims[1], 12 * dims[2], 2 * dims[3]),
        **sizes,
    ),
    version=st.sampled_from([1, 2]),
    heads=st.sampled_from([1, 2, 3]),
    dims=st.tuples(*(st.integers(1, 2),) * 4),
    num_hyperedges=st.integers(1, 5),
    num_high_order=st.integers(1, 3),
    num_low_order=st.integers(1, 3),
    base_channels=st.integers(1, 5),
    base_depth=st.integers(1, 2),
)


def head(sizes: HyperACESettings, bands: tuple[int, ...] = STEREO_BANDS, audio_channels: int = 2, dim: int = 6):
    estimator = HyperACEMaskEstimator(dim, bands, depth=1, audio_channels=audio_channels, settings=sizes)
    # Small networks that normalise over few elements multiply rounding; float64 leaves nothing to multiply.
    return away_from_start(estimator).double().eval()


def keywords_of(sizes: HyperACESettings) -> dict[str, object]:
    return {f"hyperace_{name}": value for name, value in dataclasses.asdict(sizes).items()}


@pytest.mark.parametrize("published", [V1_PUBLISHED, V2_PUBLISHED], ids=["v1", "v2"])
def test_keys_and_shapes_are_those_of_the_published_checkpoints(published: HyperACESettings) -> None:
    bands = (8,) * 24 + (16,) * 12 + (48,) * 8 + (96,) * 8 + (192,) * 8 + (512, 516)
    weights = HyperACEMaskEstimator(256, bands, depth=1, audio_channels=2, settings=published).segm.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    assert len(shapes) == {1: 398, 2: 471}[published.version]
    hyperedges = "hyperace.high_order_branch.{}.ahc.adaptive_hyperedge_gen."
    some = {
        1: {
            hyperedges.format(2) + "global_proto": (16, 256),
            hyperedges.format(2) + "context_mapper.weight": (4096, 512),
            "hyperace.high_order_fuse.conv.weight": (256, 768, 1, 1),
            "hyperace.low_order_branch.1.m.0.dsconv2.dwconv.weight": (128, 1, 3, 3),
            "upsample_head.block1.conv.pwconv.weight": (512, 256, 1, 1),
            "upsample_head.final_conv.weight": (4, 64, 1, 1),
        },
        2: {
            hyperedges.format(1) + "global_proto": (32, 256),
            hyperedges.format(1) + "context_mapper.weight": (8192, 512),
            "hyperace.fuse_conv.conv.weight": (512, 1920, 1, 1),
            "decoder.fusion_d5.gamma": (1, 768, 1, 1),
            "upsample_head.block4.out_conv.blocks.1.tdf.2.weight": (248, 992),
            "upsample_head.final_conv.weight": (4, 16, 3, 3),
        },
    }[published.version]
    assert {name: shapes[name] for name in some} == some


@VERSIONS
@settings(max_examples=8)
@given(frames=st.integers(1, 40), batch=st.integers(1, 2))
def test_any_number_of_frames_gives_as_many(small: HyperACESettings, frames: int, batch: int) -> None:
    masks = head(small)(torch.randn(batch, frames, 6, 6, dtype=torch.float64))
    assert masks.shape == (batch, frames, sum(STEREO_BANDS))
    assert masks.isfinite().all()


@VERSIONS
def test_batch_of_two_gives_what_two_batches_of_one_give(small: HyperACESettings) -> None:
    torch.manual_seed(0)
    estimator, tokens = head(small), torch.randn(2, 9, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(estimator(tokens), torch.cat([estimator(one) for one in tokens.split(1)]))


@VERSIONS
def test_every_parameter_has_a_gradient(small: HyperACESettings) -> None:
    torch.manual_seed(1)
    estimator = head(small)
    estimator(torch.randn(2, 35, 6, 6, dtype=torch.float64)).square().sum().backward()
    without = [name for name, p in estimator.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@VERSIONS
def test_masks_are_those_of_the_plain_estimator_plus_those_of_the_branch(small: HyperACESettings) -> None:
    torch.manual_seed(2)
    estimator, tokens = head(small), torch.randn(2, 7, 6, 6, dtype=torch.float64)
    plain = MaskEstimator(6, STEREO_BANDS, depth=1).double()
    plain.load_state_dict({name: p for name, p in estimator.state_dict().items() if name.startswith("to_freqs.")})
    branch = estimator.segm(tokens.permute(0, 3, 1, 2))
    of_bins = branch.permute(0, 2, 3, 1).reshape(2, 7, -1)  # in each bin: left real, left imaginary, right …
    torch.testing.assert_close(estimator(tokens), plain(tokens) + of_bins)


@settings(max_examples=20)
@given(edges=st.integers(1, 4), heads=st.sampled_from([1, 2, 4]), vertices=st.integers(1, 9))
def test_vertices_share_in_each_hyperedge_by_parts_of_one(edges: int, heads: int, vertices: int) -> None:
    generation = AdaptiveHyperedgeGeneration(8, edges, heads)
    participation = generation(torch.randn(2, vertices, 8))
    assert participation.shape == (2, edges, vertices)
    assert (participation >= 0).all()
    torch.testing.assert_close(participation.sum(dim=-1), torch.ones(2, edges))


def test_participation_is_the_softmax_of_the_mean_over_heads_of_scaled_products() -> None:
    torch.manual_seed(3)
    generation, vertices = AdaptiveHyperedgeGeneration(6, 2, 3), torch.randn(1, 5, 6)
    context = torch.cat([vertices[0].mean(0), vertices[0].max(0).values])
    prototypes = generation.global_proto + (generation.context_mapper.weight @ context).reshape(2, 6)
    queries = vertices[0] @ generation.query_proj.weight.T
    expected = torch.empty(2, 5)
    for edge in range(2):
        for vertex in range(5):
            products = [
                prototypes[edge, part : part + 2] @ queries[vertex, part : part + 2] / 2**0.5 for part in (0, 2, 4)
            ]
            expected[edge, vertex] = sum(products) / 3
    torch.testing.assert_close(generation(vertices)[0], expected.softmax(dim=-1))


def test_hypergraph_knows_no_order_of_places() -> None:
    torch.manual_seed(4)
    computation, x = AdaptiveHypergraphComputation(8, 3, 2).double(), torch.randn(2, 8, 5, 4, dtype=torch.float64)
    frames, bands = torch.randperm(5), torch.randperm(4)
    torch.testing.assert_close(
        computation(x[:, :, frames][..., bands]), computation(x)[:, :, frames][..., bands], rtol=0, atol=1e-12
    )


@settings(max_examples=15)
@given(sizes=SETTINGS, audio_channels=st.sampled_from([1, 2]))
def test_weights_tell_all_sizes_but_the_question(sizes: HyperACESettings, audio_channels: int) -> None:
    bands = tuple(2 * audio_channels * bins for bins in (1, 2, 3, 4, 5))
    estimator = HyperACEMaskEstimator(4, bands, depth=1, audio_channels=audio_channels, settings=sizes)
    weights = estimator.state_dict(prefix="mask_estimators.0.")
    known = {"audio_channels": audio_channels, **keywords_of(sizes)}
    asked = {name: known.pop(name) for name in HYPERACE.questions}
    assert asked == {"hyperace_num_heads": sizes.num_heads}
    assert {**HYPERACE.infer(weights), **asked, "hyperace_dims": sizes.dims} == {**known, **asked}
    assert HYPERACE.infer(weights)["hyperace_dims"] == list(sizes.dims)


@VERSIONS
@pytest.mark.parametrize("stereo", [False, True])
def test_separator_built_from_its_weights_gives_its_output(small: HyperACESettings, stereo: bool) -> None:
    torch.manual_seed(5)
    keywords = {**TINY, "stereo": stereo, "num_stems": 2, "depth": 1, "freqs_per_bands": (3, 5, 9, 8, 8)}

    def separator(**of_variant: Any) -> BandSplitRotator:
        return BandSplitRotator(**keywords, parts=HYPERACE.build(Parts(), **of_variant)).eval().double()

    saved = away_from_start(separator(audio_channels=1 + stereo, **keywords_of(small)))
    loaded = separator(**HYPERACE.infer(saved.state_dict()), hyperace_num_heads=small.num_heads)
    loaded.load_state_dict(saved.state_dict())
    mixture = torch.randn(1, 1 + stereo, 300, dtype=torch.float64)
    assert torch.equal(loaded(mixture), saved(mixture))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version of the HyperACE head is 1 or 2, got 3"),
        ({"num_hyperedges": 0}, "num_hyperedges is at least 1, got 0"),
        ({"dims": (8, 8, 12, 10)}, r"dims[0] is a multiple of 16 in version 2 with num_heads=2, got 8"),
        ({"dims": (16, 8, 10, 10)}, r"dims[2] is a multiple of 4 in version 2 with num_heads=2, got 10"),
        ({"dims": (16, 8, 12)}, r"dims are the channels of four scales, got (16, 8, 12)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict[str, Any], message: str, as_users_run: None) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(SMALL, **change)


@pytest.mark.parametrize(
    ("bands", "audio_channels", "message"),
    [
        ((4, 6, 4, 4, 4), 2, "each band holds 2 × audio_channels × bins features, got audio_channels=2"),
        ((4, 4, 4, 4), 2, "version 2 of the HyperACE head takes at least 5 bands, got 4"),
        ((4, 4, 4, 4, 4), 0, "audio_channels is 2 for a stereo model, else 1"),
    ],
)
def test_bands_that_do_not_fit_are_refused(bands: tuple[int, ...], audio_channels: int, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        head(SMALL, bands, audio_channels)


def test_weights_of_another_head_are_refused_by_the_missing_name() -> None:
    with pytest.raises(ValueError, match=r"the checkpoint lacks mask_estimators\.0\.segm\.hyperace\.high_order_branch"):
        HYPERACE.infer(MaskEstimator(4, (4, 4), depth=1).state_dict(prefix="mask_estimators.0."))
