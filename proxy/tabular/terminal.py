"""A run in a terminal, or in a file that a terminal's output went to."""

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from drift.tabular.explain import explain
from drift.tabular.result import ColumnResult
from proxy.tabular import words
from proxy.tabular.records import Run

_NAME_CELLS, _REASON_CELLS = 28, 200
_EXPLAINED = 4


def show(run: Run, console: Console) -> None:
    """Print the report: a sentence, the drifted columns, the schema's changes, what to look at first. 80 columns do."""
    summary = run.summary
    rows = f"{summary.current_rows:,} rows against {summary.reference_rows:,}"
    console.print(inert(console, summary.message, "bold"))
    console.print(inert(console, f"{summary.current} against {summary.reference}: {rows}.", "dim"))
    if summary.schema:
        console.print()
        for finding in summary.schema:
            console.print(inert(console, f"Schema: {finding}", "yellow"))
    drifted = [row for row in run.display_rows if row.drifted]
    if drifted:
        console.print()
        console.print(_table(drifted, console))
    _rest(run, console)
    _approximate(run, console)
    few = [row for row in run.display_rows if any(pattern.name == "outlying" for pattern in row.patterns)]
    # A fault in a few rows is no drift, and what somebody looks for all the same.
    for row in [*drifted[:1], *(row for row in few if not row.drifted)][:_EXPLAINED]:
        _explained(row, run, console)


def _table(rows: list[ColumnResult], console: Console) -> Table:
    frame = box.SIMPLE_HEAD if console.is_terminal else None
    table = Table(box=frame, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("column", max_width=_NAME_CELLS, overflow="fold")
    table.add_column("kind", no_wrap=True)
    table.add_column("effect", justify="right", no_wrap=True)
    table.add_column("adjusted p", justify="right", no_wrap=True)
    table.add_column("change", overflow="fold")
    for row in rows:
        cells = (row.name, words.kind(row), words.effect(row), words.p_short(row.p_adjusted), row.direction)
        table.add_row(*(inert(console, cell) for cell in cells))
    return table


def _rest(run: Run, console: Console) -> None:
    """How many columns have not drifted, and which were not tested and why."""
    unsure = len(run.summary.unsure)
    steady = run.summary.tested - run.summary.drifted - unsure
    skipped = [row for row in run.display_rows if row.p_value is None and not row.drifted]
    console.print()
    if steady:
        console.print(inert(console, f"{steady:,} {'column has' if steady == 1 else 'columns have'} not drifted."))
    if unsure:
        console.print(inert(console, f"{unsure:,} cannot be told for too few rows."))
    if skipped:
        console.print(inert(console, f"{len(skipped):,} not tested:"))
        for row in skipped:
            said = words.clipped(f"{row.name} ({words.kind(row)}): {row.note or row.kind_reason}", _REASON_CELLS)
            console.print(Padding(inert(console, said, "dim"), (0, 0, 0, 2)))


def _approximate(run: Run, console: Console) -> None:
    """Which results are no exact ones, and how far off they may be."""
    errors = [row.figures["d_error"] for row in run.display_rows if "d_error" in row.figures]
    if errors:
        columns = "1 column" if len(errors) == 1 else f"{len(errors):,} columns"
        said = (
            f"Approximate: {columns} with more values than are held, by quantile sketches: D within {max(errors):.2g} "
            "of the exact one (99 % confidence), p an upper bound. Counts, categories, missing values, means and "
            "extremes are exact."
        )
        console.print(inert(console, said, "dim"))


def _explained(row: ColumnResult, run: Run, console: Console) -> None:
    found = explain(row.name, run.display_rows, schema=run.summary.schema)
    console.print()
    console.print(inert(console, found.headline))
    if found.checks:
        console.print(inert(console, f"Check first: {found.checks}"))


def inert(console: Console, said: str, style: str = "") -> Text:
    """A Text is printed as it is: nothing in it is read as markup."""
    if console.encoding.startswith("utf"):
        return Text(words.arrows(said), style=style)
    # A file in an old encoding has neither arrows nor every letter of a column's name.
    return Text(words.visible(said).encode(console.encoding, "replace").decode(console.encoding), style=style)
