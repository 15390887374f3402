"""What was answered: one JSON object or the chunks of a stream, of OpenAI or of Ollama, put together.

A whole answer is read as a stream of one chunk: `message` and `delta` have the same fields.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from proxy.wire_values import as_count, as_object, as_objects, as_text, content_text, error_text, json_text, label

_LEGACY_CALL = -1


@dataclass(slots=True)
class _Call:
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Choice:
    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: dict[int, _Call] = field(default_factory=dict)
    finish_reason: str = ""

    @property
    def response(self) -> str:
        """The text, or the refusal in its place."""
        return "".join(self.content) or "".join(self.refusal)

    @property
    def reasoning(self) -> str:
        return "".join(self.thoughts)

    @property
    def tool_calls(self) -> tuple[str, ...]:
        """Each "name(arguments as JSON text)", in the order of their indexes."""
        return tuple(f"{call.name}({''.join(call.arguments)})" for _, call in sorted(self.calls.items()))


@dataclass(slots=True)
class Answer:
    model: str = ""
    choices: dict[int, Choice] = field(default_factory=dict)
    input_tokens: int | None = None
    output_tokens: int | None = None
    done: bool = False
    """Ollama's `done`."""
    error: str = ""

    @property
    def first(self) -> Choice:
        """Choice 0, or an empty one."""
        return self.choices[min(self.choices)] if self.choices else Choice()

    @property
    def finished(self) -> bool:
        """A terminal marker was seen: `done`, or a finish_reason on every choice."""
        return self.done or (bool(self.choices) and all(choice.finish_reason for choice in self.choices.values()))


def read_answer(chunks: Iterable[dict[str, Any]], endpoint: str) -> Answer:
    """Puts the chunks of an answer together; what is missing or of another type stays empty."""
    add = _add_ollama if endpoint.startswith("api/") else _add_openai
    answer = Answer()
    for chunk in chunks:
        answer.model = as_text(chunk.get("model")) or answer.model
        answer.error = answer.error or _chunk_error(chunk)
        add(answer, chunk)
    answer.model = label(answer.model)
    return answer


def _chunk_error(chunk: dict[str, Any]) -> str:
    if chunk.get("object") == "error":
        return error_text(chunk)
    return error_text(chunk.get("error"))


def _add_openai(answer: Answer, chunk: dict[str, Any]) -> None:
    usage = as_object(chunk.get("usage"))
    answer.input_tokens = _latest(usage.get("prompt_tokens"), answer.input_tokens)
    answer.output_tokens = _latest(usage.get("completion_tokens"), answer.output_tokens)
    for position, part in enumerate(as_objects(chunk.get("choices"))):
        index = part.get("index")
        choice = answer.choices.setdefault(index if isinstance(index, int) else position, Choice())
        message = as_object(part.get("delta")) or as_object(part.get("message"))
        _add_message(choice, message)
        choice.content.append(as_text(part.get("text")))
        choice.finish_reason = as_text(part.get("finish_reason")) or choice.finish_reason


def _add_ollama(answer: Answer, chunk: dict[str, Any]) -> None:
    answer.input_tokens = _latest(chunk.get("prompt_eval_count"), answer.input_tokens)
    answer.output_tokens = _latest(chunk.get("eval_count"), answer.output_tokens)
    answer.done = answer.done or chunk.get("done") is True
    if "message" in chunk or "response" in chunk:
        choice = answer.choices.setdefault(0, Choice())
        _add_message(choice, as_object(chunk.get("message")))
        choice.content.append(as_text(chunk.get("response")))
        choice.thoughts.append(as_text(chunk.get("thinking")))
        choice.finish_reason = as_text(chunk.get("done_reason")) or choice.finish_reason


def _latest(value: Any, before: int | None) -> int | None:
    count = as_count(value)
    return before if count is None else count


def _add_message(choice: Choice, message: dict[str, Any]) -> None:
    choice.content.append(content_text(message.get("content")))
    choice.refusal.append(as_text(message.get("refusal")))
    # Servers that rename the field send both for a time: the same text, not two.
    named = (as_text(message.get(key)) for key in ("reasoning_content", "reasoning", "thinking"))
    choice.thoughts.append(next(filter(None, named), ""))
    for call in as_objects(message.get("tool_calls")):
        _add_call(choice.calls, call.get("index"), as_object(call.get("function")))
    if isinstance(message.get("function_call"), dict):
        _add_call(choice.calls, _LEGACY_CALL, message["function_call"])


def _add_call(calls: dict[int, _Call], index: Any, function: dict[str, Any]) -> None:
    name = as_text(function.get("name"))
    if not isinstance(index, int):
        # Without an index, a name begins the next call and its absence continues the last.
        index = max(calls, default=-1) + (1 if name or not calls else 0)
    call = calls.setdefault(index, _Call())
    call.name = call.name or name
    arguments = function.get("arguments")
    call.arguments.append(arguments if isinstance(arguments, str) else json_text(arguments) if arguments else "")
