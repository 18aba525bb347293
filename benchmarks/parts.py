"""How much sooner a processor is done that takes several chunks at once, each on its part of the threads.

``python benchmarks/parts.py demo`` separates the same song with chunks at once and one after the other, in turns, and
prints the former's time over the latter's in the same round: the median, the least and the most. The song is noise, as
long as the number of chunks asks for: one that the parts divide leaves none of them idle at its end.
"""

import argparse
import platform
import statistics
import time
from typing import cast

import numpy as np
import torch
from checkpoints import NAMES, checkpoint_of

from hfbs_separate import Separator
from hfbs_separate._chunking import Clean
from hfbs_separate._device import parts_of_processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help=NAMES)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    parser.add_argument("--chunks", type=int, default=8, help="in the song")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    checkpoint = checkpoint_of(options.model)
    at_once = Separator(checkpoint, device="cpu", precision=options.precision, overlap=1)
    one_by_one = Separator(checkpoint, device="cpu", precision=options.precision, overlap=1)
    one_by_one._in_parts = False
    samples = (options.chunks - 1) * cast("Clean", at_once.mode).step  # the first begins a step before it
    song = np.random.default_rng(0).normal(0, 0.1, (2, samples)).astype(np.float32)

    ratios: list[float] = []
    for turn in range(options.rounds + 1):  # the first warms up
        spent: list[float] = []
        for separator in (at_once, one_by_one):
            began = time.perf_counter()
            separator.separate(song, separator.sample_rate)
            spent.append(time.perf_counter() - began)
        if turn:
            ratios.append(spent[0] / spent[1])

    chunk = at_once.chunk_size / at_once.sample_rate
    threads, parts = torch.get_num_threads(), parts_of_processor()
    print(f"{options.model}, {options.precision}, chunks of {chunk:.3g} s, {options.rounds} rounds")
    print(f"{platform.machine()}, torch {torch.__version__}, {threads} threads in {parts} parts")
    print(f"{statistics.median(ratios):.2f} of the time of one by one ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
