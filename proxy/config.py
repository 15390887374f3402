"""Settings: config.toml, then the environment, then flags, into frozen structs. The only reader of settings."""

import importlib.util
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from proxy import embedding_settings as embedding
from proxy.canary import settings as canary
from proxy.ingest import settings as ingest
from proxy.notify import settings as notify
from proxy.section import ConfigError
from proxy.settings import Settings

PREFIX = "DRIFTIUM_"
MOST_PARTITIONS = 200
"""PostgreSQL locks each that a query may touch, and has room for some thousands of locks."""
_SERVICE_LINK = re.compile(r"\w*_(SERVICE_HOST|SERVICE_PORT|PORT_\d|PORT=\w+://)")
"""NAME=value of the variables that Kubernetes adds for a service whose name begins with driftium: no settings."""


def load(path: Path | None = None, *, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Read the settings.

    `path` names a config file (None: ./config.toml when there is one); `environ` holds
    DRIFTIUM_SECTION__KEY variables; `flags` holds {"section.key": value}, None values
    being flags that were not given.
    Raises ConfigError with the one line that a person needs.
    """
    tree, source = _read_file(path)
    origins: dict[str, str] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX):
            continue
        if "__" in name:
            key = name.removeprefix(PREFIX).lower().replace("__", ".", 1)
            _put(tree, key, text if _is_secret(key) else _value(text))
            origins[key] = name
        elif not _SERVICE_LINK.match(f"{name}={text}"):
            raise ConfigError(f"{name}: no such setting; a variable is named DRIFTIUM_SECTION__KEY, two underscores")
    for key, value in flags.items():
        if value is not None:
            _put(tree, key, value)
            origins[key] = "--" + key.rpartition(".")[2].replace("_", "-")
    if "vector_store" in tree:
        raise ConfigError(f"{source}: [vector_store] is called [qdrant] now")
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(error, tree, origins, source)) from None
    _check(settings)
    return settings


def _read_file(path: Path | None) -> tuple[dict[str, Any], str]:
    file = path or Path("config.toml")
    if path is None and not file.is_file():
        return {}, "the settings"
    try:
        return tomllib.loads(file.read_text("utf-8")), str(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None


def _value(text: str) -> Any:
    """An environment variable's text as TOML reads it, else as the plain string it is."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    section, _, name = key.partition(".")
    table = tree.setdefault(section, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{section} = {_shown(section, table)}: must be a table, [{section}]")
    table[name] = value


def _explain(error: msgspec.ValidationError, tree: dict[str, Any], origins: dict[str, str], source: str) -> str:
    """Turn msgspec's "Expected `int` >= 1 - at `$.server.port`" into key, value and rule."""
    rule, _, where = str(error).partition(" - at `$")
    key = where.rstrip("`").lstrip(".")
    if rule.startswith("Object contains unknown field"):
        name = rule.rpartition("field ")[2].strip("`")
        full = f"{key}.{name}" if key else name
        value = _at(tree, full)
        origin = origins.get(full, source)
        return f"{origin}: {full} = {_shown(full, value)}: no such setting; config.toml lists them all"
    origin = origins.get(key.partition("[")[0], source)
    if rule.startswith("Object missing required field"):
        return f"{origin}: {key}: {rule.rpartition('field ')[2].strip('`')} is missing"
    return f"{origin}: {key} = {_shown(key, _at(tree, key))}: {rule[0].lower()}{rule[1:].replace('`', '')}"


def _at(tree: dict[str, Any], key: str) -> Any:
    """The value at a path like notify[0].name; of a list of plain values, the whole list."""
    value: Any = tree
    for part in re.findall(r"[^.\[\]]+", key):
        if isinstance(value, list) and part.isdigit():
            item = value[int(part)]
            value = item if isinstance(item, dict) else value
        elif isinstance(value, dict):
            value = value.get(part)
    return value


def _is_secret(key: str) -> bool:
    """Whether the value may be one. What was put under a wrong key, or in place of a variable's name, may be too."""
    leaf = key.rpartition(".")[2]
    told = key.startswith("notify") and (leaf == "url" or leaf not in notify.Notify.__struct_fields__)
    return key == "database.url" or key.startswith("server.admin") or told or leaf.endswith("_env")


def _shown(key: str, value: Any) -> str:
    """The value as an error may show it, which is for logs and screens that others read."""
    return "(not shown)" if _is_secret(key) else repr(value)


def _check(s: Settings) -> None:
    """The combinations that cannot work."""
    notify.check(s.notify)
    ingest.check(s.ingest, s.monitors.allow)
    canary.check(s.canary)
    url = _split("upstream.url", s.upstream.url)
    is_base = url.scheme in ("http", "https") and url.hostname and not url.query and not url.fragment
    if not is_base or url.path.rstrip("/").endswith("/v1"):
        raise ConfigError(
            f"upstream.url = {s.upstream.url!r}: must be http(s)://host[:port][/prefix], without /v1 or a query"
        )
    loopback = ("127.0.0.1", "localhost", "::1", "0.0.0.0")
    own = s.server.host in loopback and url.hostname in loopback
    port = url.port or (443 if url.scheme == "https" else 80)
    if own and not s.embedded.enabled and port == s.server.port:
        raise ConfigError(
            f"upstream.url = {s.upstream.url!r}: is Driftium's own address (server.port = {s.server.port}); "
            "it would forward to itself"
        )
    if not all("!" <= character <= "~" for character in s.server.admin_token):
        raise ConfigError("server.admin_token = (not shown): must be printable ASCII characters without a space")
    if s.database.url:
        _check_database(s)
    if list(s.drift.windows) != sorted(set(s.drift.windows)):
        raise ConfigError(f"drift.windows = {list(s.drift.windows)}: must rise and hold each size once")
    need = max(s.drift.windows) + s.worker.batch
    if s.drift.recent_samples < need:
        raise ConfigError(
            f"drift.recent_samples = {s.drift.recent_samples}: must be at least {need}, "
            "the largest of drift.windows and one worker.batch"
        )
    if s.drift.max_baseline > s.drift.recent_samples:
        raise ConfigError(
            f"drift.max_baseline = {s.drift.max_baseline}: must not exceed "
            f"drift.recent_samples = {s.drift.recent_samples}, from which baselines are made"
        )
    if s.server.public_url and (wrong := notify.wrong_address(s.server.public_url)):
        raise ConfigError(f"server.public_url = {s.server.public_url!r}: {wrong}")
    embedding.check(s.embedder)
    if s.qdrant.url:
        parts = _split("qdrant.url", s.qdrant.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username is not None:
            shown = "(not shown)" if parts.query or parts.username is not None else repr(s.qdrant.url)
            raise ConfigError(
                f"qdrant.url = {shown}: must be http(s)://host[:port][/prefix]; "
                "a key comes from the environment (qdrant.api_key_env)"
            )
    if s.privacy.redact:
        from proxy.masking import Masks  # Only for those who mask: it brings a library.

        Masks(s.privacy.redact)
    for origin in s.server.cors_origins:
        parts = _split("server.cors_origins", origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path):
            raise ConfigError(f"server.cors_origins = {origin!r}: must be scheme://host[:port] without a path, or *")


def _check_database(s: Settings) -> None:
    # The address holds a password as often as not.
    told = "database.url = (not shown)"
    try:
        parts = urlsplit(s.database.url)
        _ = parts.port
    except ValueError:
        raise ConfigError(f"{told}: must be a URL") from None
    if parts.netloc.count("@") > 1:
        # The driver takes the first one for the end of the password, and names what follows.
        raise ConfigError(f"{told}: holds more than one @: in a user's name or password write %40")
    if parts.scheme != "postgresql+psycopg" or not parts.path.strip("/"):
        raise ConfigError(f"{told}: must be postgresql+psycopg://user@host[:port]/name")
    if importlib.util.find_spec("psycopg") is None:
        raise ConfigError(f"{told}: needs a driver: pip install 'driftium[postgres]'")
    if s.log.keep_days * 24 / s.database.partition_hours > MOST_PARTITIONS:
        raise ConfigError(
            f"database.partition_hours = {s.database.partition_hours}: too short for log.keep_days = "
            f"{s.log.keep_days:g}: the log would have more than {MOST_PARTITIONS} partitions"
        )
    if not s.qdrant.url:
        raise ConfigError(f"{told}: needs qdrant.url too: workers on several machines share their vectors there")


def _split(key: str, url: str) -> SplitResult:
    """The URL's parts, of which the port can be read without an error."""
    try:
        # urlsplit drops line breaks and tabs, which the HTTP client refuses.
        if not url.isprintable():
            raise ValueError("unprintable characters")
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        # What cannot be read may hold a password; the error may quote it.
        if "@" in url:
            raise ConfigError(f"{key} = (not shown): must be a URL") from None
        raise ConfigError(f"{key} = {url!r}: must be a URL: {error}") from None
    return parts
