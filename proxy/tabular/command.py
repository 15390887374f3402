"""`driftium tabular`: two files compared here, without a server."""

import os
import sys
import time
import uuid
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from proxy.moments import iso
from proxy.tabular.page import page
from proxy.tabular.records import Compare, Compared, Refused, Run, TableFile
from proxy.tabular.summary import finished
from proxy.tabular.terminal import show

OK, ERROR, DRIFT = 0, 1, 3
_UNBOUNDED = 2**62
_FEWEST_ROWS = 10
_LOOKS = 2
"""Each file is read twice: to check its rows, and to compare them."""


def run(
    reference: str,
    current: str,
    *,
    p_threshold: float,
    effect_threshold: float,
    as_json: bool,
    html: Path | None,
    fail_on: str | None,
    engine: str = "pandas",
    workers: int | None = None,
    worker_memory: int | None = None,
) -> int:
    """Compare the tables and show what was found; returns the exit code. engine and after it: see dask_cluster."""
    try:
        if engine == "pandas":
            compared = _compare(Path(reference), Path(current), p_threshold, effect_threshold, html)
        else:
            from proxy.tabular.dask_command import compare

            compared = compare(
                reference,
                current,
                engine=engine,
                workers=workers,
                worker_memory=worker_memory,
                p_threshold=p_threshold,
                effect_threshold=effect_threshold,
                html=html,
            )
    except Refused as refused:
        return _fail(refused.detail)
    except MemoryError:
        return _fail("the tables need more memory than there is; send fewer columns.")
    found = finished(compared, report_id=uuid.uuid4().hex, generated_at=iso(time.time()) or "")
    if html:
        try:
            html.write_text(page(found), "utf-8")
        except OSError as error:
            return _fail(f"{html} cannot be written: {error.strerror or error}.")
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        show(found, Console(highlight=False))
        if html:
            print(f"Report: {html}")
    return _verdict(found, fail_on)


def _compare(
    reference: Path, current: Path, p_threshold: float, effect_threshold: float, html: Path | None
) -> Compared:
    if html and html.exists() and any(file.exists() and html.samefile(file) for file in (reference, current)):
        raise Refused(f"--html {html} is one of the tables: name another file for the report.")
    console = Console(stderr=True)
    size = sum(file.stat().st_size for file in (reference, current) if file.is_file())
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing", total=_LOOKS * size)
        # Before pandas loads numpy: threads that wait for a core cost more here than they bring.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from proxy.tabular.work import compare

        job = Compare(
            reference=TableFile(path=str(reference), name=reference.name or str(reference)),
            current=TableFile(path=str(current), name=current.name or str(current)),
            p_threshold=p_threshold,
            effect_threshold=effect_threshold,
            max_bytes=_UNBOUNDED,
        )
        return compare(job, lambda count: bar.advance(task, count))


def _verdict(found: Run, fail_on: str | None) -> int:
    if fail_on is None:
        return OK
    if fail_on == "schema" and found.summary.schema:
        return DRIFT
    told = found.summary
    if told.drifted:
        return DRIFT
    # A job that must not pass on drift must not pass on "not known" either.
    if not told.tested:
        return _fail("no column could be tested, so there is nothing to judge by.")
    if told.unsure and min(told.reference_rows, told.current_rows) < _FEWEST_ROWS:
        return _fail(f"fewer than {_FEWEST_ROWS} rows on a side are too few to judge by.")
    return OK


def _fail(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return ERROR
