"""Drift of tables: what others published, real changes, false alarms, speed and memory.

    python -m tests.benchmarks.tabular --data FOLDER [--published] [--cases] [--false-alarms] [--speed]

All parts unless some are named. --speed needs no FOLDER; with --peers-python PYTHON it also times Evidently and
Alibi Detect (see tests/benchmarks/peers.py for their environment).
"""

import argparse
from pathlib import Path

from tests.benchmarks.tabular_cases import print_cases, print_false_alarms
from tests.benchmarks.tabular_published import print_published
from tests.benchmarks.tabular_speed import print_speed

_PARTS = ("published", "cases", "false_alarms", "speed")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="the folder with tabular/, published/ and CASES_tabular.csv")
    for part in _PARTS:
        parser.add_argument(f"--{part.replace('_', '-')}", action="store_true")
    parser.add_argument("--splits", type=int, default=200, help="random splits of each case without drift")
    parser.add_argument("--rows", type=int, help="at most so many rows a side in them; all unless told")
    parser.add_argument("--size", type=int, default=1_000_000, help="rows of the tables that are timed")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--peers-python", type=Path, help="the interpreter of Evidently and Alibi Detect")
    options = parser.parse_args()
    parts = [part for part in _PARTS if getattr(options, part)] or list(_PARTS)
    if options.data is None and parts != ["speed"]:
        parser.error("--data FOLDER is needed for everything but --speed")
    if options.data is not None and not (options.data / "CASES_tabular.csv").exists():
        parser.error(f"{options.data} holds no CASES_tabular.csv")
    if "published" in parts:
        print_published(options.data)
    if "cases" in parts:
        print_cases(options.data)
    if "false_alarms" in parts:
        print_false_alarms(options.data, options.splits, options.rows)
    if "speed" in parts:
        print_speed(options.size, options.repetitions, options.peers_python)


if __name__ == "__main__":
    main()
