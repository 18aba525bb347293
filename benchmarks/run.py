"""Speed and memory against the other implementations and against the floor, with the same weights and in one run.

The contestants take turns, and what counts is the ratio of their times within a turn: other work on the machine slows
all of them.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from configurations import BATCH, CONFIGURATIONS, DEFAULTS, PRECISIONS, Setting
from contestants import competing
from measuring import measured
from reporting import NOTES, Report, Table, read_json, text, this_run, write_chart, write_json, write_markdown


def positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1, got {number}")
    return number


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = "; ".join(f"{task}: {' '.join(names)}" for task, names in DEFAULTS.items())
    parser.add_argument("--configurations", nargs="+", choices=CONFIGURATIONS, help=f"default for {defaults}")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--tasks", nargs="+", choices=DEFAULTS, default=[*DEFAULTS])
    parser.add_argument("--rounds", type=positive, default=5, help="counted turns of each contestant")
    parser.add_argument("--processes", type=int, default=3, help="fresh processes for start and memory; 0 for none")
    parser.add_argument("--threads", type=positive, default=torch.get_num_threads(), help="threads of PyTorch")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, help="length of a chunk; default 4, tiny's 1")
    parser.add_argument("--batch", type=positive, help="chunks at once; default 1, in training 2")
    parser.add_argument("--no-compiled", action="store_true", help="leave the compiled contestants out")
    parser.add_argument("--peak-tflops", type=float, help="assumed peak of the device, to print its utilisation")
    parser.add_argument("--json", type=Path, help="file for all figures; other tables in it are kept")
    parser.add_argument("--chart", type=Path, help="PNG file for a bar chart; needs matplotlib")
    parser.add_argument("--results", type=Path, help="Markdown file for machine, commit, command and tables")
    return parser.parse_args()


def settings(options: argparse.Namespace) -> Iterator[Setting]:
    for task in options.tasks:
        for name in options.configurations or DEFAULTS[task]:
            for precision in options.precisions:
                yield Setting(
                    name=name,
                    precision=precision,
                    task=task,
                    device=options.device,
                    batch=options.batch or BATCH[task],
                    seconds=options.seconds or CONFIGURATIONS[name].seconds,
                    threads=options.threads,
                )


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    command = f"python benchmarks/run.py {shlex.join(sys.argv[1:])}".strip()
    run = this_run(command, options.device, options.threads)
    result = read_json(options.json) if options.json else Report()
    print(f"{run.machine}\n{run.commit}, {run.date}\n")
    for setting in settings(options):
        contestants = competing(setting, compiled=not options.no_compiled)
        rows = measured(contestants, setting, options.rounds, options.processes, options.peak_tflops)
        table = Table(run, setting, rows)
        print(text(table), end="\n\n", flush=True)
        # After each table, so that a run of hours that is ended leaves what it has.
        result = result.with_table(table)
        if options.json:
            write_json(result, options.json)
        if options.chart:
            write_chart(result, options.chart)
        if options.results:
            write_markdown(result, options.results)
    print("\n".join(NOTES))


if __name__ == "__main__":
    main()
