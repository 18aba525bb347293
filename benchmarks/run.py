"""Inference speed of one chunk, against the other implementations and against the floor, as ratios within one run.

The contestants take turns, and what is printed is the median of each one's time over ours: other work on the machine
slows all of them. Weights are random; the cost does not depend on them.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from floor import floor

from hfbs_filterbanks import DEFAULT_FREQS_PER_BANDS
from hfbs_model import BandSplitRotator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from bs_roformer import BSRoformer as LucidrainsBS
    from bs_roformer import MelBandRoformer as LucidrainsMel
    from pymss_core.modules.bs_roformer.bs_roformer import BSRoformer as PymssBS
    from pymss_core.modules.bs_roformer.mel_band_roformer import MelBandRoformer as PymssMel

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layout", choices=["bs", "mel"], default="bs", help="62 BS bands or 60 mel bands")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="float32, or autocast to bfloat16")
    parser.add_argument("--dim", type=int, default=384, help="features of a token")
    parser.add_argument("--depth", type=int, default=2, help="layers")
    parser.add_argument("--stems", type=int, default=1, help="stems")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the chunk at 44.1 kHz")
    parser.add_argument("--runs", type=int, default=5, help="counted turns of each contestant")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    return parser.parse_args()


def contestants(options: argparse.Namespace) -> dict[str, Callable[[], object]]:
    """Each implementation, and the floor, as a function that separates one chunk."""
    shared = {
        "dim": options.dim,
        "depth": options.depth,
        "stereo": True,
        "num_stems": options.stems,
        "time_transformer_depth": 1,
        "freq_transformer_depth": 1,
        "stft_hop_length": 441,
    }
    mel = {"num_bands": 60, "sample_rate": 44100}
    # One hidden layer in each mask estimator, as each class counts it. lucidrains' BS model has value residuals always.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if options.layout == "bs":
            ours = BandSplitRotator(**shared, freqs_per_bands=DEFAULT_FREQS_PER_BANDS)
            lucidrains = LucidrainsBS(**shared, mask_estimator_depth=2, num_residual_streams=1)
            pymss = PymssBS(**shared, mask_estimator_depth=2)
        else:
            ours = BandSplitRotator(**shared, **mel)
            lucidrains = LucidrainsMel(
                **shared, **mel, linear_transformer_depth=0, add_value_residual=False, num_residual_streams=1
            )
            pymss = PymssMel(**shared, **mel, mlp_hidden_layers=1)
    chunk = torch.randn(1, 2, int(options.seconds * 44100))
    frames = 1 + chunk.shape[-1] // ours.stft_settings.hop_length
    dtype = PRECISIONS[options.precision]

    def separating(model: torch.nn.Module) -> Callable[[], object]:
        model.eval()

        def run() -> object:
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # lucidrains' attention enters a context that is deprecated
                return model(chunk)

        return run

    models = {"hfbs": ours, "lucidrains": lucidrains, "pymss-core": pymss}
    return {name: separating(model) for name, model in models.items()} | {"floor": floor(ours, frames, dtype)}


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    running = contestants(options)
    seconds: dict[str, list[float]] = {name: [] for name in running}
    with torch.inference_mode():
        for turn in range(options.runs + 1):
            for name, run in running.items():
                began = time.perf_counter()
                run()
                if turn:  # the first turn warms up
                    seconds[name].append(time.perf_counter() - began)

    print(
        f"{options.layout}, dim {options.dim}, depth {options.depth}, {options.stems} stem(s), one stereo chunk of "
        f"{options.seconds:g} s, {options.precision}, {options.threads} threads, {options.runs} alternating turns"
    )
    print(f"{'':12s}{'time / hfbs':>12s}{'(least':>9s}{'most)':>8s}")
    for name, times in seconds.items():
        ratios = [other / own for other, own in zip(times, seconds["hfbs"], strict=True)]
        print(f"{name:12s}{statistics.median(ratios):12.2f}{min(ratios):9.2f}{max(ratios):8.2f}")


if __name__ == "__main__":
    main()
