"""A Qdrant server that is away, slow, busy or locked: what passes is waited for, the rest is said in one line."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import trustme

from drift.samples import Sample
from proxy.checks import qdrant as doctor
from proxy.config import load
from proxy.section import ConfigError
from proxy.settings import Embedder, Qdrant, Settings
from proxy.stores import qdrant_calls
from proxy.stores.vectors import WINDOW, Vectors, VectorStoreError
from proxy.waiting import Waiting
from tests.conftest import free_port
from tests.qdrant_server import QdrantServer
from tests.scripted import Upstream, replay

NOWHERE = Path("/nowhere")
KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def server() -> Iterator[QdrantServer]:
    with QdrantServer() as server:
        yield server


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which pass at once."""
    pauses: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(qdrant_calls, "time", clock)
    return pauses


def rings(count: int = 300) -> dict[str, list[tuple[int, Sample]]]:
    ones = np.ones(8, np.float32)
    return {"m": [(i, Sample(exchange_id=f"x-{i}", at=1.0, prompt=ones, response=ones)) for i in range(count)]}


def test_what_passes_loses_nothing(server: QdrantServer, slept: list[float]):
    with closing(Vectors(Qdrant(url=server.url), NOWHERE, 8)) as vectors:
        server.fault(2, status=503)
        server.fault(1, reset=True)
        server.fault(1, status=429)
        vectors.put_windows(rings())
        assert len(vectors.get(WINDOW, "m", range(300))) == 300
        # Each pause is about twice as long as the one before it.
        assert [0.1 * 2**i <= pause <= 0.2 * 2**i for i, pause in enumerate(slept)] == [True] * 4
    assert not server.refused


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_to_come_again_is_asked_then(server: QdrantServer, slept: list[float], status: int):
    with closing(Vectors(Qdrant(url=server.url), NOWHERE, 8)) as vectors:
        server.fault(1, status=status, retry_after=7)
        vectors.put_windows(rings())
        assert slept == [7.0]
        server.fault(1, status=status, retry_after=3_600)
        with pytest.raises(VectorStoreError, match=f"status {status}") as found:
            vectors.put_windows(rings())
        assert (slept, found.value.after) == ([7.0], 3_600.0)


def test_a_server_that_stays_away_is_given_up_after_a_while(server: QdrantServer, slept: list[float]):
    """And the next call tries it again."""
    with closing(Vectors(Qdrant(url=server.url), NOWHERE, 8)) as vectors:
        server.stop()
        with pytest.raises(VectorStoreError, match=r"cannot be reached .*: start it, or correct qdrant\.url"):
            vectors.put_windows(rings())
        assert 3.0 < sum(slept) < qdrant_calls.PATIENCE_SECONDS
        server.start()
        vectors.put_windows(rings())


def test_a_moment_away_is_no_missing_vector(server: QdrantServer, slept: list[float]):
    """A missing one, a KeyError, would make a baseline unusable and empty a window."""
    with closing(Vectors(Qdrant(url=server.url), NOWHERE, 8)) as vectors:
        vectors.put_windows(rings())
        for fault in ({"status": 500}, {"reset": True}, {"status": 404, "message": "Not found: Collection `window`"}):
            server.fault(**fault)  # type: ignore[arg-type]
            with pytest.raises(VectorStoreError):
                vectors.get(WINDOW, "m", range(300))
            server.well()
        assert len(vectors.get(WINDOW, "m", range(300))) == 300


def test_a_server_that_does_not_answer_in_time_is_said_to_be_slow(server: QdrantServer):
    with closing(Vectors(Qdrant(url=server.url, timeout_seconds=1.0), NOWHERE, 8)) as vectors:
        server.fault(hang=True)
        threading.Timer(1.5, server.well).start()
        vectors.put_windows(rings(1))
        server.fault(hang=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(qdrant_calls, "PATIENCE_SECONDS", 0.0)
            with pytest.raises(VectorStoreError, match=r"did not answer within 1 s \(qdrant\.timeout_seconds\)"):
                vectors.put_windows(rings(1))
        server.well()


def test_a_key_opens_the_server_and_is_never_shown(monkeypatch: pytest.MonkeyPatch):
    with QdrantServer(api_key=KEY, read_only_key="read-" + KEY) as server:
        wanted = Qdrant(url=server.url)
        for key, why in {
            "": "asks for a key: export QDRANT_API_KEY=KEY",
            "wrong-" + KEY: "refuses the key in QDRANT_API_KEY",
            "read-" + KEY: "does not let the key in QDRANT_API_KEY do this",
            KEY + "\nmore": "printable ASCII characters without a space",
            KEY + "é": "printable ASCII characters without a space",
        }.items():
            monkeypatch.setenv("QDRANT_API_KEY", key)
            with pytest.raises(VectorStoreError, match=why) as found:
                Vectors(wanted, NOWHERE, 8)
            assert KEY not in str(found.value)
            assert not found.value.passing
        # As a file that a key was read from has it.
        monkeypatch.setenv("QDRANT_API_KEY", KEY + "\n")
        Vectors(wanted, NOWHERE, 8).close()


def test_tls_is_checked_against_ones_own_authority(tmp_path: Path):
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stranger.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    (tmp_path / "none.pem").write_text("no certificate")
    with QdrantServer(certificate=authority.issue_cert("127.0.0.1")) as server:
        Vectors(Qdrant(url=server.url, ca_file=str(tmp_path / "ca.pem")), NOWHERE, 8).close()
        for file, why in {
            "": r"is not trusted .*: name its authority's certificate in qdrant\.ca_file",
            str(tmp_path / "other.pem"): "is not trusted",
            str(tmp_path / "none.pem"): r"qdrant\.ca_file = .*: cannot be used: no certificate in PEM form",
            str(tmp_path / "gone.pem"): r"qdrant\.ca_file = .*: cannot be used: No such file",
        }.items():
            with pytest.raises(VectorStoreError, match=why):
                Vectors(Qdrant(url=server.url, ca_file=file), NOWHERE, 8)
        with pytest.raises(VectorStoreError, match=r"hung up .*; if it speaks TLS, write https://"):
            Vectors(Qdrant(url=server.url.replace("https", "http")), NOWHERE, 8)
    with (
        QdrantServer(certificate=authority.issue_cert("elsewhere.example")) as server,
        pytest.raises(VectorStoreError, match=r"is not trusted .*127\.0\.0\.1"),
    ):
        Vectors(Qdrant(url=server.url, ca_file=str(tmp_path / "ca.pem")), NOWHERE, 8)


def test_a_wrong_address_says_what_is_wrong_with_it(server: QdrantServer):
    with Upstream(replay({})) as other:
        for url, why in {
            server.url.replace("http", "https"): "does not speak TLS: write http://",
            f"http://127.0.0.1:{free_port()}": r"cannot be reached .*: start it, or correct qdrant\.url",
            f"{server.url}/elsewhere": r"status 404",
            other.url: r"is no Qdrant.*: correct qdrant\.url",
        }.items():
            with pytest.raises(VectorStoreError, match=why) as found:
                Vectors(Qdrant(url=url), NOWHERE, 8)
            assert "\n" not in str(found.value)


def test_a_full_disk_is_said_in_the_servers_own_words(server: QdrantServer):
    with closing(Vectors(Qdrant(url=server.url), NOWHERE, 8)) as vectors:
        server.fault(1, status=507, message="No space left on device")
        with pytest.raises(VectorStoreError, match=r"status 507: No space left on device"):
            vectors.put_windows(rings(1))


def test_the_worker_says_once_what_is_wrong_and_goes_on_by_itself(server: QdrantServer):
    told: list[str] = []
    waiting = Waiting(Qdrant(url=server.url), told.append, threading.Event())
    tries: list[int] = []

    def work() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise VectorStoreError("away")
        return "done"

    assert (waiting.until_done(work), told) == ("done", ["away"])


def test_the_worker_that_waits_ends_when_it_is_told_to(server: QdrantServer):
    stop = threading.Event()

    def away() -> None:
        stop.set()
        raise VectorStoreError("away", after=3_600.0)

    assert Waiting(Qdrant(url=server.url), lambda _: None, stop).until_done(away) is None


def test_damaged_files_of_ones_own_are_not_waited_for():
    def damaged() -> None:
        raise VectorStoreError("damaged")

    with pytest.raises(VectorStoreError, match="damaged"):
        Waiting(Qdrant(), lambda _: None, threading.Event()).until_done(damaged)


def test_a_key_in_the_address_is_refused_and_not_shown():
    for url in (f"http://me:{KEY}@127.0.0.1:6333", f"http://127.0.0.1:6333?key={KEY}"):
        with pytest.raises(ConfigError, match=r"qdrant\.url = \(not shown\): must be http\(s\)://host") as found:
            load(environ={"DRIFTIUM_QDRANT__URL": url}, flags={})
        assert KEY not in str(found.value)


def test_the_doctor_says_what_the_server_is_and_what_is_wrong_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def told(embedder: str = "", **wanted: str) -> str:
        settings = Settings(qdrant=Qdrant(**wanted), embedder=Embedder(path=embedder))  # type: ignore[arg-type]
        return "\n".join(f"{found.mark}: {found.found}" for found in doctor.server(settings))

    with QdrantServer(api_key=KEY) as server, Upstream(replay({})) as other:
        assert "error: " in told(url=server.url)
        assert "asks for a key: export QDRANT_API_KEY=KEY" in told(url=server.url)
        monkeypatch.setenv("QDRANT_API_KEY", "wrong")
        assert "refuses the key in QDRANT_API_KEY (status 401)" in told(url=server.url)
        monkeypatch.setenv("QDRANT_API_KEY", KEY)
        assert told(url=server.url).startswith(f"ok: Qdrant 1.15.0 at {server.url} answers; collections are made")
        assert "does not speak TLS" in told(url=server.url.replace("http", "https"))
        assert "is no Qdrant" in told(url=other.url)
        Vectors(Qdrant(url=server.url), NOWHERE, 8).close()
        assert "holds vectors of 8 numbers, the embedder makes 384" in told(url=server.url)
        (tmp_path / "1_Pooling").mkdir()
        (tmp_path / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 8}')
        assert "ok: " in told(str(tmp_path), url=server.url)
