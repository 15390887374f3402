"""Tools and structured output by OpenAI's Python client: both pass, and the monitor sees what was called."""

import json
from typing import Any, Literal

from openai import OpenAI
from pydantic import BaseModel

from tests.integration.clients import CALL_BIAS, MODEL, SAME, TOOL, Ways, alike, called, monitored

ASK: dict[str, Any] = {"model": MODEL, "max_tokens": 40, "temperature": 0, "seed": 1, "extra_body": SAME}
WEATHER = ASK | {
    "messages": [{"role": "user", "content": "Weather in Paris?"}],
    "tools": [TOOL],
    "tool_choice": "required",
    "logit_bias": {str(token): bias for token, bias in CALL_BIAS.items()},
}


class River(BaseModel):
    country: Literal["France", "Spain"]
    long: bool


RIVER = ASK | {"messages": [{"role": "user", "content": "Is the Seine long? Answer in JSON on one line."}]}


def client(url: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def test_a_tool_call_is_the_same(ways: Ways):
    direct, relayed, (seen,) = ways.compare(lambda url: client(url).chat.completions.create(**WEATHER))
    assert alike(relayed.model_dump()) == alike(direct.model_dump())
    (choice,) = relayed.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    arguments = json.loads(choice.message.tool_calls[0].function.arguments)
    assert arguments["city"] in ("Paris", "Rome")
    assert called(seen) == ("weather", arguments)
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, False)
    assert seen.finish_reason == "tool_calls"


def test_a_streamed_tool_call_is_the_same_piece_by_piece(ways: Ways):
    direct, relayed, (seen,) = ways.compare(lambda url: [*client(url).chat.completions.create(**WEATHER, stream=True)])
    assert [alike(c.model_dump()) for c in relayed] == [alike(c.model_dump()) for c in direct]
    pieces = [call.function.arguments or "" for c in relayed for call in c.choices[0].delta.tool_calls or []]
    assert len(pieces) > 2
    assert called(seen) == ("weather", json.loads("".join(pieces)))
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, True)


def test_a_tools_result_goes_back(ways: Ways):
    call = {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    turns = [
        *WEATHER["messages"],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call-1", "content": "Rain."},
    ]
    ask = ASK | {"messages": turns, "tools": [TOOL], "max_tokens": 8}
    direct, relayed, (seen,) = ways.compare(lambda url: client(url).chat.completions.create(**ask))
    assert alike(relayed.model_dump()) == alike(direct.model_dump())
    assert (seen.prompt, seen.response) == ("Weather in Paris?", relayed.choices[0].message.content)


def test_structured_output_is_the_same(ways: Ways):
    schema = {"name": "river", "strict": True, "schema": River.model_json_schema()}
    ask = RIVER | {"response_format": {"type": "json_schema", "json_schema": schema}}
    direct, relayed, (seen,) = ways.compare(lambda url: client(url).chat.completions.create(**ask))
    assert alike(relayed.model_dump()) == alike(direct.model_dump())
    assert River.model_validate_json(seen.response)
    assert seen.response == relayed.choices[0].message.content


def test_the_client_parses_the_same_object(ways: Ways):
    direct, relayed, (seen,) = ways.compare(
        lambda url: client(url).chat.completions.parse(**RIVER, response_format=River).choices[0].message.parsed
    )
    assert isinstance(relayed, River)
    assert relayed == direct == River.model_validate_json(seen.response)


def test_the_clients_own_stream_ends_with_the_same_object(ways: Ways):
    """Its helper puts the events together and validates the whole."""

    def final(url: str) -> Any:
        with client(url).chat.completions.stream(**RIVER, response_format=River) as stream:
            kinds = [event.type for event in stream]
            return kinds, stream.get_final_completion().choices[0].message.parsed

    direct, relayed, (seen,) = ways.compare(final)
    assert relayed == direct
    assert relayed[1] == River.model_validate_json(seen.response)
    assert monitored(seen) == ("complete", "chat/completions", MODEL, MODEL, True)
