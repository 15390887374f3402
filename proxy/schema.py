"""The OpenAPI description at /schema: a page without scripts, JSON and YAML. Nothing is fetched from elsewhere."""

from html import escape
from typing import Any

from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, YamlRenderPlugin


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


def openapi(version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Driftium",
        version=version,
        description="Watches the answers of language models for drift. /v1/* is forwarded as it is.",
        path="/schema",
        render_plugins=[PageRenderPlugin(path="/"), JsonRenderPlugin(), YamlRenderPlugin()],
    )
