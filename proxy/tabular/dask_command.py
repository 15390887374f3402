"""`driftium tabular --engine dask`: from two names of tables to what was found."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from proxy.tabular.dask_cluster import connected
from proxy.tabular.dask_files import is_url, listed
from proxy.tabular.records import Compared, Refused

Bar = Callable[[str, int, int], None]
"""Takes a step's name, how many tasks it has when it begins, and how many have ended since the last call."""


def compare(
    reference: str,
    current: str,
    *,
    engine: str,
    workers: int | None,
    worker_memory: int | None,
    p_threshold: float,
    effect_threshold: float,
    html: Path | None,
) -> Compared:
    """Compare two tables. Raises Refused, of which html, the report's path, is one reason."""
    # What Dask logs of a lost worker is told in its own words, or is mended without a word.
    logging.disable(logging.CRITICAL)
    # Before pandas loads numpy: threads that wait for a core cost more than they bring.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Ended like Ctrl-C does, so that its cluster ends with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    paths = []
    for what, where in (("reference", reference), ("current table", current)):
        try:
            paths.append(listed(where))
        except Refused as refused:
            raise Refused(f"{what} {where!r}: {refused.detail}") from None
    tables = (Path(path) for some in paths for path in some if not is_url(path))
    if html and html.exists() and any(path.exists() and html.samefile(path) for path in tables):
        raise Refused(f"--html {html} is one of the tables: name another file for the report.")
    with connected(engine, workers=workers, memory=worker_memory, warn=_warn) as client, _progress() as bar:
        from proxy.tabular.dask_engine import Side
        from proxy.tabular.dask_engine import compare as compare_on

        return compare_on(
            client,
            Side("reference", reference, paths[0]),
            Side("current table", current, paths[1]),
            p_threshold=p_threshold,
            effect_threshold=effect_threshold,
            bar=bar,
        )


@contextmanager
def _progress() -> Iterator[Bar]:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        step = ""

        def advance(name: str, new: int, ended: int) -> None:
            nonlocal step
            if name != step:
                step = name
                bar.reset(task, description=name, total=new)
            bar.advance(task, ended)

        yield advance


def _warn(said: str) -> None:
    print(f"warning: {said}", file=sys.stderr)
