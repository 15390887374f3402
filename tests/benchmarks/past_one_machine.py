"""Past one machine, on one: is anything lost or counted twice while proxies and workers are killed, and are the
statistics those of a single process?

    python -m tests.benchmarks.past_one_machine [--seconds 600] [--rate 200] [--kill-every 20] [--json FILE]

3 proxies and 2 workers on Debian's PostgreSQL (fsync on), with vectors in a stand-in for a Qdrant server (in memory:
its speed says nothing about Qdrant), embeddings of one real llama.cpp, 20 monitors with calibrated baselines, and
recorded real answers as an open loop. Every 20 s a random worker or proxy, in turn, gets SIGKILL and is started again.

*Logged* is what lies in the table `exchanges`: an answer whose tape had been flushed, which takes tap.flush_seconds.
What a killed proxy held in memory is lost, and counted apart. At the end, when nothing waits, each logged row must be
in its monitor's counts exactly once (scored, sampled out, or why not), samples must be numbered without a gap, and each
report that was written must come out again of one monitor in one process that sees the same answers in that order: to
1e-6, and to 1e-5 where a statistic is divided by its small threshold.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from proxy.simulate import load
from proxy.simulate.usage import named
from tests.benchmarks.past_one_machine_checks import Exact, Same, check_counts, check_reports
from tests.benchmarks.past_one_machine_parts import ANSWERS, Deployment, Killer, Loader, Part, cpu_seconds, owners
from tests.benchmarks.past_one_machine_preload import preload
from tests.conftest import wait_until

LOOK_SECONDS = 2.0


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    seconds: float = 600.0
    rate: float = 200.0
    monitors: int = 20
    proxies: int = 3
    workers: int = 2
    kill_every: float = 20.0
    """0: nothing is killed."""
    max_lag: float = 30.0
    streamed: float = 0.1
    distinct: int = 3
    """Baselines that differ."""
    drain_seconds: float = 900.0
    fsync: bool = True


class Found(msgspec.Struct, frozen=True, kw_only=True):
    asked: Asked
    sent: int
    answered: int
    failed: dict[str, int]
    lost_in_memory: int
    """Answered, and not logged: what killed proxies had not flushed."""
    exact: Exact
    same: Same
    kills: list[str]
    takeovers: list[float]
    """Seconds from a worker's SIGKILL until each of its monitors had another owner."""
    lags: list[tuple[float, float, int]]
    """(seconds, age of the oldest that waits, how many wait)"""
    cores: dict[str, float]
    """CPU seconds a second while the load lasted, by kind."""
    drained_seconds: float
    added_p50: float | None
    added_p99: float | None


def run(asked: Asked, say: Any = print) -> Found:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftium-past-")))
        # The database's own user enters its folder beside it.
        deployed = Deployment(folder, stack, monitors=asked.monitors, max_lag=asked.max_lag, fsync=asked.fsync)
        say("calibrating and writing baselines")
        preload(deployed.settings, asked.monitors, asked.distinct)
        parts = [deployed.proxy(i) for i in range(asked.proxies)] + [deployed.worker(i) for i in range(asked.workers)]
        for part in parts:
            part.start()
            stack.callback(part.stop)
        _wait_until_ready(deployed, parts, asked)
        return _measure(asked, deployed, parts, stack, say)


def _wait_until_ready(deployed: Deployment, parts: list[Part], asked: Asked) -> None:
    workers = {str(one.pid) for one in parts if one.kind == "worker"}

    def ready() -> bool:
        for part in parts:
            assert part.runs, part.words()
        held = owners(deployed)
        found = {who.rpartition(":")[2] for who in held.values()}
        return len(held) == asked.monitors and found == workers and all(o.answers() for o in parts if o.port)

    wait_until(ready, seconds=300, what="proxies answer, and every monitor has an owner")


def _measure(asked: Asked, deployed: Deployment, parts: list[Part], stack: contextlib.ExitStack, say: Any) -> Found:
    plan = load.Plan(
        targets=[part.url for part in parts if part.kind == "proxy"],
        upstream=deployed.upstream.url,
        rate=asked.rate,
        seconds=asked.seconds,
        monitors=asked.monitors,
        streamed=asked.streamed,
        answers=str(ANSWERS),
    )
    say(f"{asked.rate:g} answers/s for {asked.seconds:g} s")
    killer = Killer(deployed, parts, asked.kill_every or 1e9)
    used = _used(deployed, parts)
    began = time.monotonic()
    loader = Loader(plan, deployed.folder)
    stack.callback(loader.close)
    killer.start()
    lags = []
    while not loader.ended:
        time.sleep(LOOK_SECONDS)
        seconds, lag, waiting = time.monotonic() - began, *_lag(deployed)
        lags.append((round(seconds, 1), lag, waiting))
        if len(lags) % 10 == 0:
            say(f"{seconds:4.0f} s: {waiting} wait, the oldest {lag:.1f} s; killed {len(killer.kills)}")
    took = time.monotonic() - began
    used_after = _used(deployed, parts)
    killer.stop()
    seen = loader.seen
    assert seen
    say("the load is over; what waits is worked off")
    drained = time.monotonic()
    wait_until(lambda: _drained(deployed, parts), seconds=asked.drain_seconds, what="nothing waits any more")
    drained = time.monotonic() - drained
    exact = check_counts(deployed)
    say("replaying every report in one process")
    return Found(
        asked=asked,
        sent=seen.sent,
        answered=seen.answered,
        failed=seen.failed,
        lost_in_memory=seen.answered - exact.complete,
        exact=exact,
        same=check_reports(deployed),
        kills=killer.kills,
        takeovers=[round(one, 2) for one in killer.takeovers],
        lags=lags,
        cores={kind: round((used_after[kind] - used[kind]) / took, 3) for kind in used},
        drained_seconds=round(drained, 1),
        added_p50=_less(seen.whole.p50, seen.direct_whole.p50),
        added_p99=_less(seen.whole.p99, seen.direct_whole.p99),
    )


def _used(deployed: Deployment, parts: list[Part]) -> dict[str, float]:
    assert deployed.embedding
    embedding = deployed.embedding.process
    assert embedding
    spent = {
        kind: sum(one.spent + (cpu_seconds([one.pid]) if one.runs else 0.0) for one in parts if one.kind == kind)
        for kind in ("proxy", "worker")
    }
    return spent | {
        "postgres": cpu_seconds([deployed.postgres.process.pid] if deployed.postgres.process else named("postgres")),
        "llama.cpp": cpu_seconds([embedding.pid]),
        "stand-in for Qdrant": cpu_seconds([deployed.qdrant.pid]),
        "upstream": cpu_seconds([deployed.upstream.pid]),
    }


def _lag(deployed: Deployment) -> tuple[float, int]:
    ((waiting, oldest),) = deployed.read("SELECT count(*), min(at) FROM queue")
    return (round(max(0.0, time.time() - oldest), 2) if oldest else 0.0), waiting


def _drained(deployed: Deployment, parts: list[Part]) -> bool:
    for part in parts:
        assert part.runs, part.words()
    # The taps write what they hold within moments; twice nothing waits, then.
    return _lag(deployed)[1] == 0 and _quiet(deployed)


def _quiet(deployed: Deployment) -> bool:
    before = deployed.read("SELECT count(*) FROM exchanges")
    time.sleep(1.0)
    return before == deployed.read("SELECT count(*) FROM exchanges") and _lag(deployed)[1] == 0


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else round(a - b, 2)


def tell(found: Found) -> None:
    exact, same = found.exact, found.same
    print(f"\nsent {found.sent}, answered {found.answered}, failed {sum(found.failed.values())} {found.failed}")
    print(f"logged {exact.logged}, counted {exact.counted}: {exact.results}")
    print(f"answered but lost in the memory of killed proxies: {found.lost_in_memory}")
    print(f"killed {len(found.kills)}: {', '.join(found.kills)}")
    if found.takeovers:
        middle = statistics.median(found.takeovers)
        print(f"takeovers: median {middle:.1f} s, longest {max(found.takeovers):.1f} s of {len(found.takeovers)}")
    print(f"reports made again: {same.reports} of {same.monitors} monitors", end=", ")
    print(f"largest difference {same.largest_difference:.2g}, of ratios {same.largest_quotient_difference:.2g}")
    print(f"added latency, ms: p50 {found.added_p50}, p99 {found.added_p99} (failed requests left out)")
    print("\n| minute | lag, s (most) | waiting (most) |\n| --- | --- | --- |")
    for minute in range(int(found.lags[-1][0] // 60) + 1 if found.lags else 0):
        part = [(lag, waiting) for at, lag, waiting in found.lags if at // 60 == minute]
        if part:
            print(f"| {minute + 1} | {max(lag for lag, _ in part):.1f} | {max(waiting for _, waiting in part)} |")
    print(f"\nworked off {found.drained_seconds:.0f} s after the load ended")
    print("cores: " + ", ".join(f"{kind} {cores:.2f}" for kind, cores in found.cores.items()))
    wrong = exact.wrong + same.wrong
    print("\nnothing is lost, nothing counted twice, every report the same" if not wrong else "\nWRONG:")
    for one in wrong[:50]:
        print(f"  {one}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in msgspec.structs.asdict(Asked()).items():
        if not isinstance(default, bool):
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    parser.add_argument("--no-fsync", action="store_true")
    parser.add_argument("--json", type=Path)
    given = vars(parser.parse_args())
    file, no_fsync = given.pop("json"), given.pop("no_fsync")
    found = run(Asked(**given, fsync=not no_fsync), lambda text: print(text, flush=True))
    tell(found)
    if file:
        file.write_bytes(msgspec.json.encode(found))
    if found.exact.wrong or found.same.wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
