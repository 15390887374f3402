"""What several files share: a gate for scripted upstreams, and a real llama.cpp with a proxy before it."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Driftium
from tests.integration.clients import Ways, serve


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds the upstream back until the test ends."""
    event = threading.Event()
    yield event
    event.set()


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
