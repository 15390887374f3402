"""The doctor names what is wrong and how to mend it, and its exit code says whether the upstream is all that is."""

import json
import os
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drift.embedder import find_weights
from drift.errors import EmbedderUnavailable
from tests.conftest import Driftium, free_port
from tests.integration.test_cli import driftium_cli
from tests.scripted import Request, Script, Upstream, answer, replay

Start = Callable[[Script], Upstream]


@pytest.fixture
def examine(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs `driftium doctor` on an empty data folder; returns its exit code and what it printed."""

    def run(*flags: str, data_dir: Path = tmp_path / "data", **env: str) -> tuple[int, str]:
        words = ["doctor", "--port", str(free_port()), "--data-dir", str(data_dir), *flags]
        done = driftium_cli(*words, cwd=tmp_path, env=env)
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    return run


@pytest.fixture(scope="module", autouse=True)
def weights() -> None:
    try:
        find_weights()
    except EmbedderUnavailable as error:
        pytest.skip(str(error))


def line(printed: str, part: str) -> tuple[str, str]:
    """The mark of a part, and what was found of it together with how to mend it."""
    lines = printed.splitlines()
    at = next(i for i, text in enumerate(lines) if text[9:24].strip() == part)
    mend = lines[at + 1].strip() if lines[at + 1].startswith(" " * 24) else ""
    return lines[at][:9].strip(), f"{lines[at][24:]} | {mend}"


def test_with_an_upstream_everything_is_ok(examine, upstream: Start, tmp_path: Path):
    """Every part has its line, and looking has changed nothing."""
    code, printed = examine("--upstream", upstream(replay({})).url)
    assert code == 0, printed
    for part in ("upstream", "embedder", "port", "data folder", "vector store", "clock"):
        assert line(printed, part)[0] == "ok", printed
    assert "has replay" in printed
    assert printed.endswith("Driftium can start.\n")
    assert not (tmp_path / "data").exists()


def test_without_an_upstream_the_exit_code_is_4(examine):
    code, printed = examine("--upstream", f"http://127.0.0.1:{free_port()}")
    assert code == 4
    mark, found = line(printed, "upstream")
    assert (mark, "no model server answers at" in found) == ("error", True)
    assert "start Ollama (ollama serve)" in found


def test_another_error_beside_the_missing_upstream_makes_it_1(examine, tmp_path: Path):
    code, printed = examine("--upstream", f"http://127.0.0.1:{free_port()}", DRIFTIUM_EMBEDDER__PATH=str(tmp_path))
    assert code == 1
    mark, found = line(printed, "embedder")
    assert (mark, "no model.safetensors" in found) == ("error", True)


def test_a_default_model_that_the_upstream_lacks_is_a_warning(examine, upstream: Start):
    code, printed = examine("--upstream", upstream(replay({})).url, DRIFTIUM_UPSTREAM__DEFAULT_MODEL="other")
    assert code == 0
    mark, found = line(printed, "upstream")
    assert mark == "warning"
    assert "it has replay | set upstream.default_model to one that it has" in found


def test_ollama_is_asked_for_its_models_and_pulls_what_is_missing(examine, upstream: Start):
    """A name without a tag is the latest one, as in Ollama."""

    async def ollama(request: Request) -> AsyncIterator[bytes]:
        path = request.target
        told = {
            "/api/version": {"version": "0.12.0"},
            "/api/tags": {"models": [{"model": "smollm2:latest"}]},
            "/v1/models": {"data": []},
        }
        yield answer(json.dumps(told[path]).encode())

    url = upstream(ollama).url
    _, printed = examine("--upstream", url, DRIFTIUM_UPSTREAM__DEFAULT_MODEL="smollm2")
    assert line(printed, "upstream")[0] == "ok", printed
    _, printed = examine("--upstream", url, DRIFTIUM_UPSTREAM__DEFAULT_MODEL="qwen3")
    assert line(printed, "upstream")[1].endswith("| ollama pull qwen3")


def test_damaged_weights_are_found_without_loading_them(examine, upstream: Start, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"cut short")
    code, printed = examine("--upstream", upstream(replay({})).url, DRIFTIUM_EMBEDDER__PATH=str(folder))
    assert code == 1
    assert "cannot be read" in line(printed, "embedder")[1]


def test_a_port_in_use_comes_with_a_free_one(examine, upstream: Start):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        # It takes connections and never says a word.
        code, printed = examine("--upstream", upstream(replay({})).url, "--port", str(taken))
    assert code == 1
    mark, found = line(printed, "port")
    assert (mark, "is in use by another program | driftium serve --port " in found) == ("error", True)


def test_a_driftium_that_serves_already_is_no_error(examine, driftium: Callable[..., Driftium], upstream: Start):
    """Its databases can be read while it serves."""
    url = upstream(replay({})).url
    running = driftium(url, "--no-worker")
    port = running.url.rpartition(":")[2]
    code, printed = examine("--upstream", url, "--port", port, data_dir=running.data_dir)
    assert code == 0, printed
    assert line(printed, "port")[1].startswith("a Driftium ")
    assert printed.count("is sound") == 2


def test_a_data_folder_that_others_can_read_is_a_warning(examine, upstream: Start, tmp_path: Path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    code, printed = examine("--upstream", upstream(replay({})).url, data_dir=folder)
    mark, found = line(printed, "data folder")
    assert (code, mark) == (0, "warning")
    assert found.endswith(f"| chmod 700 {folder}")


def test_a_data_folder_that_is_a_file_is_an_error(examine, upstream: Start, tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    code, printed = examine("--upstream", upstream(replay({})).url, data_dir=file / "data")
    assert code == 1
    mark, found = line(printed, "data folder")
    assert (mark, found.endswith("choose another with --data-dir or data.dir")) == ("error", True)


def test_a_damaged_database_is_found(examine, upstream: Start, tmp_path: Path):
    """Both one that is no database at all and one with pages overwritten."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "exchanges.db").write_bytes(b"not a database" * 100)
    with sqlite3.connect(folder / "drift_history.db") as db:
        db.execute("CREATE TABLE t (x)")
        db.executemany("INSERT INTO t VALUES (?)", [(os.urandom(500),) for _ in range(100)])
    db.close()
    with (folder / "drift_history.db").open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192)
    code, printed = examine("--upstream", upstream(replay({})).url)
    assert code == 1
    assert printed.count("is damaged") == 2, printed


def test_a_qdrant_that_does_not_answer_is_an_error(examine, upstream: Start):
    where = f"http://127.0.0.1:{free_port()}"
    code, printed = examine("--upstream", upstream(replay({})).url, DRIFTIUM_QDRANT__URL=where)
    assert code == 1
    assert "start it, or correct qdrant.url" in line(printed, "vector store")[1]


def test_what_embedded_needs_is_looked_for(examine, tmp_path: Path):
    """With the embedded model no other upstream is asked for."""
    pytest.importorskip("xllamacpp", reason="needs driftium[embedded]")
    code, printed = examine("--embedded", DRIFTIUM_EMBEDDED__GGUF=str(tmp_path / "none.gguf"))
    assert code == 1
    assert line(printed, "embedded model")[0] == "error"
    assert "upstream" not in printed
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    code, printed = examine("--embedded", DRIFTIUM_EMBEDDED__GGUF=str(tmp_path / "some.gguf"))
    assert code == 0, printed
