"""What a simulation uses of a database and a vector store that others use too: a schema and collections of its own."""

import os
from pathlib import Path
from typing import Any

import httpx
import msgspec
import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from proxy.settings import Settings
from proxy.stores import qdrant_access

COLLECTIONS = ("window", "baseline")


def for_simulation(settings: Settings) -> Settings:
    """The same settings, so that nothing of it touches what people use: no token, no channels, nothing collected."""
    changes: dict[str, Any] = {"notify": (), "ingest": (), "canary": ()}
    changes["server"] = msgspec.structs.replace(settings.server, admin_token="", public_url="", log_level="warning")
    # Monitors past the first of them would be told of as "other".
    series = max(settings.metrics.max_series, settings.monitors.max)
    changes["metrics"] = msgspec.structs.replace(settings.metrics, require_token=False, max_series=series)
    changes["monitors"] = msgspec.structs.replace(settings.monitors, allow=(), expire_days=0.0)
    changes["embedded"] = msgspec.structs.replace(settings.embedded, enabled=False)
    # The processes work in another folder.
    changes["embedder"] = msgspec.structs.replace(settings.embedder, path=_absolute(settings.embedder.path))
    own = f"simulate_{os.getpid()}"
    if settings.database.url:
        changes["database"] = msgspec.structs.replace(settings.database, schema=f"driftium_{own}")
    if settings.qdrant.url:
        changes["qdrant"] = msgspec.structs.replace(
            settings.qdrant, prefix=f"{settings.qdrant.prefix}{own}-", ca_file=_absolute(settings.qdrant.ca_file)
        )
    return msgspec.structs.replace(settings, **changes)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def take_away(settings: Settings, console: Console) -> None:
    """Delete that schema and those collections; what cannot be deleted is said."""
    if settings.database.url:
        try:
            _drop_schema(settings)
        except SQLAlchemyError as error:
            reason = str(error).partition("\n")[0]
            console.print(f"The schema {settings.database.schema} could not be dropped: {reason}", markup=False)
    if settings.qdrant.url:
        for name in COLLECTIONS:
            collection = settings.qdrant.prefix + name
            try:
                _drop_collection(settings, collection)
            except (httpx.HTTPError, qdrant_access.VectorStoreError) as error:
                console.print(f"The collection {collection} could not be deleted: {error}", markup=False)


def _drop_schema(settings: Settings) -> None:
    engine = sa.create_engine(settings.database.url)
    try:
        with engine.begin() as db:
            name = db.dialect.identifier_preparer.quote(settings.database.schema)
            db.exec_driver_sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    finally:
        engine.dispose()


def _drop_collection(settings: Settings, name: str) -> None:
    """Gone, or never there: a server says yes to both."""
    url = f"{qdrant_access.address(settings.qdrant)}/collections/{name}"
    key = qdrant_access.key_of(settings.qdrant, os.environ)
    headers = {"api-key": key} if key else {}
    tls = qdrant_access.tls_of(settings.qdrant)
    httpx.delete(url, headers=headers, verify=tls, trust_env=False, timeout=30).raise_for_status()
