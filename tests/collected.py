"""Stores and runs for tests of collected logs."""

import os
import time
from pathlib import Path
from typing import Any

from drift.records import Exchange
from proxy import capture, wire
from proxy.ingest.checkpoints import Status
from proxy.ingest.run import Run
from proxy.ingest.settings import Ingest
from proxy.settings import Data, Settings
from proxy.stores.history import WorkerState, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import open_log


class Shelf:
    """A data folder on which, as far as it tells, a worker runs that is fast enough for everything."""

    def __init__(self, folder: Path, *, worker: bool = True, **settings: Any):
        self.settings = Settings(data=Data(dir=str(folder)), **settings)
        self.history = open_history(self.settings.data_dir)
        self.log = open_log(self.settings.data_dir)
        if worker:
            self.tell_worker(answers_per_second=1e6)

    def tell_worker(self, *, stage: str = "ready", answers_per_second: float | None = None, cursor: int = 0) -> None:
        now = time.time()
        state = WorkerState(
            pid=os.getpid(), stage=stage, since=now, heartbeat_at=now, answers_per_second=answers_per_second
        )
        ledger = Ledger(self.history, self.settings.history, self.settings.drift.recent_samples)
        ledger.commit(Changes(cursor=cursor, state=state))

    def collect(self, path: Path | str = "", *, name: str = "s", **more: Any) -> Status:
        """One run over a source."""
        running = {key: more.pop(key) for key in ("stop", "pause", "wait", "dry", "observer") if key in more}
        source = Ingest(name=name, path=str(path), **more)
        return Run(source, self.settings, self.history, self.log, **({"stop": lambda: False} | running)).run()

    def exchanges(self) -> list[Exchange]:
        """What the log holds, in its order, as the worker reads it."""
        seqs = [entry.seq for entry in self.log.after(0, 100_000)]
        captures = self.log.captures(seqs)
        return [wire.read(capture.decode(captures[seq])) for seq in seqs]

    def answers(self) -> list[str]:
        return [exchange.response for exchange in self.exchanges()]

    def forget(self) -> None:
        """Empty the log, as it is pruned in the course of time."""
        self.log.prune(before=time.time() + 1, max_bytes=0, cursor=self.log.head())
