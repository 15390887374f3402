"""Real changes as live streams: what the monitor finds, how soon, and whom it blames; beside other tools.

    python -m tests.benchmarks.drift --data FOLDER [--cache FOLDER] [--splits 5] [--peers-python PYTHON] [--figures]

FOLDER holds CASES_text.csv and text/. A stream is a baseline, more responses of the same population, and then the
change; baseline and live responses answer different prompts. Each case is run with several random splits, and the
same numbers give the same streams. After a false alarm a detector begins anew with empty windows; detected means an
alarm after the change and before the stream ends. --peers-python names the interpreter of an environment with
Evidently and Alibi Detect (see peers.py), which then see the same streams. Embedding all texts takes an hour, once.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from drift.baseline import Baseline
from drift.policy import Policy
from tests.benchmarks.cases import read_cases
from tests.benchmarks.embeddings import embedded
from tests.benchmarks.figures import print_figures
from tests.benchmarks.monitored import Vectors, make_calibrated, make_sample, verdict, watch_monitor
from tests.benchmarks.streams import Lengths, Outcome, Stream, make_stream, watch
from tests.benchmarks.tables import ALWAYS, DRIFTIUM, Run, print_cases, print_detectors, print_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "driftium-benchmarks")
    parser.add_argument("--cases", nargs="*", default=[""], help="beginnings of case ids")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--run-length", type=int, default=1_000)
    parser.add_argument("--verdict-window", type=int, help="responses a verdict sees, unless the largest window's")
    parser.add_argument("--peers-python", type=Path, help="interpreter of the other tools' environment")
    parser.add_argument("--peers-splits", type=int, default=1, help="how many of the splits the other tools see")
    parser.add_argument("--peers-bootstraps", type=int, help="Alibi Detect's simulations, see peers.py")
    parser.add_argument("--paths", type=int, help="simulated streams that fit the thresholds, the policy's unless told")
    parser.add_argument("--figures", action="store_true", help="print the figures of single parts instead")
    options = parser.parse_args()
    if not (options.data / "CASES_text.csv").is_file():
        sys.exit(f"{options.data}/CASES_text.csv is absent: this benchmark needs the data folder, see --help")
    # The paths that only measure the run length are for the report.
    policy = Policy(
        expected_run_length=options.run_length,
        calibration_paths=options.paths or Policy().calibration_paths,
        validation_paths=50,
    )
    if options.figures:
        print_figures(options.data, options.cache, policy)
        return

    cases = [case for case in read_cases(options.data) if case.id.startswith(tuple(options.cases))]
    streams = [make_stream(case, split, options.data, Lengths()) for case in cases for split in range(options.splits)]
    vectors = vectors_of(streams, options.cache)
    peers: dict[str, dict[str, Outcome]] = {}
    if options.peers_python:
        few = [stream for stream in streams if stream.split < options.peers_splits]
        peers = run_peers(few, vectors, policy, options.peers_python, options.peers_bootstraps)
    runs = []
    baselines: dict[tuple[str, int], Baseline] = {}
    for done, stream in enumerate(streams, 1):
        runs.append(run(stream, vectors, policy, baselines, peers.get(stream.name, {}), options.verdict_window))
        print(f"\r{done} of {len(streams)} streams", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print_cases(runs, policy)
    print_detectors(runs)
    print_summary(runs, policy)


def vectors_of(streams: Sequence[Stream], cache: Path) -> Vectors:
    """The vector of every text of the streams."""
    texts = sorted(
        {text for stream in streams for row in (*stream.baseline, *stream.live) for text in (row.prompt, row.response)}
    )
    return dict(zip(texts, embedded(texts, cache), strict=True))


def run(
    stream: Stream,
    vectors: Vectors,
    policy: Policy,
    baselines: dict[tuple[str, int], Baseline],
    peers: dict[str, Outcome],
    verdict_window: int | None,
) -> Run:
    """All detectors on one stream. Baselines are kept for the cases that share them."""
    quiet, changed = ([make_sample(row, vectors) for row in rows] for rows in (stream.quiet, stream.changed))
    known = (repr(stream.case.reference), stream.split)
    if known not in baselines:
        samples = [make_sample(row, vectors) for row in stream.baseline]
        baselines[known] = make_calibrated(samples, policy, np.random.default_rng(stream.split))
    outcome = watch_monitor(baselines[known], policy, quiet, changed)
    always = watch(lambda _: True, lambda: None, len(quiet), len(changed))
    rng = np.random.default_rng([stream.split, crc32(stream.case.id.encode())])
    size = verdict_window or policy.window_sizes(len(stream.baseline))[-1]
    at_alarm = ""
    if outcome.delay is not None:
        at_alarm = verdict(stream, vectors, seen=len(quiet) + outcome.delay, size=size, rng=rng)
    at_end = verdict(stream, vectors, seen=len(stream.live), size=size, rng=rng)
    return Run(stream, {DRIFTIUM: outcome, ALWAYS: always, **peers}, at_alarm, at_end)


def run_peers(
    streams: Sequence[Stream], vectors: Vectors, policy: Policy, python: Path, bootstraps: int | None
) -> dict[str, dict[str, Outcome]]:
    """The other tools on the same streams, by their own interpreter; {stream: {detector: outcome}}."""
    dimension = len(next(iter(vectors.values())))
    with tempfile.TemporaryDirectory() as folder:
        for stream in streams:
            phases = {
                # A case without drift has an empty one, which has no dimension of its own.
                name: np.array([vectors[row.response] for row in rows], dtype=np.float32).reshape(len(rows), dimension)
                for name, rows in zip(("baseline", "quiet", "changed"), stream[2:], strict=True)
            }
            window = policy.window_sizes(len(stream.baseline))[-1]
            np.savez(Path(folder) / f"{stream.name}.npz", window=window, **phases)
        command: list[str | Path] = [
            python,
            "-m",
            "tests.benchmarks.peers",
            folder,
            "--run-length",
            str(policy.expected_run_length),
        ]
        if bootstraps:
            command += ["--bootstraps", str(bootstraps)]
        answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found = json.loads(answer.stdout)
    return {
        stream: {detector: Outcome(*outcome) for detector, outcome in detectors.items()}
        for stream, detectors in found.items()
    }


if __name__ == "__main__":
    main()
