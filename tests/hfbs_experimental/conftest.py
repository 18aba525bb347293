"""Tiny separators for the tests of hfbs-experimental."""

from typing import Any, Protocol

import jaxtyping
import pytest
import torch

from hfbs_model import BandSplitRotator

# Threads that wait for each other cost more than such small tensors, above all on a busy machine.
torch.set_num_threads(1)

TINY: dict[str, Any] = {
    "dim": 8,
    "depth": 2,
    "heads": 2,
    "dim_head": 4,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "stft_n_fft": 64,
    "stft_hop_length": 16,
    "stft_win_length": 64,
    "freqs_per_bands": (3, 5, 9, 16),
    "mlp_expansion_factor": 1,
}


class Tiny(Protocol):
    """Builds a separator of a few hundred weights; keywords are added to its own."""

    def __call__(self, **keywords: Any) -> BandSplitRotator: ...


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    def build(**keywords: Any) -> BandSplitRotator:
        return away_from_start(BandSplitRotator(**TINY | keywords).eval())

    return build


def away_from_start[Model: torch.nn.Module](model: Model) -> Model:
    """A model whose parameters are not at the special values that they start at, such as zero."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.fixture
def as_users_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the run-time check of shapes and types, which would refuse bad input before the package does."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
