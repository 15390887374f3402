"""Log and history, as the settings have them: SQLite files in the data folder, or a PostgreSQL database."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from proxy.settings import Settings
from proxy.stores import shared_tables
from proxy.stores.history import SCHEMA as HISTORY_SCHEMA
from proxy.stores.history import History, open_history
from proxy.stores.log import Log, open_log
from proxy.stores.migrations import SHARED, Schema

log = structlog.get_logger()


class Stores(NamedTuple):
    history: History
    log: Log

    def close(self) -> None:
        self.log.close()
        self.history.close()


def open_stores(settings: Settings) -> Stores:
    """Nothing is read or made before the first use, and that is where it fails."""
    if not settings.database.url:
        return Stores(open_history(settings.data_dir), open_log(settings.data_dir))
    # Only where there is one: it brings a driver.
    from proxy.stores import shared_log
    from proxy.stores.postgres import open_postgres

    shared = Schema(shared_tables.schema, SHARED, "shared")
    engine = open_postgres(settings.database, HISTORY_SCHEMA, shared_log.SCHEMA, shared)
    # Several proxies of one machine may have one data folder, but not one port.
    instance = f"{_instance(settings.data_dir)}:{settings.server.port}"
    return Stores(History(engine), shared_log.SharedLog(engine, instance, settings.database.partition_hours))


@contextmanager
def opened(settings: Settings) -> Iterator[Stores]:
    """The same for a block, closed at its end."""
    stores = open_stores(settings)
    try:
        yield stores
    finally:
        stores.close()


def _instance(data_dir: Path) -> str:
    """What tells this proxy's counts from those of others, over restarts: eight characters in its data folder."""
    file, made = data_dir / "instance", uuid.uuid4().hex[:8]
    try:
        if not file.exists():
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            own = data_dir / f"instance.{os.getpid()}"
            try:
                own.write_text(made)
                # Of two processes that come first, one makes it, and never half of it.
                os.link(own, file)
            finally:
                own.unlink(missing_ok=True)
        return file.read_text()
    except FileExistsError:
        return file.read_text()
    except OSError as error:
        # No reason to stop requests: after a restart it counts from the beginning.
        log.warning("this proxy's number cannot be kept in the data folder", folder=str(data_dir), error=str(error))
        return made
