"""One column of the HTML report: its picture, its figures and what they mean."""

from collections.abc import Sequence

from drift.tabular.causes import Moved
from drift.tabular.explain import Explanation, explain_row
from drift.tabular.result import ColumnResult, Share
from drift.tabular.words import percentage
from proxy.tabular import pictures, words
from proxy.tabular.markup import direction, name, text
from proxy.tabular.records import Summary

_TALL, _SHORT = 190, 110
"""Pixels of a histogram: of a column that has drifted, and of one that has not."""
_FEW = 6
"""Categories pictured of a column that has not drifted, when there are many more: the table has them all."""
_MANY = 8
"""Categories whose picture makes the left half of a card the longer one."""
_SCALES = ("numeric", "date")
_SUMMARIES = {
    "mean": "Mean",
    "std": "Standard deviation",
    "min": "Lowest",
    "q25": "Lower quartile",
    "median": "Median",
    "q75": "Upper quartile",
    "max": "Highest",
}
_DRIFTED = '<span class="badge drifted"><span aria-hidden="true">▲</span> drifted</span>'
_STEADY = '<span class="badge steady"><span aria-hidden="true">○</span> not drifted</span>'
_UNTESTED = '<span class="badge untested"><span aria-hidden="true">?</span> not tested</span>'


def badge(row: ColumnResult) -> str:
    """The verdict as a word and a symbol."""
    return _DRIFTED if row.drifted else _UNTESTED if row.p_value is None else _STEADY


def section(row: ColumnResult, place: int, summary: Summary, columns: Moved) -> str:
    """The column at this place, from 1, of the run's rows, whose movement is columns."""
    return _full(row, place, summary, columns) if row.drifted else _compact(row, place, summary)


def _full(row: ColumnResult, place: int, summary: Summary, columns: Moved) -> str:
    found = explain_row(row, columns, schema=summary.schema)
    meaning = _explanation(found) + _patterns(row, found)
    figures = f"{_categories(row)}<h4>Figures</h4>{_figures(row)}"
    why = f"<h4>Why it counts as drifted</h4>{_sentences(row, summary)}"
    if row.shares and (row.kind in _SCALES or len(row.shares) > _MANY):
        meaning += why
    else:
        figures += why
    return (
        f'<section class="card full" id="column-{place}" aria-labelledby="name-{place}">{_heading(row, place)}'
        f'<p class="direction">{direction(found.headline)}</p>'
        f'<div class="halves"><div>{_pictures(row, place, summary)}</div><div class="meaning">{meaning}</div>'
        f'<div>{figures}</div></div><p class="up"><a href="#overview">Back to the overview</a></p></section>'
    )


def _compact(row: ColumnResult, place: int, summary: Summary) -> str:
    why = _reason(row) if row.p_value is None else words.verdict(row, summary)
    change = f'<p class="direction">{direction(row.direction)}</p>' if row.direction else ""
    return (
        f'<section class="card" id="column-{place}" aria-labelledby="name-{place}">{_heading(row, place)}'
        f"{change}<p>{text(why)}</p>{_pictures(row, place, summary)}{_patterns(row)}{_categories(row)}"
        f"<details><summary>Figures of {name(row.name)}</summary>{_figures(row)}"
        f"{_sentences(row, summary, verdict=False)}</details></section>"
    )


def _heading(row: ColumnResult, place: int) -> str:
    why = f": {text(row.kind_reason)}" if row.kind_reason else ""
    return (
        f'<header><h3 id="name-{place}">{name(row.name)}</h3>{badge(row)}</header>'
        f'<p class="kind">{text(words.kind(row).capitalize())}{why}</p>'
    )


def _reason(row: ColumnResult) -> str:
    """Why the column was not tested, where its kind has not said so already."""
    if not row.note or (row.kind_reason and row.note.endswith(row.kind_reason)):
        return "Its values are not compared."
    return f"{row.note[0].upper()}{row.note[1:]}."


def _pictures(row: ColumnResult, place: int, summary: Summary) -> str:
    drawn = []
    if words.missing_drifted(row, summary):
        drawn.append(_figure(row, f"{row.name}, missing values", f"missing-{place}", pictures.missing_shares(row)))
    if row.shares:
        drawn.append(_figure(row, row.name, f"values-{place}", row.shares, scale=row.kind in _SCALES))
    return "".join(drawn)


def _figure(row: ColumnResult, of: str, key: str, shares: Sequence[Share], *, scale: bool = False) -> str:
    """scale: the bars are intervals of one."""
    said = "in percent of the rows with a value." if of == row.name else "in percent of the rows."
    if scale:
        drawn = pictures.histogram(key, of, shares, height=_TALL if row.drifted else _SHORT)
        said += " The outermost bars also hold what lies beyond them." if len(shares) > 2 else ""
    else:
        few = not row.drifted and len(shares) > _FEW + 2
        drawn = pictures.bars(key, of, shares[:_FEW] if few else shares)
        said += f" The {_FEW} most frequent are shown; the table has more." if few else ""
    rows = "".join(
        f'<tr><th scope="row">{name(share.label)}</th><td>{percentage(share.reference)}</td>'
        f"<td>{percentage(share.current)}</td></tr>"
        for share in shares
    )
    return (
        f'<figure>{drawn}<figcaption><span class="key r" aria-hidden="true"></span> reference '
        f'<span class="key c" aria-hidden="true"></span> current, {said}</figcaption></figure>'
        f"<details><summary>The same as a table</summary>{_table(f'Shares of {name(of)}', 'Value', rows)}</details>"
    )


def _figures(row: ColumnResult) -> str:
    lines = [
        ("Rows", f"{row.reference_rows:,}", f"{row.current_rows:,}"),
        ("Missing", percentage(row.reference_missing), percentage(row.current_missing)),
    ]
    for key, label in _SUMMARIES.items():
        before, after = (words.figure(row, f"{side}_{key}") for side in ("reference", "current"))
        if (before, after) != (words.NOTHING, words.NOTHING):
            lines.append((label, text(before), text(after)))
    rows = "".join(f'<tr><th scope="row">{label}</th><td>{a}</td><td>{b}</td></tr>' for label, a, b in lines)
    return _table(f"Figures of {name(row.name)}", "Figure", rows)


def _table(caption: str, first: str, rows: str) -> str:
    return (
        f'<div class="scroll"><table><caption>{caption}</caption><thead><tr><th scope="col">{first}</th>'
        f'<th scope="col">Reference</th><th scope="col">Current</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _sentences(row: ColumnResult, summary: Summary, *, verdict: bool = True) -> str:
    said = [
        words.verdict(row, summary) if verdict else "",
        words.strength(row),
        words.chance(row),
        words.distance(row),
        words.missing(row),
        f"Note: {row.note}." if row.note else "",
    ]
    return "".join(f"<p>{text(sentence)}</p>" for sentence in said if sentence)


def _categories(row: ColumnResult) -> str:
    lists = (
        ("New categories", row.new_categories, "new_categories"),
        ("Vanished categories", row.vanished_categories, "vanished_categories"),
    )
    return "".join(
        f"<h4>{title}</h4>{_list(names, int(row.figures.get(figure, 0)))}" for title, names, figure in lists if names
    )


def _list(names: Sequence[str], every: int) -> str:
    more = f"<li>and {every - len(names):,} more</li>" if every > len(names) else ""
    return '<ul class="chips">' + "".join(f"<li>{name(label)}</li>" for label in names) + f"{more}</ul>"


def _patterns(row: ColumnResult, explained: Explanation | None = None) -> str:
    """The patterns that no cause of the explanation has told already."""
    told = {cause.why for cause in explained.causes} if explained else set()
    found = "".join(f"<li>{direction(pattern.text)}</li>" for pattern in row.patterns if pattern.text not in told)
    return f"<h4>Recognised in the values</h4><ul>{found}</ul>" if found else ""


def _explanation(found: Explanation) -> str:
    causes = "".join(
        f"<li><strong>{text(cause.kind[:1].upper() + cause.kind[1:])}</strong>: {direction(cause.why)}.</li>"
        for cause in found.causes
    )
    heading = "Likely cause" if len(found.causes) == 1 else "Likely causes, the most likely first"
    return (
        (f"<h4>{heading}</h4><ol>{causes}</ol>" if causes else "")
        + (f"<h4>What to check first</h4><p>{direction(found.checks)}</p>" if found.checks else "")
        + "<h4>Where it shows</h4>"
        + "".join(f"<p>{direction(said)}</p>" for said in (found.values, found.moved_with) if said)
    )
