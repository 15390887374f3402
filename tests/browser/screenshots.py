"""Take the README's pictures of every page in both themes, from live data.

    python -m tests.browser.screenshots [--out .github/screenshots]

Recorded real answers pass a real Driftium; then the embedded model answers in the playground.
"""

import argparse
import re
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.benchmarks.replay import texts
from tests.browser.console import Visitor, find_browser, launched, send
from tests.conftest import Driftium, wait_until
from tests.scripted import Upstream, replay

MONITOR, CALM = "health-advice", "shop-support"
SIZE = {"width": 1280, "height": 1000}
MOST_BYTES = 300_000
PATIENCE = 110_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(".github/screenshots"))
    out = parser.parse_args().out
    path = find_browser()
    if path is None:
        raise SystemExit("no Chromium is installed: apt-get install chromium")
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    drifted(folder)
    running = Driftium(folder, None, "--embedded").start()
    try:
        running.wait_for_worker()
        wait_until(lambda: running.get("/api/health")["upstream"].get("models"), seconds=300, what="the model answers")
        with launched(path) as browser:
            for theme in ("light", "dark"):
                take(browser, running.url, theme, out)
    finally:
        running.stop()


def drifted(folder: Path) -> None:
    """Two monitors: the users of one went over to another topic."""
    medicine, support = texts(None, "medicine"), texts(None, "support")
    with Upstream(replay(dict(medicine + support))) as upstream:
        running = Driftium(folder, upstream.url, env={"DRIFTIUM_WORKER__MAX_LAG_SECONDS": "3600"}).start()
        running.wait_for_worker()
        send(running, medicine[:150], MONITOR, 150)
        running.client.post("/baseline", json={"monitor": MONITOR, "note": "Release 4.2"}).raise_for_status()
        send(running, support[:60], CALM, 60)
        running.client.post("/baseline", json={"monitor": CALM, "note": "Release 4.2"}).raise_for_status()
        wait_until(
            lambda: running.get("/baseline", monitor=MONITOR)["baselines"][0]["calibration"],
            seconds=600,
            what="the alarm lines are calibrated",
        )
        scored = 150
        for _ in range(8):
            scored += 10
            send(running, medicine[scored - 10 : scored], MONITOR, scored)
            running.get("/drift", monitor=MONITOR, fresh=True)
        send(running, support[60:90], CALM, 90)
        for i in range(8):
            scored += 8
            send(running, support[100 + 8 * i : 108 + 8 * i], MONITOR, scored)
            running.get("/drift", monitor=MONITOR, fresh=True)
        running.stop()


def take(browser: Browser, url: str, theme: str, out: Path) -> None:
    person = Visitor(browser, url, color_scheme=theme, viewport=SIZE)
    page = person.page

    def picture(name: str) -> None:
        settle(page)
        file = out / f"{name}-{theme}.png"
        page.screenshot(path=file)
        size = file.stat().st_size
        print(f"{file}: {size / 1000:.0f} kB{'  TOO LARGE' if size > MOST_BYTES else ''}")

    person.go(f"/?monitor={MONITOR}")
    picture("overview")
    person.go(f"/compare?monitor={MONITOR}")
    picture("compare")
    person.go(f"/playground?monitor={CALM}")
    page.get_by_label(re.compile("^Prompt")).fill("How can I track my order?")
    page.get_by_text("Options", exact=True).click()
    page.get_by_label(re.compile("^Token limit")).fill("90")
    page.get_by_text("Options", exact=True).click()
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_text("that are most like it").wait_for(timeout=PATIENCE)
    picture("playground")
    person.go(f"/root-cause?monitor={MONITOR}")
    page.get_by_role("button", name="Find the cause").or_(page.get_by_role("button", name="Look again")).first.click()
    page.wait_for_url("**run=*", timeout=PATIENCE)
    page.get_by_role("log").get_by_text("[3]").wait_for(timeout=PATIENCE)
    picture("root-cause")
    person.go("/tables?age=35")
    page.locator(".result").get_by_text("columns have drifted").first.wait_for(timeout=PATIENCE)
    picture("tables")
    person.go("/set-up")
    picture("set-up")
    person.close()
    assert not person.complaints, person.complaints


def settle(page: Page) -> None:
    page.wait_for_load_state("load")
    page.locator("main").get_by_text("Loading").first.wait_for(state="hidden")


if __name__ == "__main__":
    main()
