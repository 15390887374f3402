"""A simulation's result for people."""

from rich.console import Console
from rich.table import Table

from proxy.simulate.report import Added, Result

_KINDS = {
    "proxy": "proxies",
    "worker": "workers",
    "postgres": "PostgreSQL, all of this machine",
    "upstream": "the simulation's upstream",
    "load": "the load generator",
}
DAY = 86_400


def show(console: Console, result: Result) -> None:
    asked = result.asked
    how = f"{asked.rate:g} answers/s asked for, {result.rate:.0f} sent"
    console.print(f"\n[bold]{result.seconds:.0f} s[/], {how}, {asked.monitors} monitors\n")
    _requests(console, result)
    _answers(console, result)
    _processes(console, result)
    _broke(console, result)
    for note in result.notes:
        console.print(note, style="dim", markup=False)


def _requests(console: Console, result: Result) -> None:
    table = _table("sent", "answered", "failed", "logged", "dropped")
    table.add_row(*map(str, (result.sent, result.answered, sum(result.failed.values()), result.logged, result.dropped)))
    console.print(table, "")
    for what, count in result.failed.items():
        console.print(f"  failed: {what}, {count} times", markup=False)
    latencies = _table("added latency, ms", "p50", "p99", "through a proxy", "directly", "answers")
    for name, one in (("whole answers", result.whole), ("first byte of streams", result.first)):
        latencies.add_row(
            name, _ms(one.p50), _ms(one.p99), _pair(one, "through"), _pair(one, "direct"), f"{one.answers}"
        )
    console.print(latencies)
    if result.generator_late_p99 is not None:
        console.print(
            "  without what the upstream took; in both columns lies the load generator's own delay, "
            f"p99 {result.generator_late_p99:.1f} ms\n"
        )


def _answers(console: Console, result: Result) -> None:
    table = _table("scored", "sampled out", "other results", "share", "waiting", "lag, s", "embedding, s per answer")
    others = {name: count for name, count in result.scored.items() if name not in ("scored", "sampled_out")}
    each = result.embedding_seconds_per_answer
    table.add_row(
        f"{result.scored.get('scored', 0)}",
        f"{result.scored.get('sampled_out', 0)}",
        ", ".join(f"{name} {count}" for name, count in others.items()) or "0",
        f"{result.share:.2f}",
        f"{result.waiting}",
        f"{result.lag_seconds:.1f} (most {result.largest_lag_seconds:.1f})",
        "-" if each is None else f"{each:.4f}",
    )
    console.print(table, "")
    kept, logged = result.stored, result.logged
    if kept and logged:
        stored = _table("stored", "bytes per answer", "GB a day at this rate")
        for name, size in (("log", kept.log_bytes), ("history", kept.history_bytes), ("vectors", kept.vector_bytes)):
            if size is not None:
                stored.add_row(name, f"{size / logged:,.0f}", f"{size / logged * result.rate * DAY / 1e9:,.2f}")
        console.print(stored, "")
        if kept.rows is not None and kept.wal_bytes is not None:
            rows = f"{kept.rows} rows written, {kept.rows / logged:.1f} per answer"
            console.print(f"  {rows}; {kept.wal_bytes / logged:,.0f} bytes of write-ahead log per answer\n")


def _processes(console: Console, result: Result) -> None:
    if not result.processes:
        return
    table = _table("", "processes", "CPU, s", "cores", "memory, MB", "answers/s that one core carries")
    for name, kind in result.processes.items():
        carried = "-"
        if name == "proxy" and kind.cpu_seconds:
            carried = f"{result.answered / kind.cpu_seconds:,.0f}"
        elif name == "worker" and kind.cpu_seconds:
            carried = f"{result.scored.get('scored', 0) / kind.cpu_seconds:,.1f} scored"
        elif name == "postgres" and kind.cpu_seconds:
            carried = f"{result.logged / kind.cpu_seconds:,.0f}"
        cells = (f"{kind.processes}", f"{kind.cpu_seconds:.1f}", f"{kind.cores:.2f}", f"{kind.memory_bytes / 1e6:.0f}")
        table.add_row(_KINDS.get(name, name), *cells, carried)
    console.print(table, "")


def _broke(console: Console, result: Result) -> None:
    if not result.troubles:
        done = "forwarded, logged and scored in time" if result.scored.get("scored") else "forwarded and logged"
        console.print(f"[bold]What broke first:[/] nothing; every answer was {done}.\n")
        return
    first, *rest = result.troubles
    console.print(f"[bold]What broke first:[/] after {first.seconds:.0f} s {_plain(first.message)}.")
    for one in rest:
        console.print(f"  then, after {one.seconds:.0f} s, {_plain(one.message)}")
    console.print()


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for name in columns:
        table.add_column(name, justify="left" if name in columns[:1] else "right")
    return table


def _pair(one: Added, side: str) -> str:
    p50, p99 = (getattr(one, f"{side}_{q}") for q in ("p50", "p99"))
    return "-" if p50 is None else f"{p50:.2f} / {p99:.2f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
