"""Many slow streams at once through Driftium, through nginx and directly: bytes, first events, memory, descriptors.

    python -m tests.benchmarks.slow_streams [--streams 500] [--rounds 3] [--pin] [--rt]

Each round visits every target twice: all streams to their end, then every second client leaves in mid-stream. A first
event counts from the moment its request was sent; every stream is compared byte for byte; what a round has opened has
to be closed after it. nginx has one worker, no buffering and keep-alive to the upstream; without it, it is left out.
"""

import argparse
import contextlib
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.load import Plan
from tests.benchmarks.processes import (
    LOAD_CORE,
    PROXY_CORE,
    StampedUpstream,
    Usage,
    allow_open_files,
    child_of,
    loaded,
    on_core,
    real_time,
    stamped_upstream,
    usage,
)
from tests.conftest import Driftium, free_port, wait_until

RELEASE_SECONDS = 40.0
"""Idle connections to the upstream are closed at the next use of the pool, at the latest that of the probe."""

NGINX = """
worker_processes 1;
worker_rlimit_nofile {files};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream model {{
        server 127.0.0.1:{upstream};
        keepalive {files};
        keepalive_timeout 4s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{
            proxy_pass http://model;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


@dataclass
class Target:
    """Something that is asked; `pid` is the process that relays, None when nothing does."""

    port: int
    pid: int | None = None
    idle: Usage | None = None
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)
    kept_open: list[str] = field(default_factory=list)


@contextlib.contextmanager
def nginx(upstream: StampedUpstream, files: int) -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, files=files, upstream=upstream.port, port=port))
        with subprocess.Popen(["nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", str(config)]) as process:
            try:
                wait_until(lambda: _answers(port), seconds=10, what="nginx answers")
                yield Target(port, child_of(process.pid))
            finally:
                process.terminate()


def _answers(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/v1/models", trust_env=False).status_code == 200
    return False


@contextlib.contextmanager
def driftium(upstream: StampedUpstream) -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as folder:
        proxy = Driftium(Path(folder), upstream.url, "--no-worker").start()
        try:
            assert proxy.process
            yield Target(proxy.client.base_url.port or 0, proxy.process.pid)
        finally:
            proxy.stop()


def visit(target: Target, upstream: StampedUpstream, run: Callable[[int], dict[str, Any]], *, leaving: bool) -> None:
    """One round at one target: what its streams found, and whether all was closed after them."""
    upstream.counts()  # forgets who left before
    before = usage(target.pid) if target.pid else None
    report = run(target.port)
    ended = time.monotonic()
    target.wrong += [f"{count} x {what}" for what, count in report["errors"].items()]
    if target.pid and before:
        # Polled, as it is another process that closes them.
        while (after := usage(target.pid)).descriptors > before.descriptors and _since(ended) < RELEASE_SECONDS:
            time.sleep(0.1)
        target.figures["release_seconds"].append(_since(ended))
        if after.descriptors > before.descriptors or after.established > before.established:
            told = f"{before.descriptors} -> {after.descriptors} ({before.established} -> {after.established} sockets)"
            target.kept_open.append(told)
    counts = upstream.counts()
    target.figures["upstream_open"].append(counts["open"])
    if leaving:
        seen = [
            (counts["left"][serial] - left) / 1e6 for serial, left in report["left"].items() if serial in counts["left"]
        ]
        target.figures["left"].append(len(report["left"]))
        target.figures["unseen"].append(len(report["left"]) - len(seen))
        target.figures["seen_ms"] += seen
        return
    for name in ("first", "later"):
        for figure in ("p50", "p99"):
            target.figures[f"{name} {figure}"].append(report[name][figure])
    target.figures["client late p99"].append(report["late"]["p99"])
    target.figures["streams"].append(report["answered"])


def _since(moment: float) -> float:
    return time.monotonic() - moment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500, help="at once")
    parser.add_argument("--events", type=int, default=60)
    parser.add_argument("--gap-ms", type=float, default=200)
    parser.add_argument("--jitter-ms", type=float, default=60)
    parser.add_argument("--ramp-seconds", type=float, default=2, help="within which all are begun")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pin", action="store_true", help="upstream and client on core 0, the targets on core 1")
    parser.add_argument("--rt", action="store_true", help="real-time scheduling: others on the machine delay nothing")
    asked = parser.parse_args()
    allow_open_files(files := 4 * asked.streams + 256)
    load_core, proxy_core = (LOAD_CORE, PROXY_CORE) if asked.pin else (None, None)
    serial = 0

    def run(port: int, streams: int = asked.streams, leave_after: int = 0) -> dict[str, Any]:
        nonlocal serial
        plan = Plan(
            port=port, rate=streams / asked.ramp_seconds, seconds=asked.ramp_seconds, connections=streams, streamed=1.0,
            events=asked.events, gap_ms=asked.gap_ms, jitter_ms=asked.jitter_ms, leave_after=leave_after,
            from_due=False, patience_seconds=60 + 2 * asked.events * asked.gap_ms / 1000, serial=serial,
        )  # fmt: skip
        serial += streams
        (report,) = loaded(plan, core=load_core, rt=asked.rt)
        return report

    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(stamped_upstream(load_core))
        targets = {"direct": Target(upstream.port)}
        with on_core(proxy_core):
            if shutil.which("nginx"):
                targets["nginx"] = stack.enter_context(nginx(upstream, files))
            else:
                print("nginx is not installed: it is left out")
            targets["Driftium"] = stack.enter_context(driftium(upstream))
        relaying = [target for target in targets.values() if target.pid]
        for target in relaying:
            run(target.port, streams=4)
        # What the warming up has opened is closed, but for the one connection that Driftium's probe keeps.
        wait_until(lambda: upstream.counts()["open"] <= 1, seconds=RELEASE_SECONDS, what="the upstream is left alone")
        for target in relaying:
            target.idle = usage(target.pid or 0)
        if asked.rt:
            for pid in (upstream.pid, *(target.pid for target in relaying)):
                real_time(pid or 0)
        for _ in range(asked.rounds):
            for target in targets.values():
                visit(target, upstream, run, leaving=False)
            for target in targets.values():
                leave_after = max(1, asked.events // 2)
                visit(target, upstream, lambda port, n=leave_after: run(port, leave_after=n), leaving=True)
        tell(targets, asked)


def tell(targets: dict[str, Target], asked: argparse.Namespace) -> None:
    median = {
        name: {figure: statistics.median(values) for figure, values in target.figures.items() if values}
        for name, target in targets.items()
    }
    print(f"{asked.streams} streams of {asked.events} events, {asked.rounds} rounds, medians; times in ms\n")
    _row("", "streams", "wrong", "first event p50", "p99", "less nginx's", "later p50", "p99", "client late p99")
    _row(*["---"] * 9)
    for name, target in targets.items():
        m = median[name]
        against = f"{m['first p99'] - median['nginx']['first p99']:+.2f}" if "nginx" in median else ""
        times = [
            f"{m[figure]:.2f}" for figure in ("first p50", "first p99", "later p50", "later p99", "client late p99")
        ]
        streams = f"{sum(target.figures['streams']):.0f}"
        _row(name, streams, ", ".join(target.wrong) or "0", *times[:2], against, *times[2:])
    print()
    _row("", "left in mid-stream", "unseen by the upstream", "seen after p50", "max")
    _row(*["---"] * 5)
    for name, target in targets.items():
        f = target.figures
        times = [f"{median[name]['seen_ms']:.2f}", f"{max(f['seen_ms']):.2f}"] if f["seen_ms"] else ["", ""]
        _row(name, f"{sum(f['left']):.0f}", f"{sum(f['unseen']):.0f}", *times)
    print()
    _row("", "RSS idle, MB", "peak", "end", "descriptors idle", "end", "all closed after, s", "open at the upstream")
    _row(*["---"] * 8)
    for name, target in targets.items():
        if target.pid and target.idle:
            a, b, f = target.idle, usage(target.pid), target.figures
            closed = "not: " + ", ".join(target.kept_open) if target.kept_open else f"{max(f['release_seconds']):.1f}"
            memory = [f"{megabytes:.0f}" for megabytes in (a.rss_mb, b.peak_mb, b.rss_mb)]
            _row(name, *memory, str(a.descriptors), str(b.descriptors), closed, f"{max(f['upstream_open']):.0f}")


def _row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
