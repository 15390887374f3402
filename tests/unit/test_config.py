"""Settings come from one file, one prefix and the flags, and a wrong one says what is wrong in one line."""

import os
import tomllib
from pathlib import Path

import msgspec
import pytest

from proxy.config import load
from proxy.section import ConfigError
from proxy.settings import Settings

ROOT = Path(__file__).parents[2]


def refused(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environ=environ or {}, flags={})
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_config_toml_documents_every_setting_with_its_default():
    """The shipped file names every key, and its values are the defaults."""
    shipped = tomllib.loads((ROOT / "config.toml").read_text())
    assert msgspec.convert(shipped, Settings) == Settings()
    tables = {name: table for name, table in msgspec.to_builtins(Settings()).items() if isinstance(table, dict)}
    assert shipped == {
        name: {k: list(v) if isinstance(v, tuple) else v for k, v in table.items()} for name, table in tables.items()
    }


def test_the_examples_in_config_toml_can_be_used_as_they_stand(tmp_path: Path):
    """Lists of tables have no default: each has an example, which lacks nothing but its comment signs."""
    lines = (ROOT / "config.toml").read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("# [["))
    file = tmp_path / "c.toml"
    file.write_text("\n".join(line.removeprefix("# ") for line in lines[first:]))
    settings = load(file, environ={}, flags={})
    assert settings.notify
    assert settings.ingest
    assert settings.canary


def test_flags_override_the_environment_which_overrides_the_file(tmp_path: Path):
    file = tmp_path / "c.toml"
    file.write_text("[server]\nport = 1\nhost = 'a'\ndrain_seconds = 3")
    environ = {"DRIFTIUM_SERVER__PORT": "2", "DRIFTIUM_SERVER__HOST": "b", "DRIFTIUM_SERVER__CORS_ORIGINS": '["*"]'}
    s = load(file, environ=environ, flags={"server.port": 3, "server.host": None}).server
    assert (s.port, s.host, s.drain_seconds, s.cors_origins) == (3, "b", 3.0, ("*",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1", "server.prot = 1: no such setting"),
        ("[sevrer]\nport = 1", "sevrer = {'port': 1}: no such setting"),
        ("[server]\nport = 'x'", "server.port = 'x': expected int"),
        ("[server]\nport = 70000", "server.port = 70000: expected int <= 65535"),
        ("[drift]\nwindows = [50, 1]", "drift.windows[1] = [50, 1]: expected int >= 2"),
        ("[drift]\nwindows = [200, 50]", "drift.windows = [200, 50]: must rise"),
        ("[drift]\nrecent_samples = 100\nmax_baseline = 100", "drift.recent_samples = 100: must be at least 232"),
        ("[drift]\nmax_baseline = 5000", "drift.max_baseline = 5000: must not exceed"),
        ("[upstream]\nurl = 'ftp://x'", "upstream.url = 'ftp://x': must be http(s)"),
        ("[upstream]\nurl = 'http://localhost:8000'", "is Driftium's own address"),
        ("[upstream]\nurl = 'http://localhost'\n[server]\nport = 80", "is Driftium's own address (server.port = 80)"),
        (
            "[upstream]\nurl = 'http://127.0.0.1:99999'",
            "upstream.url = 'http://127.0.0.1:99999': must be a URL: Port out",
        ),
        ("[upstream]\nurl = 'http://[::1'", "upstream.url = 'http://[::1': must be a URL: Invalid IPv6"),
        ('[upstream]\nurl = "http://x\\n"', "upstream.url = 'http://x\\n': must be a URL: unprintable"),
        (
            "[upstream]\nurl = 'http://x/v1'",
            "upstream.url = 'http://x/v1': must be http(s)://host[:port][/prefix], without /v1",
        ),
        ("[upstream]\nurl = 'http://x/openai/v1/'", "without /v1"),
        (
            "[database]\nurl = 'postgresql+psycopg://me:s3@cret@db/x'",
            "(not shown): holds more than one @",
        ),
        ("[qdrant]\nurl = 'https://me:s3cret@qdrant:x'", "qdrant.url = (not shown): must be a URL"),
        ("[server]\ncors_origins = ['http://[::1']", "server.cors_origins = 'http://[::1': must be a URL"),
        ("[server]\ndrain_seconds = inf", "server.drain_seconds = inf: expected float <= 1000000000.0"),
        ("[worker]\npoll_seconds = nan", "worker.poll_seconds = nan: expected float > 0.0"),
        ("[worker]\nbatch = inf", "worker.batch = inf: expected int"),
        ("[server]\ncors_origins = ['x.org']", "server.cors_origins = 'x.org': must be scheme://host"),
        ("[server", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_its_rule(tmp_path: Path, text: str, says: str):
    assert says in refused(tmp_path, text)


def test_a_wrong_environment_variable_is_named_as_such(tmp_path: Path):
    message = refused(tmp_path, "", {"DRIFTIUM_SERVER__PORT": "eighty"})
    assert message == "DRIFTIUM_SERVER__PORT: server.port = 'eighty': expected int, got str"


def test_a_variable_with_one_underscore_is_refused_and_not_ignored(tmp_path: Path):
    message = refused(tmp_path, "", {"DRIFTIUM_SERVER_PORT": "9"})
    assert (
        message == "DRIFTIUM_SERVER_PORT: no such setting; a variable is named DRIFTIUM_SECTION__KEY, two underscores"
    )


def test_the_variables_that_kubernetes_adds_for_a_service_are_no_settings(tmp_path: Path):
    """A service called driftium does not keep its own pods from starting."""
    added = {
        "DRIFTIUM_SERVICE_HOST": "10.0.0.1",
        "DRIFTIUM_SERVICE_PORT": "8000",
        "DRIFTIUM_PORT": "tcp://10.0.0.1:8000",
        "DRIFTIUM_PORT_8000_TCP_ADDR": "10.0.0.1",
        "DRIFTIUM_WEB_SERVICE_PORT_HTTP": "8000",
    }
    assert load(Path(os.devnull), environ=added, flags={}) == Settings()


@pytest.mark.parametrize("url", ["http://x/openai", "https://x/v1beta/openai/", "http://[::1]:9", "https://localhost"])
def test_an_upstream_may_stand_behind_a_prefix_on_any_other_port(url: str):
    flags = {"upstream.url": url, "server.port": 80}
    assert load(Path(os.devnull), environ={}, flags=flags).upstream.url == url


def test_a_missing_config_file_is_an_error_only_when_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert load(environ={}, flags={}) == Settings()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml", environ={}, flags={})
