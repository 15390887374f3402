"""The embedded model, a process of its own, asked as an investigation in the proxy asks it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from drift.rca.records import Answer, Question
from proxy.completions import Completion

_LONGEST_SECONDS = 60.0


class Model:
    """Asks the model behind a URL; `seconds` holds how long each question took."""

    def __init__(self, url: str, name: str):
        self._client = httpx.Client(base_url=url, timeout=_LONGEST_SECONDS, trust_env=False)
        self._name = name
        self.seconds: list[float] = []

    def ask(self, question: Question) -> Answer:
        """As proxy/language_model.py asks, but for the relay."""
        schema = {"name": "answer", "strict": True, "schema": question.schema}
        body = {
            "model": self._name,
            "messages": question.messages,
            "temperature": 0,
            "max_tokens": question.max_tokens,
            "stream": False,
            "response_format": {"type": "json_schema", "json_schema": schema},
        }
        began = time.perf_counter()
        try:
            answer = self._client.post("/v1/chat/completions", content=msgspec.json.encode(body))
        except httpx.TimeoutException:
            return Answer(model=self._name, failure=f"the model did not answer within {_LONGEST_SECONDS:g} s")
        finally:
            self.seconds.append(time.perf_counter() - began)
        if answer.status_code != 200:
            return Answer(model=self._name, failure=answer.text[:300])
        choice = msgspec.json.decode(answer.content, type=Completion).choices[0]
        if choice.finish_reason == "length":
            return Answer(model=self._name, failure=f"the model's answer was cut off at {question.max_tokens} tokens")
        return Answer(content=(choice.message.content or "").encode(), model=self._name)


@contextmanager
def embedded_model(data_dir: Path, gguf: Path | None, threads: int | None) -> Iterator[Model]:
    """The model of `driftium serve --embedded`, or the one in the file, while the block runs."""
    command = [sys.executable, "-m", "proxy.embedded", "--data-dir", str(data_dir)]
    command += ["--threads", str(threads)] if threads else []
    command += ["--gguf", str(gguf)] if gguf else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                said = json.loads(line)
                if "error" in said:
                    raise SystemExit(said["error"])
                if "url" in said:
                    yield Model(said["url"], said["model"])
                    break
        finally:
            process.terminate()
