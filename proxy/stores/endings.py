"""How a monitor's last exchanges ended: a bounded ring, and the counts that each baseline was made among."""

from collections import Counter, deque
from collections.abc import Iterable
from itertools import groupby, takewhile

import msgspec
import sqlalchemy as sa

from proxy.stores import tables as t
from proxy.stores.database import reading, upsert

KEEP = 1_000
"""Exchanges of each monitor: five of the largest windows."""

SCORED = "scored"
SET = ""
"""Stands among the results where a baseline was set."""

Runs = list[tuple[str, int]]
"""(result, how many in a row), the oldest first."""


class Endings:
    """The results of a monitor's last exchanges, and where a baseline was set among them."""

    def __init__(self, runs: Runs | None = None):
        self._last = deque((result for result, count in runs or [] for _ in range(count)), maxlen=KEEP)

    def add(self, result: str) -> None:
        self._last.append(str(result))

    def set_baseline(self) -> None:
        """What follows is compared with another baseline."""
        self._last.append(SET)

    def back_to(self, scored: int) -> dict[str, int]:
        """{result: exchanges} from so many scored ones ago on, or as far back as they are kept."""
        found: Counter[str] = Counter()
        for result in reversed(self._last):
            if found[SCORED] == scored:
                break
            found[result] += result != SET
        return dict(+found)

    def unscored(self) -> dict[str, int]:
        """{result: exchanges} since the last scored one or since the baseline was set, whichever came last."""
        since = takewhile(lambda result: result not in (SCORED, SET), reversed(self._last))
        return dict(Counter(since))

    @property
    def runs(self) -> Runs:
        return [(result, sum(1 for _ in same)) for result, same in groupby(self._last)]


def read_endings(engine: sa.Engine, monitor: str) -> Endings:
    """Those of a monitor's last exchanges."""
    body = _read(engine, monitor, "")
    return Endings(msgspec.json.decode(body, type=Runs) if body else None)


def read_baseline(engine: sa.Engine, monitor: str, baseline_id: str) -> dict[str, int] | None:
    """{result: exchanges} of when a baseline was made; None where nobody counted yet."""
    body = _read(engine, monitor, baseline_id)
    return msgspec.json.decode(body, type=dict[str, int]) if body else None


def _read(engine: sa.Engine, monitor: str, baseline_id: str) -> str | None:
    c = t.endings.c
    with reading(engine) as db:
        query = sa.select(c.body).where(c.monitor == monitor, c.baseline_id == baseline_id)
        return db.execute(query).scalar()


def write(db: sa.Connection, rows: Iterable[tuple[str, str, object]]) -> None:
    """(monitor, baseline id or "", runs or counts), inside the ledger's transaction."""
    for monitor, baseline_id, body in rows:
        row = {"monitor": monitor, "baseline_id": baseline_id, "body": msgspec.json.encode(body).decode()}
        upsert(db, t.endings, row, ["monitor", "baseline_id"])
