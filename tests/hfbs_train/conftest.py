"""Songs and models for the tests of hfbs-train."""

from pathlib import Path

import pytest
import torch

# Models this small are slower on several threads than on one.
torch.set_num_threads(1)

SHARED_AUDIO = Path(__file__).parents[3] / "shared" / "audio"


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """The folder of real songs beside the repository."""
    if not SHARED_AUDIO.is_dir():
        pytest.skip(f"no {SHARED_AUDIO.name} folder with real songs beside the repository")
    return SHARED_AUDIO
