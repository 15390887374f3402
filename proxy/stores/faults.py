"""What is wrong with a database, in words, and the command that mends it."""

import sqlite3
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError, TimeoutError

from proxy.stores.migrations import SchemaTooNew
from proxy.stores.shared_faults import shared_fault

MEND = "driftium doctor --mend"
"""Moves what is damaged aside; Driftium need not be stopped for it."""


class Fault(NamedTuple):
    message: str
    mend: str | None


def fault_of(error: SQLAlchemyError) -> Fault:
    """Why a database could not be used, and the command that mends it, where there is one."""
    if isinstance(error, SchemaTooNew):
        return Fault(str(error), None)
    if isinstance(error, TimeoutError):
        return Fault("All connections to PostgreSQL are in use: it answers too slowly. Look at its load.", None)
    cause = getattr(error, "orig", None) or error.__cause__ or error
    said = str(cause).partition("\n")[0]
    where = next(iter(getattr(cause, "__notes__", ())), "a database")
    if any(kind.__module__.partition(".")[0] == "psycopg" for kind in type(cause).__mro__):
        return Fault(*shared_fault(said, getattr(cause, "sqlstate", None) or "", where))
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        advice = f"{MEND} moves it aside and a new one is made, or driftium restore brings a backup back"
        return Fault(f"{where} is damaged ({said}): {advice}.", MEND)
    if code == sqlite3.SQLITE_FULL:
        return Fault(f"The disk of {where} is full: make room there, or lower log.max_bytes.", "df -h")
    if code == sqlite3.SQLITE_READONLY:
        advice = "mount its disk for writing, or give this user the right"
        return Fault(f"{where} cannot be written ({said}): {advice}.", None)
    if code == sqlite3.SQLITE_BUSY:
        return Fault(f"{where} is locked by another program: end that one.", None)
    return Fault(f"{where} cannot be used ({said}): check its disk and permissions.", "driftium doctor")
