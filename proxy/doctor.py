"""`driftium doctor`: looks at everything that `driftium serve` will need, and says how to mend what is not right."""

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from rich.console import Console
from rich.text import Text

from proxy.checks import Finding, Mark, database, machine, models
from proxy.settings import Settings

OK, ERROR, UPSTREAM = 0, 1, 4

CHECKS: tuple[Callable[[Settings], Iterable[Finding]], ...] = (
    models.upstream,
    models.explainer,
    models.embedder,
    models.embedded,
    machine.port,
    machine.data_folder,
    machine.databases,
    database.postgres,
    machine.vector_store,
    machine.clock,
)

_STYLE: dict[Mark, str] = {"ok": "green", "warning": "yellow", "error": "red bold"}


def examine(settings: Settings) -> int:
    """Print every finding; returns 0, 4 when the upstream is all that is missing, and 1 on any other error."""
    console = Console(highlight=False)
    console.print(f"driftium {version('driftium')} on Python {sys.version.split()[0]}\n", soft_wrap=True)
    findings = []
    # Most of a check is waiting for a socket, a disk or a clock.
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        for found in pool.map(lambda check: list(check(settings)), CHECKS):
            for finding in found:
                _show(console, finding)
            findings += found
    errors = {finding.part for finding in findings if finding.mark == "error"}
    warnings = sum(finding.mark == "warning" for finding in findings)
    console.print("\n" + _verdict(len(errors), warnings), soft_wrap=True)
    return OK if not errors else UPSTREAM if errors == {"upstream"} else ERROR


def _show(console: Console, finding: Finding) -> None:
    line = Text.assemble((f"{finding.mark:<9}", _STYLE[finding.mark]), f"{finding.part:<15}", finding.found)
    # Not wrapped: a command must stay in one piece.
    console.print(line, soft_wrap=True)
    if finding.mend:
        console.print(Text(" " * 24 + finding.mend), soft_wrap=True)


def _verdict(errors: int, warnings: int) -> str:
    if errors:
        return f"{errors} to mend before Driftium works; then run driftium doctor again."
    return "Driftium can start." + (f" Warnings: {warnings}." if warnings else "")
