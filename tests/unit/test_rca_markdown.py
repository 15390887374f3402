"""A report as Markdown and in a terminal: complete, linked to its evidence, and inert whatever its words hold."""

import io
import re
from html.parser import HTMLParser
from typing import get_args

import pytest
from markdown_it import MarkdownIt
from rich.console import Console
from rich.text import Text

from drift.rca.records import Changed
from proxy.rca.accepting import wants_markdown
from proxy.rca.markdown import markdown, nothing_yet, text
from proxy.rca.terminal import show
from proxy.rca.views import NothingYet
from proxy.rca.wording import CHANGED
from tests.unit.rca_reports import HOSTILE, root_cause, stable, view_of

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


class Page(HTMLParser):
    """What a rendered report holds: its elements, its text, the anchors that are there and those linked to."""

    def __init__(self, source: str):
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.comments: list[str] = []
        self.feed(RENDERER.render(source))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.anchors |= {given["id"]} if given.get("id") else set()
        self.links |= {given["href"]} if given.get("href") else set()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def test_the_report_says_what_a_ticket_needs():
    """Severity and cause in the title; then what moved, why, a checklist by urgency, the evidence and the trace."""
    said = markdown(view_of(root_cause()))
    assert said.startswith("# HIGH: language switch (monitor m)\n\nAnswers are in French.\n")
    heads = re.findall(r"^##+ (.*)$", said, re.MULTILINE)
    assert heads == ["What moved", "Cause", "What to do", "Now", "Later", "Evidence", "How this was found"]
    assert "- [ ] Look at an answer: Answers are in French. ([feature:language](#evidence-2))" in said
    assert "confidence of 80 %" in said
    assert "Who changed: the model." in said
    assert "verbosity change (strength 20 %)" in said
    assert "model swapped" not in said, "what speaks for it stands under the cause already"
    assert "60 answers against a baseline of 120" in said
    assert "(exchanges: x1, x2)" in said


def test_each_citation_links_to_its_evidence():
    page = Page(markdown(view_of(root_cause())))
    assert page.links <= {f"#{anchor}" for anchor in page.anchors}
    assert len(page.anchors) == 5
    assert page.links == {"#evidence-1", "#evidence-2", "#evidence-3", "#evidence-4"}


def test_a_stable_report_has_no_urgent_list():
    said = markdown(view_of(stable()))
    assert said.startswith("# No severity yet: no drift (monitor m)\n")
    assert "Nothing beyond chance." in said
    assert "### Now" not in said


def test_words_of_users_and_models_are_shown_and_do_nothing():
    """The same elements, links and lines as with harmless words; and the hostile words can be read as they were."""
    harmless, hostile = (Page(markdown(view_of(root_cause(words)))) for words in ("Harmless.", HOSTILE))
    assert hostile.tags == harmless.tags
    assert hostile.links == harmless.links
    assert not hostile.comments
    seen = hostile.text.replace("\u2060", "")
    shown = "<script>alert(1)</script> [click](http://evil.example) ![x](http://evil.example/x.png) **bold** `code` |"
    assert shown in seen
    assert "# A title - [ ] a task 1. one ``` code ``` <https://evil.example>" in seen
    assert not set(hostile.text) & set("\x1b\u202e")


def test_addresses_and_names_reach_nobody():
    """Renderers that make links of bare addresses, and notify people by name, find neither."""
    said = markdown(view_of(root_cause(HOSTILE)))
    assert not re.search(r"://|@\w|www\.", said)
    assert "GH-12" not in text("As in GH-12 and gh-3.")
    assert "gh-3" not in text("As in GH-12 and gh-3.")


@pytest.mark.parametrize("opening", ["- x", "+ x", "* x", "1. x", "12) x", "# x", "> x", "=== x", "---", "```", ": x"])
def test_no_word_begins_a_block(opening: str):
    page = Page(text(opening))
    assert page.tags == ["p"]
    assert page.text.strip() == opening


def test_what_is_not_there_yet_says_what_to_do():
    view = NothingYet(status="waiting_for_baseline", message="5 answers; POST /baseline.", monitor="a*b")
    assert nothing_yet(view) == "# No root cause analysis of a\\*b yet\n\n5 answers; POST /baseline.\n"


@pytest.mark.parametrize(
    ("accept", "markdown"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("text/markdown", True),
        ("text/markdown; charset=utf-8", True),
        ("TEXT/Markdown", True),
        ("text/*", True),
        ("text/markdown, */*", True),
        ("text/markdown;q=0.5, */*", False),
        ("text/markdown;q=0.5, application/json;q=0.4", True),
        ("application/json, text/markdown", False),
        ("text/markdown;q=0", False),
        ("text/markdown;q=x", False),
        ("application/json;q=0, */*", True),
    ],
)
def test_the_form_is_the_one_that_the_client_likes_better(accept: str, markdown: bool):
    assert wants_markdown(accept) is markdown


def shown(words: str, *, terminal: bool = False, encoding: str = "utf-8", width: int = 80) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    show(view_of(root_cause(words)), Console(file=file, force_terminal=terminal, width=width, highlight=False))
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("words", ["Answers are in French.", HOSTILE, "x" * 500])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_report_fits_eighty_columns(words: str, terminal: bool):
    for line in shown(words, terminal=terminal).splitlines():
        assert Text.from_ansi(line).cell_len <= 80


def test_words_are_neither_markup_nor_escape_sequences():
    said = shown(HOSTILE, width=1_000)
    assert "[bold]x[/] [/nothing]" in said
    assert not set(said) & set("\x1b\u202e")


def test_a_terminal_shows_what_the_ticket_has():
    said = " ".join(shown("Answers are in French.").split())
    for part in (
        "HIGH language switch, in m",
        "What moved",
        "Now: Look at",
        "[feature:language]",
        "triage",
        "Run run-1.",
    ):
        assert part in said


def test_an_old_encoding_fails_nothing():
    assert "caf" in shown("café → 茶", encoding="cp1252")


def test_whoever_changed_has_a_name_for_people():
    assert set(CHANGED) == set(get_args(Changed))
