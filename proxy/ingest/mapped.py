"""Records of one's own, of which [ingest.fields] says where they have what."""

from typing import Any

from proxy.ingest.messages import choices_of, messages_of
from proxy.ingest.records import Known, Left, Read, Record, request_of, response_of
from proxy.ingest.settings import Fields
from proxy.ingest.values import at_path, moment, seconds, text_or_none, unfolded


def read(line: dict[str, Any], fields: Fields) -> Read:
    """The exchange of one record."""

    def told(name: str) -> Any:
        path = getattr(fields, name)
        return at_path(line, path) if path else None

    answer = told("response")
    reason = text_or_none(told("finish_reason"))
    choices = choices_of(answer, reason)
    if choices is None:
        return [Left("no_content", f"{fields.response} is missing or empty")]
    model = text_or_none(told("model"))
    messages = messages_of(told("messages")) or messages_of(told("prompt"))
    whole = unfolded(answer)
    known = Known(model=model, session=text_or_none(told("session")))
    if not (isinstance(whole, dict) and "choices" in whole):
        whole = response_of(choices, model=model, tokens=(told("input_tokens"), told("output_tokens")))
    return [
        Record(
            id=text_or_none(told("id")),
            at=moment(told("at")),
            request=request_of(messages, known),
            response=whole,
            duration_seconds=seconds(told("latency")),
        )
    ]
