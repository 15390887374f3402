"""The names of monitors, where several workers see the answers: they are known in the database, and nowhere else."""

from collections.abc import Collection, Sequence

import msgspec
import sqlalchemy as sa

from proxy.naming import Naming
from proxy.populations import new_row
from proxy.settings import Settings
from proxy.stores.database import INSERTS, reading
from proxy.stores.log import Entry
from proxy.stores.tables import monitors

_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/names', 0))"


class SharedNaming:
    """Gives each entry its monitor. A new name is written down at once, under a lock, so that there are never more of
    them than the settings allow.
    """

    def __init__(self, engine: sa.Engine, settings: Settings):
        self._engine = engine
        self._naming = Naming(settings)

    def of(self, entries: Sequence[Entry], answered: Collection[str]) -> list[str]:
        """The entries' monitors; `answered` has the ids of those that are answers."""
        with reading(self._engine) as db:
            known = _known(db)
        names = [self._naming.of(entry, known, answered=entry.id in answered) for entry in entries]
        if known.issuperset(names):
            return names
        with self._engine.begin() as db:
            db.exec_driver_sql(_ONE_AT_A_TIME)
            known = _known(db)
            for place, entry in enumerate(entries):
                names[place] = self._naming.of(entry, known, answered=entry.id in answered)
                if names[place] not in known:
                    known.add(names[place])
                    _write(db, names[place], entry.model)
        return names

    def keep(self, names: Collection[str]) -> None:
        """See to it that these are known: one may have been erased while an answer of it was being embedded."""
        with reading(self._engine) as db:
            missing = set(names) - _known(db)
        if missing:
            with self._engine.begin() as db:
                db.exec_driver_sql(_ONE_AT_A_TIME)
                for name in sorted(missing - _known(db)):
                    _write(db, name, name)


def _known(db: sa.Connection) -> set[str]:
    return set(db.execute(sa.select(monitors.c.name)).scalars())


def _write(db: sa.Connection, name: str, model: str) -> None:
    row = msgspec.structs.asdict(new_row(name, model)) | {"counts": "{}"}
    db.execute(INSERTS["postgresql"](monitors).values(row).on_conflict_do_nothing())
