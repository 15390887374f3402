"""The control plane as its own OpenAPI description tells of it, asked with what fits it and with what does not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drift.embedder import find_weights
from drift.errors import EmbedderUnavailable
from tests.integration.relayed import relay_to
from tests.scripted import replay

CHECKS = "not_a_server_error,content_type_conformance,response_schema_conformance,response_headers_conformance"


@pytest.fixture
def description(tmp_path: Path) -> Iterator[str]:
    """Where a proxy describes itself that has a worker, a monitor, a baseline and answers compared with it."""
    try:
        find_weights()
    except EmbedderUnavailable as error:
        pytest.skip(str(error))
    with relay_to(replay({}), tmp_path / "data", worker=True) as running:
        driftium = running.driftium
        driftium.wait_for_worker()
        for number in range(12):
            driftium.chat(f"Question {number}?")
        driftium.wait_until_scored(12)
        assert driftium.client.post("/baseline").status_code == 201
        driftium.chat("And one more?")
        driftium.wait_until_scored(13)
        yield f"{driftium.url}/schema/openapi.json"
        assert driftium.client.get("/live").status_code == 200
        said = driftium.stderr.read_text()
        assert "Traceback" not in said, said


def test_no_request_makes_it_fail_hang_or_answer_otherwise_than_described(description: str, tmp_path: Path):
    """No 5xx, an answer within a minute, and each of a described type and form; the same requests in every run."""
    told = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", description),
            *("--phases", "coverage,fuzzing", "--max-examples", "8", "--checks", CHECKS),
            *("--generation-deterministic", "--request-timeout", "60"),
            *("--continue-on-failure", "--no-color", "--exclude-path", "/events"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-20_000:] + told.stderr
    assert " passed" in told.stdout
