"""The overview: how each monitor stands, and what can be done about it."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import CALM, DRIFTED
from tests.browser.console import Visitor
from tests.conftest import Driftium


def test_it_shows_both_monitors_and_the_one_that_the_address_names(watched: Driftium, visitor: Callable[..., Visitor]):
    """Severity as a word, the health index against its line, who changed, and the coverage."""
    page = visitor(watched.url).go(f"/?monitor={DRIFTED.replace(' ', '+')}")
    told = watched.get("/drift", monitor=DRIFTED)
    standing = page.get_by_role("region", name="How it stands")
    expect(standing).to_contain_text(told["severity"])
    expect(standing).to_contain_text(told["verdict_message"])
    meter = standing.get_by_role("meter")
    expect(meter).to_have_attribute("aria-valuenow", str(round(told["health_index"])))
    expect(page.get_by_role("region", name="Coverage")).to_contain_text(str(told["coverage"]["seen"]))
    page.get_by_role("link", name=CALM).click()
    expect(standing).to_contain_text("LOW")
    assert "monitor=shop%2Fsupport" in page.url


def test_the_last_reports_are_a_picture_and_a_table(watched: Driftium, visitor: Callable[..., Visitor]):
    page = visitor(watched.url).go(f"/?monitor={DRIFTED}")
    trend = page.get_by_role("region", name="Stability: the last 20 reports")
    expect(trend.get_by_role("img")).to_be_visible()
    trend.get_by_role("button", name="Show as table").click()
    rows = len(watched.get("/drift/history", monitor=DRIFTED, limit=20)["history"])
    expect(trend.get_by_role("row")).to_have_count(rows + 1)


def test_the_history_zooms_by_button_and_by_key_and_shows_its_marks(watched: Driftium, visitor: Callable[..., Visitor]):
    """The marks say when the baseline was made; what is shown is in the address."""
    page = visitor(watched.url).go(f"/?monitor={DRIFTED}")
    history = page.get_by_role("region", name="History", exact=True)
    expect(history.locator("canvas")).to_be_visible()
    expect(history.get_by_label("Table: Marks")).to_contain_text("as released")
    history.get_by_label("What to show").select_option("mmd")
    expect(page).to_have_url(re.compile("show=mmd"))
    for name in ("Zoom in", "Later", "Earlier"):
        history.get_by_role("button", name=name).click()
    expect(page).to_have_url(re.compile("zoom="))
    history.get_by_role("button", name="Whole").click()
    expect(page).not_to_have_url(re.compile("zoom="))
    history.get_by_role("application").press("+")
    expect(page).to_have_url(re.compile("zoom="))
    history.get_by_role("application").press("0")
    expect(page).not_to_have_url(re.compile("zoom="))


def test_a_monitor_is_muted_until_a_time_with_a_note(watched: Driftium, visitor: Callable[..., Visitor]):
    """And unmuted again; both at once in the list of monitors."""
    page = visitor(watched.url).go(f"/?monitor={CALM}")
    page.get_by_role("button", name="Mute", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="8 hours").click()
    dialog.get_by_label("Note").fill("migration of the shop")
    dialog.get_by_role("button", name="Mute", exact=True).click()
    expect(page.get_by_text("migration of the shop")).to_be_visible()
    expect(page.get_by_role("row", name="shop/support")).to_contain_text("muted")
    muted = {m["name"]: m["mute"] for m in watched.get("/monitors")["monitors"]}[CALM]
    assert muted["note"] == "migration of the shop"
    page.get_by_role("button", name="Unmute").click()
    expect(page.get_by_role("row", name="shop/support")).not_to_contain_text("muted")


def test_times_are_local_with_utc_on_hover(watched: Driftium, visitor: Callable[..., Visitor]):
    made = watched.get("/baseline", monitor=DRIFTED)["baselines"][0]["created_at"]
    page = visitor(watched.url, timezone_id="Pacific/Auckland").go(f"/?monitor={DRIFTED}")
    time = page.get_by_role("region", name="Baselines", exact=True).get_by_role("time")
    expect(time).to_have_attribute("title", made[:19].replace("T", " ") + " UTC")
    local = page.evaluate("at => new Date(at).toLocaleTimeString('en-GB', {hour12: false})", made)
    expect(time).to_contain_text(local)


def test_an_address_of_a_monitor_that_nobody_knows_says_so(watched: Driftium, visitor: Callable[..., Visitor]):
    page = visitor(watched.url).go("/?monitor=typo")
    expect(page.locator("main")).to_contain_text("typo")
    expect(page.locator("main")).to_contain_text(CALM)
