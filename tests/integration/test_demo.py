"""The demo, from the installed wheel, tells its story with real answers, and leaves nothing behind however it ends."""

import re
import signal
from pathlib import Path

import pytest

from drift.embedder import find_weights
from drift.errors import EmbedderUnavailable
from proxy.demo import STAGE
from tests.conftest import wait_until
from tests.integration.conftest import Start

pytest.importorskip("xllamacpp", reason="needs driftium[embedded]")


def left_running(folder: Path) -> list[str]:
    """Command lines of processes that were given this folder or one in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        found += [" ".join(words)] if any(str(folder) in word for word in words) else []
    return found


def test_the_same_kind_is_no_drift_and_a_changed_prompt_is(command: Start, gguf: Path, tmp_path: Path):
    """The whole story: exit code 0, LOW and then worse, a witness, and neither a process nor a file left."""
    try:
        find_weights()
    except EmbedderUnavailable as error:
        pytest.skip(str(error))
    # The machine that runs the tests may have other work; the demo itself says how long it took.
    printed, complaints = (started := command("demo", DRIFTIUM_EMBEDDED__GGUF=str(gguf))).communicate(timeout=900)
    assert (started.returncode, complaints) == (0, ""), printed + complaints
    assert re.search(rf"^same kind +{STAGE} +\S+ +\S+ +0\.\d\d +LOW ", printed, re.MULTILINE), printed
    worse = rf"^changed prompt +{STAGE} +\S+ +\S+ +\d+\.\d\d +(MEDIUM|HIGH|CRITICAL) "
    assert re.search(worse, printed, re.MULTILINE), printed
    assert "It came out right" in printed
    assert re.search(r"^  baseline +\S.*\n +> \S.*\n  now +\S.*\n +> \S", printed, re.MULTILINE), printed
    for path in ("/drift", "/samples?order=witness", "/metrics", "/drift/history"):
        assert re.search(rf"^  http://127.0.0.1:\d+{re.escape(path)}$", printed, re.MULTILINE)
    # No bar is drawn where there is no terminal.
    assert "\r" not in printed
    assert "\x1b" not in printed
    assert left_running(tmp_path) == []
    assert [*(tmp_path / "tmp").iterdir()] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_stopped_at_any_time(command: Start, gguf: Path, tmp_path: Path, number: signal.Signals):
    """In the middle of the first answers, while the worker still loads."""
    started = command("demo", DRIFTIUM_EMBEDDED__GGUF=str(gguf))
    assert started.stdout
    assert any(line.startswith("1. Baseline.") for line in started.stdout)
    assert left_running(tmp_path)
    started.send_signal(number)
    assert started.wait(180) == 130
    wait_until(lambda: left_running(tmp_path) == [], seconds=10, what="every process has ended")
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_without_its_model_it_says_why(command: Start, tmp_path: Path):
    """Exit code 4, the reason, and the last lines of the logs, which go with the folder."""
    started = command("demo", DRIFTIUM_EMBEDDED__GGUF=str(tmp_path / "none.gguf"))
    printed, complaints = started.communicate(timeout=120)
    assert started.returncode == 4, printed + complaints
    assert f"error: there is no file {tmp_path / 'none.gguf'}" in complaints
    assert "demo.log: " in printed
    assert left_running(tmp_path) == []
