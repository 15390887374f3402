"""Tables larger than memory compared by Dask: the workers read, and only samples and profiles come back."""

from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from drift.policy import TABLE
from drift.tabular.merging import in_pairs
from drift.tabular.profile import TableProfile
from drift.tabular.values import Column
from proxy.tabular import dask_tasks
from proxy.tabular.checked import sampled_rows
from proxy.tabular.dask_cluster import ClusterFault
from proxy.tabular.dask_command import Bar
from proxy.tabular.dask_files import name_of
from proxy.tabular.dask_parts import File, Part, agreed, cut, in_batches
from proxy.tabular.dask_waiting import results
from proxy.tabular.parquet import any_column
from proxy.tabular.reading import Kinds
from proxy.tabular.records import Compared, Refused
from proxy.tabular.work import compare_tables


class Side(NamedTuple):
    """One of the two tables."""

    what: str
    where: str
    paths: list[str]

    def refused(self, refused: Refused) -> Refused:
        return Refused(f"{self.what} {self.where!r}: {refused.detail}", refused.status)


class Parted(msgspec.Struct):
    """A table in parts, as Seen."""

    names: tuple[str, ...]
    rows: int
    sample: dict[str, Column]
    parts: list[Part]


def compare(
    client: Any, reference: Side, current: Side, *, p_threshold: float, effect_threshold: float, bar: Bar
) -> Compared:
    """Compare two tables on a cluster. Raises Refused.

    The report is that of pandas on the same rows in one file: the same sample tells the kinds, and profiles are merged
    in order of the rows. What the tables are too large for is approximate by the error that each row states.
    """
    sides = (reference, current)
    workers = max(1, len(client.nthreads()))
    before, after = _sampled(client, sides, _looked_at(client, sides, workers, bar), workers, bar)
    policy = msgspec.structs.replace(TABLE, p_threshold=p_threshold, effect_threshold=effect_threshold)
    report = compare_tables(before, after, policy, lambda kinds: _profiled(client, sides, (before, after), kinds, bar))
    names = [name_of(side.where, len(side.paths)) for side in sides]
    return Compared(reference=names[0], current=names[1], report=report)


def _looked_at(client: Any, sides: tuple[Side, Side], workers: int, bar: Bar) -> list[list[File]]:
    asked = [
        client.map(dask_tasks.look, in_batches(side.paths, workers), files=len(side.paths), pure=False)
        for side in sides
    ]
    found = _of_sides(client, sides, asked, [[*futures] for futures in asked], bar, "looking at the files")
    return [[file for batch in batches for file in batch] for batches in found]


def _sampled(
    client: Any, sides: tuple[Side, Side], files: list[list[File]], workers: int, bar: Bar
) -> tuple[Parted, Parted]:
    tables = []
    for side, some in zip(sides, files, strict=True):
        try:
            names = agreed(some)
        except Refused as refused:
            raise side.refused(refused) from None
        rows = sum(file.rows for file in some)
        tables.append(Parted(names, rows, _of_delimited(some, names, rows), cut(some, workers)))
    asked = []
    for table in tables:
        every = _every(table)
        # A CSV brought its sample with it.
        parts = table.parts if not table.sample else []
        asked.append(client.map(dask_tasks.sample, parts, names=table.names, every=every, pure=False))
    found = _of_sides(client, sides, asked, [[*futures] for futures in asked], bar, "taking a sample")
    for table, frames in zip(tables, found, strict=True):
        table.sample = table.sample or _joined(frames, table.names)
    return tables[0], tables[1]


def _profiled(
    client: Any, sides: tuple[Side, Side], tables: tuple[Parted, Parted], kinds: Kinds, bar: Bar
) -> tuple[TableProfile, TableProfile]:
    # A merge before the next part: profiles that wait to be merged are what fills the workers.
    merge = partial(client.submit, dask_tasks.merge, priority=1, pure=False)
    roots, steps = [], []
    for table in tables:
        leaves = client.map(dask_tasks.profile, table.parts, kinds=kinds, total_rows=table.rows, pure=False)
        roots.append([in_pairs(leaves, merge)])
        steps.append(leaves)
    del leaves
    (before,), (after,) = _of_sides(client, sides, roots, steps, bar, "comparing")
    return before, after


def _of_sides(
    client: Any, sides: tuple[Side, Side], wanted: list[list[Any]], steps: list[list[Any]], bar: Bar, step: str
) -> list[list[Any]]:
    """The results of either side's futures, which run beside each other. Raises Refused, which names the side."""
    bar(step, sum(map(len, steps)), 0)
    found = []
    for side, futures, those in zip(sides, wanted, steps, strict=True):
        try:
            found.append(results(client, futures, those, lambda ended: bar(step, 0, ended)))
        except ClusterFault:
            raise
        except Refused as refused:
            raise side.refused(refused) from None
    return found


def _every(table: Parted) -> int:
    return max(1, table.rows // sampled_rows(len(table.names)))


def _joined(frames: list[pd.DataFrame], names: tuple[str, ...]) -> dict[str, Column]:
    whole = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    return {name: any_column(whole[name]) for name in names}


def _of_delimited(files: list[File], names: tuple[str, ...], rows: int) -> dict[str, Column]:
    """One sample of those that CSV files brought, from each as much as its share of the rows; {} of Parquet."""
    most = sampled_rows(len(names))
    samples = []
    for file in files:
        if file.delimited is not None and file.rows:
            sample, file.delimited.sample = file.delimited.sample, {}
            step = max(1, round(len(sample[names[0]]) * rows / (most * file.rows))) if len(files) > 1 else 1
            samples.append({name: values[::step] for name, values in sample.items()})
    return {name: np.concatenate([sample[name] for sample in samples]) for name in names} if samples else {}
