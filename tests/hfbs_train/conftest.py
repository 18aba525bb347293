"""Songs and configurations for the tests of hfbs-train."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

# Models this small are slower on several threads than on one.
torch.set_num_threads(1)

RATE = 8000
SHARED_AUDIO = Path(__file__).parents[3] / "shared" / "audio"


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three songs of vocals, a tone that glides, and of drums, bursts of noise: a folder for each, as MUSDB has it."""
    folder = tmp_path_factory.mktemp("songs")
    random = np.random.default_rng(0)
    for number in range(3):
        time = np.arange(3 * RATE) / RATE
        vocals = 0.3 * np.sin(2 * np.pi * (300 + 100 * number) * time * (1 + 0.2 * time))
        drums = 0.3 * random.standard_normal(len(time)) * (time % 0.25 < 0.05)
        for name, stem in (("vocals", vocals), ("drums", drums)):
            place = folder / f"song {number}"
            place.mkdir(exist_ok=True)
            stereo = np.stack([stem, 0.8 * stem], axis=-1).astype(np.float32)
            soundfile.write(place / f"{name}.wav", stereo, RATE, subtype="FLOAT")
    return folder


@pytest.fixture
def tiny_run(songs: Path) -> Callable[..., dict[str, Any]]:
    """A configuration that takes a few hundredths of a second a step, with what is given in the place of its own."""

    def build(**changed: Any) -> dict[str, Any]:
        return {
            "stems": ["vocals", "drums"],
            "data": {"songs": [str(songs)], "workers": 0},
            "model": {
                "dim": 8,
                "depth": 1,
                "stereo": True,
                "heads": 2,
                "dim_head": 4,
                "time_transformer_depth": 1,
                "freq_transformer_depth": 1,
                "freqs_per_bands": [9, 20, 100],
                "stft_n_fft": 256,
                "stft_win_length": 256,
                "stft_hop_length": 64,
                "mlp_expansion_factor": 1,
                "ff_dropout": 0.1,
            },
            "audio": {"sample_rate": RATE, "chunk_seconds": 0.25},
            "augmentation": {"gain": {}, "polarity": {}},
            "losses": [{"kind": "l1"}],
            "schedule": {"warmup_steps": 2},
            "steps": 6,
            "batch_size": 4,
            "save_every": 2,
            "machines": {"accelerator": "cpu"},
            "logs": {"every": 1, "to": []},
        } | changed

    return build


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """The folder of real songs beside the repository."""
    if not SHARED_AUDIO.is_dir():
        pytest.skip(f"no {SHARED_AUDIO.name} folder with real songs beside the repository")
    return SHARED_AUDIO
