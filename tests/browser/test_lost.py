"""A server that is gone: the page says so, and does not pass old figures off as new."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.console import Visitor
from tests.conftest import Driftium, free_port


def test_a_page_left_open_says_that_the_server_is_gone(
    driftium: Callable[..., Driftium], visitor: Callable[..., Visitor]
):
    running = driftium(f"http://127.0.0.1:{free_port()}", "--no-worker")
    person = visitor(running.url)
    page = person.go("/set-up")
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()
    running.stop()
    expect(page.get_by_role("alert").first).to_contain_text("not answer", timeout=30_000)
    expect(page.get_by_role("status").filter(has_text="not connected")).to_be_visible()
    # The browser itself notes each request that fails.
    person.complaints = [line for line in person.complaints if "ERR_CONNECTION" not in line]
