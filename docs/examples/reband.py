"""Measure how much of a model is left after `reband`, and how fast fine-tuning makes up for the rest.

No trained weights are at hand, so a small model is trained first: drums against all else, on 48 seconds of a song
under CC0 in the folder ``shared`` beside the repository. Then it is carried to other bands, as are a model with random
weights and two simpler transplants of the trained one, and their stems and masks are compared with the old model's on
eight seconds that none has heard. Takes five minutes on one core::

    python docs/examples/reband.py

The numbers go into ``docs/examples/reband.json``, from which the page and its picture are made.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from hfbs_filterbanks import BandLayout, contiguous_layout, mel_layout
from hfbs_model import BandSplitRotator, reband

ROOT = Path(__file__).resolve().parents[2]
SONGS = ROOT.parent / "shared" / "audio" / "cc0"
RESULTS = Path(__file__).with_suffix(".json")
# Song, first second, seconds.
TRAINING = (("rubidium", 150, 48),)
UNHEARD = ("rubidium", 198, 8)

SAMPLE_RATE, N_FFT, HOP_LENGTH = 22050, 1024, 512
WIDTHS = (*[4] * 12, *[8] * 8, *[16] * 6, *[32] * 6, 113)
STEPS, FINE_TUNING_STEPS, LEARNING_RATE = 500, 40, 3e-3
BATCH, SECONDS = 4, 1.0


def excerpt(song: str, first_second: int, seconds: int) -> Tensor:
    """Drums and all else, (2, time), one channel at half the sample rate of the files."""
    first, last = first_second * 2 * SAMPLE_RATE, (first_second + seconds) * 2 * SAMPLE_RATE
    stems = {
        file.stem: torch.from_numpy(soundfile.read(file, start=first, stop=last, dtype="float32")[0]).mean(dim=1)
        for file in sorted((SONGS / song).glob("*.ogg"))
    }
    both = torch.stack((stems.pop("drums"), torch.stack(list(stems.values())).sum(dim=0)))
    return torch.fft.irfft(torch.fft.rfft(both)[:, : both.shape[1] // 4 + 1], both.shape[1] // 2) / 2


def built(layout: BandLayout) -> BandSplitRotator:
    return BandSplitRotator(
        dim=48,
        depth=2,
        num_stems=2,
        heads=4,
        dim_head=16,
        time_transformer_depth=1,
        freq_transformer_depth=1,
        ff_mult=2.0,
        mlp_expansion_factor=2,
        mask_filter_bank=layout,
        stft_n_fft=N_FFT,
        stft_win_length=N_FFT,
        stft_hop_length=HOP_LENGTH,
        multi_stft_resolutions_window_sizes=(1024, 256),
        multi_stft_hop_size=256,
    )


def loss_of(model: BandSplitRotator, stems: Tensor) -> Tensor:
    return model(stems.sum(dim=1, keepdim=True), stems[:, :, None])


def train(
    model: BandSplitRotator,
    songs: Sequence[Tensor],
    steps: int,
    learning_rate: float,
    after_step: Callable[[int], None] = lambda step: None,
) -> None:
    """Adam on random chunks, the same at each call, of songs taken by turns."""
    random = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps + 1, pct_start=0.1)
    length = int(SECONDS * SAMPLE_RATE)
    for step in range(steps):
        chunks: list[Tensor] = []
        for item in range(BATCH):
            song = songs[(step * BATCH + item) % len(songs)]
            first = int(torch.randint(song.shape[1] - length, (), generator=random))
            level = 6 * torch.rand(2, 1, generator=random) - 3
            chunks.append(3 * 10 ** (level / 20) * song[:, first : first + length])
        loss = loss_of(model.train(), torch.stack(chunks))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        after_step(step + 1)
    model.eval()


def split_in_two(layout: BandLayout) -> BandLayout:
    halves = [half for band in layout.matrix for half in np.array_split(np.flatnonzero(band), 2) if len(half)]
    return BandLayout([np.isin(np.arange(layout.num_bins), half) for half in halves])


def merged_by_twos(layout: BandLayout) -> BandLayout:
    return BandLayout([layout.matrix[band : band + 2].any(axis=0) for band in range(0, layout.num_bands, 2)])


def with_random_ends(model: BandSplitRotator, layout: BandLayout) -> BandSplitRotator:
    """The trunk's weights, and new ends."""
    ends = built(layout).state_dict()
    carried = reband(model, layout)
    carried.load_state_dict(
        {
            name: ends[name] if name.startswith(("band_split.", "mask_e")) else w
            for name, w in carried.state_dict().items()
        }
    )
    return carried


@torch.no_grad()
def without_factor(model: BandSplitRotator, layout: BandLayout) -> BandSplitRotator:
    """As `reband`, but columns of the projections are copied as they are; for bands side by side."""
    carried = reband(model, layout)
    old_width_of_bin = np.repeat(model.layout.widths, model.layout.widths)
    for band, members in enumerate(layout.matrix):
        factor = torch.from_numpy(members.sum() / old_width_of_bin[members]).float().sqrt()
        weight = carried.get_parameter(f"band_split.to_features.{band}.1.weight")
        weight *= factor.repeat_interleave(2)  # real and imaginary part
    return carried


def with_old_positions(model: BandSplitRotator, layout: BandLayout) -> BandSplitRotator:
    """As `reband`, but one band further means the same angle as before."""
    carried = reband(model, layout)
    old = {name: weight for name, weight in model.state_dict().items() if name.endswith("rotary_embed.freqs")}
    carried.load_state_dict(old, strict=False)
    return carried


@torch.no_grad()
def stems_and_masks(model: BandSplitRotator, mixture: Tensor) -> tuple[Tensor, Tensor]:
    """What the model gives, (stem, time), and its masks, (stem, bin, frame)."""
    per_stem: list[Tensor] = []
    hooks = [
        estimator.register_forward_hook(lambda _, inputs, mask: per_stem.append(mask))
        for estimator in model.mask_estimators
    ]
    stems = model(mixture[None, None])[0, :, 0]
    for hook in hooks:
        hook.remove()
    return stems, model.band_gather.merge(torch.stack(per_stem, dim=1))[0, :, 0]


def decibels(signal: Tensor, error: Tensor) -> list[float]:
    """Signal-to-distortion ratio of each stem."""
    ratio = signal.square().sum(dim=-1) / error.square().sum(dim=-1).clamp_min(1e-30)
    return [round(float(value), 1) for value in 10 * torch.log10(ratio)]


def compare(old: BandSplitRotator, new: BandSplitRotator, stems: Tensor) -> dict[str, object]:
    """How far the new model's stems and masks are from the old one's."""
    (before, masks), (after, new_masks) = (stems_and_masks(model, stems.sum(dim=0)) for model in (old, new))
    row: dict[str, object] = {
        "SDR to the old stems": decibels(before, before - after),
        "SDR": decibels(stems, stems - after),
    }
    if new_masks.shape == masks.shape:
        row["masks"] = round(float((new_masks - masks).norm() / masks.norm()), 3)
    return row


def curve(model: BandSplitRotator, songs: Sequence[Tensor], heard: Tensor) -> list[tuple[int, float]]:
    """Loss on an excerpt after steps of fine-tuning."""
    losses: list[tuple[int, float]] = []

    def note(step: int) -> None:
        if step % 10 == 0:
            with torch.no_grad():
                losses.append((step, round(float(loss_of(model.eval(), heard[None])), 4)))

    note(0)
    train(model, songs, FINE_TUNING_STEPS, LEARNING_RATE / 3, note)
    return losses


def mean_mask(model: BandSplitRotator, stems: Tensor, layout: BandLayout) -> list[float]:
    """Mean magnitude of the drums' mask over the bins of each band and all frames."""
    _, masks = stems_and_masks(model, stems.sum(dim=0))
    magnitude = masks[0].abs().mean(dim=-1).numpy()
    return [round(float(magnitude[members].mean()), 3) for members in layout.matrix]


def main() -> None:
    if not SONGS.is_dir():
        sys.exit(f"{SONGS} is missing: the measurement needs songs as stems, a folder each, with drums.ogg and others")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    begin = time.monotonic()
    songs, unheard = [excerpt(*place) for place in TRAINING], excerpt(*UNHEARD)
    layout = contiguous_layout(WIDTHS)
    trained, random = built(layout), built(layout).eval()
    train(trained, songs, STEPS, LEARNING_RATE)
    results: dict[str, object] = {"trained": compare(trained, trained, unheard)}
    print(f"{time.monotonic() - begin:.0f} s: trained", results, flush=True)

    halves, pairs = split_in_two(layout), merged_by_twos(layout)
    mel = mel_layout(24, sample_rate=SAMPLE_RATE, n_fft=N_FFT)
    high = contiguous_layout([*WIDTHS[:12], *(width // 2 for width in WIDTHS[12:-1] for _ in range(2)), WIDTHS[-1]])
    coarser = contiguous_layout([*(width // 2 for width in WIDTHS[:-1]), 57])
    finer = contiguous_layout([2 * width for width in WIDTHS[:-1]] + [2 * WIDTHS[-1] - 1])
    carried: dict[str, Callable[[], tuple[BandSplitRotator, BandSplitRotator]]] = {
        "same bands": lambda: (trained, reband(trained, layout)),
        "split in two, random weights": lambda: (random, reband(random, halves)),
        "split in two": lambda: (trained, reband(trained, halves)),
        "split in two, no factor": lambda: (trained, without_factor(trained, halves)),
        "split in two, old positions": lambda: (trained, with_old_positions(trained, halves)),
        "split in two, random ends": lambda: (trained, with_random_ends(trained, halves)),
        "bands above 1 kHz split in two": lambda: (trained, reband(trained, high)),
        "merged by twos, random weights": lambda: (random, reband(random, pairs)),
        "merged by twos": lambda: (trained, reband(trained, pairs)),
        "merged by twos, no factor": lambda: (trained, without_factor(trained, pairs)),
        "merged by twos, old positions": lambda: (trained, with_old_positions(trained, pairs)),
        "merged by twos, random ends": lambda: (trained, with_random_ends(trained, pairs)),
        "24 mel bands": lambda: (trained, reband(trained, mel)),
        "24 mel bands, random ends": lambda: (trained, with_random_ends(trained, mel)),
        "n_fft doubled, window kept": lambda: (trained, reband(trained, finer, stft_n_fft=2 * N_FFT)),
        "n_fft and window doubled": lambda: (
            trained,
            reband(trained, finer, stft_n_fft=2 * N_FFT, stft_win_length=2 * N_FFT),
        ),
        "n_fft, window and hop halved": lambda: (
            trained,
            reband(
                trained,
                coarser,
                stft_n_fft=N_FFT // 2,
                stft_win_length=N_FFT // 2,
                stft_hop_length=HOP_LENGTH // 2,
            ),
        ),
        "hop halved": lambda: (trained, reband(trained, layout, stft_hop_length=HOP_LENGTH // 2)),
    }
    for name, models in carried.items():
        results[name] = compare(*models(), unheard)
        print(f"{time.monotonic() - begin:.0f} s: {name}", results[name], flush=True)

    heard = songs[0][:, : 16 * SAMPLE_RATE]  # what fine-tuning lessens; the unheard loss of so little music goes up
    losses = {
        name: curve(carried[name]()[1], songs, heard)
        for name in ("split in two", "split in two, no factor", "split in two, random ends")
    }
    losses["old"] = [(0, round(float(loss_of(trained, heard[None]).detach()), 4))]
    print(f"{time.monotonic() - begin:.0f} s: fine-tuning", losses)
    drums = {"old": trained} | {
        name: carried[name]()[1] for name in ("split in two", "24 mel bands", "split in two, random ends")
    }
    masks = {name: mean_mask(model, unheard, layout) for name, model in drums.items()}
    hertz = layout.center_frequencies(SAMPLE_RATE).round(1).tolist()
    written = {"results": results, "losses": losses, "hertz": hertz, "masks": masks}
    RESULTS.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    print(f"{time.monotonic() - begin:.0f} s: {RESULTS.name} written")


if __name__ == "__main__":
    main()
