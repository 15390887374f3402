"""What a worker does, as it tells it."""

import socket

import msgspec


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker is doing, written with each commit and before anything long."""

    pid: int
    stage: str
    """loading, ready, embedding, failed or stopped."""
    since: float
    heartbeat_at: float
    error: str = ""
    failed: str = ""
    """Which part the error is of, where it is known: embedder or vector_store."""
    encoder: str = ""
    embedder_note: str = ""
    """What people should know of how it embeds now; "" when there is nothing to know."""
    embedder_away: bool = False
    """Whether nothing can be embedded just now: what is logged waits."""
    vector_store: str = ""
    answers_per_second: float | None = None
    share: float = 1.0
    """Of the waiting exchanges, how many are scored; below 1 when more come than can be embedded."""
    calibrating: dict[str, float] = {}
    """{monitor: progress from 0 to 1}"""
    embedding_counts: list[int] = []
    """Cumulative histogram of embedding seconds per answer."""
    embedding_seconds: float = 0.0
    tokens: dict[str, tuple[int, int]] = {}
    """{model: (input, output)}"""
    digests: dict[str, str] = {}
    """{model: digest of its weights}, where the upstream is Ollama"""
    details: dict[str, dict[str, str]] = {}
    """{model: what else Ollama tells of it}: proxy/ollama_models.py"""
    processes: list[str] | None = None
    """Where several workers are told of as one: host:process of each that lives."""

    def is_of(self, pid: int | None) -> bool:
        """Whether this process of this machine is the worker, or one of them."""
        if self.processes is None:
            return self.pid == pid
        return f"{socket.gethostname()}:{pid}" in self.processes


class Models(msgspec.Struct, frozen=True):
    """What stands behind Ollama's model names; see WorkerState."""

    digests: dict[str, str] = {}
    details: dict[str, dict[str, str]] = {}
