"""An hour of steady traffic, the worker embedding and scoring: do memory, latency and descriptors stay as they are?

    python -m tests.benchmarks.soak [--minutes 60] [--rate 100] [--json soak.jsonl]

An open loop of real texts, some as streams, in connections of which now and then one is closed and another opened.
Every minute a line, in the file too, so that a run that is cut leaves what it has. Latencies are milliseconds from when
a request was due, without what the upstream took: of an answer that is whole, and of a stream's first event.
"""

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.load import Plan
from tests.benchmarks.processes import loaded, machine, stamped_upstream, usage
from tests.conftest import Driftium

MONITOR = "replay"


class Watch:
    """Looks at a running proxy, and sets a baseline once there is enough for one."""

    def __init__(self, proxy: Driftium, baseline: int):
        self._proxy = proxy
        self._baseline = baseline
        self._began = self._looked = time.monotonic()
        self._cpu: dict[int, float] = {}
        self._machine = machine()
        self._baseline_told = ""

    def line(self, report: dict[str, Any]) -> dict[str, Any]:
        """What the load generator tells of the last minute, with what can be seen at its end."""
        assert self._proxy.process
        now = time.monotonic()
        line: dict[str, Any] = {
            "minute": round((now - self._began) / 60, 2),
            "requests": report["answered"],
            "errors": report["errors"],
            **{name: report[name] for name in ("json", "first", "later", "late", "connections")},
            "load_cpu": report["cpu"],
            "machine": self._machine_since(),
        }
        try:
            health = self._proxy.get("/api/health")
            line |= self._counts(health)
            pids = {"web": self._proxy.process.pid, "worker": health["worker"].get("pid")}
        except httpx.HTTPError as error:
            # Told in the line: a proxy in trouble is what this looks for.
            return line | {"trouble": str(error) or type(error).__name__}
        for name, pid in pids.items():
            with contextlib.suppress(FileNotFoundError, TypeError):
                used = usage(pid)
                before = self._cpu.get(pid, used.cpu_seconds)
                self._cpu[pid] = used.cpu_seconds
                line[name] = {
                    "rss_mb": round(used.rss_mb, 1),
                    "cpu": round((used.cpu_seconds - before) / (now - self._looked), 3),
                    "descriptors": used.descriptors,
                    "threads": used.threads,
                }
        self._looked = now
        line["data_bytes"] = _size(self._proxy.data_dir)
        return line | {"baseline": self._set_baseline(line["scored"].get("scored", 0))}

    def _machine_since(self) -> dict[str, float]:
        """Shares of all cores since the last look: what others take, and what the host withholds, delays everyone."""
        before, self._machine = self._machine, machine()
        everything, busy, stolen = (now - then for now, then in zip(self._machine, before, strict=True))
        return {"busy": round(busy / everything, 3), "stolen": round(stolen / everything, 3)}

    def _counts(self, health: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, float] = {}
        scored: dict[str, float] = {}
        for family in text_string_to_metric_families(self._proxy.client.get("/metrics").text):
            for sample in family.samples:
                if sample.name == "driftium_scored_total":
                    result = sample.labels["result"]
                    scored[result] = scored.get(result, 0) + sample.value
                elif not sample.labels:
                    found[sample.name] = sample.value
        return {
            "tap": {name: health["tap"][name] for name in ("pending", "dropped", "logged")},
            "worker_status": health["worker"]["status"],
            "worker_restarts": health["worker"].get("restarts"),
            "lag_seconds": round(found.get("driftium_log_lag_seconds", 0.0), 2),
            "lag_exchanges": found.get("driftium_log_lag_exchanges"),
            "scored": scored,
            "answers_per_second": health["worker"].get("answers_per_second"),
        }

    def _set_baseline(self, scored: float) -> str:
        """What became of the baseline."""
        if not self._baseline_told and scored >= self._baseline:
            answer = self._proxy.client.post("/baseline", json={"monitor": MONITOR, "last": self._baseline})
            self._baseline_told = "made" if answer.is_success else f"refused: {answer.text}"
        if self._baseline_told == "made" and self._proxy.get("/drift", monitor=MONITOR)["status"] == "ready":
            self._baseline_told = "scoring"
        return self._baseline_told


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(place) / name).stat().st_size
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--streamed", type=float, default=0.3, help="share of them that ask for a stream")
    parser.add_argument("--requests-each", type=int, default=500, help="about so many until a connection is replaced")
    parser.add_argument("--baseline", type=int, default=500, help="scored exchanges after which a baseline is set")
    parser.add_argument("--line-seconds", type=float, default=60, help="how often there is a line")
    parser.add_argument("--json", type=Path, help="file to append the lines to, one JSON object each")
    asked = parser.parse_args()
    lines: list[dict[str, Any]] = []
    with stamped_upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        proxy = Driftium(Path(folder), upstream.url).start()
        try:
            proxy.wait_for_worker()
            plan = Plan(
                port=proxy.client.base_url.port or 0,
                rate=asked.rate,
                seconds=asked.minutes * 60,
                connections=32,
                streamed=asked.streamed,
                requests_each=asked.requests_each,
                report_seconds=asked.line_seconds,
            )
            watch = Watch(proxy, asked.baseline)
            _row(*COLUMNS)
            _row(*["---"] * len(COLUMNS))
            for report in loaded(plan):
                if report["seconds"] < asked.line_seconds / 2 and not report["errors"]:
                    continue  # the end, just after a whole line
                lines.append(watch.line(report))
                _row(*_cells(lines[-1]))
                if asked.json:
                    with asked.json.open("a") as file:
                        file.write(json.dumps(lines[-1]) + "\n")
        finally:
            proxy.stop()
    tell(lines, round(300 / asked.line_seconds))


COLUMNS = (
    "minute", "requests", "errors", "p50", "p99", "first p50", "p99", "web MB", "CPU", "fds", "threads", "worker MB",
    "CPU", "data MB", "tap pending", "dropped", "lag, s", "scored", "sampled out", "baseline", "load CPU", "late p99",
    "machine busy", "stolen",
)  # fmt: skip


def _cells(line: dict[str, Any]) -> list[str]:
    web, worker, scored, tap = (line.get(name, {}) for name in ("web", "worker", "scored", "tap"))
    times = [f"{line[name].get(p, float('nan')):.2f}" for name in ("json", "first") for p in ("p50", "p99")]
    return [
        f"{line['minute']:.1f}", f"{line['requests']}", f"{sum(line['errors'].values())}", *times,
        f"{web.get('rss_mb')}", f"{web.get('cpu', 0):.0%}", f"{web.get('descriptors')}", f"{web.get('threads')}",
        f"{worker.get('rss_mb')}", f"{worker.get('cpu', 0):.0%}", f"{line.get('data_bytes', 0) / 1e6:.0f}",
        f"{tap.get('pending')}", f"{tap.get('dropped')}", f"{line.get('lag_seconds')}",
        f"{scored.get('scored', 0):.0f}", f"{scored.get('sampled_out', 0):.0f}",
        line.get("baseline", line.get("trouble", "")), f"{line['load_cpu']:.1%}",
        f"{line['late'].get('p99', float('nan')):.2f}",
        f"{line['machine']['busy']:.0%}", f"{line['machine']['stolen']:.0%}",
    ]  # fmt: skip


def _row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def tell(lines: list[dict[str, Any]], step: int) -> None:
    """Every fifth minute, and whether the end is like minute 10, when all has settled (or a third)."""
    whole = [line for line in lines if "web" in line and "worker" in line]
    if len(whole) < 3:
        raise SystemExit("too short for a verdict")
    print()
    _row(*COLUMNS)
    _row(*["---"] * len(COLUMNS))
    for line in whole[max(0, min(step, len(whole)) - 1) :: max(1, step)]:
        _row(*_cells(line))
    span = min(10, len(whole) // 3)
    settled, end = whole[span - 1], whole[-1]
    grown = {name: end[name]["rss_mb"] / settled[name]["rss_mb"] - 1 for name in ("web", "worker")}
    told = ", ".join(
        f"{name} {settled[name]['rss_mb']:.0f} MB then, {end[name]['rss_mb']:.0f} MB at the end ({share:+.1%})"
        for name, share in grown.items()
    )
    verdict = "stays within 5 %" if max(grown.values()) <= 0.05 else "grows by more than 5 %"
    print(f"\nmemory since line {span} {verdict}: {told}")
    for name in ("json", "first"):
        parts = [
            [line[name]["p99"] for line in part if line[name]["n"]] for part in (whole[span : 2 * span], whole[-span:])
        ]
        if not all(parts):
            continue
        then, now = map(statistics.fmean, parts)
        what = "whole answers" if name == "json" else "first events"
        print(f"p99 of {what}: {then:.2f} ms in lines {span + 1} to {2 * span}, ", end="")
        print(f"{now:.2f} ms in the last {span} ({now / then - 1:+.1%}), means of the lines' own")
    errors = sum(sum(line["errors"].values()) for line in lines)
    print(f"{sum(line['requests'] for line in lines)} requests, {errors} errors")


if __name__ == "__main__":
    main()
