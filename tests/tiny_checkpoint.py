"""A checkpoint of a model so small that it separates in no time."""

from pathlib import Path

import torch

from hfbs_model.bs_roformer import BSRoformer

CONFIG = """\
audio: {chunk_size: 4000, sample_rate: 8000, num_channels: 2}
model:
  dim: 16
  depth: 1
  stereo: true
  num_stems: 2
  heads: 2
  dim_head: 8
  freqs_per_bands: !!python/tuple [9, 20, 100]
  dim_freqs_in: 129
  stft_n_fft: 256
  stft_hop_length: 64
  stft_win_length: 256
  mask_estimator_depth: 2
training: {instruments: !!python/tuple [vocals, other], target_instrument: null}
inference: {num_overlap: 2}
"""


def write_tiny_checkpoint(folder: Path) -> tuple[Path, Path]:
    """A small stereo BS-RoFormer at 8 kHz with two stems and random weights: checkpoint and YAML, as MSST has them."""
    torch.manual_seed(0)
    model = BSRoformer(
        dim=16,
        depth=1,
        stereo=True,
        num_stems=2,
        heads=2,
        dim_head=8,
        freqs_per_bands=(9, 20, 100),
        dim_freqs_in=129,
        stft_n_fft=256,
        stft_hop_length=64,
        stft_win_length=256,
    )
    torch.save(model.state_dict(), folder / "tiny.ckpt")
    (folder / "tiny.yaml").write_text(CONFIG)
    return folder / "tiny.ckpt", folder / "tiny.yaml"
