"""A browser for all tests, and a Driftium whose answers have moved to another topic."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.console import Visitor, find_browser, launched, send
from tests.conftest import Driftium, free_port
from tests.scripted import Upstream, replay

# A page on a busy machine takes longer than the five seconds that are usual.
expect.set_options(timeout=20_000)

DRIFTED, CALM = "health advice", "shop/support"
"""With a space and a slash, as names of models have them."""
BASELINE, WINDOW = 40, 20
CALM_BASELINE, CALM_WINDOW = 24, 8


# Of this package, not of the session: Playwright's event loop would stand in the way of the tests that follow.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = find_browser()
    if path is None:
        pytest.skip("no Chromium is installed here: the console was NOT tested in a browser (apt-get install chromium)")
    with launched(path) as browser:
        yield browser


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens browsers with nothing stored; after the test none may have complained, or called anybody else."""
    opened: list[Visitor] = []

    def open_browser(base: str, **options: Any) -> Visitor:
        opened.append(Visitor(browser, base, **options))
        return opened[-1]

    yield open_browser
    for one in opened:
        one.close()
    assert [one.complaints for one in opened if one.complaints] == []
    assert [one.foreign for one in opened if one.foreign] == []


@pytest.fixture(scope="package")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driftium]:
    """A Driftium without a model server, a worker, or any traffic."""
    driftium = Driftium(tmp_path_factory.mktemp("empty"), f"http://127.0.0.1:{free_port()}", "--no-worker").start()
    yield driftium
    driftium.stop()


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory, answers: dict[str, list[tuple[str, str]]]) -> Iterator[Driftium]:
    """Two monitors over recorded real answers: one whose users went from medicine to a shop, one that stayed."""
    medicine, support = answers["medicine"], answers["support"]
    with Upstream(replay(dict(medicine + support))) as upstream:
        driftium = Driftium(
            tmp_path_factory.mktemp("watched"), upstream.url, env={"DRIFTIUM_WORKER__MAX_LAG_SECONDS": "3600"}
        ).start()
        try:
            driftium.wait_for_worker()
            calm, other = support[: CALM_BASELINE + CALM_WINDOW], support[CALM_BASELINE + CALM_WINDOW :]
            send(driftium, medicine[:BASELINE], DRIFTED, BASELINE)
            send(driftium, calm[:CALM_BASELINE], CALM, CALM_BASELINE)
            for monitor in (DRIFTED, CALM):
                driftium.client.post("/baseline", json={"monitor": monitor, "note": "as released"}).raise_for_status()
            send(driftium, other[:WINDOW], DRIFTED, BASELINE + WINDOW)
            send(driftium, calm[CALM_BASELINE:], CALM, CALM_BASELINE + CALM_WINDOW)
            for monitor in (DRIFTED, CALM):
                driftium.get("/drift", monitor=monitor, fresh=True)
            yield driftium
        finally:
            driftium.stop()


@pytest.fixture(scope="package")
def explained(watched: Driftium) -> Driftium:
    """The same with a stored root cause analysis and a stored comparison of tables."""
    watched.client.post("/drift/rca", json={"monitor": DRIFTED, "use_model": False}).raise_for_status()
    watched.get("/api/monitoring/simulated", age_threshold=35)
    return watched
