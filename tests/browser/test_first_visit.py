"""The first visit: nothing has passed yet, and every view says what to do."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.console import VIEWS, Visitor, serious
from tests.conftest import Driftium
from tests.scripted import Upstream, replay


def test_the_first_page_teaches_how_to_send_the_first_answer(empty: Driftium, visitor: Callable[..., Visitor]):
    """The address to paste is the one that the page was opened at."""
    page = visitor(empty.url).go("/")
    expect(page.get_by_role("heading", name="No answer has passed yet")).to_be_visible()
    expect(page.get_by_label("Python example", exact=True)).to_contain_text(f'base_url="{empty.url}/v1"')
    page.get_by_role("button", name="curl", exact=True).click()
    expect(page.get_by_label("curl example", exact=True)).to_contain_text(f"curl {empty.url}/v1/chat/completions")
    page.get_by_role("button", name="Environment").click()
    expect(page.get_by_label("Environment example", exact=True)).to_contain_text("OPENAI_BASE_URL")


def test_what_is_missing_is_named_with_what_mends_it(empty: Driftium, visitor: Callable[..., Visitor]):
    page = visitor(empty.url).go("/set-up")
    model_server = page.get_by_role("listitem").filter(has_text="Model server")
    expect(model_server).to_contain_text("needs mending")
    expect(model_server).to_contain_text("--upstream")
    expect(page.get_by_label("Prometheus scrape config", exact=True)).to_contain_text(empty.url.removeprefix("http://"))


@pytest.mark.parametrize("path", ["/metrics", "/schema"])
def test_the_links_to_what_is_no_page_of_the_console_lead_there(
    path: str, empty: Driftium, visitor: Callable[..., Visitor]
):
    page = visitor(empty.url).go("/set-up")
    with page.expect_popup() as opened:
        page.get_by_role("link", name=path).click()
    expect(opened.value.locator("body")).to_contain_text("drift")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_something_to_say_before_there_is_data(
    view: str, empty: Driftium, visitor: Callable[..., Visitor]
):
    page = visitor(empty.url).go(view)
    expect(page.locator("main")).not_to_contain_text("undefined")
    expect(page.locator("main")).not_to_contain_text("Loading")
    assert len(page.locator("main").inner_text().split()) > 20
    assert serious(page) == []


def test_the_page_fills_by_itself_when_the_first_answer_passes(
    driftium: Callable[..., Driftium], visitor: Callable[..., Visitor], answers: dict[str, list[tuple[str, str]]]
):
    with Upstream(replay(dict(answers["medicine"]))) as upstream:
        running = driftium(upstream.url)
        page = visitor(running.url).go("/")
        expect(page.get_by_role("heading", name="No answer has passed yet")).to_be_visible()
        for prompt, _ in answers["medicine"][:3]:
            running.chat(prompt).raise_for_status()
        expect(page.get_by_role("heading", name="These answers have no baseline yet")).to_be_visible(timeout=120_000)
