"""How far one table has moved from another: the record that reports and people read. Reading it needs no numpy."""

import msgspec

from drift.tabular.result import ColumnResult


class TabularReport(msgspec.Struct, frozen=True, kw_only=True):
    """All columns of two tables."""

    columns: tuple[ColumnResult, ...]
    """The drifted first, then by effect, then those not tested."""
    schema: tuple[str, ...] = ()
    """New, missing and re-typed columns, one sentence each."""
    reference_rows: int
    current_rows: int
    tested: int
    """Columns with a p-value."""
    drifted: int
    drifted_share: float | None = None
    """drifted / tested, 0 to 1; None when nothing was tested."""
    p_threshold: float
    effect_threshold: float
