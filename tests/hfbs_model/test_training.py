"""A custom overlapping layout trains, and gradient checkpointing changes memory alone."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from hfbs_filterbanks import BandLayout
from hfbs_model import BandSplitRotator

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"depth": 2},
    "linear attention": {"depth": 1, "linear_transformer_depth": 1},
    "value residual": {"depth": 2, "use_value_residual_learning": True},
    "fixed value residual": {
        "depth": 2,
        "use_value_residual_learning": True,
        "learned_value_residual_mix": False,
    },
    "PoPE": {"depth": 1, "use_pope": True},
    "skip connection": {"depth": 2, "skip_connection": True},
    "explicit attention": {"depth": 1, "flash_attn": False},
}


def overlap(layout: BandLayout) -> bool:
    return not layout.is_partition


@settings(max_examples=12, derandomize=True)
@given(layout=st.from_type(BandLayout).filter(overlap), variant=st.sampled_from(list(VARIANTS)), stereo=st.booleans())
def test_a_custom_overlapping_layout_trains(tiny: Any, layout: BandLayout, variant: str, stereo: bool) -> None:
    torch.manual_seed(0)
    model: BandSplitRotator = tiny(mask_filter_bank=layout, num_stems=2, stereo=stereo, **VARIANTS[variant]).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    target = torch.randn(2, 2, model.audio_channels, 200)
    mixture = target.sum(dim=1)
    losses: list[float] = []
    moved = {name: False for name, parameter in model.named_parameters() if parameter.requires_grad}
    for _ in range(10):
        loss = model(mixture, target)
        optimizer.zero_grad()
        loss.backward()
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, name
                assert parameter.grad.isfinite().all(), name
                moved[name] |= bool(parameter.grad.any())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    still = {name for name, once in moved.items() if not once}
    # Attention between the bands of a layout of one band is no choice: its weights are all one.
    if layout.num_bands == 1:
        still -= {name for name in still if ".pope_embed.bias" in name}
    assert not still


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_checkpointing_changes_neither_loss_nor_gradients_and_keeps_fewer_bytes(
    tiny: Any, variant: str, dropout: float
) -> None:
    keywords = VARIANTS[variant] | {"num_stems": 2, "attn_dropout": dropout, "ff_dropout": dropout}
    plain, sparing = tiny(**keywords), tiny(**keywords, use_torch_checkpoint=True)
    sparing.load_state_dict(plain.state_dict())
    mixture, target = torch.randn(2, 1, 800), torch.randn(2, 2, 1, 800)
    results: list[list[Tensor | None]] = []
    kept: list[int] = []
    for model in (plain.train(), sparing.train()):
        storages: dict[int, int] = {}

        def count(tensor: Tensor, storages: dict[int, int] = storages) -> Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        torch.manual_seed(1)
        with saved_tensors_hooks(count, lambda tensor: tensor):
            loss = model(mixture, target)
        kept.append(sum(storages.values()))
        loss.backward()
        results.append([loss.detach(), *(parameter.grad for parameter in model.parameters())])
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-7)
    assert kept[1] < 0.8 * kept[0]


def test_in_evaluation_nothing_is_dropped_and_nothing_recomputed(tiny: Any) -> None:
    torch.manual_seed(0)
    plain = tiny()
    torch.manual_seed(0)
    trainable = tiny(attn_dropout=0.5, ff_dropout=0.5, use_torch_checkpoint=True)
    audio = torch.randn(1, 1, 100)
    assert torch.equal(trainable(audio), plain(audio))
    assert not torch.equal(trainable.train()(audio), plain(audio))
