"""Nothing from elsewhere, nothing inline, words of models are words, and the token where one is set."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

import proxy
from tests.browser.console import VIEWS, Visitor
from tests.conftest import Driftium, free_port
from tests.scripted import Upstream, replay

DIST = Path(proxy.__file__).parent / "console" / "dist"
MOST_BYTES = 250_000

HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script><a href="javascript:hacked=1">x</a>'


def test_all_assets_are_small():
    """Under 250 kB gzipped, all of them together."""
    files = [file for file in DIST.rglob("*") if file.is_file()]
    assert files
    assert sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) < MOST_BYTES


@pytest.mark.parametrize("view", VIEWS)
def test_the_policy_allows_this_origin_only(view: str, watched: Driftium):
    policy = watched.client.get(view).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy


def test_words_of_users_and_models_are_never_html(driftium: Callable[..., Driftium], visitor: Callable[..., Visitor]):
    """A prompt, an answer, a model's name, a note: each is shown as it was written."""
    said = {f"{HOSTILE} {n}": f"{HOSTILE} as answer {n}" for n in range(12)}
    with Upstream(replay(said)) as upstream:
        running = driftium(upstream.url)
        for prompt in list(said)[:6]:
            running.chat(prompt, model="<b>m</b>").raise_for_status()
        running.wait_until_scored(6, monitor="<b>m</b>")
        body = {"monitor": "<b>m</b>", "note": HOSTILE}
        running.client.post("/baseline", json=body).raise_for_status()
        for prompt in list(said)[6:]:
            running.chat(prompt, model="<b>m</b>").raise_for_status()
        running.wait_until_scored(12, monitor="<b>m</b>")
        running.get("/drift", fresh=True)
        person = visitor(running.url)
        page = person.go("/")
        expect(page.get_by_role("region", name="Baselines", exact=True)).to_contain_text("onerror")
        for view in ("/compare", "/root-cause"):
            person.go(view)
            expect(page.locator("main")).not_to_contain_text("Loading")
            assert page.evaluate("window.hacked") is None
            assert page.locator("main img, main script, main a[href^='javascript:']").count() == 0
        person.go("/compare")
        expect(page.locator("main")).to_contain_text("<img src=x onerror=")


def test_the_admin_token_is_asked_for_once(driftium: Callable[..., Driftium], visitor: Callable[..., Visitor]):
    """A wrong one is asked for again; the right one is kept over a reload, and can be forgotten."""
    running = driftium(
        f"http://127.0.0.1:{free_port()}", "--no-worker", env={"DRIFTIUM_SERVER__ADMIN_TOKEN": "open-sesame"}
    )
    person = visitor(running.url)
    page = person.go("/")
    dialog = page.get_by_role("dialog", name="This Driftium asks for its admin token")
    expect(dialog).to_be_visible()
    # Nothing can be seen without it: Escape does not take it away for good.
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Admin token").fill("open\u200b-sesame")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_role("alert")).to_contain_text("printable ASCII")
    dialog.get_by_label("Admin token").fill("open-barley")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog.get_by_role("alert")).to_contain_text("not the server's")
    dialog.get_by_label("Admin token").fill("open-sesame")
    dialog.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="No answer has passed yet")).to_be_visible()
    person.go("/set-up")
    expect(page.get_by_text("answers the prompts:")).to_be_visible()
    expect(dialog).not_to_be_visible()
    page.get_by_role("button", name="Forget it").click()
    page.reload()
    expect(dialog).to_be_visible()
    # The browser itself notes each refusal; the page has nothing to complain of.
    person.complaints = [said for said in person.complaints if "401" not in said]
