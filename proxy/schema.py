"""The OpenAPI description at /schema: a page without scripts, JSON and YAML. Nothing is fetched from elsewhere.

`python -m proxy.schema` prints the JSON; it opens no data folder and no port.
"""

import json
from html import escape
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition
from msgspec import UnsetType

from proxy.schema_problems import with_problems


class PageRenderPlugin(OpenAPIRenderPlugin):
    """Every route on one plain page."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        rows = "".join(
            f"<tr><td><code>{method.upper()}</code></td><td><code>{escape(path)}</code></td>"
            f"<td>{escape(operation.get('description') or operation.get('summary') or '')}</td></tr>"
            for path, operations in openapi_schema["paths"].items()
            for method, operation in operations.items()
            if isinstance(operation, dict)
        )
        info = openapi_schema["info"]
        return (
            "<!doctype html><html lang=en><meta charset=utf-8>"
            "<meta name=viewport content='width=device-width'>"
            f"<title>{escape(info['title'])}</title><style>:root{{color-scheme:light dark}}"
            "body{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}"
            "table{border-collapse:collapse}"
            "td{padding:.4rem .8rem .4rem 0;vertical-align:top;border-top:1px solid #8884}"
            f"</style><h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
            "<p>Machine-readable: <a href='/schema/openapi.json'>JSON</a>, <a href='/schema/openapi.yml'>YAML</a>.</p>"
            f"<table>{rows}</table></html>"
        ).encode()


class ProblemsAsJson(JsonRenderPlugin):
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, with_problems(openapi_schema))


class ProblemsAsYaml(YamlRenderPlugin):
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, with_problems(openapi_schema))


class Answers(OpenAPISchemaPlugin):
    """Structs of answers: each field is there, whatever its default, unless it may be unset.

    Those of requests, which alone forbid unknown fields, are the framework's own business.
    """

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        if field_definition.is_union or not field_definition.is_subclass_of(msgspec.Struct):
            return False
        return not field_definition.annotation.__struct_config__.forbid_unknown_fields

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        types = field_definition.get_type_hints(include_extras=True, resolve_generics=True)
        fields = {
            field.encode_name: FieldDefinition.from_annotation(annotation=types[field.name], name=field.encode_name)
            for field in msgspec.structs.fields(field_definition.annotation)
        }
        required = sorted(name for name, field in fields.items() if UnsetType not in field.args)
        schema: Schema = schema_creator.create_component_schema(
            field_definition, required=required, property_fields=fields
        )
        return schema


def openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Driftium",
        version=version("driftium"),
        description="Watches the answers of language models for drift. /v1/* is forwarded as it is.",
        path="/schema",
        render_plugins=[PageRenderPlugin(path="/"), ProblemsAsJson(), ProblemsAsYaml()],
    )


def described() -> dict[str, Any]:
    """The whole description, of routes that nothing stands behind."""
    from proxy.control_plane import ROUTES  # Which nothing but this needs of it.

    app = Litestar(
        ROUTES,
        dependencies={name: Provide(lambda: None, sync_to_thread=False) for name in ("context", "registry")},
        openapi_config=openapi(),
        plugins=[Answers()],
        logging_config=None,
    )
    return with_problems(app.openapi_schema.to_schema())


if __name__ == "__main__":
    print(json.dumps(described(), indent=2))
