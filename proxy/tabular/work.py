"""The tabular jobs themselves: tables in, reports out. Runs in the job's process, or in the command line's."""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import numpy as np

from drift.policy import TABLE, TablePolicy
from drift.tabular.columns import Holds, content, kind_of, retyped
from drift.tabular.compare import compare as compare_columns
from drift.tabular.compare import compare_profiles
from drift.tabular.profile import TableProfile
from drift.tabular.report import TabularReport
from drift.tabular.values import Column
from drift.tabular.words import quoted
from proxy.tabular.files import Progress
from proxy.tabular.reading import EXACT_VALUES, Kinds, Seen, Table, open_table
from proxy.tabular.records import (
    BANK,
    Compare,
    Compared,
    Describe,
    DescribedColumn,
    Description,
    Refused,
    Simulate,
    TableFile,
)

SHIPPED = TableFile(path=str(Path(__file__).parent / "data" / "bank_marketing.csv.gz"), name=BANK)


def compare(job: Compare, progress: Progress | None = None) -> Compared:
    """Compare two tables. Raises Refused."""
    source = job.reference or SHIPPED
    reference = _open(source, job.max_bytes, progress, "reference")
    current = _open(job.current, job.max_bytes, progress, "current table")
    policy = msgspec.structs.replace(TABLE, p_threshold=job.p_threshold, effect_threshold=job.effect_threshold)
    report = compare_tables(
        reference,
        current,
        policy,
        lambda kinds: (_profile(reference, kinds, progress), _profile(current, kinds, progress)),
    )
    return Compared(reference=source.name, current=job.current.name, report=report)


def simulate(job: Simulate) -> Compared:
    """Compare one random half of the shipped table with the rows of the other half below an age.

    A sample compared with a part of itself would share rows with it, and no p-value would hold.
    """
    table = open_table(SHIPPED, 2**30)
    # Small enough that its sample is the whole.
    rows = table.sample
    ages = rows["age"]
    size = len(ages)
    order = np.random.default_rng(job.seed).permutation(size)
    first, second = np.sort(order[: size // 2]), np.sort(order[size // 2 :])
    young = second[ages[second] < job.age_threshold]
    if not len(young):
        raise Refused(
            f"age_threshold = {job.age_threshold}: nobody in the table is that young; the youngest is "
            f"{ages[second].min():g}."
        )
    report = compare_columns(
        {name: values[first] for name, values in rows.items()},
        {name: values[young] for name, values in rows.items()},
        p_threshold=job.p_threshold,
    )
    return Compared(
        reference=f"{BANK}, one random half",
        current=f"{BANK}, the other half, age below {job.age_threshold}",
        report=report,
    )


def describe(job: Describe) -> Description:
    """What a table holds. Raises Refused."""
    table = _open(job.table, job.max_bytes, None, "table")
    kinds = _kinds(table, table, table.names)
    profile = _profile(table, kinds, None)
    missing = {name: column.missing / max(1, profile.rows) for name, column in profile.columns.items()}
    return Description(
        rows=profile.rows,
        columns=tuple(
            DescribedColumn(name=name, kind=kind, kind_reason=reason, missing=missing.get(name, 0.0))
            for name, (kind, reason) in kinds.items()
        ),
    )


def compare_tables(
    reference: Seen,
    current: Seen,
    policy: TablePolicy,
    profiled: Callable[[Kinds], tuple[TableProfile, TableProfile]],
) -> TabularReport:
    """The report of two tables, of which profiled makes the profiles of both. Raises Refused."""
    known = set(current.names)
    shared = [name for name in reference.names if name in known]
    if not shared:
        alike = {name.casefold().strip() for name in reference.names} & {name.casefold().strip() for name in known}
        why = "Their names differ in capitals or spaces only." if alike else "Is the header line missing?"
        raise Refused(
            f"The tables share no column: the reference has {_list(reference.names)}, the current table "
            f"{_list(current.names)}. {why}"
        )
    kinds = _kinds(reference, current, shared)
    retypings = [
        f"{name}: re-typed, {change}"
        for name in shared
        if (change := _retyping(reference.sample[name], current.sample[name])) is not None
    ]
    only_before = [f"{name}: missing from the current sample" for name in reference.names if name not in kinds]
    only_after = [f"{name}: new, not in the reference" for name in current.names if name not in kinds]
    return compare_profiles(
        *profiled(kinds),
        retypings=[*only_after, *only_before, *retypings],
        policy=policy,
    )


def _open(file: TableFile, max_bytes: int, progress: Progress | None, what: str) -> Table:
    try:
        return open_table(file, max_bytes, progress)
    except Refused as refused:
        # Two tables are in play: say which.
        raise Refused(f"{what} {file.name!r}: {refused.detail}", refused.status) from None


def _kinds(reference: Seen, current: Seen, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """(kind, reason) of each column, from the samples of both tables."""
    kinds = {}
    for name in names:
        a, b = reference.sample[name], current.sample[name]
        try:
            kind, reason = kind_of(a, b, name)
        except (TypeError, ValueError, ArithmeticError) as error:
            kind, reason = "text", f"its values cannot be compared: {error}"
        if kind == "constant" and Holds.NUMBERS in (content(a).holds, content(b).holds):
            # The rest of the table may hold others.
            kind, reason = "numeric", "numbers in the reference"
        if kind in ("id", "text") and len(a) < reference.rows:
            reason += ", of those looked at"
        kinds[name] = (kind, reason)
    return kinds


def _retyping(reference: Column, current: Column) -> str | None:
    try:
        return retyped(reference, current)
    except (TypeError, ValueError, ArithmeticError):
        # Its own row says what is wrong with it.
        return None


def _profile(table: Table, kinds: Kinds, progress: Progress | None) -> TableProfile:
    profile = TableProfile(kinds, exact_values=EXACT_VALUES)
    for chunk in table.chunks(kinds, progress):
        profile.add(chunk)
    return profile


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(quoted(name) for name in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
