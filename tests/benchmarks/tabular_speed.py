"""Time and memory of a comparison of two large tables, beside Evidently and Alibi Detect.

    python -m tests.benchmarks.tabular --speed [--size 1000000] [--repetitions 3] [--peers-python PYTHON]

Every measurement is a process of its own on one core with one thread, the tools in turn. It imports the tool, compares
2,000 rows (what loads late has loaded), makes the tables, compares them, and prints its figures as JSON. The peers'
interpreter runs this file too: it imports numpy and pandas alone.
"""

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

_ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
}
CATEGORIES = {"plan": 3, "weekday": 7, "month": 12, "region": 40, "device": 120, "product": 500}
_FLOATS = ["score", "ratio", "latency", "income", "balance", "temperature", "holes"]
_TIED = ["visits", "age", "duration", "price", "spend"]
NUMBERS = [*_FLOATS, *_TIED]
"""The floats hardly repeat, and a tenth of the last is missing; half of all are skewed."""


def make_table(rows: int, seed: int, *, moved: bool) -> Any:
    """A frame of 12 numeric columns, 6 of categories, 1 boolean and 1 of dates. moved shifts three of them."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "score": rng.normal(0.3 if moved else 0.0, 1, rows),
        "ratio": rng.beta(2, 5, rows),
        "latency": rng.gamma(2, 0.2, rows),
        "income": rng.lognormal(10, 1, rows),
        "balance": 500 * rng.standard_t(3, rows),
        "temperature": rng.normal(20, 5, rows),
        "holes": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
        "visits": rng.poisson(3, rows),
        "age": np.clip(rng.normal(40, 13, rows), 18, 95).astype(np.int64),
        "duration": (rng.lognormal(5, 1, rows) * (1.5 if moved else 1)).astype(np.int64),
        "price": np.round(rng.lognormal(3, 0.5, rows), 2),
        "spend": np.where(rng.random(rows) < 0.7, 0.0, np.round(rng.lognormal(2, 1, rows), 1)),
    }
    for name, number in CATEGORIES.items():
        shares = 1 / np.arange(1, number + 1) ** 0.7
        if moved and name == "region":
            shares = shares[::-1]
        labels = np.array([f"{name} {place}" for place in range(number)], dtype=object)
        columns[name] = labels[rng.choice(number, rows, p=shares / shares.sum())]
    columns["plan"][rng.random(rows) < 0.05] = None
    columns["returning"] = rng.random(rows) < 0.3
    when = np.datetime64("2025-01-01", "s") + rng.integers(0, 365 * 86_400, rows).astype("timedelta64[s]")
    columns["bought_at"] = np.where(rng.random(rows) < 0.02, np.datetime64("NaT"), when)
    return pd.DataFrame(columns)


Compare = Callable[[Any, Any], int]
"""Two inputs in, the number of drifted columns out."""


def plain(frame: Any) -> Any:
    """What Driftium and Evidently take."""
    return frame


def driftium() -> tuple[Compare, Callable[[Any], Any]]:
    from drift.tabular.compare import compare

    return lambda reference, current: compare(reference, current, rng=np.random.default_rng(0)).drifted, plain


def evidently() -> tuple[Compare, Callable[[Any], Any]]:
    """DataDriftPreset as it is: from 1,000 rows on normed Wasserstein and Jensen-Shannon distances. It skips dates."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=NUMBERS, categorical_columns=[*CATEGORIES, "returning"], datetime_columns=["bought_at"]
    )

    def run(reference: Any, current: Any) -> int:
        sides = [Dataset.from_pandas(side, data_definition=definition) for side in (current, reference)]
        found = Report([DataDriftPreset()]).run(*sides).dict()
        return int(found["metrics"][0]["value"]["count"])

    return run, plain


def alibi_detect() -> tuple[Compare, Callable[[Any], Any]]:
    """TabularDrift as it is. It takes one matrix of numbers: the coding is done before, and takes none of its time."""
    from alibi_detect.cd import TabularDrift

    first = len(NUMBERS)
    categories = dict.fromkeys(range(first, first + len(CATEGORIES) + 1))

    def run(reference: Any, current: Any) -> int:
        detector = TabularDrift(reference, categories_per_feature=categories)
        found = detector.predict(current)["data"]
        return int((found["p_val"] <= found["threshold"]).sum())

    return run, matrix


def matrix(frame: Any) -> Any:
    """A frame as float64 (n, 20): codes for categories, seconds for dates, 0 for a number that is missing."""
    coded = np.empty(frame.shape)
    for place, name in enumerate([*NUMBERS, *CATEGORIES, "returning", "bought_at"]):
        if name in CATEGORIES:
            known = [f"{name} {number}" for number in range(CATEGORIES[name])]
            coded[:, place] = pd.Categorical(frame[name], categories=known).codes
        else:
            values = frame[name].to_numpy()
            if values.dtype.kind == "M":
                values = np.where(np.isnat(values), np.nan, values.astype("datetime64[s]").astype(np.float64))
            numbers = values.astype(np.float64)
            coded[:, place] = np.where(np.isnan(numbers), 0.0, numbers)
    return coded


TOOLS = {"Driftium": driftium, "Evidently": evidently, "Alibi Detect": alibi_detect}


def measure(tool: str, rows: int) -> dict[str, Any]:
    """One comparison in this process; sizes in bytes, of which data_bytes counts 8 for each text."""
    run, prepared = TOOLS[tool]()
    run(*(prepared(make_table(2_000, seed, moved=False)) for seed in (0, 1)))
    gc.collect()
    without_data = _resident("VmRSS")
    frames = [make_table(rows, seed, moved=seed == 1) for seed in (0, 1)]
    data = sum(frame[name].to_numpy().nbytes for frame in frames for name in frame)
    digest = crc32("".join(str(frame[name].describe().to_list()) for frame in frames for name in NUMBERS).encode())
    sides = [prepared(frames.pop(0)) for _ in range(2)]
    gc.collect()
    # What making the tables left free in the heap is no part of the data.
    ctypes.CDLL(None).malloc_trim(0)
    # The kernel forgets the peak so far.
    Path("/proc/self/clear_refs").write_text("5")
    with_data = _resident("VmRSS")
    wall, cpu = perf_counter(), process_time()
    drifted = run(*sides)
    wall, cpu = perf_counter() - wall, process_time() - cpu
    return {
        "wall": wall,
        "cpu": cpu,
        "drifted": drifted,
        "digest": digest,
        "data_bytes": data,
        "held": with_data - without_data,
        "peak": _resident("VmHWM") - without_data,
    }


def _resident(key: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])


def print_speed(rows: int, repetitions: int, peers_python: Path | None) -> None:
    """Medians of each tool, and its ratio to Driftium's, in one run."""
    pythons = {"Driftium": Path(sys.executable)}
    if peers_python is not None:
        pythons |= {"Evidently": peers_python, "Alibi Detect": peers_python}
    found: dict[str, list[dict[str, Any]]] = {tool: [] for tool in pythons}
    print(f"\n{rows:,} x 20 against as many, one core, {repetitions} repetitions; load average before each:", end=" ")
    for _ in range(repetitions):
        print(f"{os.getloadavg()[0]:.1f}", end=" ", flush=True)
        for tool, python in pythons.items():
            found[tool].append(_measure_apart(python, tool, rows))
    print()
    if len({one["digest"] for some in found.values() for one in some}) > 1:
        print("THE TABLES DIFFER: other versions of numpy draw other numbers")
    print("| tool | seconds (all) | CPU seconds | ratio of CPU | peak memory, x data | above the data held | drifted |")
    print("| --- " * 7 + "|")
    ours = median(one["cpu"] for one in found["Driftium"])
    for tool, some in found.items():
        wall, cpu, peak = ([one[key] for one in some] for key in ("wall", "cpu", "peak"))
        data = some[0]["data_bytes"]
        above = median(one["peak"] - one["held"] for one in some) / 1e6
        memory = f"{median(peak) / 1e6:,.0f} MB, {median(peak) / data:.2f} | {above:,.0f} MB"
        seconds = f"{median(wall):.2f} ({_listed(wall)}) | {median(cpu):.2f} | {median(cpu) / ours:.1f}"
        print(f"| {tool} | {seconds} | {memory} | {some[0]['drifted']} |")
    print(f"data: {found['Driftium'][0]['data_bytes'] / 1e6:,.0f} MB, 8 bytes a number or text, both tables together")


def _listed(seconds: Sequence[float]) -> str:
    return ", ".join(f"{one:.2f}" for one in seconds)


def _measure_apart(python: Path, tool: str, rows: int) -> dict[str, Any]:
    """measure() by an interpreter of its own, on the last core that this process may use."""
    command = [str(python), "-m", "tests.benchmarks.tabular_speed", "--tool", tool, "--size", str(rows)]
    core = max(os.sched_getaffinity(0))
    answer = subprocess.run(
        [*command, "--core", str(core)],
        env={**os.environ, **_ONE_THREAD},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    figures: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tool", choices=TOOLS, required=True)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--core", type=int, default=0)
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    warnings.simplefilter("ignore")
    print(json.dumps(measure(options.tool, options.size)))


if __name__ == "__main__":
    main()
