"""How the OpenAPI description tells of a body that is a table: the routes read it themselves, as it comes."""

from dataclasses import dataclass

from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

_FILE = Schema(type=OpenAPIType.STRING, content_media_type="application/octet-stream")
_TYPES = ("text/csv", "application/gzip", "application/vnd.apache.parquet")


def _body(fields: dict[str, Schema]) -> RequestBody:
    form = Schema(type=OpenAPIType.OBJECT, properties={"file": _FILE, **fields}, required=["file"])
    content = {kind: OpenAPIMediaType(schema=_FILE) for kind in _TYPES}
    return RequestBody(content={**content, "multipart/form-data": OpenAPIMediaType(schema=form)}, required=True)


@dataclass
class TakesTable(Operation):
    """A table as the body, or in a form."""

    def __post_init__(self) -> None:
        self.request_body = _body({})


@dataclass
class TakesComparison(Operation):
    """The same, with what to compare it with and how."""

    def __post_init__(self) -> None:
        number, text = Schema(type=OpenAPIType.NUMBER), Schema(type=OpenAPIType.STRING)
        reference = Schema(type=OpenAPIType.STRING, description="A stored reference's name, or a file.")
        self.request_body = _body(
            {"reference": reference, "p_threshold": number, "effect_threshold": number, "dataset": text}
        )
