"""A comparison's report as people get it."""

from collections import Counter

from proxy.tabular.records import Compared, Run, Strongest, Summary


def finished(compared: Compared, *, report_id: str, generated_at: str, dataset: str = "") -> Run:
    """The run of a comparison."""
    report = compared.report
    drifted = [row for row in report.columns if row.drifted]
    first = drifted[0] if drifted else None
    strongest = None
    if first:
        strongest = Strongest(
            feature=first.name, effect=first.effect or 0.0, effect_name=first.effect_name, direction=first.direction
        )
    summary = Summary(
        message=_message(report.tested, report.drifted, strongest),
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
        strongest=strongest,
        schema=report.schema,
        p_threshold=report.p_threshold,
        effect_threshold=report.effect_threshold,
    )
    return Run(
        report_id=report_id,
        generated_at=generated_at,
        dataset=dataset,
        summary=summary,
        display_rows=report.columns,
    )


def _message(tested: int, drifted: int, strongest: Strongest | None) -> str:
    if not tested:
        return "No column could be tested; each row says why."
    columns = "column" if tested == 1 else "columns"
    if strongest is None:
        return f"No drift: none of the {tested} {columns} tested has changed by enough to matter."
    have = "has" if drifted == 1 else "have"
    return f"{drifted} of {tested} {columns} {have} drifted, {strongest.feature} the most: {strongest.direction}."
