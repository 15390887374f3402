"""What the disk does not allow to erase is erased when it does."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from drift.policy import Policy
from drift.samples import Sample
from proxy.commands import Commands
from proxy.populations import Populations
from proxy.settings import Settings
from proxy.stores.history import open_history
from proxy.stores.ledger import Ledger
from proxy.stores.log import open_log
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
