"""`driftium demo`: the whole story with real answers of a small model, in under two minutes.

Questions of one kind are asked in three stages: for the baseline, again under the same
system prompt, and under a changed one. The second must not be drift, the third must.
"""

import contextlib
import signal
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from drift.records import Severity
from proxy.demo_prompts import CHANGED_SYSTEM, SYSTEM, questions
from proxy.demo_server import DemoFailed, NoModel, Server, serving, weights
from proxy.embedded import SLOTS
from proxy.gguf import stored_path
from proxy.settings import Settings

OK, ERROR, NO_MODEL, INTERRUPTED = 0, 1, 4, 130

BASELINE = 60
WINDOW = BASELINE // 4
"""The window that a baseline of this size judges."""
STAGE = 25
"""One whole window of each kind completes in its stage, whichever answers the window between them holds."""
ANSWER_TOKENS = 48
TEMPERATURE = 0.7

_COLOUR = {"LOW": "green", "MEDIUM": "yellow", "HIGH": "red", "CRITICAL": "red bold"}

_INTRODUCTION = """\
This starts a real Driftium with a real small model behind it, and asks the model everyday
questions through the proxy: {baseline} for a baseline, {stage} more of the same kind, and {stage} after
somebody has changed the system prompt. Ctrl-C ends it at any time and leaves nothing running.
"""

_PROVISIONAL = """\
  What "provisional" means: a baseline of fewer than 100 answers is too small to work out how often its
  thresholds would raise a false alarm. Until then every window of {window} answers (a quarter of the baseline)
  is tested once, when it is complete: its answers and the baseline's are shuffled 9,999 times, and the alarm
  line is the distance that only one shuffle in a thousand exceeds. With 100 answers or more Driftium
  calibrates thresholds that hold at every single answer.
"""


class Stage(msgspec.Struct, frozen=True):
    """A stage that was told, and how the monitor stood after it: an answer of GET /drift."""

    name: str
    answers: int
    drift: dict[str, Any]


def tell(settings: Settings, data_dir: str | None, *, keep: bool) -> int:
    """Tell the story; returns 0 when it came out right, 1 when not, 4 without the model."""
    # Not wrapped: an address must stay in one piece.
    console = Console(highlight=False, soft_wrap=True)
    # A terminal that is closed, or a supervisor, ends it as cleanly as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        with _folder(data_dir) as folder:
            return _tell(console, settings, folder, keep=keep)
    except DemoFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return NO_MODEL if isinstance(error, NoModel) else ERROR
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
        return INTERRUPTED


@contextlib.contextmanager
def _folder(data_dir: str | None) -> Iterator[Path]:
    if data_dir is None:
        with tempfile.TemporaryDirectory(prefix="driftium-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    folder = Path(data_dir).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoFailed(f"--data-dir {folder}: {error.strerror}; choose another") from None
    yield folder


def _tell(console: Console, settings: Settings, folder: Path, *, keep: bool) -> int:
    began = time.monotonic()
    console.print(_INTRODUCTION.format(baseline=BASELINE, stage=STAGE))
    gguf = _weights(console, settings)
    with serving(settings, gguf, folder) as server:
        try:
            model = _start(console, server)
            stages = _stages(console, server, model)
            right = _conclude(console, server, stages, time.monotonic() - began)
        except DemoFailed:
            for line in server.last_words():
                console.print(line, style="dim", markup=False)
            raise
        if keep:
            _keep(console, server)
    console.print("\nFor real: driftium serve --upstream URL (or --embedded), and point your client at it.")
    return OK if right else ERROR


def _weights(console: Console, settings: Settings) -> Path:
    with _progress(console) as progress:
        task = progress.add_task("fetching the small model", total=100, visible=False)

        def show(fraction: float) -> None:
            if not progress.tasks[0].visible:
                kept = stored_path(settings.data_dir)
                console.print(f"The small model is downloaded once, 93 MB, to {kept}.\n", markup=False)
            progress.update(task, completed=round(100 * fraction), visible=True)

        return weights(settings, show)


def _progress(console: Console) -> Progress:
    """Gone when it is done, and never there in a file or a pipe: the lines printed after it say the same."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _start(console: Console, server: Server) -> str:
    began = time.monotonic()
    with _progress(console) as progress:
        task = progress.add_task("starting Driftium", total=None)
        model = server.wait_for_model(lambda what: progress.update(task, description=what))
    console.print(f"Driftium listens at {server.url} with {escape(model)} behind it ({_since(began)}).\n")
    return model


def _stages(console: Console, server: Server, model: str) -> list[Stage]:
    """Ask, let it be scored, and look: three times."""
    every = questions()
    before = server.scored(model)
    console.print(f'[bold]1. Baseline.[/] System prompt: "{SYSTEM}"')
    _ask(console, server, model, SYSTEM, every[:BASELINE], before)
    # The last ones: a kept data folder may hold answers of an earlier demo.
    made = server.post("/baseline", {"monitor": model, "last": BASELINE, "note": "driftium demo"})
    console.print(f"  POST /baseline: {escape(made['message'])}\n")
    stages = [Stage("baseline", BASELINE, server.get("/drift", monitor=model))]

    console.print("[bold]2. More of the same.[/] Other questions of the same kind, the same system prompt.")
    _ask(console, server, model, SYSTEM, every[BASELINE : BASELINE + STAGE], before + BASELINE)
    stages.append(_look(console, server, model, "same kind"))
    if stages[-1].drift["provisional"]:
        console.print(_PROVISIONAL.format(window=WINDOW))

    console.print(f'[bold]3. A change.[/] System prompt: "{CHANGED_SYSTEM}"')
    changed = every[BASELINE + STAGE : BASELINE + 2 * STAGE]
    _ask(console, server, model, CHANGED_SYSTEM, changed, before + BASELINE + STAGE)
    stages.append(_look(console, server, model, "changed prompt"))
    return stages


def _ask(console: Console, server: Server, model: str, system: str, asked: list[str], scored_before: int) -> None:
    """Ask through the proxy, as many at once as the model answers, and wait until the worker has scored the answers."""

    def ask(numbered: tuple[int, str]) -> None:
        number, question = numbered
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        sampling = {"max_tokens": ANSWER_TOKENS, "temperature": TEMPERATURE, "seed": number}
        server.post("/v1/chat/completions", {"model": model, "messages": messages, **sampling})

    began = time.monotonic()
    with _progress(console) as progress, ThreadPoolExecutor(SLOTS) as pool:
        task = progress.add_task("the model answers", total=len(asked))
        for _ in pool.map(ask, enumerate(asked)):
            progress.advance(task)
        answered = _since(began)
        progress.update(task, completed=0)
        server.wait_until_scored(
            model,
            scored_before + len(asked),
            lambda what, scored: progress.update(task, description=what, completed=scored - scored_before),
        )
    console.print(f"  {len(asked)} answers in {answered}, all scored after {_since(began)}.")


def _look(console: Console, server: Server, model: str, name: str) -> Stage:
    drift = server.get("/drift", monitor=model, fresh="true")
    if drift["severity"] is None:
        raise DemoFailed(f"there is no severity after stage {name!r}: {drift['message']}")
    console.print(
        f"  GET /drift: {_coloured(drift['severity'])}" + (" (provisional)" if drift["provisional"] else "") + ", "
        f"health {drift['health_index']:.0f} of 100\n  {escape(drift['message'])}"
    )
    if drift["severity"] != "LOW" and drift["verdict_message"]:
        console.print(f"  Users or model? [bold]{drift['verdict']}[/]: {escape(drift['verdict_message'])}")
    console.print()
    return Stage(name, STAGE, drift)


def _coloured(severity: str) -> str:
    return f"[{_COLOUR[severity]}]{severity}[/]"


# -- the end of the story --------------------------------------------------------------------------


def _conclude(console: Console, server: Server, stages: list[Stage], seconds: float) -> bool:
    """The table, a witness, where to look, and whether it came out as it should."""
    table = Table("stage", "answers", "MMD²", "alarm line", "ratio", "severity", "health", box=None, pad_edge=False)
    for stage in stages:
        drift = stage.drift
        scores = ["-"] * 5
        if drift["severity"]:
            numbers = [f"{drift[name]:.4f}" for name in ("mmd_score", "threshold")] + [f"{drift['ratio']:.2f}"]
            scores = [*numbers, _coloured(drift["severity"]), f"{drift['health_index']:.0f}"]
        table.add_row(stage.name, str(stage.answers), *scores)
    console.print(table)
    console.print(f"  of the last whole window, {WINDOW} answers; ratio = MMD² / alarm line, and drift from 1 on\n")
    _show_witness(console, server)
    console.print("Where to look:")
    for path in ("/drift", "/samples?order=witness", "/metrics", "/drift/history"):
        console.print(f"  {server.url}{path}")
    _, same, changed = stages
    right = bool(same.drift["severity"] == Severity.LOW)
    if not right:
        console.print("\n[red]Not as it should be:[/] answers of the same kind were called drift. By chance alone that")
        console.print("happens to one window in a thousand. Run it again.")
    if Severity(changed.drift["severity"]).rank < Severity.MEDIUM.rank:
        right = False
        console.print("\n[red]Not as it should be:[/] the changed system prompt was not found to be drift.")
    if right:
        console.print("\nIt came out right: the same kind is no drift, the changed prompt is.", end=" ")
    console.print(f"The story took {seconds:.0f} s.")
    return right


def _show_witness(console: Console, server: Server) -> None:
    """Of the answers that carry most of the drift the one whose question is nearest to one of the baseline."""
    pairs = server.get("/samples", order="witness")["pairs"][:5]
    if not pairs:
        return
    pair = max(pairs, key=lambda pair: pair["prompt_similarity"])
    console.print("A witness, one of the answers that carry the drift, and its nearest question of the baseline:")
    rows = (("baseline", "baseline_prompt"), ("", "baseline"), ("now", "prompt"), ("", "current"))
    for label, field in rows:
        text = textwrap.shorten(pair[field], 150, placeholder=" ...")
        console.print(f"  {label:<9} {text}" if label else f"  {'':<9} > {text}", markup=False)
    console.print()


def _keep(console: Console, server: Server) -> None:
    console.print(f"\n{server.url} keeps serving until Ctrl-C.")
    with contextlib.suppress(KeyboardInterrupt):
        server.process.wait()


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"
