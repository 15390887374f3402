"""How the OpenAPI description tells of refusals: as problem+json, which every route may answer with."""

from typing import Any

MEDIA_TYPE = "application/problem+json"

_TEXT, _NUMBER = {"type": "string"}, {"type": "integer"}
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What was wrong, and what to do (RFC 9457).",
    "required": ["detail", "status", "title", "type"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": _NUMBER,
        "detail": _TEXT,
        "errors": {"type": "array", "items": _TEXT, "description": "Each field that was wrong."},
    },
}
_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def with_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """The description, with every refusal as it is sent."""
    paths = {
        path: {verb: _told(operation) if "responses" in operation else operation for verb, operation in verbs.items()}
        for path, verbs in schema["paths"].items()
    }
    components = schema["components"]
    schemas = dict(sorted((components["schemas"] | {"Problem": PROBLEM}).items()))
    return schema | {"paths": paths, "components": components | {"schemas": schemas}}


def _told(operation: dict[str, Any]) -> dict[str, Any]:
    kept = {status: answer for status, answer in operation["responses"].items() if status[0] in "123"}
    refused = {status: answer for status, answer in operation["responses"].items() if status not in kept}
    told = {
        status: {"description": answer["description"], "content": _CONTENT} if _is_frameworks(answer) else answer
        for status, answer in refused.items()
    }
    default = {"description": "Refused: detail says why, and what to do.", "content": _CONTENT}
    return operation | {"responses": {**kept, **told, "default": default}}


def _is_frameworks(answer: dict[str, Any]) -> bool:
    """Whether nobody but the framework described it: its own errors have another form than ours."""
    content = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return "$ref" not in content
