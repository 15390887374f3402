"""What the routes work with; made once, in app.py."""

import asyncio
import time
from importlib.metadata import version
from typing import Any

from proxy.children import Child
from proxy.config import Settings
from proxy.language_model import LanguageModel
from proxy.probe import Probe
from proxy.rca.investigations import Investigations
from proxy.relay import Relay
from proxy.stores.history import History
from proxy.stores.log import Log
from proxy.stores.root_causes import RootCauses
from proxy.stores.runs import Runs
from proxy.tabular.jobs import Jobs
from proxy.tabular.references import References
from proxy.tabular.uploads import Uploads
from proxy.tap import Tap

STALLED_SECONDS = 30.0
"""A worker that has not reported for so long while exchanges wait is shown as stalled."""


class Context:
    """The parts of the web process, and how they are."""

    def __init__(
        self,
        *,
        settings: Settings,
        history: History,
        log: Log,
        tap: Tap,
        relay: Relay,
        probe: Probe,
        worker: Child | None,
        embedded: Child | None,
        runs: Runs,
        jobs: Jobs,
        uploads: Uploads,
        references: References,
        language_model: LanguageModel,
        root_causes: RootCauses,
        investigations: Investigations,
    ):
        self.settings = settings
        self.history = history
        self.log = log
        self.tap = tap
        self.relay = relay
        self.probe = probe
        self.worker = worker
        self.embedded = embedded
        self.runs = runs
        self.jobs = jobs
        self.uploads = uploads
        self.references = references
        self.language_model = language_model
        self.root_causes = root_causes
        self.investigations = investigations

    @property
    def hint(self) -> str:
        """How to send a first request."""
        server = self.settings.server
        return f"Point a client's base URL at http://{server.host}:{server.port}/v1, or POST /generate."

    async def head(self) -> int:
        """The log's last sequence number, once it holds what has passed until now (or half a second is over)."""
        deadline = asyncio.get_running_loop().time() + 0.5
        while self.tap.pending and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(0.02)
        return await asyncio.to_thread(self.log.head)

    def status(self) -> dict[str, bool]:
        state = self._live_state()
        return {
            "upstream": bool(self.probe.up),
            "worker": state is not None,
            "vector_store": bool(state and state.vector_store),
            "embedder": bool(state and state.encoder),
        }

    def _live_state(self) -> Any:
        """The worker's state, None when it does not run."""
        state = self.history.state()
        if state is None or state.stage in ("stopped", "failed"):
            return None
        if self.worker:
            return state if self.worker.running and state.pid == self.worker.pid else None
        return state if time.time() - state.heartbeat_at < STALLED_SECONDS else None

    def health(self) -> dict[str, Any]:
        """Every part with its status and, where something is wrong, what to do."""
        settings, state = self.settings, self._live_state()
        waiting, first = self.log.waiting(self.history.cursor())
        worker = self._worker_health(state, first)
        upstream: dict[str, Any] = {"status": "up" if self.probe.up else "down", "url": settings.upstream.url}
        if self.probe.up:
            upstream["models"] = self.probe.models[:20]
        else:
            upstream["message"] = self.upstream_advice()
        if self.embedded:
            upstream["embedded"] = self.embedded.last or {"stage": "starting"}
        tap: dict[str, Any] = {**self.tap.totals, "pending": self.tap.pending, "lag_exchanges": waiting}
        tap["status"] = "failing" if self.tap.error else "ok"
        if self.tap.error:
            tap["message"] = f"The log cannot be written: {self.tap.error}. Check the disk of {settings.data_dir}."
        healthy = self.probe.up and worker["status"] in ("ready", "off") and not self.tap.error
        return {
            "status": "ok" if healthy else "degraded",
            "version": version("driftium"),
            "upstream": upstream,
            "worker": worker,
            "tap": tap,
            "vector_store": {
                "status": "up" if state and state.vector_store else "down",
                "where": state.vector_store if state else None,
            },
            "embedder": {
                "status": "ready" if state and state.encoder else "not ready",
                "encoder": state.encoder if state else None,
            },
        }

    def _worker_health(self, state: Any, first_waiting: float | None) -> dict[str, Any]:
        child = self.worker
        if state is None:
            last = self.history.state()
            if last and last.stage == "failed":
                return {"status": "failed", "message": last.error, "restarts": child.restarts if child else 0}
            if child is None:
                return {"status": "off", "message": "No worker runs; exchanges wait in the log for `driftium worker`."}
            return {"status": "starting" if not child.restarts else "restarting", "restarts": child.restarts}
        now = time.time()
        told: dict[str, Any] = {
            "status": "ready" if state.stage in ("ready", "embedding") else state.stage,
            "pid": state.pid,
            "stage": state.stage,
            "stage_seconds": round(now - state.since, 1),
            "answers_per_second": state.answers_per_second,
            "share": state.share,
            "calibrating": state.calibrating,
            "restarts": child.restarts if child else 0,
        }
        if state.error:
            told["message"] = state.error
        elif first_waiting and now - first_waiting > STALLED_SECONDS and now - state.heartbeat_at > STALLED_SECONDS:
            told["status"] = "stalled"
            told["message"] = "The worker has not moved for a while although exchanges wait; the proxy is not affected."
        return told

    def upstream_advice(self) -> str:
        """What to do while the model server does not answer."""
        if self.embedded:
            return self.embedded.last.get("error") or "The embedded model is starting."
        return (
            f"The model server at {self.settings.upstream.url} is not ready ({self.probe.message}). "
            "Start Ollama, set --upstream, or run with --embedded."
        )
