"""A source that cannot work is refused as the settings are read, in one line."""

from pathlib import Path

import pytest

from proxy.config import load
from proxy.section import ConfigError


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "name is missing"),
        ("name = 'a b'\npath = 'x'", "ingest[0].name = 'a b'"),
        ("name = 'a'", "needs either path or url"),
        ("name = 'a'\npath = 'x'\nurl = 'http://x'", "needs either path or url"),
        ("name = 'a'\npath = 'x'\n[[ingest]]\nname = 'a'\npath = 'y'", "is there twice"),
        ("name = 'a'\npath = 'x'\nformat = 'xml'", "ingest[0].format = 'xml'"),
        ("name = 'a'\npath = 'x'\nformat = 'fields'", "needs fields.response"),
        ("name = 'a'\npath = 'x'\nfields.response = 'y'", "fields is for format = 'fields'"),
        ("name = 'a'\npath = 'x'\nmonitor = 'canary:x'", "are for canaries"),
        ("name = 'a'\npath = 'x'\nmonitor = 'm'\n[monitors]\nallow = ['n']", "is not in monitors.allow"),
        ("name = 'a'\npath = 'x'\ncron = 'daily'", "must be five fields"),
        ("name = 'a'\npath = 'http://x'", "is a URL; write url"),
        ("name = 'a'\npath = 'x'\ntoken_env = 'T'", "token_env is for url"),
        ("name = 'a'\nurl = 'ftp://x'", "url must be http(s)"),
        ("name = 'a'\nurl = 'http://u:secret@x'", "without user, password"),
        ("name = 'a'\nurl = 'http://x'\ntoken_env = 'T'\nusername_env = 'U'", "leave one out"),
        ("name = 'a'\nurl = 'http://x'\nnext = 'n'\npage_param = 'p'", "pages are found in one way"),
        ("name = 'a'\npath = 'x'\nevery_seconds = 0", "ingest[0].every_seconds = 0"),
    ],
)
def test_a_source_that_cannot_work_is_named_with_its_rule(tmp_path: Path, text: str, says: str):
    file = tmp_path / "c.toml"
    file.write_text(f"[[ingest]]\n{text}")
    with pytest.raises(ConfigError) as caught:
        load(file, environ={}, flags={})
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
