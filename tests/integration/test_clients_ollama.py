"""Ollama's own Python client gets its native API through the proxy as it is.

llama.cpp has none of it, so that a real server can only refuse. For the rest a scripted upstream
replays Ollama's wire format: the headers, the fields and their order, and one JSON object a line.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import ollama
import pytest

from tests.integration.clients import Ways, alike, monitored
from tests.integration.relayed import relay_to
from tests.scripted import BREAK, Request, answer, chunk

MODEL = "llama3.2:1b"
TURNS = [{"role": "user", "content": "Name a river."}]
WHEN = "2026-03-01T12:00:00.123456789Z"
JSON = "application/json; charset=utf-8"
DATE = "Date: Sun, 01 Mar 2026 12:00:00 GMT"
STREAM_HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n{DATE}\r\nTransfer-Encoding: chunked\r\n\r\n"
WORDS = ["The", " Seine", ", or", " the", " Rhône."]
NUMBERS = {
    "done_reason": "stop",
    "total_duration": 5191566416,
    "load_duration": 2154458,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 383809000,
    "eval_count": 6,
    "eval_duration": 4799921000,
}
CALL = {"function": {"name": "weather", "arguments": {"city": "Paris"}}}
TAGS = {
    "models": [
        {
            "name": MODEL,
            "model": MODEL,
            "modified_at": WHEN,
            "size": 1321098329,
            "digest": "baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878",
            "details": {"format": "gguf", "family": "llama", "parameter_size": "1.2B", "quantization_level": "Q8_0"},
        }
    ]
}
SHOW = {
    "template": "{{ .Prompt }}",
    "details": TAGS["models"][0]["details"],
    "model_info": {"general.architecture": "llama"},
    "capabilities": ["completion", "tools"],
    "modified_at": WHEN,
}
EMBEDDED = {"model": MODEL, "embeddings": [[0.010071029, -0.0017594862]], "total_duration": 14143917}


def part(path: str, said: str, **more: Any) -> dict[str, Any]:
    """One object of an answer: /api/chat says it in a message, /api/generate in `response`."""
    call = {"tool_calls": [CALL]} if said == "call" else {}
    message = {"role": "assistant", "content": "" if call else said, **call}
    field = {"message": message} if path == "/api/chat" else {"response": said}
    return {"model": MODEL, "created_at": WHEN, **field, "done": False} | more


async def as_ollama(request: Request) -> AsyncIterator[bytes]:
    """Streams unless it is told not to; an error in mid-stream is a line of its own."""
    path, asked = request.target, json.loads(request.body or b"{}")
    whole = {"/api/tags": TAGS, "/api/show": SHOW, "/api/embed": EMBEDDED, "/v1/models": {"data": []}}.get(path)
    if asked.get("model", MODEL) != MODEL:
        body = json.dumps({"error": f"model '{asked['model']}' not found"}).encode()
        yield answer(body, status="404 Not Found", headers=(DATE,), kind=JSON)
        return
    if whole is None and asked.get("stream", True) is False:
        whole = part(path, "".join(WORDS), done=True, **NUMBERS)
    if whole is not None:
        yield answer(json.dumps(whole).encode(), headers=(DATE,), kind=JSON)
        return
    words = ["call"] if asked.get("tools") else WORDS
    objects = [part(path, word) for word in words] + [part(path, "", done=True, **NUMBERS)]
    if asked.get("options", {}).get("num_predict") == 1:
        objects = [objects[0], {"error": "an error was encountered while running the model"}]
    yield STREAM_HEAD.encode()
    for line in objects:
        yield chunk(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    yield BREAK if asked.get("options", {}).get("num_predict") == 2 else chunk(b"")


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    with relay_to(as_ollama, tmp_path_factory.mktemp("ollama") / "data") as relayed:
        yield Ways(relayed.upstream.url, relayed.driftium)


def client(url: str) -> ollama.Client:
    return ollama.Client(host=url, trust_env=False)


ASKS: dict[str, Callable[..., Any]] = {
    "api/chat": lambda url, **more: client(url).chat(MODEL, TURNS, **more),
    "api/generate": lambda url, **more: client(url).generate(MODEL, "Name a river.", **more),
}


@pytest.mark.parametrize("endpoint", ASKS)
def test_an_answer_is_the_same(native: Ways, endpoint: str):
    direct, relayed, (seen,) = native.compare(ASKS[endpoint])
    assert relayed == direct
    assert monitored(seen) == ("complete", endpoint, MODEL, MODEL, False)
    assert (seen.prompt, seen.response) == ("Name a river.", "".join(WORDS))
    assert (seen.input_tokens, seen.output_tokens, seen.finish_reason) == (26, 6, "stop")


@pytest.mark.parametrize("endpoint", ASKS)
def test_a_stream_is_the_same_line_for_line(native: Ways, endpoint: str):
    direct, relayed, (seen,) = native.compare(lambda url: [*ASKS[endpoint](url, stream=True)])
    assert relayed == direct
    assert len(relayed) == len(WORDS) + 1
    assert monitored(seen) == ("complete", endpoint, MODEL, MODEL, True)
    assert (seen.response, seen.output_tokens) == ("".join(WORDS), 6)


def test_the_async_stream_is_the_same(native: Ways):
    async def ask(url: str) -> list[Any]:
        stream = await ollama.AsyncClient(host=url, trust_env=False).chat(MODEL, TURNS, stream=True)
        return [line async for line in stream]

    direct, relayed, (seen,) = native.compare(lambda url: asyncio.run(ask(url)))
    assert relayed == direct
    assert monitored(seen) == ("complete", "api/chat", MODEL, MODEL, True)


def test_a_tool_call_is_the_same(native: Ways):
    tool = {"type": "function", "function": {"name": "weather"}}
    direct, relayed, (seen,) = native.compare(lambda url: [*ASKS["api/chat"](url, tools=[tool], stream=True)])
    assert relayed == direct
    assert relayed[0].message.tool_calls[0].function.arguments == {"city": "Paris"}
    assert seen.tool_calls == ('weather({"city":"Paris"})',)


def test_what_is_no_answer_of_a_model_passes_and_is_not_monitored(native: Ways):
    def others(url: str) -> list[Any]:
        return [client(url).list(), client(url).show(MODEL), client(url).embed(MODEL, "a river")]

    direct, relayed, _ = native.compare(others, logs=0)
    assert relayed == direct
    assert (relayed[0].models[0].model, len(relayed[2].embeddings)) == (MODEL, 1)


def refused(ask: Callable[[], Any]) -> tuple[str, int]:
    with pytest.raises(ollama.ResponseError) as caught:
        ask()
    return caught.value.error, caught.value.status_code


def test_an_unknown_model_raises_the_same(native: Ways):
    direct, relayed, (seen,) = native.compare(lambda url: refused(lambda: client(url).chat("none", TURNS)))
    assert relayed == direct == ("model 'none' not found", 404)
    assert (seen.outcome, seen.status, seen.error) == ("http_error", 404, "model 'none' not found")


def test_an_error_in_mid_stream_raises_the_same(native: Ways):
    """It is no answer, though the status was 200; the client leaves at once, at times before the stream has ended."""
    ask = {"stream": True, "options": {"num_predict": 1}}
    direct, relayed, (seen,) = native.compare(lambda url: refused(lambda: [*ASKS["api/chat"](url, **ask)]))
    assert relayed == direct
    assert seen.outcome in ("upstream_error", "client_closed")
    assert (seen.status, seen.error) == (200, relayed[0])


def test_a_stream_that_breaks_raises_the_same(native: Ways):
    def broken(url: str) -> type[Exception]:
        with pytest.raises(Exception, match="incomplete chunked read") as caught:
            list(ASKS["api/chat"](url, stream=True, options={"num_predict": 2}))
        return type(caught.value)

    direct, relayed, (seen,) = native.compare(broken)
    assert relayed is direct
    assert seen.outcome == "upstream_error"


@pytest.mark.parametrize("endpoint", ASKS)
def test_a_server_without_the_native_api_refuses_it_alike(ways: Ways, endpoint: str):
    """A real llama.cpp, which is no Ollama; its answer passes."""
    direct, relayed, (seen,) = ways.compare(lambda url: refused(lambda: ASKS[endpoint](url)))
    assert alike(relayed) == alike(direct)
    assert (relayed[1], seen.outcome, seen.endpoint) == (404, "http_error", endpoint)
