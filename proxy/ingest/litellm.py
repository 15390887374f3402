"""LiteLLM: rows of its spend logs (LiteLLM_SpendLogs), and the payloads that its callbacks write to buckets.

`messages` and `response` of spend logs are "{}" unless general_settings.store_prompts_in_spend_logs is set; the request
of a chat then lies in `proxy_server_request`. Written after LiteLLM's schema and its SpendLogsPayload and
StandardLoggingPayload types.
"""

from typing import Any

from proxy.ingest.messages import choices_of, messages_of
from proxy.ingest.records import Known, Left, Read, Record, error_of, request_of, response_of
from proxy.ingest.values import moment, seconds, text_or_none, unfolded
from proxy.wire_values import as_object, as_objects, as_text

NO_CONTENT = "LiteLLM stored no text: set general_settings.store_prompts_in_spend_logs = true there"
_CHATS = ("completion", "acompletion", "text_completion", "atext_completion", "responses", "aresponses")
_SETTINGS = ("temperature", "top_p", "max_tokens", "seed", "tools", "response_format", "presence_penalty")


def read(line: dict[str, Any]) -> Read:
    """The exchange of one row; of a list of rows, as the API answers, all."""
    if isinstance(line.get("data"), list):
        return [found for one in as_objects(line["data"]) for found in read(one)]
    kind = as_text(line.get("call_type"))
    if kind and kind not in _CHATS:
        return [Left("skipped", f"a call of type {kind[:40]}")]
    asked = as_object(unfolded(line.get("proxy_server_request")))
    asked = as_object(asked.get("body")) or asked
    messages = messages_of(line.get("messages")) or messages_of(asked.get("messages") or asked.get("prompt"))
    parameters = as_object(unfolded(line.get("model_parameters"))) or asked
    known = Known(
        model=text_or_none(line.get("model_group")) or text_or_none(line.get("model")),
        session=text_or_none(line.get("session_id")) or text_or_none(line.get("end_user")),
        settings={name: parameters[name] for name in _SETTINGS if parameters.get(name) is not None},
    )
    output = unfolded(line.get("response"))
    response: Any
    if as_text(line.get("status")) == "failure":
        response = error_of(_failure(line))
    else:
        choices = choices_of(output)
        if choices is None:
            return [Left("no_content", NO_CONTENT)]
        tokens = line.get("prompt_tokens"), line.get("completion_tokens")
        whole = isinstance(output, dict) and "choices" in output
        response = output if whole else response_of(choices, model=text_or_none(line.get("model")), tokens=tokens)
    began, ended = moment(line.get("startTime")), moment(line.get("endTime"))
    first = moment(line.get("completionStartTime"))
    milliseconds = seconds(line.get("request_duration_ms"))
    took = milliseconds / 1e3 if milliseconds else seconds(line.get("response_time"))
    if took is None and began is not None and ended is not None and ended >= began:
        took = ended - began
    return [
        Record(
            id=text_or_none(line.get("request_id")) or text_or_none(line.get("id")),
            at=began,
            request=request_of(messages, known),
            response=response,
            duration_seconds=took,
            # LiteLLM writes the end in its place where nothing was streamed.
            first_chunk_seconds=first - began if first and began and ended and began <= first < ended else None,
        )
    ]


def _failure(line: dict[str, Any]) -> str:
    told = as_object(line.get("error_information"))
    metadata = as_object(as_object(unfolded(line.get("metadata"))).get("error_information"))
    return (
        as_text(line.get("error_str")) or as_text(told.get("error_message")) or as_text(metadata.get("error_message"))
    )
