"""A comparison's report as people get it."""

from collections import Counter

import msgspec

from drift.tabular.result import ColumnResult
from drift.tabular.words import listed, quoted
from proxy.tabular.records import Compared, Run, Strongest, Summary

_NAMED = 3


def finished(compared: Compared, *, report_id: str, generated_at: str, dataset: str = "") -> Run:
    """The run of a comparison."""
    report = compared.report
    drifted = [row for row in report.columns if row.drifted]
    clear, large = set(), set()
    for row in report.columns:
        if row.p_adjusted is not None and row.effect is not None and not row.drifted:
            few = any(pattern.name == "outlying" for pattern in row.patterns)
            clear |= {row.name} if row.p_adjusted <= report.p_threshold or few else set()
            large |= {row.name} if row.effect >= report.effect_threshold else set()
    names = [row.name for row in report.columns]
    summary = Summary(
        message="",
        reference=compared.reference,
        current=compared.current,
        reference_rows=report.reference_rows,
        current_rows=report.current_rows,
        columns=len(report.columns),
        tested=report.tested,
        drifted=report.drifted,
        drifted_share=report.drifted_share,
        by_kind=dict(Counter(row.kind for row in report.columns)),
        drifted_by_kind=dict(Counter(row.kind for row in drifted)),
        strongest=_strongest(drifted),
        slight=tuple(name for name in names if name in clear - large),
        unsure=tuple(name for name in names if name in large - clear),
        schema=report.schema,
        p_threshold=report.p_threshold,
        effect_threshold=report.effect_threshold,
    )
    return Run(
        report_id=report_id,
        generated_at=generated_at,
        dataset=dataset,
        summary=msgspec.structs.replace(summary, message=_message(summary)),
        display_rows=report.columns,
    )


def _strongest(drifted: list[ColumnResult]) -> Strongest | None:
    if not drifted:
        return None
    first = drifted[0]
    return Strongest(
        feature=first.name, effect=first.effect or 0.0, effect_name=first.effect_name, direction=first.direction
    )


def _message(found: Summary) -> str:
    """What a person reads first: never "no drift" of what was not compared, or could not be told."""
    first = found.strongest
    columns = "column" if found.tested == 1 else "columns"
    if not found.tested:
        told = "No column could be tested; each row says why."
    elif first:
        have = "has" if found.drifted == 1 else "have"
        most = f"{first.feature} the most: {first.direction}"
        told = f"{found.drifted} of {found.tested} {columns} {have} drifted, {most}."
    elif found.unsure:
        told = f"Too few rows to tell: {_named(found.unsure)} may have drifted, or differ by chance."
    elif found.tested == 1:
        told = "No drift: the column tested has not changed by enough to matter."
    else:
        told = f"No drift: none of the {found.tested} columns tested has changed by enough to matter."
    if found.slight and not first:
        told += f" Slightly but surely changed: {_named(found.slight)}."
    if found.schema:
        told += f" The columns themselves changed: {'; '.join(found.schema[:_NAMED])}{_more(len(found.schema))}."
    return told


def _named(names: tuple[str, ...]) -> str:
    shown = [quoted(name) for name in names[:_NAMED]]
    return listed([*shown, f"{len(names) - _NAMED} more"] if len(names) > _NAMED else shown)


def _more(count: int) -> str:
    return f"; and {count - _NAMED} more" if count > _NAMED else ""
