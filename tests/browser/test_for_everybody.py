"""Everybody can use it: axe, keyboard, narrow and wide screens, no motion."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DRIFTED
from tests.browser.console import VIEWS, Visitor, serious
from tests.conftest import Driftium


def filled(view: str) -> str:
    """The view with something to show."""
    return {"/tables": "/tables?age=35", "/set-up": view}.get(view, f"{view}?monitor={DRIFTED}")


def settle(page: Page) -> None:
    """Until the page shows its data."""
    page.wait_for_load_state("load")
    expect(page.locator("main")).not_to_contain_text(re.compile("Loading|Comparing"), timeout=30_000)


def unfold(page: Page) -> None:
    """Open what is folded, and show every chart's table."""
    page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true })")
    tables = page.get_by_role("button", name="Show as table")
    while tables.count():
        tables.first.click()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(view: str, theme: str, explained: Driftium, visitor: Callable[..., Visitor]):
    """On any page, in either theme, with data and with everything unfolded."""
    page = visitor(explained.url, color_scheme=theme).go(filled(view))
    settle(page)
    assert serious(page) == []
    unfold(page)
    assert serious(page) == []


@pytest.mark.parametrize("width", [360, 2560])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_the_screen(view: str, width: int, explained: Driftium, visitor: Callable[..., Visitor]):
    page = visitor(explained.url, viewport={"width": width, "height": 800}).go(filled(view))
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_the_content_and_every_page(explained: Driftium, visitor: Callable[..., Visitor]):
    """The first Tab offers to skip the header; focus can be seen."""
    page = visitor(explained.url).go("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.get_by_role("link", name="Compare", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Compare")).to_be_visible()
    page.get_by_role("link", name="Tables").focus()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_who_wants_no_motion_gets_none(explained: Driftium, visitor: Callable[..., Visitor]):
    page = visitor(explained.url, reduced_motion="reduce").go(f"/root-cause?monitor={DRIFTED}")
    settle(page)
    moving = "document.getAnimations().filter(a => a.effect.getComputedTiming().activeDuration > 20).length"
    assert page.evaluate(moving) == 0
