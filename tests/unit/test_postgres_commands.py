"""Commands read the database that the settings name, and refuse what is for a data folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.client import list_baselines, show_drift
from proxy.keeping.backup import backup
from proxy.keeping.mending import mend
from proxy.keeping.restore import restore
from proxy.notify import command as notify
from proxy.notify.settings import Notify
from proxy.settings import Data, Database, Qdrant, Settings
from proxy.stores.history import MonitorRow
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.opening import opened
from tests.postgres import Postgres

SECRET = "s3cret"


def settings(url: str, folder: Path, **more: object) -> Settings:
    database, qdrant = Database(url=url, connect_seconds=2.0), Qdrant(url="http://127.0.0.1:9")
    return Settings(data=Data(dir=str(folder)), database=database, qdrant=qdrant, **more)  # type: ignore[arg-type]


def test_reports_baselines_and_notifications_are_read_from_it(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    channel = Notify(name="own", type="webhook", url="http://127.0.0.1:9/")
    given = settings(database, tmp_path, notify=(channel,))
    with opened(given) as (history, _):
        row = MonitorRow(
            name="support", created_at=1.0, last_scored_at=None, model="m", response_model="", received=0, observed=0
        )
        Ledger(history, given.history, ring=10).commit(Changes(monitors=[row]))
    assert show_drift(given, None, None, as_json=True, fail_on=None) == 0
    assert '"monitor": "support"' in capsys.readouterr().out
    assert list_baselines(given, None, None, as_json=True) == 0
    assert notify.run(given, test=False, channel=None) == 0
    assert "Nothing stands open." in capsys.readouterr().out
    assert not list(tmp_path.glob("*.db"))


def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    postgres: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    away = settings(f"postgresql+psycopg://me:{SECRET}@127.0.0.1:9/name", tmp_path)
    assert show_drift(away, None, None, as_json=False, fail_on=None) == 1
    said = capsys.readouterr().err
    assert "error: PostgreSQL at 127.0.0.1:9/name is not reached" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "refused",
    [
        lambda given, folder: backup(given, folder / "b.tar.gz"),
        lambda given, folder: restore(given, folder / "b.tar.gz"),
        lambda given, _: mend(given),
    ],
    ids=["backup", "restore", "mend"],
)
def test_what_is_not_in_the_data_folder_is_for_other_tools(
    refused: Callable[[Settings, Path], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = settings(f"postgresql+psycopg://me:{SECRET}@127.0.0.1:9/name", tmp_path)
    assert refused(given, tmp_path) == 1
    said = capsys.readouterr().err
    assert "pg_dump --schema=driftium" in said
    assert "Qdrant's snapshots" in said
    assert SECRET not in said
    assert list(tmp_path.iterdir()) == []
