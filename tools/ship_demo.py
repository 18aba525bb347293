"""Put a trained model where `hfbs_separate` ships one: in half precision, with what it is in its metadata.

python tools/ship_demo.py runs/demo/checkpoints/last.safetensors
"""

import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import torch

from hfbs_model import load_checkpoint, save_checkpoint
from hfbs_separate.demo import CARD, MODEL

WHENCE = {
    "name": "hfbs demo: vocals and instrumental",
    "licence": "MIT",
    "data": "songs rendered by hfbs-train synthesize; Everything is Free by Software-Entwicklungskit (CC0 1.0)",
    "card": CARD.name,
}


def ship(trained: Path) -> str:
    """Write the shipped model anew; the SHA-256 of its file, which the model card must name."""
    checkpoint = load_checkpoint(trained)
    save_checkpoint(replace(checkpoint, provenance=WHENCE), MODEL, dtype=torch.float16)
    return sha256(MODEL.read_bytes()).hexdigest()


if __name__ == "__main__":
    print(ship(Path(sys.argv[1])))
