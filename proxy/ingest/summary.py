"""What a backfill came to, in a terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy.ingest.checkpoints import BadLine, Status

_ROWS = {
    "logged": "logged, to be scored",
    "failed": "failed as the log tells: logged and counted, not scored",
    "duplicate": "taken before",
    "no_content": "without an answer: cannot be scored",
    "malformed": "could not be read",
    "too_large": "too large",
    "unredacted": "could not be redacted",
    "skipped": "about something else than an answer",
}
_LOST = ("no_content", "malformed", "too_large", "unredacted")
_DRY = {"logged": "would be logged", "failed": "failed as the log tells: would be logged and counted"}


def show(status: Status, first: list[BadLine], console: Console, *, dry: bool, stopped: bool) -> None:
    """Print the counts, the `first` records that could not be taken, and what to do next."""
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    words = _ROWS | (_DRY if dry else {})
    for result, text in words.items():
        if number := status.last.get(result):
            table.add_row(f"{number:,}", text)
    if table.row_count:
        console.print(table)
    for error in first:
        where = f"{error.file}:{error.line}" if error.line is not None else error.file
        console.print(Text(f"{where}: {error.result}: {error.why}"), soft_wrap=True)
    for problem in status.problems:
        console.print(Text(problem), soft_wrap=True)
    lost = sum(status.last.get(result, 0) for result in _LOST)
    if lost > len(first):
        console.print(f"… and {lost - len(first):,} more.")
    if not table.row_count and not status.problems and not stopped:
        console.print("Nothing new: all of it was read before.")
    if stopped:
        console.print("Stopped. What is logged stays logged: the same command goes on from here.")
    elif dry:
        console.print("Nothing was logged: leave out --dry-run for that.")
