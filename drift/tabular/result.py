"""What a column's test found, as frozen records: reading them needs no numpy."""

import msgspec


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of a picture: a category, or an interval of a numeric column; shares of either side, 0 to 1."""

    label: str
    reference: float
    current: float


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A way of changing that a known fault leaves behind, recognised in one column's values."""

    name: str
    """As drift.tabular.patterns lists them: "scaled", "swallowed", "renamed", ..."""
    text: str
    """In words, with its figures: "every value times 100 (D .81 falls to .01)"."""
    figures: dict[str, float] = {}


class ColumnResult(msgspec.Struct, frozen=True, kw_only=True):
    """One column's drift between a reference and a current sample."""

    name: str
    kind: str
    """numeric, categorical, boolean, date, id, constant or text."""
    kind_reason: str
    """Why it is of that kind."""
    test: str | None
    """ks, ks_permutation, ks_sketched, chi2, chi2_monte_carlo, fisher or constant; None when skipped."""
    statistic: float | None = None
    p_value: float | None = None
    """Of the test named; p_permutation where that decides."""
    p_permutation: float | None = None
    p_adjusted: float | None = None
    """Benjamini-Hochberg over the columns tested together."""
    effect: float | None = None
    """Kolmogorov-Smirnov D, or bias-corrected Cramer's V: 0 none, 1 complete."""
    effect_name: str = ""
    effect_raw: float | None = None
    """Cramer's V before the bias correction."""
    direction: str = ""
    """Which way and by how much: "mean 40.9 -> 29.4"."""
    drifted: bool = False
    reference_rows: int = 0
    current_rows: int = 0
    reference_missing: float = 0.0
    """Share of rows without a value, 0 to 1."""
    current_missing: float = 0.0
    missing_p_value: float | None = None
    new_categories: tuple[str, ...] = ()
    vanished_categories: tuple[str, ...] = ()
    shares: tuple[Share, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    """The strongest first; only of columns that differ."""
    figures: dict[str, float] = {}
    """Further numbers by name: means, standard deviations, quantiles of both sides, wasserstein, psi."""
    note: str = ""
    """Why it was skipped, what was grouped, what could not be tested."""
