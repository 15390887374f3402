"""A channel that cannot work is refused with one line, which holds no address and no key."""

import re
from pathlib import Path

import pytest

from proxy.config import load
from proxy.section import ConfigError
from proxy.settings import Notify

SECRET = "T0000-B0000-hush"
SLACK = 'name = "a"\ntype = "slack"\n'


def loaded(tmp_path: Path, *entries: str) -> tuple[Notify, ...]:
    file = tmp_path / "c.toml"
    file.write_text("".join(f"[[notify]]\n{entry}\n" for entry in entries))
    return load(file, environ={}, flags={}).notify


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([SLACK], "notify 'a': needs url_env"),
        (['name = "a"'], "notify[0]: type is missing"),
        (['name = "a b"\ntype = "slack"\nurl_env = "X"'], "notify[0].name = 'a b': expected str matching regex"),
        ([SLACK + 'url_env = "X"'] * 2, "notify.name = 'a': is there twice"),
        ([SLACK + 'url_env = "X"\non = []'], "notify 'a': on = []: must name"),
        ([SLACK + 'url_env = "X"\non = ["drift"]'], "notify[0].on"),
        ([SLACK + 'url_env = "X"\nmin_severity = "LOW"'], "notify[0].min_severity = 'LOW': invalid enum value"),
        ([SLACK + f'url = "https://hooks.slack.com/services/{SECRET}"'], "url is a secret at hooks.slack.com"),
        ([SLACK + f'url_env = "https://hooks.slack.com/{SECRET}"'], "notify[0].url_env = (not shown): expected str"),
        ([SLACK + f'url = "http://h/{SECRET}"\nurl_env = "X"'], "has both url and url_env"),
        ([SLACK + f'url = "ftp://h/{SECRET}"'], "url must be http(s)"),
        ([SLACK + f'url = "http://me:{SECRET}@h/"'], "url must be http(s)"),
        ([SLACK + f'url = "http://h:99999/{SECRET}"'], "url must be http(s)"),
        ([SLACK + f'url = "http://h/ {SECRET}"'], "url must be http(s)"),
        ([SLACK + f'webhook = "http://h/{SECRET}"'], "notify[0].webhook = (not shown): no such setting"),
        ([SLACK + 'url_env = "X"\ntoken_env = "Y"'], "token_env is for type = 'webhook'"),
        ([SLACK + 'url_env = "X"\nrouting_key_env = "Y"'], "routing_key_env is for type = 'pagerduty'"),
        (['name = "a"\ntype = "pagerduty"'], "needs routing_key_env"),
        (['name = "a"\ntype = "webhook"\nurl = "http://h"\ntoken_header = "Host"'], "is set by Driftium itself"),
        ([SLACK + 'url_env = "X"\ntimeout_seconds = 0'], "notify[0].timeout_seconds = 0: expected float > 0.0"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, entries: list[str], says: str):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, *entries)
    message = str(caught.value)
    assert says in message
    assert "\n" not in message
    assert SECRET not in message


def test_a_table_in_place_of_a_list_of_them_shows_no_secret(tmp_path: Path):
    file = tmp_path / "c.toml"
    file.write_text(f'[notify]\nname = "a"\nurl = "https://x/{SECRET}"')
    with pytest.raises(ConfigError, match=re.escape("notify = (not shown): expected array")):
        load(file, environ={}, flags={})


def test_variables_for_a_list_of_tables_are_refused_and_show_no_secret(tmp_path: Path):
    file = tmp_path / "c.toml"
    file.write_text(f'[[notify]]\n{SLACK}url = "http://x/{SECRET}"')
    with pytest.raises(ConfigError) as caught:
        load(file, environ={"DRIFTIUM_NOTIFY__URL": "http://y"}, flags={})
    assert SECRET not in str(caught.value)


def test_what_is_left_out_has_its_default(tmp_path: Path):
    (one,) = loaded(tmp_path, SLACK + 'url_env = "X"')
    assert one == Notify(name="a", type="slack", url_env="X")
    assert "upstream" not in one.on


@pytest.mark.parametrize("url", ["ftp://x", "x.org", "https://me:pw@x", "https://x/ y"])
def test_a_public_address_that_is_none_is_refused(tmp_path: Path, url: str):
    with pytest.raises(ConfigError, match="public_url"):
        load(None, environ={"DRIFTIUM_SERVER__PUBLIC_URL": url}, flags={})
