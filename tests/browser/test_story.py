"""The whole story in a browser, with the real small model behind it."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import Visitor
from tests.conftest import Driftium

pytest.importorskip("xllamacpp", reason="needs driftium[embedded]")

TOKENS = 32
BASELINE, MORE = 40, 14
MINUTE = 60_000

RECIPES = [
    f"{ask} {dish}?"
    for ask in ("How do I cook", "What goes well with", "How long does it take to make", "Which spices suit")
    for dish in ("rice", "tomato soup", "pancakes", "fried eggs", "lentils", "apple pie", "roast potatoes", "noodles",
                 "bean stew", "fish cakes")
]  # fmt: skip
PROGRAMS = [
    f"{ask} {thing} in Python?"
    for ask in ("How do I sort", "How do I test")
    for thing in ("a list", "a dictionary", "a table", "numbers", "dates", "file names", "a tree")
]


def ask(driftium: Driftium, prompts: list[str]) -> None:
    model = driftium.get("/v1/models")["data"][0]["id"]

    def one(prompt: str) -> None:
        driftium.chat(prompt, model=model, max_tokens=TOKENS, temperature=0.7).raise_for_status()

    # As many at once as the model has places.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, prompts))


def promote(page: Page, answers: int) -> None:
    """Make the current answers the baseline, with a look at them before."""
    page.get_by_role("button", name="Use current answers as baseline").click()
    preview = page.get_by_role("dialog")
    expect(preview.get_by_role("button", name=f"Make these {answers} the baseline")).to_be_enabled(timeout=MINUTE)
    expect(preview).to_contain_text("provisional")
    preview.get_by_role("button", name=f"Make these {answers} the baseline").click()


def test_a_baseline_is_promoted_the_topic_changes_and_the_cause_is_found(
    driftium: Callable[..., Driftium], visitor: Callable[..., Visitor], gguf: Path
):
    """The overview turns without a reload, the comparer shows pairs, and the agents run to their end."""
    running = driftium(
        None,
        "--embedded",
        env={"DRIFTIUM_EMBEDDED__GGUF": str(gguf), "DRIFTIUM_WORKER__MAX_LAG_SECONDS": "3600"},
    )
    running.wait_for_worker()
    person = visitor(running.url)
    page = person.go("/playground")
    page.get_by_label(re.compile("^Prompt")).fill("How do I cook an egg?")
    page.get_by_text("Options", exact=True).click()
    page.get_by_label(re.compile("^Token limit")).fill(str(TOKENS))
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("main")).to_contain_text("has no baseline yet", timeout=MINUTE)

    ask(running, RECIPES[:BASELINE])
    monitor = running.get("/monitors")["monitors"][0]["name"]
    running.wait_until_scored(BASELINE + 1, monitor=monitor)
    page = person.go("/")
    promote(page, BASELINE + 1)
    expect(page.get_by_role("region", name="How it stands")).to_be_visible()
    page.get_by_role("button", name="Undo: no baseline again").click()
    expect(page.get_by_role("heading", name="These answers have no baseline yet")).to_be_visible()
    promote(page, BASELINE + 1)
    standing = page.get_by_role("region", name="How it stands")
    expect(standing).to_be_visible()

    ask(running, PROGRAMS[:MORE])
    expect(standing).to_contain_text(re.compile("MEDIUM|HIGH|CRITICAL"), timeout=2 * MINUTE)
    expect(page.get_by_role("row", name=re.compile("baseline"))).not_to_have_count(0)

    page.get_by_role("link", name="Compare answers").click()
    pairs = page.locator("#pairs")
    expect(pairs).to_contain_text("in Python?", timeout=MINUTE)
    expect(pairs).to_contain_text(re.compile("cook|goes well|take to make|spices"))

    page.get_by_role("link", name="Root cause").click()
    page.get_by_role("button", name="Find the cause").first.click()
    trace = page.get_by_role("log")
    for agent in ("triage", "diagnosis", "recommendation"):
        expect(trace).to_contain_text(agent, timeout=MINUTE)
    expect(page).to_have_url(re.compile("run="), timeout=MINUTE)
    report = page.url
    cited = page.locator("main a[href*='#fact-']")
    expect(cited).not_to_have_count(0)
    fact = cited.first.get_attribute("href")
    cited.first.click()
    assert fact
    expect(page.locator(f"[id='{unquote(fact.partition('#')[2])}']")).to_be_in_viewport()
    person.page.goto(report)
    expect(page.get_by_role("log")).to_contain_text("recommendation")
