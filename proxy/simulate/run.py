"""A simulation from beginning to end: start what it needs, load it, look, tell, and leave nothing behind."""

import contextlib
import signal
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from proxy.settings import Settings
from proxy.simulate import deployment, load, report, upstream
from proxy.simulate.borrowed import for_simulation, take_away
from proxy.simulate.deployment import Process
from proxy.simulate.plan import Asked, Broken, check
from proxy.simulate.stored import Stored, stored
from proxy.simulate.table import show
from proxy.simulate.usage import Usage, named, usage
from proxy.simulate.watch import Figures, Watch

OK, ERROR, INTERRUPTED = 0, 1, 130
LOADING_SECONDS = 180.0
FLUSH_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
WIDTH = 140


def run(asked: Asked, settings: Settings, *, as_json: bool) -> int:
    """Run it and print what was found; returns the exit code. Raises Wrong where it makes no sense."""
    check(asked, settings)
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        # The tables of a file are as wide as they are.
        console.width = WIDTH
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="driftium-simulate-", ignore_cleanup_errors=True) as name:
            result = Simulation(asked, settings, Path(name), console).run()
    except (Broken, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return ERROR
    except SQLAlchemyError as error:
        print(f"error: the database cannot be used: {str(error).partition(chr(10))[0]}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        console.print("Stopped before the load began; nothing is left running.")
        return INTERRUPTED
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(result)).decode())
    else:
        show(console, result)
    return INTERRUPTED if result.interrupted else OK if result.answered else ERROR


class Simulation:
    """One run in one folder."""

    def __init__(self, asked: Asked, settings: Settings, folder: Path, console: Console):
        self._asked = asked
        self._own = not asked.urls
        self._settings = for_simulation(settings) if self._own else settings
        self._folder = folder
        self._console = console
        self._processes: list[Process] = []
        self._notes: list[str] = []

    def run(self) -> report.Result:
        with contextlib.ExitStack() as stack:
            if self._own:
                # A database that is not there is found before anything is started.
                self._stored()
                stack.callback(take_away, self._settings, self._console)
            stack.enter_context(deployment.ended_together(self._processes))
            asked = self._asked
            plan = upstream.Plan(
                asked.upstream_host, asked.upstream_port, asked.monitors, asked.answer_seconds, asked.answers
            )
            source = self._started(deployment.start_upstream(plan, self._folder))
            urls = self._start(source.url) if self._own else self._reach(source.url)
            watch = Watch(urls, self._settings.server.admin_token, self._settings.worker.max_lag_seconds)
            stack.callback(watch.close)
            self._wait_for_worker(watch)
            return self._measure(watch, urls, source.url)

    def _started(self, process: Process) -> Process:
        self._processes.append(process)
        return process

    # -- what is loaded --------------------------------------------------------------------------

    def _start(self, upstream_url: str) -> list[str]:
        asked, shared = self._asked, bool(self._settings.database.url)
        self._say(f"starting {asked.replicas} proxies and {asked.workers} workers")

        def data_dir(name: str) -> Path:
            return self._folder / (name if shared else "data")

        proxies = []
        for i in range(asked.replicas):
            folder = data_dir(f"proxy-{i + 1}")
            one = deployment.start_proxy(i, self._settings, self._folder, folder, upstream_url)
            proxies.append(self._started(one))
        for one in proxies:
            deployment.wait_for(one)
        for i in range(asked.workers):
            folder = data_dir(f"worker-{i + 1}")
            self._started(deployment.start_worker(i, self._settings, self._folder, folder))
        return [one.url for one in proxies]

    def _reach(self, upstream_url: str) -> list[str]:
        """The proxies that run already. Raises Broken where one does not forward to this simulation."""
        urls = [url.rstrip("/") for url in self._asked.urls]
        for url in urls:
            try:
                told = httpx.get(url + "/v1/models", timeout=10, trust_env=False)
                names = [one["id"] for one in told.json()["data"]] if told.is_success else []
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Broken(f"{url} does not answer: {error}") from None
            except (ValueError, KeyError, TypeError):
                names = []
            # Anything else might be a model that costs money.
            if upstream.model_name(0) not in names:
                where = upstream_url
                if self._asked.upstream_host in ("0.0.0.0", "::"):
                    where = f"http://THIS-MACHINE:{urlsplit(upstream_url).port}"
                raise Broken(
                    f"{url} does not forward to this simulation, so nothing was sent. Start it with "
                    f"upstream.url = {where} (driftium serve --upstream {where}) and run this again."
                )
        last = self._asked.monitors
        self._notes.append(
            f"The monitors {load.MONITORS}01 to {load.MONITORS}{last:02d} stay in that deployment: "
            f"driftium erase --monitor {load.MONITORS}01 … takes them away."
        )
        self._notes.append("CPU time and memory of these proxies and their workers are not seen from here.")
        return urls

    def _wait_for_worker(self, watch: Watch) -> None:
        """Until the workers are ready; where they cannot be, the rest is measured all the same."""
        if self._own and not self._asked.workers:
            return
        self._say("the worker loads its embedding model")
        deadline = time.monotonic() + (LOADING_SECONDS if self._own else 0.0)
        while True:
            told = next((one for one in watch.look() if one), None)
            failed = next((one for one in self._processes if one.kind == "worker" and one.ended), None)
            if told and told.worker == "ready":
                return
            if failed or time.monotonic() > deadline:
                problem = (told.problem if told else "") or "no worker is ready"
                self._notes.append(f"Nothing is scored, so this is what proxies and log carry alone: {problem}")
                return
            time.sleep(0.5)

    # -- the load --------------------------------------------------------------------------------

    def _measure(self, watch: Watch, urls: list[str], upstream_url: str) -> report.Result:
        asked = self._asked
        plan = load.Plan(
            targets=urls,
            upstream=upstream_url,
            rate=asked.rate,
            seconds=asked.seconds,
            arrivals=asked.arrivals,
            monitors=asked.monitors,
            streamed=asked.streamed,
            answers=asked.answers,
            patience_seconds=PATIENCE_SECONDS + 4 * asked.answer_seconds,
        )
        watch.before = watch.look()
        kept, used = self._stored(), self._used()
        arguments = ["proxy.simulate.load", msgspec.json.encode(plan).decode()]
        process = deployment.Process("load", "load", arguments, deployment.plain_environment(), self._folder)
        self._started(process)
        watch.start()
        seen, interrupted = self._follow(process, watch)
        used_after = self._used()
        after = _flushed(watch)
        kept_after = self._stored()
        if seen is None and not interrupted:
            process.check()
        last = report.first_seen(seen)
        if last.direct_failed:
            self._notes.append(f"{last.direct_failed} requests to the simulation's upstream itself failed too.")
        return report.Result(
            asked=asked,
            seconds=round(last.seconds, 2),
            interrupted=interrupted,
            sent=last.sent,
            answered=last.answered,
            failed=last.failed,
            whole=report.added(last.whole, last.direct_whole),
            first=report.added(last.first, last.direct_first),
            generator_late_p99=last.late.p99,
            largest_lag_seconds=round(watch.largest_lag, 2),
            processes=report.used(
                used | {"load": Usage(1, 0.0, 0)},
                used_after | {"load": Usage(1, last.cpu_seconds, last.memory_bytes)},
                last.seconds,
            ),
            stored=report.more(kept, kept_after),
            troubles=sorted(watch.troubles, key=lambda one: one.seconds),
            notes=self._notes,
            **report.together(watch.before, after),
        )

    def _follow(self, process: Process, watch: Watch) -> tuple[load.Seen | None, bool]:
        """What the load tells last, and whether it was ended early."""
        seen, interrupted, read = None, False, 0
        while True:
            try:
                ended = process.ended
                lines = process.told.read_bytes()
                for line in lines[read : lines.rfind(b"\n") + 1].splitlines():
                    seen = msgspec.json.decode(line, type=load.Seen)
                    if seen.done:
                        # Who got no answer at all is known only now; the times are those of the whole run.
                        watch.heard_failed(seen)
                    else:
                        watch.heard(seen)
                        self._progress(seen)
                read = lines.rfind(b"\n") + 1
                if ended or (seen and seen.done):
                    # Its figures are read before it is reaped.
                    return seen, interrupted
                time.sleep(0.2)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                process.interrupt()

    def _progress(self, seen: load.Seen) -> None:
        failed = sum(seen.failed.values())
        self._say(f"{seen.seconds:4.0f} s: {seen.sent} sent, {seen.answered} answered, {failed} failed")

    # -- what it took ----------------------------------------------------------------------------

    def _used(self) -> dict[str, Usage]:
        kinds: dict[str, list[int]] = {}
        for one in self._processes:
            kinds.setdefault(one.kind, []).append(one.pid)
        url = self._settings.database.url
        if self._own and url and sa.make_url(url).host in (None, "127.0.0.1", "localhost", "::1"):
            kinds["postgres"] = named("postgres")
        kinds.pop("load", None)
        return {kind: found for kind, pids in kinds.items() if (found := usage(pids)) and found.processes}

    def _stored(self) -> Stored | None:
        if not self._own and not self._settings.database.url:
            return None
        return stored(self._settings, self._folder / "data")

    def _say(self, text: str) -> None:
        if self._console.is_terminal:
            self._console.print(text, style="dim", markup=False)


def _flushed(watch: Watch) -> list[Figures | None]:
    """The proxies once nothing waits in their taps, or after a few seconds."""
    deadline = time.monotonic() + FLUSH_SECONDS
    while True:
        now = watch.look()
        if all(one is None or not one.pending for one in now) or time.monotonic() > deadline:
            return now
        time.sleep(0.1)
