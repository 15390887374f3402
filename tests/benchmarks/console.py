"""How fast the console is: first paint, and interaction with a history of more than ten thousand points.

    python -m tests.benchmarks.console [--visits 11]

The browser is the Chromium that is installed here, without a GPU.
"""

import argparse
import gzip
import json
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

import proxy
from tests.browser.console import Visitor, find_browser, launched
from tests.browser.long_history import fill
from tests.conftest import Driftium, free_port

DIST = Path(proxy.__file__).parent / "console" / "dist"

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"

NEXT_FRAME = """() => {
  window.acted = act => new Promise(done => {
    const began = performance.now();
    act();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
  });
}"""
PLOT = "document.querySelector('[role=application]')"


def _press(key: str) -> str:
    return f"acted(() => {PLOT}.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}})))"


DISPATCH = {
    "zoom in (key)": _press("+"),
    "move (key)": _press("ArrowLeft"),
    "whole (key)": _press("0"),
    "hover": f"acted(() => {PLOT}.querySelector('.u-over').dispatchEvent(new MouseEvent('mousemove', "
    "{clientX: 400 + Math.random() * 300, clientY: 300, bubbles: true})))",
    "other figure": "acted(() => { const s = document.querySelector('#shown'); "
    "s.value = s.value === 'mmd' ? 'health' : 'mmd'; s.dispatchEvent(new Event('change', {bubbles: true})) })",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=11)
    visits = parser.parse_args().visits
    path = find_browser()
    if path is None:
        raise SystemExit("no Chromium is installed: apt-get install chromium")
    sizes = {file.name: len(gzip.compress(file.read_bytes(), 9)) for file in DIST.rglob("*") if file.is_file()}
    print(f"assets: {sum(sizes.values()) / 1000:.1f} kB gzipped: {json.dumps(sizes)}")
    folder = Path(tempfile.mkdtemp())
    points = fill(folder)
    running = Driftium(folder, f"http://127.0.0.1:{free_port()}", "--no-worker").start()
    try:
        with launched(path) as browser:
            paint(browser, running.url, visits)
            interact(browser, running.url, points, visits)
    finally:
        running.stop()


def paint(browser: Browser, url: str, visits: int) -> None:
    """Each visit with an empty cache."""
    found = []
    for _ in range(visits):
        person = Visitor(browser, url)
        page = person.go("/")
        page.wait_for_function(PAINTED)
        found.append(float(page.evaluate(PAINTED)))
        person.close()
    tell("first contentful paint", found)


def interact(browser: Browser, url: str, points: int, times: int) -> None:
    """From the event to the end of the frame after it."""
    page = Visitor(browser, url).go("/?span=all")
    page.locator("[role=application] canvas").wait_for()
    page.evaluate(NEXT_FRAME)
    print(f"{points:,} points:")
    for name, script in DISPATCH.items():
        tell(name, [float(page.evaluate(script)) for _ in range(times)])
    drag(page)


def drag(page: Page) -> None:
    """A zoom by mouse; the browser's own measure of each event, of which it tells those above 16 ms."""
    page.evaluate(
        "window.slow = []; new PerformanceObserver(list => slow.push(...list.getEntries().map(e => e.duration)))"
        ".observe({type: 'event', durationThreshold: 16, buffered: true})"
    )
    page.locator(".u-over").scroll_into_view_if_needed()
    box = page.locator(".u-over").bounding_box()
    assert box
    for start, end in ((0.3, 0.6), (0.2, 0.7), (0.4, 0.5)):
        page.mouse.move(box["x"] + box["width"] * start, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * end, box["y"] + 90, steps=12)
        page.mouse.up()
        page.mouse.dblclick(box["x"] + 40, box["y"] + 40)
    slow = page.evaluate("slow")
    print(f"drag to zoom, three times: slowest event {max(slow, default=0):.0f} ms (below 16: not told)")


def tell(what: str, found: list[float]) -> None:
    print(f"{what}: median {statistics.median(found):.0f} ms, slowest {max(found):.0f} ms, {len(found)} times")


if __name__ == "__main__":
    main()
