"""The data folder of the first version, as it wrote it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from drift.samples import Sample
from proxy.settings import Qdrant
from proxy.stores.history import open_history
from proxy.stores.vectors import BASELINE, WINDOW, Vectors

DATA = Path(__file__).parent / "data"


def first_data(folder: Path) -> None:
    """A history of 33 answers, 24 of them a baseline, and the log's last three."""
    folder.mkdir(parents=True, exist_ok=True)
    for sql, file in (("first_history.sql", "drift_history.db"), ("first_exchanges.sql", "exchanges.db")):
        with closing(sqlite3.connect(folder / file)) as db:
            db.executescript((DATA / sql).read_text("utf-8"))


FIRST_BASELINE = "2824662ceb324355b501bf4aa3aa0f0f"


def first_vectors(folder: Path) -> None:
    """Unit vectors for all of its samples, in the store's layout, which is the first one's still."""
    rng = np.random.default_rng(1)
    with closing(open_history(folder)) as history, closing(Vectors(Qdrant(), folder)) as vectors:
        vectors.create(384)
        rows = history.samples("replay", limit=100)[::-1]
        drawn = rng.standard_normal((2, len(rows), 384))
        prompts, responses = (drawn / np.linalg.norm(drawn, axis=2, keepdims=True)).astype(np.float32)
        samples = [
            Sample(exchange_id=row.exchange_id, at=row.at, prompt=prompts[i], response=responses[i])
            for i, row in enumerate(rows)
        ]
        vectors.put(WINDOW, "replay", list(enumerate(samples)), {"monitor": "replay"})
        kept = {"monitor": "replay", "baseline": FIRST_BASELINE}
        vectors.put(BASELINE, FIRST_BASELINE, list(enumerate(samples[:24])), kept)
