"""Rows of a comparison as clients send them back: nothing that no comparison could have found."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from drift.tabular.result import ColumnResult
from proxy.routes.problems import Problem

_MOST = 2**63 - 1
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
"""Of a place in a row: ".shares[0].reference"."""

_Rows = Annotated[int, Meta(ge=0, le=_MOST)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Effect = Annotated[float, Meta(ge=0)]


class _Bar(msgspec.Struct):
    reference: _Share
    current: _Share


class _Possible(msgspec.Struct):
    """What a row's figures can be, where it has them."""

    reference_rows: _Rows = 0
    current_rows: _Rows = 0
    reference_missing: _Share = 0.0
    current_missing: _Share = 0.0
    p_value: _Share = 0.0
    p_permutation: _Share = 0.0
    p_adjusted: _Share = 0.0
    missing_p_value: _Share = 0.0
    effect: _Effect = 0.0
    effect_raw: _Effect = 0.0
    shares: tuple[_Bar, ...] = ()


def row_of(number: int, given: dict[str, Any]) -> ColumnResult:
    """A row of which any field but the name may be absent. Raises Problem, which names row, field, value and rule."""
    known = {"kind": "unknown", "kind_reason": "", "test": None}
    present = {name: value for name, value in given.items() if value is not None}
    try:
        row = msgspec.convert(known | present, ColumnResult)
        msgspec.convert(present, _Possible)
    except msgspec.ValidationError as error:
        rule, _, where = str(error).partition(" - at `$")
        rule = rule[:1].lower() + rule[1:].replace("`", "")
        place = where.rstrip("`")
        value = f" = {_at(place, present)!r:.100}" if place else ""
        raise Problem(422, f"drift_rows[{number}]{place}{value}: {rule}") from None
    return row


def _at(place: str, value: Any) -> Any:
    for name, index in _STEP.findall(place):
        value = value[name] if name else value[int(index)]
    return value
