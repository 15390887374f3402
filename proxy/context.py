"""What the routes work with; made once, in app.py."""

import asyncio
import time

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from proxy.children import Child
from proxy.language_model import LanguageModel
from proxy.ollama_models import ollama_lives_at
from proxy.probe import Probe
from proxy.rca.investigations import Investigations
from proxy.relay import Relay
from proxy.routes.followers import Followers
from proxy.settings import Settings
from proxy.stores.history import History
from proxy.stores.log import Log
from proxy.stores.root_causes import RootCauses
from proxy.stores.runs import Runs
from proxy.stores.state import WorkerState
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
        scheduler: Child | None,
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
        self.scheduler = scheduler
        self.embedded = embedded
        self.runs = runs
        self.jobs = jobs
        self.uploads = uploads
        self.references = references
        self.language_model = language_model
        self.root_causes = root_causes
        self.investigations = investigations
        self.followers = Followers()

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
        state = self.live_state()
        return {
            "upstream": bool(self.probe.up),
            "worker": state is not None,
            "vector_store": bool(state and state.vector_store),
            "embedder": bool(state and state.encoder and not state.embedder_away),
            **({"scheduler": self.scheduler.running} if self.scheduler else {}),
        }

    def live_state(self) -> WorkerState | None:
        """The worker's state, None when it does not run, or cannot tell since the history is broken."""
        try:
            state = self.history.state()
        except (SQLAlchemyError, msgspec.MsgspecError):
            return None
        if state is None or state.stage in ("stopped", "failed"):
            return None
        if self.worker:
            return state if self.worker.running and state.is_of(self.worker.pid) else None
        # Of several each holds its lock, and clocks of several machines differ.
        return state if state.processes or time.time() - state.heartbeat_at < STALLED_SECONDS else None

    def upstream_advice(self) -> str:
        """What to do while the model server does not answer."""
        if self.embedded:
            return self.embedded.last.get("error") or "The embedded model is starting."
        url = self.settings.upstream.url
        do = "Start Ollama" if ollama_lives_at(url) else "Check that it runs and that this is its address"
        return (
            f"The model server at {url} is not ready ({self.probe.message}). "
            f"{do}, set --upstream, or run with --embedded."
        )
