"""Rows a second and memory of `driftium tabular`: pandas beside a cluster of Dask of its own, on the same tables.

    python -m tests.benchmarks.tabular_dask [--rows 10000000 50000000] [--engines pandas dask] [--folder FOLDER]

Each table has 20 columns (tests/benchmarks/tabular_speed.py). It is made of one piece of 500,000 rows, written once as
a file of several row groups for either side and linked under as many names as there are pieces, so that the disk holds
two pieces; pandas, which reads one file, gets as many copies of the piece's row groups in one. The peak of a process is
the largest VmHWM of it; of a cluster, that of its largest worker and that of the command beside it.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.benchmarks.tabular_speed import make_table

PIECE = 500_000
GROUP = 125_000
_LOOK_SECONDS = 0.05


def make(folder: Path, rows: int, *, single: bool) -> list[Path]:
    """The two tables: folders of links, or single files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for name, moved in (("reference", False), ("current", True)):
        piece = folder / f"{name}-piece.parquet"
        if not piece.exists():
            make_table(PIECE, int(moved), moved=moved).to_parquet(piece, row_group_size=GROUP)
        count = rows // PIECE
        if single:
            path = folder / f"{name}-{rows}.parquet"
            if not path.exists():
                content: pa.Table = pq.read_table(piece)
                with pq.ParquetWriter(path, content.schema) as writer:
                    for _ in range(count):
                        writer.write_table(content, row_group_size=GROUP)
        else:
            path = folder / f"{name}-{rows}"
            path.mkdir(exist_ok=True)
            for number in range(count):
                link = path / f"part-{number:05}.parquet"
                if not link.exists():
                    link.symlink_to(piece)
        tables.append(path)
    return tables


class Peaks(threading.Thread):
    """The peak memory of a process and of those that it starts, while it runs."""

    def __init__(self, process: int):
        super().__init__(daemon=True)
        self._process = process
        self._ended = threading.Event()
        self.peaks: dict[int, int] = {}

    def run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            for process in (self._process, *_children(self._process)):
                self.peaks[process] = max(self.peaks.get(process, 0), _peak(process))

    def end(self) -> tuple[int, int]:
        """Peak of the process itself, and of the largest that it started, bytes."""
        self._ended.set()
        self.join()
        return self.peaks.get(self._process, 0), max(
            (peak for process, peak in self.peaks.items() if process != self._process), default=0
        )


def _children(process: int) -> list[int]:
    try:
        return [int(child) for task in Path(f"/proc/{process}/task").iterdir() for child in _of_task(task)]
    except OSError:
        return []


def _of_task(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []


def _peak(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def measure(engine: str, tables: list[Path], memory: str) -> dict[str, Any]:
    """One comparison by the command."""
    options = ["--json", "--engine", engine, *(["--worker-memory", memory] if engine == "dask" else [])]
    command = [sys.executable, "-m", "proxy", "tabular", *map(str, tables), *options]
    began, busy = perf_counter(), _cpu_seconds()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peaks = Peaks(process.pid)
        peaks.start()
        out, _ = process.communicate()
        own, worker = peaks.end()
    wall, cpu = perf_counter() - began, _cpu_seconds() - busy
    if process.returncode:
        return {"engine": engine, "failed": process.returncode, "own": own, "worker": worker, "wall": wall, "cpu": cpu}
    told = json.loads(out)
    rows = {row["name"]: row for row in told["display_rows"]}
    return {
        "engine": engine,
        "wall": wall,
        "cpu": cpu,
        "rows": told["summary"]["reference_rows"] + told["summary"]["current_rows"],
        "own": own,
        "worker": worker,
        "drifted": [row["name"] for row in told["display_rows"] if row["drifted"]],
        "effects": {name: row["effect"] for name, row in rows.items()},
        "errors": {name: row["figures"].get("d_error", 0.0) for name, row in rows.items()},
    }


def _cpu_seconds() -> float:
    """Of all processes that were started here and have ended, and of those that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[10_000_000, 50_000_000], help="of each of the two tables"
    )
    parser.add_argument("--engines", nargs="+", default=["pandas", "dask"])
    parser.add_argument("--worker-memory", default="1GiB")
    parser.add_argument("--folder", type=Path, help="where the tables are made and left; by default they are removed")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="tabular-dask-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{os.cpu_count()} cores, workers of {options.worker_memory}")
    print("| rows, each | engine | load | seconds | CPU seconds | rows a second | peak | of a worker | drifted |")
    print("| --- " * 9 + "|")
    try:
        for rows in options.rows:
            found = {}
            for engine in options.engines:
                tables = make(folder, rows, single=engine == "pandas")
                load = os.getloadavg()[0]
                told = found[engine] = measure(engine, tables, options.worker_memory)
                speed = f"{told['rows'] / told['wall']:,.0f}" if "rows" in told else f"exit code {told['failed']}"
                memory = " | ".join(f"{told[key] / 1e6:,.0f} MB" for key in ("own", "worker"))
                drifted = ", ".join(told.get("drifted", []))
                took = f"{load:.1f} | {told['wall']:.0f} | {told['cpu']:.0f}"
                print(f"| {rows:,} | {engine} | {took} | {speed} | {memory} | {drifted} |", flush=True)
            if all("effects" in told for told in found.values()) and len(found) == 2:
                a, b = found.values()
                apart = {name: abs(effect - b["effects"][name]) for name, effect in a["effects"].items() if effect}
                worst = max(apart, key=lambda name: apart[name])
                stated = max(b["errors"].values())
                print(
                    f"largest difference of an effect: {apart[worst]:.2g} ({worst}); largest error stated {stated:.2g}"
                )
    finally:
        if not options.folder:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
