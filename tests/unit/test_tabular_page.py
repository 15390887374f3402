import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from drift.tabular.words import percentage
from proxy.tabular import words
from proxy.tabular.page import page
from tests.unit.tabular_runs import BREAKOUT, SCRIPT, bare, every_kind, hostile, run_of, wide

VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


class Page(HTMLParser):
    """A page as its parts; fails on an element that is closed out of turn or never."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, dict] = {}
        self.text: list[str] = []
        self.headings: list[int] = []
        self._section: str | None = None
        self._cells: list[str] | None = None
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute twice: {attrs}"
        self.elements.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "section":
            self._section = found.get("id")
            self.sections[self._section] = {"pictures": [], "rows": [], "text": ""}
        if self._section and tag == "svg":
            self.sections[self._section]["pictures"].append([found, ""])
        if tag == "tr":
            self._cells = []
        if tag in ("th", "td"):
            self._cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag
        if tag == "tr" and self._section:
            self.sections[self._section]["rows"].append(tuple(self._cells))
        if tag == "section":
            self._section = None

    def handle_data(self, data):
        if not self.open or self.open[-1] == "style":
            return
        self.text.append(data)
        if self._section:
            self.sections[self._section]["text"] += data
            if self.open[-2:] == ["svg", "title"]:
                self.sections[self._section]["pictures"][-1][1] += data
        if self._cells and {"th", "td"} & set(self.open):
            self._cells[-1] += data

    def attributes(self, name: str) -> list[str]:
        return [found[name] for _, found in self.elements if found.get(name) is not None]


RUNS = {"every kind": every_kind, "hostile": hostile, "bare": bare, "nothing shared": lambda: run_of({}, {})}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_the_page_is_well_formed(run):
    """Every element is closed in turn, every id is there once, every link and reference leads to one."""
    parts = Page(page(run()))
    ids = parts.attributes("id")
    assert len(ids) == len(set(ids))
    targets = [link.removeprefix("#") for link in parts.attributes("href")]
    assert set(targets) | set(parts.attributes("aria-labelledby")) <= set(ids)
    assert all(link.startswith("#") for link in parts.attributes("href"))


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_the_page_asks_for_nothing(run):
    """No script, no image, no font, nothing in a sheet that is fetched, and a policy that would refuse it."""
    html = page(run())
    parts = Page(html)
    tags = {tag for tag, _ in parts.elements}
    assert not tags & {"script", "img", "link", "iframe", "object", "embed", "base", "form", "image", "use"}
    assert not parts.attributes("src")
    assert not parts.attributes("style")
    assert not any(name.startswith("on") for _, found in parts.elements for name in found)
    sheet = html.split("<style>")[1].split("</style>")[0]
    assert "url(" not in sheet
    assert "@import" not in sheet
    (policy,) = [found["content"] for _, found in parts.elements if found.get("http-equiv")]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_headings_leave_no_level_out(run):
    levels = Page(page(run())).headings
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("run", [every_kind, hostile], ids=["every kind", "hostile"])
def test_a_drifted_column_has_a_picture_with_words_and_its_table(run):
    """The picture's text alternative names its largest change, and a table has the shares of every bar."""
    parts = Page(page(run()))
    drifted = [(place, row) for place, row in enumerate(run().display_rows, 1) if row.drifted]
    assert len(drifted) >= 4
    for place, row in drifted:
        found = parts.sections[f"column-{place}"]
        assert found["pictures"]
        for attributes, said in found["pictures"]:
            assert attributes["role"] == "img"
            assert said.startswith(words.visible(row.name))
        rows = set(found["rows"])
        for share in row.shares:
            label = words.visible(share.label) or "(empty)"
            assert (label, percentage(share.reference), percentage(share.current)) in rows


def test_the_overview_links_every_column_in_the_runs_order():
    """Name, verdict, effect, change, adjusted p, kind, test and missing shares of every column."""
    run = every_kind()
    html = page(run)
    table = html.split('<table class="overview">')[1].split("</table>")[0]
    places = [int(place) for place in re.findall('href="#column-([0-9]+)"', table)]
    assert sorted(places) == list(range(1, len(run.display_rows) + 1))
    drifted = sum(row.drifted for row in run.display_rows)
    assert places[:drifted] == list(range(1, drifted + 1))
    assert table.count("▲") == drifted
    assert "not drifted" in table
    assert "not tested" in table


def test_each_section_says_what_was_found():
    """Kind and reason, direction, new categories, why it was not tested, the missing values that drifted."""
    run = every_kind()
    parts = Page(page(run))
    said = {row.name: parts.sections[f"column-{place}"] for place, row in enumerate(run.display_rows, 1)}
    assert "as when time passes" in said["signup"]["text"]
    assert "name of an identifier" in said["client_id"]["text"]
    assert "free text is not compared" in said["remark"]["text"]
    assert "always EUR" in said["currency"]["text"]
    assert "New categories" in said["town"]["text"]
    assert "town 31" in said["town"]["text"]
    assert len(said["income"]["pictures"]) == 2
    assert "What to check first" in said["age"]["text"]
    assert "No more than chance explains" in said["score"]["text"]
    assert "added: new, not in the reference" in "".join(parts.text)


def test_a_table_cannot_speak_html():
    """Names and categories that are markup, quotes, control characters or overrides are shown, and do nothing."""
    html = page(hostile())
    shown = "".join(Page(html).text)
    assert SCRIPT in shown
    assert BREAKOUT in shown
    assert "⟨U+202E⟩exe.txt⟨U+202C⟩⟨U+001B⟩[31m⟨U+0000⟩" in shown
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", html)
    html.encode()


def test_half_a_character_can_be_written():
    """A name with a lone surrogate, as a wrongly read file has it, leaves a page that UTF-8 can hold."""
    values = np.random.default_rng(0).normal(size=50)
    html = page(run_of({"a\udc80b\ufffe": values}, {"a\udc80b\ufffe": values + 3}))
    assert "a⟨U+DC80⟩b⟨U+FFFE⟩" in html
    html.encode()


def test_nothing_compared_is_a_page_too():
    said = "".join(Page(page(run_of({"a": []}, {"a": []}))).text)
    assert "0 and 0 rows: nothing to compare" in said
    assert "share no column" in "".join(Page(page(run_of({"a": [1]}, {"b": [1]}))).text)


def test_two_hundred_columns_stay_under_five_megabytes():
    html = page(wide(200))
    assert len(html.encode()) < 5_000_000
    assert len(re.findall('<section class="card[^>]* id="column-', html)) == 200


def test_the_policy_allows_the_pages_own_sheet():
    """The hash in the policy is that of the style element's text, as a browser computes it."""
    html = page(every_kind())
    sheet = html.split("<style>")[1].split("</style>")[0]
    assert f"style-src 'sha256-{b64encode(sha256(sheet.encode()).digest()).decode()}'" in html


def test_the_report_needs_no_numpy():
    """The web process makes pages without the packages that compare tables."""
    code = (
        "import sys, proxy.tabular.page, proxy.tabular.terminal; print({'numpy', 'pandas', 'scipy'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
