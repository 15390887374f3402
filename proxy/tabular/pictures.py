"""Pictures of two distributions as inline SVG that keeps its letters' size at any width."""

import re
from collections.abc import Sequence
from html import escape

from drift.tabular.result import ColumnResult, Share
from drift.tabular.words import percentage
from proxy.tabular.markup import text
from proxy.tabular.words import clipped, visible

_STEPS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
_GRID_LINES = 4
_CELLS = 28
"""Of a category's label: what fits beside its shares on a telephone. The table has it all."""
_ROW, _BAR = 42, 8
"""Pixels from one category to the next, and of a bar."""
_EDGE = re.compile(r"(?P<left>.+) to .+|>= (?P<last>.+)")


def missing_shares(row: ColumnResult) -> tuple[Share, Share]:
    """Bars of rows with a value and without."""
    a, b = row.reference_missing, row.current_missing
    return Share(label="missing", reference=a, current=b), Share(label="present", reference=1 - a, current=1 - b)


def alternative(name: str, shares: Sequence[Share]) -> str:
    """What the picture shows, in a sentence: the bars that changed most."""
    most = sorted(shares, key=lambda share: -abs(share.current - share.reference))[:3]
    said = "; ".join(f"{share.label}: {percentage(share.reference)} to {percentage(share.current)}" for share in most)
    return f"{name}: shares of {len(shares)} bars, reference against current. The largest changes are {said}."


def histogram(identity: str, name: str, shares: Sequence[Share], *, height: int) -> str:
    """Paired upright bars over one scale; height of the plot in pixels."""
    top, step = _axis(max(max(share.reference, share.current) for share in shares))
    width = 100 / len(shares)
    parts = [_opening(identity, name, shares, "histogram", height + 26)]
    for i in range(round(top / step) + 1):
        y = height * (1 - i * step / top) + 6
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="-6" y="{y + 4:.1f}" text-anchor="end">{_tick(i * step)}</text>')
    for i, share in enumerate(shares):
        parts.append(f"<g>{_tip(share)}")
        # An invisible one behind both: a bar of no height has no tip otherwise.
        parts.append(f'<rect class="hit" x="{i * width:.2f}%" y="6" width="{width:.2f}%" height="{height}"/>')
        for side, value, at in (("r", share.reference, 0.12), ("c", share.current, 0.52)):
            if value > 0:
                tall = max(1.0, height * value / top)
                parts.append(
                    f'<rect class="{side}" x="{(i + at) * width:.2f}%" y="{height + 6 - tall:.1f}" '
                    f'width="{0.36 * width:.2f}%" height="{tall:.1f}"/>'
                )
        parts.append("</g>")
    parts += [_edge(x, label, height + 22) for x, label in _edges(shares)]
    return "".join([*parts, "</svg>"])


def bars(identity: str, name: str, shares: Sequence[Share]) -> str:
    """Paired lying bars, one pair under each category's label, with their shares."""
    top, step = _axis(max(max(share.reference, share.current) for share in shares))
    height = len(shares) * _ROW
    parts = [_opening(identity, name, shares, "bars", height + 20)]
    for i in range(round(top / step) + 1):
        x = 100 * i * step / top
        anchor = "start" if i == 0 else "end" if x > 99 else "middle"
        parts.append(f'<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{height}"/>')
        parts.append(
            f'<text class="tick" x="{x:.2f}%" y="{height + 15}" text-anchor="{anchor}">{_tick(i * step)}</text>'
        )
    for i, share in enumerate(shares):
        y = i * _ROW
        label = clipped(visible(share.label), _CELLS)
        parts.append(f'<g>{_tip(share)}<rect class="hit" x="0" y="{y}" width="100%" height="{_ROW}"/>')
        parts.append(f'<text class="label" x="0" y="{y + 13}">{escape(label) or "(empty)"}</text>')
        parts.append(
            f'<text class="value" x="100%" y="{y + 13}" text-anchor="end">'
            f"{percentage(share.reference)} → {percentage(share.current)}</text>"
        )
        for side, value, down in (("r", share.reference, 18), ("c", share.current, 18 + _BAR + 2)):
            if value > 0:
                long = max(0.2, 100 * value / top)
                parts.append(f'<rect class="{side}" x="0" y="{y + down}" width="{long:.2f}%" height="{_BAR}"/>')
        parts.append("</g>")
    return "".join([*parts, "</svg>"])


def effect_bar(effect: float, threshold: float) -> str:
    """A small bar from 0 to 1 with a mark at the threshold; the figure stands beside it."""
    return (
        '<svg class="effect" aria-hidden="true" focusable="false" width="64" height="10">'
        '<rect class="track" width="64" height="10"/>'
        f'<rect class="c" width="{64 * min(1.0, max(0.0, effect)):.1f}" height="10"/>'
        f'<line class="mark" x1="{64 * threshold:.1f}" x2="{64 * threshold:.1f}" y1="0" y2="10"/></svg>'
    )


def _opening(identity: str, name: str, shares: Sequence[Share], of: str, height: int) -> str:
    said = text(alternative(name, shares))
    return (
        f'<svg class="{of}" role="img" aria-labelledby="{identity}" width="100%" height="{height}">'
        f'<title id="{identity}">{said}</title>'
    )


def _tip(share: Share) -> str:
    return f"<title>{text(share.label)}: {percentage(share.reference)} → {percentage(share.current)}</title>"


def _axis(largest: float) -> tuple[float, float]:
    """(end of the axis, distance of its lines): the next round share that the largest fits under."""
    step = next((step for step in _STEPS if largest <= step * _GRID_LINES + 1e-9), _STEPS[-1])
    lines = max(1, -int(-(largest - 1e-9) // step))
    return lines * step, step


def _tick(share: float) -> str:
    return f"{100 * share:g} %"


def _edges(shares: Sequence[Share]) -> list[tuple[float, str]]:
    """(place in percent of the width, label) of as many edges as can be read: the bars' own when they have no edges."""
    width = 100 / len(shares)
    found = [(i * width, _EDGE.fullmatch(share.label)) for i, share in enumerate(shares)]
    places = [(x, match["left"] or match["last"]) for x, match in found[1:] if match]
    if not any(match and match["left"] for _, match in found):
        places = [((i + 0.5) * width, share.label) for i, share in enumerate(shares)]
    longest = max((len(label) for _, label in places), default=0)
    most = 5 if longest < 8 else 3 if longest < 12 else 2
    stride = max(1, -(-len(places) // most))
    # Labels of dates are wide: in the middle of their half.
    return places[stride // 2 if most == 2 else 0 :: stride]


def _edge(x: float, label: str, y: int) -> str:
    return (
        f'<line class="edge" x1="{x:.2f}%" x2="{x:.2f}%" y1="{y - 16}" y2="{y - 11}"/>'
        f'<text class="tick" x="{x:.2f}%" y="{y}" text-anchor="middle">{text(label)}</text>'
    )
