"""One real server reached by two ways, directly and through the proxy, and what may differ between the two."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from drift.records import Exchange
from proxy.capture import decode
from proxy.stores.log import open_log
from proxy.wire import read
from tests.conftest import Driftium, wait_until

Answer = TypeVar("Answer")

MODEL = "smollm2:135m"
ASKED = [{"role": "user", "content": "Name a river in France."}]

# Without the prompt cache the second to ask gets what the first one got, digit for digit.
SAME = {"cache_prompt": False}
ENDLESS = SAME | {"ignore_eos": True}
"""With a thousand tokens to say the model is still at it when its client leaves."""

ITS_OWN = {"id", "item_id", "created", "created_at", "completed_at", "timings"}
"""What llama.cpp draws or measures anew for each answer."""

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Rome"]}},
            "required": ["city"],
        },
    },
}
# So small a model calls no tool by itself, and one after the other once it does: it is pushed to the mark of a call
# ("[["), away from a second one ("},") and to the end of its turn. All between is the grammar's, which llama.cpp makes
# of the tool's schema.
CALL_BIAS = {32803: 40, 6663: -100, 7896: 20, 2: 60}

TEMPLATE = """\
{%- if tools %}<|im_start|>system
{{ tools | tojson }}<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{%- if message.content %}
{{ message.content }}
{%- endif %}
{%- for call in message.tool_calls or [] %}
[[
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
]]
{%- endfor %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""The model's own template knows no tools; in this one a call begins with a mark that is a single token."""


def serve(llama: Any, gguf: Path) -> Any:
    """A llama.cpp server on a free port of the loopback, with tools and embeddings, for as long as it is referred to.

    llama is the module xllamacpp.
    """
    parameters = llama.CommonParams()
    parameters.model.path = str(gguf)
    parameters.model_alias = {MODEL}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = 4096
    parameters.n_parallel = 2
    parameters.cpuparams.n_threads = 1
    parameters.cache_ram_mib = 0
    parameters.ui = False
    parameters.verbosity = 1
    parameters.chat_template = TEMPLATE
    parameters.embedding = True
    parameters.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return llama.Server(parameters)


@dataclass(frozen=True)
class Ways:
    """A server's own URL, and a proxy before it."""

    direct: str
    driftium: Driftium

    def compare(self, ask: Callable[[str], Answer], *, logs: int = 1) -> tuple[Answer, Answer, list[Exchange]]:
        """What `ask` gets from the server, what it gets through the proxy, and the exchanges that the proxy logged.

        logs says how many these have to be.
        """
        before = self._head()
        direct = ask(self.direct)
        assert self._head() == before
        relayed = ask(self.driftium.url)
        return direct, relayed, self.logged_after(before, logs)

    def logged_after(self, cursor: int, count: int) -> list[Exchange]:
        def logged() -> list[Exchange] | None:
            log = open_log(self.driftium.data_dir)
            try:
                entries = log.after(cursor, 1000)
                captures = log.captures([entry.seq for entry in entries])
            finally:
                log.close()
            return [read(decode(captures[entry.seq])) for entry in entries] if len(entries) >= count else None

        found = wait_until(logged, seconds=10, what=f"{count} exchanges are logged") if count else logged() or []
        assert len(found) == count
        return found

    def _head(self) -> int:
        log = open_log(self.driftium.data_dir)
        try:
            return log.head()
        finally:
            log.close()


def alike(answer: Any) -> Any:
    """JSON without what the server draws or measures anew for each answer."""
    if isinstance(answer, dict):
        return {key: alike(value) for key, value in answer.items() if key not in ITS_OWN}
    if isinstance(answer, list | tuple):
        return [alike(value) for value in answer]
    return answer


def monitored(exchange: Exchange) -> tuple[str, str, str, str, bool]:
    """How an exchange ended, by which endpoint and model, and whether it was a stream."""
    return exchange.outcome, exchange.endpoint, exchange.model, exchange.response_model, exchange.stream


def called(exchange: Exchange) -> tuple[str, Any]:
    """The name and the arguments of the only tool call."""
    (call,) = exchange.tool_calls
    name, _, arguments = call.partition("(")
    return name, json.loads(arguments.removesuffix(")"))
