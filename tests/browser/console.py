"""The console in a real browser, and traffic for it to show."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.conftest import Driftium

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

VIEWS = ("/", "/compare", "/playground", "/root-cause", "/tables", "/set-up")

SERIOUS = ("serious", "critical")

Pairs = Sequence[tuple[str, str]]


def find_browser() -> str | None:
    """The path of a Chromium that is installed here."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def launched(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A person at a browser with nothing stored in it yet. Whatever the page complains of is kept."""

    def __init__(self, browser: Browser, base: str, **options: Any):
        self.base = base
        self.context: BrowserContext = browser.new_context(**({"locale": "en-GB"} | options))
        self.context.set_default_timeout(30_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.page.on("console", lambda said: self._complain(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._requested(request.url))

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def _requested(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:")):
            self.foreign.append(url)

    def go(self, view: str) -> Page:
        self.page.goto(self.base + view)
        self.page.get_by_role("heading", level=1).wait_for()
        return self.page

    def close(self) -> None:
        self.context.close()


def send(driftium: Driftium, pairs: Pairs, monitor: str, scored: int) -> None:
    """Ask each prompt, and wait until so many answers of the monitor are scored."""
    for prompt, _ in pairs:
        driftium.chat(prompt, headers={"x-driftium-monitor": monitor}).raise_for_status()
    driftium.wait_until_scored(scored, monitor=monitor)


def serious(page: Page) -> list[str]:
    """What axe finds on the page that is serious or critical."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]
