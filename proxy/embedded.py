"""A small real model on this machine when no Ollama is at hand: llama.cpp's OpenAI-compatible server, as a process.

`python -m proxy.embedded --data-dir DIR` fetches its weights when they are absent and
says on its standard output, one JSON object a line, how far it is:

    {"stage": "download", "fraction": 0.43}
    {"stage": "load"}
    {"ready": true, "url": "http://127.0.0.1:41234", "model": "smollm2:135m"}
    {"error": "what went wrong and what to do"}     and exit code 1

It ends when its standard input does, so a parent that holds the other end of that pipe
never leaves it behind, and on SIGTERM.
"""

import argparse
import contextlib
import json
import os
import signal
import threading
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from proxy.gguf import GGUF, WeightsError, fetch_gguf, find_gguf

MODEL = "smollm2:135m"
LOG = "embedded.log"
SLOTS = 2
SLOT_TOKENS = 2048
"""Prompt and answer of one request together."""

_ANSWER_TOKENS = 512
"""For requests without max_tokens: so small a model may repeat itself until its context is full."""

_CANCEL_SECONDS = 5.0


class EmbeddedError(Exception):
    """The model cannot be served; the message says what to do."""


def serve(gguf: Path, *, port: int, threads: int, name: str) -> Any:
    """Starts llama.cpp on the loopback and returns its server, which answers until it is collected.

    port 0 takes a free one; `listening_address` of the server is its URL.
    Raises EmbeddedError without the extra that brings llama.cpp, and when llama.cpp refuses.
    """
    llama = _llama()
    if not gguf.is_file():
        raise EmbeddedError(f"there is no file {gguf}")
    parameters = llama.CommonParams()
    parameters.model.path = str(gguf)
    parameters.model_alias = {name}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    # Without kv_unified each slot has its own share of n_ctx.
    parameters.n_ctx = SLOTS * SLOT_TOKENS
    parameters.n_parallel = SLOTS
    parameters.n_predict = _ANSWER_TOKENS
    parameters.cpuparams.n_threads = threads
    # The default keeps up to 8 GiB of past prompts.
    parameters.cache_ram_mib = 0
    # Any web page that the user visits could otherwise ask this port and read the answer.
    parameters.cors_origins = ""
    parameters.ui = False
    parameters.verbosity = 1
    try:
        return llama.Server(parameters)
    except RuntimeError:
        raise EmbeddedError(f"llama.cpp could not serve {gguf} on port {port}: {LOG} says why") from None


def _llama() -> Any:
    try:
        import xllamacpp  # An extra: only this process needs it.
    except ImportError:
        raise EmbeddedError("the embedded model needs llama.cpp: pip install 'driftium[embedded]'") from None
    return xllamacpp


def main() -> None:
    arguments = _arguments()
    cancelled = threading.Event()
    # llama.cpp serves as long as something refers to its server.
    servers: list[Any] = []
    signal.signal(signal.SIGTERM, _leave)
    starter = threading.Thread(target=_start, args=(arguments, cancelled, servers), daemon=True)
    starter.start()
    with contextlib.suppress(SystemExit, KeyboardInterrupt):
        while os.read(0, 4096):
            pass
    cancelled.set()
    # A download that is under way takes its temporary folder and pip with it.
    starter.join(_CANCEL_SECONDS)
    # Not sys.exit: llama.cpp's destructor would wait for the answers in flight.
    os._exit(0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m proxy.embedded", description="Serve a small model on the loopback."
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="keeps the weights and embedded.log")
    parser.add_argument("--gguf", type=Path, help=f"serve this file instead of {GGUF}, named by its stem")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    # The other half is for the proxy and the worker: llama.cpp crawls when its threads have to share a core.
    half = max(1, min(4, (os.cpu_count() or 1) // 2))
    parser.add_argument("--threads", type=int, default=half, help="of llama.cpp; default: half the cores, at most 4")
    return parser.parse_args()


def _leave(signum: int, frame: FrameType | None) -> None:
    raise SystemExit


def _start(arguments: argparse.Namespace, cancelled: threading.Event, servers: list[Any]) -> None:
    log = arguments.data_dir / LOG
    try:
        # First of all: without it the download would be for nothing.
        _llama()
        arguments.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _send_standard_error_to(log)
        gguf = (
            arguments.gguf or find_gguf(arguments.data_dir) or fetch_gguf(arguments.data_dir, _say_fraction, cancelled)
        )
        _say(stage="load")
        name = MODEL if gguf.name == GGUF else gguf.stem
        servers.append(serve(gguf, port=arguments.port, threads=arguments.threads, name=name))
        _say(ready=True, url=servers[0].listening_address, model=name)
    except Exception as error:
        if cancelled.is_set():
            return
        expected = isinstance(error, EmbeddedError | WeightsError | OSError)
        if not expected:
            traceback.print_exc()
        _say(error=str(error) if expected else f"{type(error).__name__}: {error} (see {log})")
        os._exit(1)


def _send_standard_error_to(log: Path) -> None:
    """Also that of llama.cpp, which writes to the file descriptor."""
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)


def _say_fraction(fraction: float) -> None:
    _say(stage="download", fraction=round(fraction, 3))


def _say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    main()
