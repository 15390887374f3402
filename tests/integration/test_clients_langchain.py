"""LangChain's ChatOpenAI gets through the proxy what it gets from a real llama.cpp."""

import asyncio
from typing import Any, Literal

import openai
import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from tests.integration.clients import ASKED, CALL_BIAS, MODEL, SAME, TOOL, Ways, alike, called, monitored

QUESTION = ASKED[0]["content"]
WEATHER = "Weather in Paris?"
RIVER = "Is the Seine long? Answer in JSON on one line."


class River(BaseModel):
    country: Literal["France", "Spain"]
    long: bool


def chat(url: str, **more: Any) -> ChatOpenAI:
    settings: dict[str, Any] = {"temperature": 0, "seed": 1, "max_retries": 0, "stream_usage": True, "max_tokens": 16}
    return ChatOpenAI(base_url=f"{url}/v1", api_key="none", model=MODEL, extra_body=SAME, **settings | more)


def said(message: AIMessage) -> Any:
    """All of a message or a piece of one, less what is drawn anew for each."""
    dumped = alike(message.model_dump())
    # A run of LangChain has an id of its own, and each of its streams one for all the pieces.
    return {key: value for key, value in dumped.items() if not key.startswith("lc_")}


def test_an_answer_is_the_same(ways: Ways):
    direct, relayed, (seen,) = ways.compare(lambda url: chat(url).invoke(QUESTION))
    assert said(relayed) == said(direct)
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, False)
    assert (seen.prompt, seen.response) == (QUESTION, relayed.content)
    assert seen.output_tokens == relayed.usage_metadata["output_tokens"] == 16


def test_a_stream_is_the_same_piece_by_piece(ways: Ways):
    direct, relayed, (seen,) = ways.compare(lambda url: [*chat(url).stream(QUESTION)])
    assert [said(piece) for piece in relayed] == [said(piece) for piece in direct]
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, True)
    assert seen.response == "".join(piece.text for piece in relayed)
    assert seen.output_tokens == 16


def test_the_async_stream_is_the_same(ways: Ways):
    async def ask(url: str) -> list[Any]:
        return [said(piece) async for piece in chat(url).astream(QUESTION)]

    direct, relayed, (seen,) = ways.compare(lambda url: asyncio.run(ask(url)))
    assert relayed == direct
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, True)


def test_a_bound_tool_is_called_alike(ways: Ways):
    def call(url: str) -> AIMessage:
        bound = chat(url, max_tokens=40, logit_bias=CALL_BIAS).bind_tools([TOOL], tool_choice="required")
        return bound.invoke(WEATHER)

    direct, relayed, (seen,) = ways.compare(call)
    assert said(relayed) == said(direct)
    assert called(seen) == ("weather", relayed.tool_calls[0]["args"])


def test_structured_output_is_the_same(ways: Ways):
    direct, relayed, (seen,) = ways.compare(
        lambda url: chat(url, max_tokens=40).with_structured_output(River, method="json_schema").invoke(RIVER)
    )
    assert isinstance(relayed, River)
    assert relayed == direct == River.model_validate_json(seen.response)


def test_embeddings_are_the_same(ways: Ways):
    def embed(url: str) -> list[list[float]]:
        # Without this LangChain sends tokens of OpenAI's vocabulary.
        own = OpenAIEmbeddings(base_url=f"{url}/v1", api_key="none", model=MODEL, check_embedding_ctx_length=False)
        return own.embed_documents(["the Seine", "the Loire"])

    direct, relayed, _ = ways.compare(embed, logs=0)
    assert relayed == direct


def test_a_refused_request_raises_the_same(ways: Ways):
    def refused(url: str) -> tuple[type[Exception], str]:
        with pytest.raises(openai.APIError) as caught:
            chat(url).invoke(QUESTION, response_format={"type": "no such"})
        return type(caught.value), str(caught.value)

    direct, relayed, (seen,) = ways.compare(refused)
    assert relayed == direct
    assert issubclass(relayed[0], openai.BadRequestError)
    assert (seen.outcome, seen.status) == ("http_error", 400)
