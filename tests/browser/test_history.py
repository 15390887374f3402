"""A history of more than ten thousand points is drawn whole, and zoomed into."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.console import Visitor
from tests.browser.long_history import fill
from tests.conftest import Driftium, free_port


@pytest.fixture
def aged(tmp_path: Path, driftium: Callable[..., Driftium]) -> tuple[Driftium, int]:
    folder = tmp_path / "aged"
    folder.mkdir()
    points = fill(folder)
    return driftium(f"http://127.0.0.1:{free_port()}", "--no-worker", name="aged"), points


def test_all_points_are_drawn_with_what_happened_meanwhile(aged: tuple[Driftium, int], visitor: Callable[..., Visitor]):
    running, points = aged
    page = visitor(running.url).go("/?span=all")
    history = page.get_by_role("region", name="History", exact=True)
    # An hour may lie in both, the roll-ups and the reports.
    plot = history.get_by_role("application")
    expect(plot).to_be_visible(timeout=30_000)
    shown = int((plot.get_attribute("aria-label") or "").split(", ")[1].split(" points")[0].replace(",", ""))
    assert points - 10 <= shown <= points
    expect(history.get_by_label("Table: Marks")).to_contain_text("New weights of m.")
    history.get_by_label("How far back").select_option("week")
    expect(plot).to_have_attribute("aria-label", re.compile(r" 1,1\d\d points"))
