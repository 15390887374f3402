"""What of [embedder] cannot be used together. What each key means stands in config.toml."""

from urllib.parse import urlsplit

from proxy.section import ConfigError
from proxy.settings import Embedder


def check(s: Embedder) -> None:
    """Raises ConfigError with the one line that a person needs."""
    if s.url:
        _check_url(s.url)
    elif s.fallback:
        raise ConfigError(f"embedder.fallback = {s.fallback!r}: needs embedder.url, the server that it stands in for")
    if s.precision == "int8" and s.backend == "torch":
        raise ConfigError('embedder.precision = "int8": needs embedder.backend = "onnx"')
    if s.precision == "bf16" and s.backend == "onnx":
        raise ConfigError('embedder.precision = "bf16": needs embedder.backend = "torch"')
    if s.device in ("cuda", "mps") and (s.backend == "onnx" or s.precision == "int8"):
        raise ConfigError(f"embedder.device = {s.device!r}: the ONNX backend is for CPUs; use torch with fp32 or bf16")


def _check_url(url: str) -> None:
    rule = "must be http(s)://host[:port][/prefix], without /v1; a key comes from embedder.api_key_env"
    try:
        parts = urlsplit(url)
        _ = parts.port
        wrong = not url.isprintable() or parts.scheme not in ("http", "https") or not parts.hostname
    except ValueError:
        raise ConfigError(f"embedder.url = {url!r}: {rule}") from None
    if parts.username is not None or parts.query:
        raise ConfigError(f"embedder.url = (not shown): {rule}")
    if wrong or parts.fragment or parts.path.rstrip("/").endswith(("/v1", "/embeddings")):
        raise ConfigError(f"embedder.url = {url!r}: {rule}")
