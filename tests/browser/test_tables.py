"""Tables: the shipped example, and one's own, good and bad."""

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import Visitor
from tests.conftest import Driftium


@pytest.fixture(scope="module")
def older() -> bytes:
    """The shipped rows, all of them thirty years older and paid in another unit."""
    shipped = gzip.decompress((files("proxy.tabular") / "data" / "bank_marketing.csv.gz").read_bytes())
    rows = list(csv.DictReader(io.StringIO(shipped.decode())))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow(row | {"age": int(row["age"]) + 30, "balance": int(row["balance"]) * 100})
    return out.getvalue().encode()


def choose(page: Page, name: str, body: bytes) -> None:
    page.get_by_role("button", name="Your own table").click()
    file = {"name": name, "mimeType": "text/csv", "buffer": body}
    page.locator("main input[type=file]").first.set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Compare", exact=True).click()


def test_the_example_follows_the_age_slider(watched: Driftium, visitor: Callable[..., Visitor]):
    """Its result has an address of its own, and changes when the slider is let go."""
    page = visitor(watched.url).go("/tables")
    page.get_by_role("button", name="Run the example").click()
    expect(page.locator("main")).to_contain_text("columns have drifted", timeout=30_000)
    young = watched.get("/api/monitoring/simulated", age_threshold=28)["summary"]["message"]
    slider = page.get_by_role("slider", name="Current rows: age below")
    slider.focus()
    for _ in range(35 - 28):
        slider.press("ArrowLeft")
    expect(page).to_have_url(re.compile("age=28"), timeout=30_000)
    expect(page.locator(".result")).to_contain_text(young.replace("->", "→"), timeout=30_000)


def test_a_good_table_is_compared_and_the_result_can_be_taken_away(
    watched: Driftium, visitor: Callable[..., Visitor], older: bytes
):
    """Columns by effect, a reason in words, HTML and JSON, an address that others can open."""
    person = visitor(watched.url, accept_downloads=True)
    page = person.go("/tables")
    choose(page, "older.csv", older)
    expect(page.locator("main")).to_contain_text("columns have drifted, age the most", timeout=60_000)
    expect(page.locator("main")).to_contain_text("as if every value had been")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    run = json.loads(download.value.path().read_bytes())
    assert run["display_rows"][0]["name"] == "age"
    with page.expect_download() as download:
        page.get_by_role("button", name="Download HTML").click()
    assert b"<html" in download.value.path().read_bytes()[:200]
    shared = page.url
    assert run["report_id"] in shared
    expect(visitor(watched.url).go(shared.removeprefix(watched.url)).locator("main")).to_contain_text("age the most")


def test_a_column_is_explained(watched: Driftium, visitor: Callable[..., Visitor], older: bytes):
    page = visitor(watched.url).go("/tables")
    choose(page, "older.csv", older)
    page.get_by_role("button", name="Explain").first.click()
    expect(page.locator("main")).to_contain_text("rules", timeout=60_000)


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("ragged.csv", b"age,job\n30,clerk\n31,baker,extra\n", "Row 2"),
        ("latin.csv", "age,job\n30,caf\u00e9\n".encode("latin-1"), "UTF-8"),
        ("empty.csv", b"", "empty"),
        ("other.csv", b"colour,size\nred,1\nblue,2\n", "column"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_a_bad_table_is_refused_in_words_and_another_can_be_chosen(
    name: str, body: bytes, said: str, watched: Driftium, visitor: Callable[..., Visitor], older: bytes
):
    person = visitor(watched.url)
    page = person.go("/tables")
    choose(page, name, body)
    expect(page.get_by_role("alert")).to_contain_text(said, timeout=30_000)
    choose(page, "older.csv", older)
    expect(page.locator("main")).to_contain_text("age the most", timeout=60_000)
    # The browser itself notes each 4xx.
    person.complaints = [line for line in person.complaints if "status of 4" not in line]
