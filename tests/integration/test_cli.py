"""The command line: exit codes that a job can trust, and errors in one line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from drift.records import Report, Severity
from proxy.settings import History as HistorySettings
from proxy.stores.history import BaselineRow, MonitorRow, SampleRow, Text, open_history
from proxy.stores.ledger import Changes, Ledger
from proxy.stores.log import open_log
from tests.conftest import Driftium, free_port

ROOT = str(Path(__file__).parents[2])


def driftium_cli(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": ROOT} | (env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def scored_history(folder: Path, severity: Severity | None) -> None:
    """A data folder whose only monitor was last reported with this severity."""
    open_log(folder).close()
    history = open_history(folder)
    monitor = MonitorRow(
        name="m",
        created_at=1.8e9,
        last_scored_at=1.8e9,
        model="m",
        response_model="m",
        received=200,
        observed=80,
        baseline_id="b",
        counts={"scored": 200},
    )
    baseline = BaselineRow(id="b", monitor="m", created_at=1.8e9, size=120, encoder="e", note="first", calibration=None)
    report = Report(
        monitor="m",
        at=1.8e9,
        baseline_id="b",
        encoder="e",
        baseline_samples=120,
        observed=80,
        window_samples=30,
        detectors=(),
        mmd2=0.1,
        centroid_distance=0.2,
        centroid_mmd2=0.1,
        threshold=0.05,
        ratio=2.0,
        health_index=20.0,
        severity=severity,
        provisional=False,
        run_length=None,
        calibration_progress=1.0,
        missing=0 if severity else 5,
        missing_from="" if severity else "window",
        message="5 more answers until the first score." if severity is None else "The answers have drifted.",
    )
    sample = SampleRow(number=0, exchange_id="x", at=1.8e9, text=Text(response="hello"))
    changes = Changes(monitors=[monitor], baseline=baseline, baseline_samples=[sample], reports=[report])
    Ledger(history, HistorySettings(), ring=10).commit(changes)
    history.close()


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [
        (Severity.HIGH, None, 0),
        (Severity.HIGH, "HIGH", 3),
        (Severity.CRITICAL, "high", 3),
        (Severity.MEDIUM, "HIGH", 0),
        (Severity.LOW, "MEDIUM", 0),
        (None, "HIGH", 1),
    ],
)
def test_drift_turns_into_an_exit_code_only_where_it_is_asked_for(
    tmp_path: Path, severity: Severity | None, fail_on: str | None, code: int
):
    """3 from the severity named on; a job that cannot know fails too, with 1."""
    scored_history(tmp_path, severity)
    flags = ["--fail-on", fail_on] if fail_on else []
    told = driftium_cli("drift", "--data-dir", str(tmp_path), *flags, cwd=tmp_path)
    assert told.returncode == code, told.stderr
    if severity:
        assert f"m: {severity}" in told.stdout


def test_drift_and_baselines_are_printed_as_json_too(tmp_path: Path):
    scored_history(tmp_path, Severity.HIGH)
    view = json.loads(driftium_cli("drift", "--json", "--data-dir", str(tmp_path), cwd=tmp_path).stdout)
    assert (view["severity"], view["baseline_size"]) == ("HIGH", 120)
    rows = json.loads(driftium_cli("baseline", "list", "--json", "--data-dir", str(tmp_path), cwd=tmp_path).stdout)
    assert (rows[0]["id"], rows[0]["active"], rows[0]["note"]) == ("b", True, "first")
    table = driftium_cli("baseline", "--help", cwd=tmp_path)
    assert table.returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["drift", "--data-dir", "nothing"], 1, "start `driftium serve` first"),
        (["drift", "--url", "http://127.0.0.1:9"], 1, "No Driftium answers at"),
        (["drift", "--fail-on", "SOME"], 2, "SOME"),
        (["drift", "--url", "a b"], 1, "No Driftium answers at a b"),
        (["drift", "--url", "http://[::1"], 1, "error: 'http://[::1' is no address"),
        (["baseline", "set", "--last", "1"], 2, "1"),
        (["baseline", "set", "--url", "http://127.0.0.1:9"], 1, "No Driftium answers at"),
        (["serve", "--port", "99999"], 2, "--port: server.port = 99999: expected int <= 65535"),
        (["serve", "--prot", "1"], 2, "--prot"),
        (["serve", "--config", "none.toml"], 2, "none.toml: cannot be read"),
        (["serve", "--upstream", "localhost"], 2, "upstream.url = 'localhost': must be http(s)"),
        (["serve", "--upstream", "http://[::1"], 2, "upstream.url = 'http://[::1': must be a URL"),
        (["fly"], 2, "fly"),
    ],
)
def test_what_cannot_be_done_is_said_with_an_exit_code(tmp_path: Path, words: list[str], code: int, says: str):
    told = driftium_cli(*words, cwd=tmp_path)
    assert told.returncode == code, told.stderr
    assert says in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("words", "file"),
    [(["drift"], "drift_history.db"), (["drift"], "exchanges.db"), (["baseline", "list"], "drift_history.db")],
)
def test_a_corrupt_database_ends_the_command_with_one_line(tmp_path: Path, words: list[str], file: str):
    """What SQLite says of it, and where to look next."""
    scored_history(tmp_path, Severity.LOW)
    (tmp_path / file).write_bytes(b"no database at all " * 100)
    told = driftium_cli(*words, "--data-dir", str(tmp_path), cwd=tmp_path)
    assert told.returncode == 1
    assert told.stderr.startswith(f"error: the data folder {tmp_path} cannot be ")
    assert told.stderr.endswith("file is not a database; run driftium doctor\n")
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["baseline", "list"], ["drift"]])
def test_a_folder_that_cannot_be_made_ends_the_command_with_one_line(tmp_path: Path, words: list[str]):
    """Also where its name holds brackets, which the terminal's markup knows too."""
    (tmp_path / "[red]").touch()
    told = driftium_cli(*words, "--data-dir", str(tmp_path / "[red]" / "data"), cwd=tmp_path)
    assert told.returncode == 1
    assert told.stderr.startswith("error: ")
    assert str(tmp_path / "[red]" / "data") in told.stderr
    assert told.stderr.count("\n") == 1


def test_a_port_in_use_ends_the_start_with_what_to_do(driftium: Callable[..., Driftium], tmp_path: Path):
    running = driftium(f"http://127.0.0.1:{free_port()}", "--no-worker")
    port = running.url.rpartition(":")[2]
    told = driftium_cli("serve", "--port", port, "--data-dir", str(tmp_path / "second"), cwd=tmp_path)
    assert told.returncode == 1
    assert f"127.0.0.1:{port} is in use. Choose another with --host and --port." in told.stderr


def test_a_config_file_in_the_folder_is_read_and_a_wrong_key_named(tmp_path: Path):
    (tmp_path / "config.toml").write_text("[server]\nprot = 1\n")
    told = driftium_cli("serve", cwd=tmp_path)
    assert told.returncode == 2
    assert told.stderr.strip() == "error: config.toml: server.prot = 1: no such setting; config.toml lists them all"


def test_version_and_help_read_well(tmp_path: Path):
    assert driftium_cli("version", cwd=tmp_path).stdout.startswith("driftium 0.")
    text = driftium_cli("--help", cwd=tmp_path).stdout
    for command in ("serve", "worker", "demo", "doctor", "drift", "baseline", "version"):
        assert command in text
    assert "3 drift found" in text
