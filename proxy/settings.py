"""Every setting, as frozen structs with their defaults. What each key means stands in config.toml."""

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from proxy.canary.settings import Canary
from proxy.ingest.settings import Ingest
from proxy.notify.settings import Notify
from proxy.section import Count, Port, Seconds, Section


class Server(Section, frozen=True):
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 8000
    admin_token: str = ""
    public_url: str = ""
    cors_origins: tuple[str, ...] = ()
    max_request_bytes: Count = 100 * 2**20
    client_seconds: Seconds = 30.0
    drain_seconds: Seconds = 30.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Upstream(Section, frozen=True):
    url: str = "http://127.0.0.1:11434"
    connect_seconds: Seconds = 5.0
    first_byte_seconds: Seconds = 600.0
    between_chunks_seconds: Seconds = 300.0
    default_model: str = ""


class Embedded(Section, frozen=True):
    enabled: bool = False
    gguf: str = ""
    threads: Annotated[int, Meta(ge=0)] = 0


class Data(Section, frozen=True):
    dir: str = ""


class Tap(Section, frozen=True):
    max_bytes: Count = 2**20
    max_exchanges: Count = 4096
    max_pending_bytes: Count = 64 * 2**20
    flush_seconds: Seconds = 0.1


class Log(Section, frozen=True):
    keep_days: Seconds = 30.0
    max_bytes: Count = 2**30


class Monitors(Section, frozen=True):
    allow: tuple[str, ...] = ()
    max: Count = 50
    expire_days: Annotated[float, Meta(ge=0, le=1e6)] = 0.0


class Worker(Section, frozen=True):
    enabled: bool = True
    poll_seconds: Seconds = 0.2
    batch: Count = 32
    max_lag_seconds: Seconds = 60.0
    nice: Annotated[int, Meta(ge=0, le=19)] = 5


class Embedder(Section, frozen=True):
    path: str = ""
    allow_hub: bool = True
    backend: Literal["auto", "torch", "onnx"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["fp32", "bf16", "int8"] = "fp32"
    batch_size: Count = 8
    threads: Annotated[int, Meta(ge=0)] = 0
    url: str = ""
    model: str = ""
    api_key_env: str = ""
    timeout_seconds: Seconds = 30.0
    concurrency: Annotated[int, Meta(ge=1, le=64)] = 4
    request_texts: Annotated[int, Meta(ge=1, le=2048)] = 32
    max_characters: Annotated[int, Meta(ge=100)] = 2_000
    fallback: Literal["", "local"] = ""
    fallback_seconds: Annotated[float, Meta(ge=0, le=1e9)] = 60.0


class Drift(Section, frozen=True):
    windows: Annotated[tuple[Annotated[int, Meta(ge=2)], ...], Meta(min_length=1)] = (50, 200)
    expected_run_length: Annotated[int, Meta(ge=100)] = 10_000
    max_baseline: Annotated[int, Meta(ge=2, le=10_000)] = 2_000
    recent_samples: Annotated[int, Meta(ge=2, le=100_000)] = 2_000
    report_seconds: Seconds = 10.0


class History(Section, frozen=True):
    keep_reports: Count = 1_000
    keep_rollup_days: Count = 400


class Database(Section, frozen=True):
    url: str = ""
    schema: str = "driftium"
    connect_seconds: Seconds = 5.0
    partition_hours: Annotated[int, Meta(ge=1, le=168)] = 24


class Qdrant(Section, frozen=True):
    url: str = ""
    api_key_env: str = "QDRANT_API_KEY"
    ca_file: str = ""
    timeout_seconds: Seconds = 30.0
    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]*$", max_length=100)] = ""
    batch: Count = 256
    on_disk: bool = True
    hnsw_m: Annotated[int, Meta(ge=0, le=1024)] = 0
    quantization: Literal["none", "int8"] = "none"
    shard_number: Annotated[int, Meta(ge=0)] = 0
    replication_factor: Count = 1


class Tabular(Section, frozen=True):
    max_bytes: Count = 2**30
    memory_bytes: Annotated[int, Meta(ge=256 * 2**20)] = 2 * 2**30
    job_seconds: Seconds = 600.0
    keep_reports: Count = 200


class Rca(Section, frozen=True):
    model: str = ""
    timeout_seconds: Seconds = 60.0
    api_key_env: str = ""


class Privacy(Section, frozen=True):
    store_text: bool = True
    redact: tuple[str, ...] = ()


class Metrics(Section, frozen=True):
    max_series: Count = 50
    require_token: bool = False


class Settings(Section, frozen=True):
    """Everything that can be set."""

    server: Server = Server()
    upstream: Upstream = Upstream()
    embedded: Embedded = Embedded()
    data: Data = Data()
    tap: Tap = Tap()
    log: Log = Log()
    monitors: Monitors = Monitors()
    worker: Worker = Worker()
    embedder: Embedder = Embedder()
    drift: Drift = Drift()
    history: History = History()
    database: Database = Database()
    qdrant: Qdrant = Qdrant()
    tabular: Tabular = Tabular()
    rca: Rca = Rca()
    privacy: Privacy = Privacy()
    metrics: Metrics = Metrics()
    notify: tuple[Notify, ...] = ()
    ingest: tuple[Ingest, ...] = ()
    canary: tuple[Canary, ...] = ()

    @property
    def data_dir(self) -> Path:
        if self.data.dir:
            return Path(self.data.dir).expanduser().absolute()
        return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "driftium"

    @property
    def scheduled(self) -> bool:
        """Whether there is anything for the scheduler to do."""
        return bool(self.notify or self.ingest or self.canary)
