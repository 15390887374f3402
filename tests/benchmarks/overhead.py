"""Whether `driftium_overhead_seconds` is what an observer outside sees, within 20 %.

    python -m tests.benchmarks.overhead [--seconds 10] [--rounds 5] [--pin] [--rt]

Open loops, a window directly to the upstream and one through the proxy in turn. Outside: the latency through the proxy
less the direct one, both without what the upstream took by its own stamps. Inside: what the histogram has gained
between two scrapes. Of a stream the histogram sums what each part costs: outside, so are the delays of its events.
"""

import argparse
import re
import statistics
import tempfile
from pathlib import Path

from tests.benchmarks.load import Plan
from tests.benchmarks.processes import LOAD_CORE, PROXY_CORE, loaded, machine, on_core, real_time, stamped_upstream
from tests.conftest import Driftium, wait_until

METRIC = re.compile(r'^driftium_overhead_seconds_(\w+)\{endpoint="chat/completions"(?:,le="([^"]+)")?\} (\S+)$', re.M)


class Scrape:
    """The histogram: count, sum and cumulative buckets by upper bound, in seconds; two can be subtracted and added."""

    def __init__(self, count: float, total: float, buckets: dict[float, float]):
        self.count, self.total, self.buckets = count, total, buckets

    @classmethod
    def of(cls, text: str) -> "Scrape":
        found = [(kind, bound, float(value)) for kind, bound, value in METRIC.findall(text)]
        single = {kind: value for kind, bound, value in found if not bound}
        buckets = {float(bound): value for kind, bound, value in found if kind == "bucket"}
        return cls(single.get("count", 0.0), single.get("sum", 0.0), buckets)

    def plus(self, other: "Scrape", times: int = 1) -> "Scrape":
        bounds = self.buckets | other.buckets
        buckets = {b: self.buckets.get(b, 0.0) + times * other.buckets.get(b, 0.0) for b in bounds}
        return Scrape(self.count + times * other.count, self.total + times * other.total, buckets)

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def median(self) -> float:
        """Interpolated within its bucket, as Prometheus does."""
        lower = below = 0.0
        for bound, cumulative in sorted(self.buckets.items()):
            if cumulative >= self.count / 2:
                return lower + (bound - lower) * (self.count / 2 - below) / (cumulative - below)
            lower, below = bound, cumulative
        raise AssertionError("no bucket holds the median")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="length of a window")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=200, help="JSON requests a second")
    parser.add_argument("--streams", type=float, default=20, help="streams a second")
    parser.add_argument("--events", type=int, default=24)
    parser.add_argument("--pin", action="store_true", help="upstream and client on core 0, the proxy on core 1")
    parser.add_argument("--rt", action="store_true", help="real-time scheduling: others on the machine delay nothing")
    asked = parser.parse_args()
    load_core, proxy_core = (LOAD_CORE, PROXY_CORE) if asked.pin else (None, None)
    with stamped_upstream(load_core) as upstream:
        with on_core(proxy_core):
            proxy = Driftium(Path(tempfile.mkdtemp()), upstream.url, "--no-worker").start()
        try:
            assert proxy.process
            if asked.rt:
                real_time(proxy.process.pid)
                real_time(upstream.pid)
            began = machine()
            ports = {"direct": upstream.port, "relayed": proxy.client.base_url.port}
            for what, rate, streamed in (("JSON", asked.rate, 0.0), ("streams", asked.streams, 1.0)):
                windows: dict[str, list[dict[str, dict[str, float]]]] = {"direct": [], "relayed": []}
                inside = Scrape(0, 0, {})
                for number in range(asked.rounds + 1):
                    for target, port in ports.items():
                        plan = Plan(
                            port=port or 0,
                            rate=rate,
                            seconds=asked.seconds if number else min(2.0, asked.seconds),
                            streamed=streamed,
                            events=asked.events,
                            # The generator's own lateness is neither the proxy's nor the upstream's.
                            from_due=False,
                        )
                        before = Scrape.of(proxy.client.get("/metrics").text)
                        (report,) = loaded(plan, core=load_core, rt=asked.rt)
                        if report["errors"]:
                            raise SystemExit(f"{target}: {report['errors']}")
                        sent = report["answered"] if target == "relayed" else 0
                        after = wait_until(lambda before=before, sent=sent: _counted(proxy, before.count + sent))
                        if number:  # the first round warms up
                            windows[target].append(report)
                            inside = inside.plus(after.plus(before, -1))
                _tell(what, windows, inside, asked.events)
            everything, busy, stolen = (now - then for now, then in zip(machine(), began, strict=True))
            print(f"\nMeanwhile {busy / everything:.0%} of the machine was in use; ", end="")
            print(f"its host withheld {stolen / everything:.1%}.")
        finally:
            proxy.stop()


def _counted(proxy: Driftium, count: float) -> Scrape | None:
    """The histogram once it holds so many: exchanges are counted when the tap has written them."""
    scrape = Scrape.of(proxy.client.get("/metrics").text)
    return scrape if scrape.count == count else None


def _tell(what: str, windows: dict[str, list[dict[str, dict[str, float]]]], inside: Scrape, events: int) -> None:
    def seen(target: str, name: str, figure: str) -> float:
        return statistics.median(report[name][figure] * 1000 for report in windows[target])

    print(f"\n{what}: {inside.count:.0f} exchanges through the proxy, medians of {len(windows['direct'])} windows\n")
    print("| µs | direct | relayed | outside: difference | histogram | histogram / outside |")
    print("| --- | --- | --- | --- | --- | --- |")
    name = "json" if what == "JSON" else "summed"
    verdict = ""
    for figure, of_histogram in (("mean", inside.mean), ("p50", inside.median)):
        direct, relayed = seen("direct", name, figure), seen("relayed", name, figure)
        ratio = of_histogram * 1e6 / (relayed - direct)
        verdict = verdict or ("agrees" if abs(ratio - 1) <= 0.2 else "does not agree")
        label = figure if what == "JSON" else f"{figure}, all events summed"
        print(f"| {label} | {direct:.0f} | {relayed:.0f} | {relayed - direct:.0f} | {of_histogram * 1e6:.0f} |", end="")
        print(f" {ratio:.2f} |")
    if what != "JSON":
        # A sum has the tails of all its parts; this one has none.
        parts = [seen(t, "first", "p50") + (events - 1) * seen(t, "later", "p50") for t in ("relayed", "direct")]
        added, median = parts[0] - parts[1], inside.median * 1e6
        print(f"| p50 of each event, summed | {parts[1]:.0f} | {parts[0]:.0f} | {added:.0f} | {median:.0f} |", end="")
        print(f" {median / added:.2f} |")
        for name, label in (("first", "first event"), ("later", "each later event")):
            for figure in ("mean", "p50"):
                direct, relayed = seen("direct", name, figure), seen("relayed", name, figure)
                print(f"| {label}, {figure} | {direct:.0f} | {relayed:.0f} | {relayed - direct:.0f} | | |")
    print(f"\nThe mean of the histogram {verdict} with what is seen outside (within 20 %).")


if __name__ == "__main__":
    main()
