"""A run as one HTML file that stands alone: no script, nothing from elsewhere."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from drift.tabular.causes import movement
from drift.tabular.result import ColumnResult
from drift.tabular.words import percentage
from proxy.tabular import words
from proxy.tabular.markup import direction, name, text
from proxy.tabular.pictures import effect_bar
from proxy.tabular.records import Run, Summary
from proxy.tabular.sections import badge, section

DETAILED = 200
"""Columns with a section of their own: a browser shows ten thousand pictures slowly, and nobody looks at them."""
_HEADS = ("Column", "Verdict", "Effect", "Change", "Adjusted p", "Kind", "Test", "Missing")


class _Group(NamedTuple):
    title: str
    layout: str
    rows: list[tuple[int, ColumnResult]]
    """With their places in the run, from 1."""


def page(run: Run) -> str:
    """The report as HTML, to be written in UTF-8: an overview, then a section for each of the first DETAILED columns.

    Whatever the tables held is escaped. A policy in the page forbids scripts, and every style but its own sheet.
    """
    style, its_hash = _style()
    groups = _groups(run)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'none'; "
        f"style-src '{its_hash}'; base-uri 'none'; form-action 'none'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f"<title>Tabular drift: {text(run.summary.current)} against {text(run.summary.reference)}</title>"
        f'<style>{style}</style></head><body><a class="skip" href="#overview">Skip to the overview</a><main>'
        f"{_header(run)}{_schema(run.summary)}{_overview(groups, run.summary)}{_sections(groups, run)}"
        f"{_reading(run.summary)}</main><footer><p>Driftium, report {text(run.report_id)}</p></footer></body></html>\n"
    )


@cache
def _style() -> tuple[str, str]:
    """The style sheet, and the hash by which it alone is allowed."""
    style = files("proxy.tabular").joinpath("page.css").read_text(encoding="utf-8")
    return style, "sha256-" + b64encode(sha256(style.encode()).digest()).decode()


def _groups(run: Run) -> list[_Group]:
    drifted, steady, untested = (
        _Group("Drifted", "wide", []),
        _Group("Not drifted", "cards", []),
        _Group("Not tested", "cards", []),
    )
    for place, row in enumerate(run.display_rows, 1):
        group = drifted if row.drifted else untested if row.p_value is None else steady
        group.rows.append((place, row))
    return [group for group in (drifted, steady, untested) if group.rows]


def _header(run: Run) -> str:
    summary = run.summary
    untested = summary.columns - summary.tested
    facts = [
        ("Reference", text(summary.reference), f"{summary.reference_rows:,} rows"),
        ("Current", text(summary.current), f"{summary.current_rows:,} rows"),
        ("Columns", f"{summary.columns:,}", f"{untested:,} not tested" if untested else "all tested"),
        ("Drifted", f"{summary.drifted:,} of {summary.tested:,}", _kinds(summary)),
        (
            "Counts as drifted",
            f"p&nbsp;≤&nbsp;{summary.p_threshold:g}, effect&nbsp;≥&nbsp;{summary.effect_threshold:g}",
            "p adjusted by Benjamini-Hochberg",
        ),
    ]
    if run.dataset:
        facts.append(("Data set", text(run.dataset), "as the gauges name it"))
    return (
        f'<header><h1>Tabular drift report</h1><p class="lead">{direction(summary.message)}</p>'
        f'<p class="when"><time datetime="{text(run.generated_at)}">{text(words.moment(run.generated_at))}</time></p>'
        '<dl class="facts">'
        + "".join(
            f'<div><dt>{term}</dt><dd>{value}</dd><dd class="small">{more}</dd></div>' for term, value, more in facts
        )
        + "</dl></header>"
    )


def _kinds(summary: Summary) -> str:
    """ "2 of 6 numeric, 3 of 9 categorical"."""
    said = [
        f"{summary.drifted_by_kind[kind]:,} of {count:,} {words.KINDS.get(kind, kind)}"
        for kind, count in summary.by_kind.items()
        if kind in summary.drifted_by_kind
    ]
    return text(", ".join(said) or "none of any kind")


def _schema(summary: Summary) -> str:
    if not summary.schema:
        return ""
    found = "".join(f"<li>{direction(finding)}</li>" for finding in summary.schema)
    return f'<section class="card schema"><h2>Changes of the schema</h2><ul>{found}</ul></section>'


def _overview(groups: list[_Group], summary: Summary) -> str:
    if not groups:
        return '<h2 id="overview">Overview</h2><p>The two tables share no column.</p>'
    heads = "".join(f'<th scope="col">{head}</th>' for head in _HEADS)
    bodies = "".join(
        f'<tbody><tr class="group"><th scope="rowgroup" colspan="{len(_HEADS)}">{group.title} ({len(group.rows):,})'
        f"</th></tr>{''.join(_line(row, place, summary) for place, row in group.rows)}</tbody>"
        for group in groups
    )
    return (
        '<h2 id="overview">Overview</h2>'
        '<div class="scroll framed" role="region" aria-label="Overview of all columns" tabindex="0">'
        '<table class="overview"><caption><span>The drifted columns first, then by effect. '
        f"The mark on a bar is the effect from which on a column can count as drifted.{_left_out(summary)}</span>"
        "</caption>"
        f"<thead><tr>{heads}</tr></thead>{bodies}</table></div>"
    )


def _left_out(summary: Summary) -> str:
    if summary.columns <= DETAILED:
        return ""
    return (
        f" Pictures and figures follow for the first {DETAILED:,}; the other {summary.columns - DETAILED:,} are in "
        "this table alone, and with all their figures in the report as JSON."
    )


def _line(row: ColumnResult, place: int, summary: Summary) -> str:
    bar = "" if row.effect is None else effect_bar(row.effect, summary.effect_threshold)
    gone = row.reference_missing or row.current_missing
    missing = f"{percentage(row.reference_missing)} → {percentage(row.current_missing)}" if gone else "none"
    called = f'<a href="#column-{place}">{name(row.name)}</a>' if place <= DETAILED else name(row.name)
    return (
        f'<tr><th scope="row">{called}</th><td>{badge(row)}</td>'
        f'<td class="effects"><span>{words.effect(row)}</span> {bar}</td>'
        f'<td class="change">{direction(row.direction)}</td><td>{words.p_short(row.p_adjusted)}</td>'
        f'<td>{text(words.kind(row))}</td><td class="test">{text(words.test(row))}</td><td>{missing}</td></tr>'
    )


def _sections(groups: list[_Group], run: Run) -> str:
    columns = movement(run.display_rows)
    told = []
    for group in groups:
        shown = [(place, row) for place, row in group.rows if place <= DETAILED]
        count = f"{len(group.rows):,}" if len(shown) == len(group.rows) else f"{len(shown):,} of {len(group.rows):,}"
        sections = "".join(section(row, place, run.summary, columns) for place, row in shown)
        if shown:
            heading = f'<h2>{group.title} <span class="count">{count}</span></h2>'
            told.append(f'{heading}<div class="{group.layout}">{sections}</div>')
    return "".join(told)


def _reading(summary: Summary) -> str:
    return (
        '<section class="card reading"><h2>How to read this</h2>'
        f"<p>A column has drifted when its adjusted p is at most {summary.p_threshold:g} and its effect is at least "
        f"{summary.effect_threshold:g}: more than chance explains, and large enough to matter. Its values, "
        "and the share of its rows without a value, are tested separately; either can drift.</p><dl>"
        "<dt>Adjusted p</dt><dd>How easily chance alone would do as much, corrected by the method of Benjamini and "
        "Hochberg for testing many columns at once.</dd>"
        "<dt>Effect of numbers and dates</dt><dd>Kolmogorov-Smirnov D, the largest distance between the two cumulative "
        "distributions. 0: the same; 1: no overlap.</dd>"
        "<dt>Effect of categories</dt><dd>Cramér's V, corrected for bias, both sides counting alike. 0: the same "
        "shares; 1: no category in common.</dd></dl></section>"
    )
