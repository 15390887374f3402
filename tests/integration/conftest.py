"""What several files share: a gate for scripted upstreams, and a real llama.cpp with a proxy before it."""

import os
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Driftium
from tests.integration.clients import Ways, serve

ROOT = Path(__file__).parents[2]

Start = Callable[..., subprocess.Popen[str]]
"""Words of a command, and variables of its environment."""


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds the upstream back until the test ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this checkout."""
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder, "wheel", "sdist")
    return folder


def build(source: Path, folder: Path, *targets: str) -> None:
    """What pip would do, without the environment of its own that it needs a network for."""
    chosen = [word for target in targets for word in ("--target", target)]
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder), *chosen]
    told = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment, outside the checkout, that the wheel is installed in.

    What the wheel depends on is this environment's: to install that too takes minutes.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)
    # After the wheel: pip must not find the one that is installed here. It comes later in the path, too.
    own = next(folder.glob("lib/python*/site-packages"))
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


@pytest.fixture
def command(installed: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts commands of the installed wheel whose temporary folders are made in tmp_path / "tmp"."""
    (tmp_path / "tmp").mkdir()
    with ExitStack() as stack:

        def start(*words: str, **variables: str) -> subprocess.Popen[str]:
            # Nothing of the checkout plays a part.
            env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            env |= {"TMPDIR": str(tmp_path / "tmp")} | variables
            # A shell's background jobs ignore Ctrl-C, and so would what they start.
            before = signal.signal(signal.SIGINT, signal.default_int_handler)
            started = subprocess.Popen(
                [installed / "driftium", *words],
                cwd=tmp_path,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            signal.signal(signal.SIGINT, before)
            stack.enter_context(started)
            stack.callback(started.kill)
            return started

        yield start


@pytest.fixture(scope="session")
def ways(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """A real llama.cpp, directly and through a proxy without a worker."""
    llama = pytest.importorskip("xllamacpp", reason="needs driftium[embedded]")
    server = serve(llama, gguf)
    settings = {"PYTHONWARNINGS": "always::ResourceWarning"}
    driftium = Driftium(
        tmp_path_factory.mktemp("ways") / "data", server.listening_address, "--no-worker", env=settings
    ).start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Clients read the environment, and a developer's web proxy does not know our loopback.
            patch.setenv("NO_PROXY", ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"])))
            yield Ways(server.listening_address, driftium)
    finally:
        driftium.stop()
    said = driftium.stderr.read_text()
    assert "Traceback" not in said, said
    assert "ResourceWarning" not in said, said
