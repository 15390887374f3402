"""What the disk or the database does not allow is done when it does."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from drift.policy import Policy
from drift.samples import Sample
from proxy.commands import Commands
from proxy.populations import Populations
from proxy.settings import Data, Database, Qdrant, Settings
from proxy.stores.history import open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import open_log
from proxy.stores.opening import opened
from proxy.stores.state import Models
from proxy.stores.vectors import WINDOW, Vectors


def test_an_erasure_that_a_full_disk_stops_waits_and_is_done_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings, tries = Settings(), []

    def full(*_: object, **__: object) -> None:
        tries.append(True)
        raise sqlite3.OperationalError("database or disk is full")

    with (
        closing(open_history(tmp_path)) as history,
        closing(open_log(tmp_path)) as log,
        closing(Vectors(settings.qdrant, tmp_path, 4)) as vectors,
    ):
        ledger = Ledger(history, settings.history, ring=4)
        populations = Populations(settings, Policy(), history, vectors, "e")
        scorer = SimpleNamespace(cursor=0)
        commands = Commands(settings, history, ledger, log, vectors, populations, scorer, "e")  # type: ignore[arg-type]
        ones = np.ones(4, dtype=np.float32)
        vectors.put(WINDOW, "m", [(0, Sample(exchange_id="x", at=1.0, response=ones, prompt=ones))], {"monitor": "m"})
        asked = history.ask("erase", {"exchange_id": "x", "since": {}, "head": 0})
        with monkeypatch.context() as patch:
            patch.setattr(vectors._client, "delete", full)
            commands.answer_all()
            commands.answer_all()
        assert (len(tries), history.answer(asked)) == (1, None)
        monkeypatch.setattr("proxy.commands.time", SimpleNamespace(monotonic=lambda: float("inf")))
        commands.answer_all()
        assert history.answer(asked) == {"erased": True}
        assert list(vectors.parts()) == []


def test_a_command_whose_database_goes_meanwhile_is_answered_when_it_is_there_again(tmp_path: Path, database: str):
    settings = Settings(data=Data(dir=str(tmp_path)), database=Database(url=database), qdrant=Qdrant(url="http://x"))
    tries = []

    def cut_once(db: sa.Connection, _: Changes) -> None:
        tries.append(True)
        if len(tries) == 1:
            db.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with opened(settings) as (history, log), closing(Vectors(Settings().qdrant, tmp_path, 4)) as vectors:
        ledger = Ledger(history, settings.history, 4, cut_once)
        populations = Populations(settings, Policy(), history, vectors, "e")
        scorer = SimpleNamespace(cursor=0, models=Models(), learn=lambda *_: None)
        commands = Commands(settings, history, ledger, log, vectors, populations, scorer, "e")  # type: ignore[arg-type]
        asked = history.ask("digests", {"digests": {"m": "abc"}, "head": 0})
        with pytest.raises(sa.exc.OperationalError):
            commands.answer_all()
        assert (len(tries), history.answer(asked)) == (1, None)
        commands.answer_all()
        assert history.answer(asked) == {"models": 1}
