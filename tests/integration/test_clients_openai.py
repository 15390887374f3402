"""OpenAI's Python client gets through the proxy what it gets from a real llama.cpp."""

import asyncio
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.conftest import wait_until
from tests.integration.clients import ASKED, ENDLESS, MODEL, SAME, Ways, alike, monitored

ASK: dict[str, Any] = {
    "model": MODEL,
    "messages": ASKED,
    "max_tokens": 16,
    "temperature": 0,
    "seed": 1,
    "extra_body": SAME,
}
STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def client(url: str, **more: Any) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, **more)


def test_an_answer_is_the_same(ways: Ways):
    """And is monitored with its text and its tokens."""
    direct, relayed, (seen,) = ways.compare(lambda url: client(url).chat.completions.create(**ASK))
    assert alike(relayed.model_dump()) == alike(direct.model_dump())
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, False)
    assert (seen.prompt, seen.response) == (ASKED[0]["content"], relayed.choices[0].message.content)
    assert relayed.usage
    assert (seen.input_tokens, seen.output_tokens) == (relayed.usage.prompt_tokens, relayed.usage.completion_tokens)


def test_a_stream_is_the_same_chunk_for_chunk(ways: Ways):
    """Down to the last one, which holds the usage alone."""
    direct, relayed, (seen,) = ways.compare(lambda url: [*client(url).chat.completions.create(**ASK, **STREAM)])
    assert [alike(c.model_dump()) for c in relayed] == [alike(c.model_dump()) for c in direct]
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, True)
    assert seen.response == "".join(c.choices[0].delta.content or "" for c in relayed if c.choices)
    assert relayed[-1].usage
    assert seen.output_tokens == relayed[-1].usage.completion_tokens == 16


def test_the_async_client_gets_the_same(ways: Ways):
    async def ask(url: str) -> list[Any]:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as asynchronous:
            whole = await asynchronous.chat.completions.create(**ASK)
            stream = await asynchronous.chat.completions.create(**ASK, **STREAM)
            return [alike(whole.model_dump()), *[alike(c.model_dump()) async for c in stream]]

    direct, relayed, seen = ways.compare(lambda url: asyncio.run(ask(url)), logs=2)
    assert relayed == direct
    assert [monitored(s) for s in seen] == [
        ("complete", "chat/completions", MODEL, MODEL, False),
        ("complete", "chat/completions", MODEL, MODEL, True),
    ]
    assert seen[0].response == seen[1].response


def test_a_completion_without_a_chat_is_the_same(ways: Ways):
    ask = {"prompt": "The Seine flows", **{k: v for k, v in ASK.items() if k != "messages"}}
    direct, relayed, (seen,) = ways.compare(lambda url: client(url).completions.create(**ask))
    assert alike(relayed.model_dump()) == alike(direct.model_dump())
    assert monitored(seen) == ("complete", "completions", MODEL, MODEL, False)
    assert (seen.prompt, seen.response) == ("The Seine flows", relayed.choices[0].text)


def test_the_responses_api_passes(ways: Ways):
    """Whole and as a stream of named events; it is not monitored."""
    ask: dict[str, Any] = {"model": MODEL, "input": "Hello.", "max_output_tokens": 16, "temperature": 0}

    def events(url: str) -> list[Any]:
        whole = client(url).responses.create(**ask, extra_body=SAME)
        stream = client(url).responses.create(**ask, extra_body=SAME, stream=True)
        return [alike(part.model_dump()) for part in (whole, *stream)]

    direct, relayed, _ = ways.compare(events, logs=0)
    assert relayed == direct
    assert relayed[-1]["type"] == "response.completed"


def test_models_and_embeddings_pass_and_are_not_monitored(ways: Ways):
    """The vectors to the last bit: the client asks for them in base64."""

    def both(url: str) -> list[Any]:
        embedded = client(url).embeddings.create(model=MODEL, input=["the Seine", "the Loire"])
        # Among the models is the second in which the server was asked.
        return [alike(client(url).models.list().model_dump()), embedded.model_dump()]

    direct, relayed, _ = ways.compare(both, logs=0)
    assert relayed == direct
    assert len(relayed[1]["data"]) == 2


def test_the_raw_answer_has_the_same_status_and_headers(ways: Ways):
    """One more, the exchange's id, by which the log has it."""
    direct, relayed, (seen,) = ways.compare(
        lambda url: client(url).chat.completions.with_raw_response.create(**ASK, extra_headers={"x-mine": "1"})
    )
    assert relayed.status_code == direct.status_code == 200
    headers = dict(relayed.headers)
    assert headers.pop("x-driftium-exchange-id") == seen.id
    # Keep-Alive and the length belong to one connection, and to a body with times in it.
    one_answers = ("keep-alive", "content-length")
    assert headers.keys() - set(one_answers) == direct.headers.keys() - set(one_answers)
    assert all(headers[name] == direct.headers[name] for name in headers if name not in one_answers)
    assert alike(relayed.parse().model_dump()) == alike(direct.parse().model_dump())


def test_the_monitor_can_be_named_by_a_default_header(ways: Ways):
    *_, (seen,) = ways.compare(
        lambda url: client(url, default_headers={"x-driftium-monitor": "shop"}).chat.completions.create(**ASK)
    )
    assert seen.monitor == "shop"


def raised(call: Any) -> tuple[type[Exception], str, Any, Any]:
    with pytest.raises(openai.APIError) as caught:
        call()
    error = caught.value
    return type(error), error.message, error.body, getattr(error, "status_code", None)


def test_a_refused_request_raises_the_same(ways: Ways):
    """Class, status, message and body; it is logged as an error."""
    bad = ASK | {"messages": "not a list"}
    direct, relayed, (seen,) = ways.compare(lambda url: raised(lambda: client(url).chat.completions.create(**bad)))
    assert relayed == direct
    assert (relayed[0], relayed[3]) == (openai.BadRequestError, 400)
    assert (seen.outcome, seen.status, seen.error) == ("http_error", 400, relayed[2]["message"])


def test_a_stream_that_is_refused_raises_the_same(ways: Ways):
    bad = ASK | STREAM | {"messages": "not a list"}
    direct, relayed, (seen,) = ways.compare(lambda url: raised(lambda: client(url).chat.completions.create(**bad)))
    assert relayed == direct
    assert (seen.outcome, seen.status) == ("http_error", 400)


def test_an_unknown_route_raises_the_same(ways: Ways):
    direct, relayed, _ = ways.compare(lambda url: raised(client(url).files.list), logs=0)
    assert relayed == direct
    assert (relayed[0], relayed[3]) == (openai.NotFoundError, 404)


def wait_until_idle(ways: Ways, seconds: float) -> None:
    def idle() -> bool:
        slots = ways.driftium.client.get(f"{ways.direct}/slots").json()
        return not any(slot["is_processing"] for slot in slots)

    wait_until(idle, seconds=seconds, what="llama.cpp stops")


def test_a_stream_that_is_closed_frees_the_model(ways: Ways):
    """In a fraction of the time that its thousand tokens would take; what had come is logged as client_closed."""
    long = ASK | {"max_tokens": 1000, "extra_body": ENDLESS}

    def first(url: str) -> str | None:
        with client(url).chat.completions.create(**long, stream=True) as stream:
            spoken = (chunk.choices[0].delta.content for chunk in stream)
            said = next(filter(None, spoken))
        wait_until_idle(ways, seconds=3)
        return said

    direct, relayed, (seen,) = ways.compare(first)
    assert relayed == direct
    assert (seen.outcome, seen.status) == ("client_closed", 200)
    assert seen.response.startswith(str(relayed))


def test_a_client_that_times_out_raises_the_same(ways: Ways):
    """Nothing had come, and that is logged. llama.cpp finishes what it does not stream, whoever has left."""
    slow = ASK | {"max_tokens": 64, "extra_body": ENDLESS}

    def late(url: str) -> type[Exception]:
        kind, *_ = raised(lambda: client(url, timeout=0.2).chat.completions.create(**slow))
        wait_until_idle(ways, seconds=60)
        return kind

    direct, relayed, (seen,) = ways.compare(late)
    assert relayed is direct is openai.APITimeoutError
    assert (seen.outcome, seen.status, seen.response) == ("client_closed", 0, "")
