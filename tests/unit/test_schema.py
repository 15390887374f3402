"""The OpenAPI description says enough of every answer that types can be made from it, and is always the same."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

OF_ANYTHING = {"Generated.usage"}
"""What a model server says of its tokens is passed on as it came."""


def shown(folder: Path, seed: str) -> bytes:
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, "XDG_DATA_HOME": str(folder / "data")}
    return subprocess.run(
        [sys.executable, "-m", "proxy.schema"], cwd=folder, env=env, capture_output=True, check=True
    ).stdout


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return json.loads(shown(tmp_path_factory.mktemp("schema"), "0"))


def test_it_is_printed_the_same_each_time_and_leaves_nothing_behind(tmp_path: Path, schema: dict[str, Any]):
    first = shown(tmp_path, "1")
    assert first == shown(tmp_path, "2")
    assert json.loads(first) == schema
    assert list(tmp_path.iterdir()) == []


def answers(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(route, schema) of each JSON answer that is no refusal."""
    for path, operations in schema["paths"].items():
        for verb, operation in operations.items():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json")
                if status.startswith("2") and content and path != "/events":
                    yield f"{verb} {path}", content["schema"]


def vague(name: str, part: dict[str, Any]) -> Iterator[str]:
    """Where anything at all would fit."""
    if not part or part.get("additionalProperties") == {}:
        yield name
    for key, inner in part.get("properties", {}).items():
        yield from vague(f"{name}.{key}", inner)
    for inner in [*part.get("oneOf", []), *part.get("allOf", []), *filter(None, [part.get("items")])]:
        yield from vague(name, inner)
    if isinstance(part.get("additionalProperties"), dict):
        yield from vague(name, part["additionalProperties"])


def test_every_answer_is_of_a_named_type(schema: dict[str, Any]):
    unnamed = [route for route, part in answers(schema) if not all("$ref" in one for one in part.get("oneOf", [part]))]
    assert unnamed == []


def test_no_field_of_an_answer_may_be_anything(schema: dict[str, Any]):
    asked = {"ExplainRequest", "GenerateRequest"}
    found = {
        field
        for name, part in schema["components"]["schemas"].items()
        if name not in asked
        for field in vague(name, part)
    }
    assert found == OF_ANYTHING


def test_a_field_with_a_default_is_there_in_every_answer_and_may_be_left_out_of_a_request(schema: dict[str, Any]):
    parts = schema["components"]["schemas"]
    assert set(parts["DriftView"]["required"]) == set(parts["DriftView"]["properties"])
    assert set(parts["Place"]["required"]) == set(parts["Place"]["properties"])
    assert parts["MuteRequest"]["required"] == ["until"]
    assert "required" not in parts["BaselineRequest"] or parts["BaselineRequest"]["required"] == []


def test_what_health_leaves_out_where_nothing_is_wrong_may_be_absent(schema: dict[str, Any]):
    parts = schema["components"]["schemas"]
    assert parts["UpstreamHealth"]["required"] == ["status", "url"]
    assert parts["WorkerHealth"]["required"] == ["status"]


def test_the_console_is_no_part_of_it(schema: dict[str, Any]):
    assert not {"/", "/compare", "/assets/{name}", "/theme.js"} & schema["paths"].keys()
    assert "/monitors/{name}/mute" in schema["paths"]
