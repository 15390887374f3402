"""A server that misbehaves costs time and never a vector: each text gets its own, or the batch waits."""

import base64
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from drift.errors import EmbedderUnavailable, EncoderChanged
from proxy.checks.models import embedder as checked
from proxy.embedding_server import BLANK, PROBE, EmbeddingServer
from proxy.settings import Embedder, Settings
from tests.conftest import free_port
from tests.scripted import RESET, Upstream
from tests.unit.embedded_texts import REFUSED, Served, agree, embeddings, good, sent


@pytest.fixture
def served(upstream: Callable[..., Upstream], monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr("proxy.embedding_requests.FIRST_WAIT_SECONDS", 0.01)
    return Served(upstream)


TEXTS = [f"text {i} " * (i + 1) for i in range(10)]


def test_vectors_have_unit_norm_and_the_order_of_the_texts(served: Served):
    """Whatever the order of the answer is, and in however many requests they went."""

    def backwards(texts: list[str], number: int) -> bytes:
        body = embeddings(texts)
        return sent(body | {"data": body["data"][::-1]})

    agree(served(backwards, request_texts=4).embed(TEXTS), TEXTS)
    assert [len(texts) for texts in sorted(served.asked, key=len)] == [2, 4, 4, 4]


def test_vectors_may_come_as_base64(served: Served):
    def packed(texts: list[str], number: int) -> bytes:
        body = embeddings(texts)
        for row in body["data"]:
            row["embedding"] = base64.b64encode(np.array(row["embedding"], "<f4").tobytes()).decode()
        return sent(body)

    agree(served(packed).embed(TEXTS), TEXTS)


def test_a_text_that_comes_often_is_sent_once(served: Served):
    often = ["same", "other", "same", "same"]
    agree(served(good).embed(often), often)
    assert sorted(served.asked[0]) == sorted([PROBE, "same", "other"])


def test_too_many_texts_are_sent_in_parts_from_then_on(served: Served):
    server = served(lambda texts, n: good(texts) if len(texts) <= 4 else REFUSED, concurrency=1)
    agree(server.embed(TEXTS), TEXTS)
    served.asked.clear()
    agree(server.embed(TEXTS), TEXTS)
    assert max(map(len, served.asked)) <= 4


def test_a_server_that_takes_one_text_at_a_time_gets_one(served: Served):
    server = served(lambda texts, n: good(texts) if len(texts) == 1 else REFUSED, request_texts=4)
    agree(server.embed(TEXTS), TEXTS)
    agree(served(lambda texts, n: good(texts) if len(texts) == 1 else REFUSED, request_texts=1).embed(TEXTS), TEXTS)


def test_a_text_that_is_too_long_is_embedded_as_its_beginning(served: Served):
    """So much of it as the server takes, and the others whole."""
    long = "word " * 100
    server = served(lambda texts, n: good(texts) if max(map(len, texts)) <= 150 else REFUSED)
    agree(server.embed([*TEXTS, long]), [*TEXTS, long[:125]])


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable", "500 Internal Server Error"])
def test_a_text_that_no_length_helps_counts_as_an_empty_one(served: Served, status: str):
    """It does not stop the others for ever."""
    bad = sent({"error": "\ufffd"}, status)
    server = served(lambda texts, n: bad if any("\x00" in text for text in texts) else good(texts))
    agree(server.embed([*TEXTS, "\x00" * 40]), [*TEXTS, BLANK])


def test_what_is_over_soon_is_tried_again(served: Served):
    faults = {1: RESET, 2: sent({}, "503 Service Unavailable")}
    agree(served(lambda texts, n: faults.get(n) or good(texts)).embed(TEXTS), TEXTS)
    busy = {1: sent({}, "429 Too Many Requests", "retry-after: 0.1")}
    agree(served(lambda texts, n: busy.get(n) or good(texts)).embed(TEXTS), TEXTS)


def test_a_server_that_says_when_to_come_back_is_not_asked_before(served: Served):
    server = served(lambda texts, n: sent({}, "429 Too Many Requests", "retry-after: 60"))
    for _ in range(3):
        with pytest.raises(EmbedderUnavailable, match="429"):
            server.embed(["a"])
    assert len(served.asked) == 1


def test_a_server_that_is_gone_is_said_to_be():
    server = EmbeddingServer(Embedder(url=f"http://127.0.0.1:{free_port()}", model="m"))
    with pytest.raises(EmbedderUnavailable, match=r"at http://127\.0\.0\.1:\d+ does not answer"):
        server.embed(["a"])


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("401 Unauthorized", "401"),
        ("404 Not Found", "the model `m` does not exist"),
        ("400 Bad Request", "embeds nothing"),
    ],
)
def test_a_refusal_that_is_not_about_the_texts_is_said_as_it_is(served: Served, status: str, says: str):
    """None of the texts counts as an empty one."""
    server = served(lambda texts, n: sent({"message": "the model `m` does not exist"}, status))
    with pytest.raises(EmbedderUnavailable, match=says):
        server.embed(TEXTS)


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": [{"index": 1, "embedding": [1.0, 2.0]}]},
        {"data": [{"index": 0, "embedding": [0.0, 0.0]}]},
        {"data": [{"index": 0, "embedding": [None, 1.0]}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": "not base64!"}]},
        {"data": [{"index": 0, "embedding": [[1.0], [2.0]]}]},
        {"data": [{"index": 0, "embedding": [1e200, 1e400]}]},
        "<html>Welcome</html>",
    ],
)
def test_an_answer_without_usable_vectors_is_no_answer(served: Served, body: Any):
    with pytest.raises(EmbedderUnavailable, match="embeds nothing"):
        served(lambda texts, n: sent(body)).embed(["a"])


def test_other_vectors_of_the_same_text_are_noticed_in_the_request_they_come_with(served: Served):
    def changed(texts: list[str], number: int) -> bytes:
        return good(texts) if number == 1 else good([text + "!" for text in texts])

    server = served(changed)
    server.known = server.embed([PROBE])
    with pytest.raises(EncoderChanged, match="another model under the name m"):
        server.embed(["a"])


def test_as_many_requests_as_are_allowed_are_in_flight(served: Served):
    """Neither of two is answered before both have come."""
    both = threading.Barrier(2, timeout=20)
    server = served(good, request_texts=3, concurrency=2)

    def together(request: Any) -> None:
        both.wait()

    server._requests._client.event_hooks = {"request": [together]}
    agree(server.embed(TEXTS[:4]), TEXTS[:4])


def test_the_key_goes_to_the_server_and_nowhere_else(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("EMBEDDING_KEY", "sk-very-secret")
    server = served(
        lambda texts, n: sent({"error": "no key sk-very-secret"}, "401 Unauthorized"), api_key_env="EMBEDDING_KEY"
    )
    with pytest.raises(EmbedderUnavailable) as refused:
        server.embed(["a"])
    assert served.server.requests[0].header("authorization") == "Bearer sk-very-secret"
    assert "secret" not in str(refused.value)
    assert "secret" not in "".join(capsys.readouterr())


def test_a_model_that_is_not_named_is_the_first_that_the_server_lists(served: Served):
    server = served(good, model="")
    server.probe([PROBE])
    assert server.model == "first"
    assert served.server.requests[-1].json["model"] == "first"


@pytest.mark.parametrize("key", [None, "", "sk-secret\nsecond line", "sk-secrét"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(key: str | None, monkeypatch: pytest.MonkeyPatch):
    if key is not None:
        monkeypatch.setenv("EMBEDDING_KEY", key)
    with pytest.raises(EmbedderUnavailable, match=r"embedder\.api_key_env") as refused:
        EmbeddingServer(Embedder(url="http://127.0.0.1:1", api_key_env="EMBEDDING_KEY"))
    assert "secr" not in str(refused.value)
    (found,) = checked(Settings(embedder=Embedder(url="http://127.0.0.1:1", api_key_env="EMBEDDING_KEY")))
    assert (found.mark, "embedder.api_key_env" in found.found) == ("error", True)
