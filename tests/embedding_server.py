"""A real llama.cpp that serves all-MiniLM-L6-v2 on /v1/embeddings: `python -m tests.embedding_server --port N`.

Says {"ready": true, "url": …, "model": …} on its standard output, one JSON line, and ends with its standard
input when that is a pipe, or on SIGTERM.
"""

import argparse
import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODEL = "all-minilm"
TOKENS = 512
"""Of the longest text: what the model's positions are for."""


def gguf_file(*, quantised: bool = False) -> Path:
    """The model's file, made from the installed weights once for this machine's user."""
    from drift.embedder import find_weights
    from tests.minilm_gguf import write_gguf

    weights = find_weights()
    kind = "q4" if quantised else "f32"
    cache = Path(tempfile.gettempdir()) / f"driftium-tests-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    file = cache / f"minilm-{weights.sha256[:12]}-{kind}.gguf"
    if not file.is_file():
        with tempfile.NamedTemporaryFile(dir=cache, suffix=".part", delete=False) as part:
            pass
        write_gguf(weights.folder, Path(part.name), quantised=quantised)
        Path(part.name).replace(file)
    return file


def serve(file: Path, *, port: int, threads: int, slots: int, name: str) -> Any:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.model_alias = {name}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    # A text is read in one piece: batches must hold it whole.
    parameters.n_ctx = slots * TOKENS
    parameters.n_batch = parameters.n_ubatch = slots * TOKENS
    parameters.n_parallel = slots
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.cache_ram_mib = 0
    parameters.ui = False
    parameters.verbosity = 1
    return xllamacpp.Server(parameters)


class EmbeddingServer:
    """The server as a process of its own, which a test can kill, stop and start again on the same port."""

    def __init__(self, *, port: int = 0, threads: int = 1, quantised: bool = False, name: str = MODEL):
        self.port, self.name = port, name
        self._flags = ["--threads", str(threads), "--name", name, *(["--quantised"] if quantised else [])]
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> "EmbeddingServer":
        command = [sys.executable, "-m", "tests.embedding_server", "--port", str(self.port), *self._flags]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        told = self.process.stdout.readline()
        if not told:
            raise RuntimeError(self.process.communicate()[1])
        self.url = str(json.loads(told)["url"])
        self.port = int(self.url.rpartition(":")[2])
        # llama.cpp goes on writing there.
        assert self.process.stderr
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        return self

    def kill(self) -> None:
        """As a crash would."""
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def pause(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> "EmbeddingServer":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.kill()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.embedding_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--threads", type=int, default=1, help="of llama.cpp")
    parser.add_argument("--slots", type=int, default=4, help="texts read at once")
    parser.add_argument("--name", default=MODEL, help="what the model is called")
    parser.add_argument("--quantised", action="store_true", help="Q4_0: other vectors")
    arguments = parser.parse_args()
    file = gguf_file(quantised=arguments.quantised)
    server = serve(file, port=arguments.port, threads=arguments.threads, slots=arguments.slots, name=arguments.name)
    print(json.dumps({"ready": True, "url": server.listening_address, "model": arguments.name}), flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=_when_input_ends, args=(ended,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        ended.wait()
    # Not sys.exit: llama.cpp's destructor would wait for what is in flight.
    os._exit(0)


def _when_input_ends(ended: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    ended.set()


if __name__ == "__main__":
    main()
