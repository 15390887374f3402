"""The report in a terminal, or in a file that a terminal's output went to."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drift.rca.records import Step
from proxy.rca.views import AgenticView
from proxy.rca.wording import CHANGED, URGENCIES, percent
from proxy.tabular.terminal import inert

STYLES = {"LOW": "green", "MEDIUM": "yellow", "HIGH": "red", "CRITICAL": "bold red"}
URGENCY_STYLES = {"now": "bold red", "soon": "yellow", "later": "dim"}

_BULLET = "  - "


def show(view: AgenticView, console: Console) -> None:
    """Print the report: severity and cause, what moved, what to do, the evidence, the trace. 80 columns do."""
    diagnosis, severity = view.diagnosis, view.severity or "No severity yet"
    head = inert(console, f"{severity}  ", STYLES.get(severity, "bold"))
    console.print(Text().append_text(head).append_text(inert(console, _head(view), "bold")))
    console.print(inert(console, diagnosis.summary))
    _title(console, "What moved")
    for moved in view.triage.moved:
        _item(console, moved.text, moved.evidence)
    if not view.triage.moved:
        _item(console, "Nothing beyond chance.")
    sure = f"{percent(diagnosis.confidence)} sure; who changed: {CHANGED[diagnosis.changed]}"
    _title(console, f"Cause ({sure})")
    _item(console, diagnosis.possible_cause)
    for statement in diagnosis.statements:
        _item(console, statement.text, statement.evidence)
    _title(console, "What to do")
    for action in view.recommendations:
        _item(console, action.text, action.evidence, URGENCIES[action.urgency], URGENCY_STYLES[action.urgency])
    _title(console, "Evidence")
    for fact in view.evidence:
        _item(console, fact.text, mark=fact.id, style="cyan")
    _title(console, "How this was found")
    console.print(_trace(console, view.agent_collaboration_log))
    words = f"the model {view.model}" if view.source == "model" and view.model else "rules"
    about = (
        f"Evidence of {view.evidence_timestamp}: {view.telemetry_size:,} answers against a baseline of "
        f"{view.baseline_size:,}. Words by {words}."
    )
    console.print()
    console.print(inert(console, about + (f" Run {view.id}." if view.id else ""), "dim"))


def _head(view: AgenticView) -> str:
    return f"{view.diagnosis.cause.label}, in {view.monitor}"


def _title(console: Console, said: str) -> None:
    console.print()
    console.print(inert(console, said, "bold"))


def _item(console: Console, said: str, cited: Sequence[str] = (), mark: str = "", style: str = "") -> None:
    item = inert(console, f"{mark}: ", style) if mark else Text()
    # A style of the whole would be that of what is appended too.
    item = Text().append_text(item).append_text(inert(console, said))
    if cited:
        item.append_text(inert(console, f" [{', '.join(cited)}]", "dim"))
    for number, line in enumerate(item.wrap(console, max(20, console.width - len(_BULLET)))):
        line.rstrip()
        console.print(Text(" " * len(_BULLET) if number else _BULLET) + line, soft_wrap=True)


def _trace(console: Console, steps: Iterable[Step]) -> Table:
    frame = box.SIMPLE_HEAD if console.is_terminal else None
    table = Table(box=frame, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("agent", no_wrap=True)
    table.add_column("concluded, and why", overflow="fold")
    table.add_column("by", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    for step in steps:
        said = f"{step.conclusion} {step.why}"
        cells = (str(step.number), step.agent, said, step.source, f"{step.milliseconds:.1f}")
        table.add_row(*(inert(console, cell) for cell in cells))
    return table
