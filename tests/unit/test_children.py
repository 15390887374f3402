"""A child is watched for as long as its parent runs, whatever the child or the machine does."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from proxy import children
from proxy.children import Child

LONG = 200_000
"""Bytes of a line: three times what the parent's reader holds."""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[dict[str, Any]]]:
    """Runs a program as a supervised child until it has reported a line with "last"; returns what it reported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(children, "BACKOFF_SECONDS", (0.01,))

    async def watch() -> list[dict[str, Any]]:
        reported: list[dict[str, Any]] = []
        done = asyncio.Event()

        def on_line(line: dict[str, Any]) -> None:
            reported.append(line)
            if "last" in line:
                done.set()

        watched = Child("program", ["program"], on_line)
        watched.start()
        try:
            async with asyncio.timeout(30):
                await done.wait()
        finally:
            await watched.stop(10)
        return reported

    def run(code: str) -> list[dict[str, Any]]:
        (tmp_path / "program.py").write_text(code)
        return asyncio.run(watch())

    return run


def test_a_line_too_long_to_read_is_left_out_and_the_next_one_read(child: Callable[[str], list[dict[str, Any]]]):
    code = f"""
import sys
print('{{"first": 1}}')
print("x" * {LONG})
print('{{"last": 1}}', flush=True)
sys.stdin.read()
"""
    with capture_logs() as logged:
        assert child(code) == [{"first": 1}, {"last": 1}]
    assert {entry["event"] for entry in logged} == {"the program wrote a line that is too long; it is left out"}


def test_a_child_that_the_machine_refuses_to_start_is_tried_again(
    child: Callable[[str], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
):
    """No process is to be had at first; the second attempt succeeds."""
    spawn, refusals = asyncio.create_subprocess_exec, [BlockingIOError("no more processes")]

    async def refuse_once(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        if refusals:
            raise refusals.pop()
        return await spawn(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse_once)
    with capture_logs() as logged:
        assert child("""print('{"last": 1}', flush=True); input()""") == [{"last": 1}]
    assert "the program could not be started (no more processes); it is tried again" in [
        entry["event"] for entry in logged
    ]


def test_a_child_that_ends_is_started_again(child: Callable[[str], list[dict[str, Any]]]):
    code = """
import pathlib, sys
if not pathlib.Path("been").exists():
    pathlib.Path("been").touch()
    print('{"first": 1}')
    sys.exit(7)
print('{"last": 1}', flush=True)
sys.stdin.read()
"""
    with capture_logs() as logged:
        assert child(code) == [{"first": 1}, {"last": 1}]
    assert [entry["exit_code"] for entry in logged] == [7]
