"""What is asked of a tabular job, and what comes back. Reading them needs neither numpy nor pandas."""

import msgspec

from drift.policy import TABLE
from drift.tabular.report import TabularReport
from drift.tabular.result import ColumnResult

BANK = "bank-marketing"
"""The shipped reference's name."""


class Refused(Exception):
    """A table that cannot be used, in words for the person who brought it.

    `status` is the HTTP status that fits: 413 too large, 415 no table at all, 422 a table with a fault.
    """

    def __init__(self, detail: str, status: int = 422):
        super().__init__(detail)
        self.detail = detail
        self.status = status


class TableFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file with a table: CSV, gzipped CSV or Parquet, told apart by its first bytes."""

    path: str
    name: str
    """What people call it: a stored reference's name, or the uploaded file's."""


class Compare(msgspec.Struct, frozen=True, kw_only=True, tag="compare"):
    """Compare a table with a reference."""

    reference: TableFile | None = None
    """None: the shipped one."""
    current: TableFile
    p_threshold: float
    effect_threshold: float = TABLE.effect_threshold
    max_bytes: int
    """Of either table, decompressed."""


class Simulate(msgspec.Struct, frozen=True, kw_only=True, tag="simulate"):
    """Compare one random half of the shipped table with those rows of the other half that are below an age."""

    age_threshold: int
    p_threshold: float
    seed: int


class Describe(msgspec.Struct, frozen=True, kw_only=True, tag="describe"):
    """Read a table and say what is in it."""

    table: TableFile
    max_bytes: int


class DescribedColumn(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: str
    kind_reason: str
    missing: float
    """Share of rows without a value, 0 to 1."""


class Description(msgspec.Struct, frozen=True, kw_only=True, tag="description"):
    rows: int
    columns: tuple[DescribedColumn, ...]


class Compared(msgspec.Struct, frozen=True, kw_only=True, tag="compared"):
    """A report, and the names of what it compared."""

    reference: str
    current: str
    report: TabularReport


class Strongest(msgspec.Struct, frozen=True, kw_only=True):
    feature: str
    effect: float
    effect_name: str
    direction: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a person reads first."""

    message: str
    """One sentence: "5 of 16 columns have drifted, age the most: mean 40.9 -> 29.4"."""
    reference: str
    current: str
    reference_rows: int
    current_rows: int
    columns: int
    """Shared by both tables."""
    tested: int
    drifted: int
    drifted_share: float | None
    by_kind: dict[str, int]
    """Columns of each kind."""
    drifted_by_kind: dict[str, int]
    strongest: Strongest | None
    """The drifted column with the largest effect."""
    slight: tuple[str, ...] = ()
    """Columns that changed more than chance explains, and by less than counts: a fault in a few rows does."""
    unsure: tuple[str, ...] = ()
    """Columns that differ by as much as counts, with too few rows to tell it from chance."""
    schema: tuple[str, ...]
    """New, missing and re-typed columns, one sentence each."""
    p_threshold: float
    effect_threshold: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A finished comparison as it is answered and stored."""

    report_id: str
    generated_at: str
    dataset: str = ""
    """What the gauges call it; "" has none."""
    summary: Summary
    display_rows: tuple[ColumnResult, ...]
    """The drifted first, then by effect, then those not tested."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """Refused, on its way from the child."""

    detail: str
    status: int


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="failure"):
    """A job that could not be done, and what to do."""

    detail: str
    status: int = 500
