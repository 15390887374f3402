"""A CSV larger than memory against a reference: seconds, and the most memory that `driftium tabular` held.

python -m tests.benchmarks.tabular_csv --gigabytes 5

Ten equal blocks follow each other in the files, so that p-values mean nothing here; effects and times do.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

BLOCK = 100_000
REPEATS = 10


def rows(rng: np.random.Generator, n: int, drift: float) -> pd.DataFrame:
    """20 columns: 12 of numbers, 6 of categories, a date, an identifier. drift moves one of each."""
    table = {f"float_{i}": rng.normal(drift * (i == 0), 1, n) for i in range(6)}
    table |= {f"price_{i}": rng.lognormal(3, 1, n).round(2) for i in range(3)}
    table |= {f"count_{i}": rng.poisson(3 + i, n) for i in range(3)}
    few = np.array(["red", "green", "blue", "black"])
    table |= {f"few_{i}": few[rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])] for i in range(3)}
    many = np.array([f"city {i}" for i in range(500)])
    table |= {f"many_{i}": many[(rng.power(2 + 2 * drift * (i == 0), n) * 500).astype(int)] for i in range(3)}
    table["day"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 90, n), unit="D")
    table["user_id"] = rng.integers(10**11, 10**12, n)
    frame = pd.DataFrame(table)
    frame.loc[rng.random(n) < 0.05, "price_0"] = np.nan
    return frame


def write(path: Path, size: float, seed: int, drift: float) -> int:
    """A CSV of at least `size` bytes; returns its rows. Each block is written ten times: drawing takes longer."""
    rng = np.random.default_rng(seed)
    count = 0
    with path.open("w", newline="") as file:
        while file.tell() < size:
            block = rows(rng, BLOCK, drift).to_csv(index=False, float_format="%.6g")
            header, _, body = block.partition("\n")
            file.write("" if count else header + "\n")
            for _ in range(REPEATS):
                if file.tell() < size:
                    file.write(body)
                    count += BLOCK
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--reference-gigabytes", type=float, default=0.2)
    parser.add_argument("--folder", type=Path, help="where the files are written. Default: a folder that is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        reference, current = Path(folder) / "reference.csv", Path(folder) / "current.csv"
        counts = [
            write(reference, options.reference_gigabytes * 1e9, 1, 0.0),
            write(current, options.gigabytes * 1e9, 2, 0.3),
        ]
        sizes = [path.stat().st_size / 1e9 for path in (reference, current)]
        begun = time.perf_counter()
        command = [sys.executable, "-m", "proxy", "tabular", str(reference), str(current), "--json"]
        told = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "NO_COLOR": "1"})
        seconds = time.perf_counter() - begun
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
        found = json.loads(told.stdout)
    (n, of_n), (m, of_m) = zip(counts, sizes, strict=True)
    print(f"reference {n:,} rows ({of_n:.2f} GB), current table {m:,} rows ({of_m:.2f} GB), 20 columns")
    rate = sum(sizes) * 1e3 / seconds
    print(f"{seconds:.0f} s ({rate:.0f} MB/s), peak memory {peak:,.0f} MiB, load {os.getloadavg()[0]:.1f}")
    for row in found["display_rows"]:
        if row["drifted"] or row["figures"].get("d_error"):
            error = row["figures"].get("d_error")
            print(f"{row['name']:10} {'drifted' if row['drifted'] else '':8} effect {row['effect']:.4f}", end="")
            print(f" +- {error:.4f}" if error else "", row["direction"])


if __name__ == "__main__":
    main()
