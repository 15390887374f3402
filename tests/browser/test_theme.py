"""Light and dark: the system's first, then the one that was chosen, without a flash of the other."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import Visitor
from tests.conftest import Driftium

FIRST_PAINT = """
new PerformanceObserver(() => { window.themeAtFirstPaint = document.documentElement.dataset.theme ?? "system" })
  .observe({ type: "paint", buffered: true });
"""


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


@pytest.mark.parametrize(("system", "other"), [("dark", "light"), ("light", "dark")])
def test_a_chosen_theme_outlives_the_page(system: str, other: str, watched: Driftium, visitor: Callable[..., Visitor]):
    """The system's is shown first; the chosen one stands at the first paint of the next visit."""
    person = visitor(watched.url, color_scheme=system)
    page = person.go("/")
    before = background(page)
    expect(page.get_by_role("button", name=f"Change to the {other} theme")).to_be_visible()
    page.get_by_role("button", name=f"Change to the {other} theme").click()
    chosen = background(page)
    assert chosen != before
    page.add_init_script(FIRST_PAINT)
    page.reload()
    page.wait_for_function("window.themeAtFirstPaint")
    assert page.evaluate("window.themeAtFirstPaint") == other
    assert background(page) == chosen
    person.go("/compare")
    assert background(page) == chosen


def test_without_a_choice_it_follows_the_system(watched: Driftium, visitor: Callable[..., Visitor]):
    page = visitor(watched.url, color_scheme="light").go("/")
    light = background(page)
    page.emulate_media(color_scheme="dark")
    assert background(page) != light
    expect(page.get_by_role("button", name="Change to the light theme")).to_be_visible()
