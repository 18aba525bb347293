"""How long an exported core takes beside PyTorch, eager and compiled.

``python benchmarks/exporting.py`` exports a model in float32 and in int8, lets all take turns on the same chunk, and
prints each one's time over eager PyTorch's in the same round: the median, the least and the most. Seconds are of
processor time, of one thread, so that other work on the machine counts less.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime
import torch
from checkpoints import NAMES, checkpoint_of

from hfbs_model import BandSplitRotator
from hfbs_model.export import export_onnx, load_exported


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help=NAMES)
    parser.add_argument("--seconds", type=float, help="length of the chunk; default: the model's")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-compiled", action="store_true", help="leave out compiled PyTorch")
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    checkpoint = checkpoint_of(options.model)
    samples = checkpoint.chunk_size if options.seconds is None else int(options.seconds * checkpoint.sample_rate)
    audio = 0.1 * torch.randn(1, checkpoint.model.audio_channels, samples)
    running: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"PyTorch": checkpoint.model.eval()}
    with TemporaryDirectory() as folder:
        for name, int8 in (("onnxruntime", False), ("onnxruntime, int8", True)):
            path = Path(folder, f"{int8}.onnx")
            export_onnx(checkpoint, path, int8=int8)
            running[name] = load_exported(path).model
            print(f"{name}: {path.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
    if not options.no_compiled:
        compiled = BandSplitRotator(**checkpoint.model.keywords).eval()
        compiled.load_state_dict(checkpoint.model.state_dict())
        compiled.compile_blocks()
        running["PyTorch, compiled"] = compiled

    times: dict[str, list[float]] = {name: [] for name in running}
    outputs: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for turn in range(options.rounds + 1):  # the first warms up
            for name, run in running.items():
                began = time.process_time()
                outputs[name] = run(audio)
                if turn:
                    times[name].append(time.process_time() - began)

    expected = outputs["PyTorch"]
    print(f"{options.model}, {samples / checkpoint.sample_rate:.3g} s, one thread, {options.rounds} rounds")
    print(f"{platform.machine()}, torch {torch.__version__}, onnxruntime {onnxruntime.__version__}\n")
    print("| | s | over PyTorch's, eager | relative difference |\n| --- | --- | --- | --- |")
    for name, spent in times.items():
        ratios = [own / eager for own, eager in zip(spent, times["PyTorch"], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        difference = float((outputs[name] - expected).norm() / expected.norm())
        print(f"| {name} | {statistics.median(spent):.3g} | {spread} | {difference:.1e} |")


if __name__ == "__main__":
    main()
