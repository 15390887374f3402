"""What to look at first, for each kind of cause. Needs no numpy."""

from drift.policy import TABLE
from drift.tabular.causes import Cause, Moved, lost_values
from drift.tabular.result import ColumnResult
from drift.tabular.words import amount, figure, quoted


def checks_for(row: ColumnResult, causes: tuple[Cause, ...], moved: Moved) -> str:
    """Two to four sentences: the first cause's checks, the second's first one, and what holds until it is known."""
    if not causes:
        return "Nothing was measured here; if the column matters, declare its kind and compare again."
    first = _checks(row, causes[0].kind, moved)
    if causes[0].kind == "no drift":
        p = figure(row.p_adjusted)
        if p is not None and p <= TABLE.p_threshold:
            return (
                f"Look at the rarest and the most frequent values of {quoted(row.name)}: a fault in few rows does this."
            )
        return first[0]
    second = _checks(row, causes[1].kind, moved)[:1] if len(causes) > 1 and causes[1].weight >= 0.3 else []
    return " ".join([*first, *second])


def _checks(row: ColumnResult, kind: str, moved: Moved) -> list[str]:
    name = quoted(row.name)
    all_figures = [item for pattern in row.patterns or () for item in (pattern.figures or {}).items()]
    figures = {key: number for key, value in all_figures if (number := figure(value)) is not None}
    names = {pattern.name for pattern in row.patterns or ()}
    if kind == "filtering":
        elsewhere = moved.filtered and not names & {"cut", "filtered", "vanished_category"}
        where = quoted(moved.filtered[0].name) if elsewhere else name
        return [
            f"Look for a filter, cohort or sampling rule on {where} in the job that makes the current rows, and "
            "compare its row count with last time's.",
            "If only these rows are meant to come, compare them with the same part of the reference.",
        ]
    if kind == "population shift":
        return [
            "Count the rows of both sides by source, channel, region, customer group and period: a group that came or "
            "went, or another season, shows there at once.",
            "If the new rows are here to stay, measure the model's error on them before you take a new reference.",
        ]
    if kind == "unit change":
        factor = figures.get("factor")
        undo = f"; convert it back (divide by {amount(factor)}) until then" if factor and factor > 1 else ""
        undo = f"; convert it back (multiply by {amount(1 / factor)}) until then" if factor and 0 < factor < 1 else undo
        if "part_scaled" in names:
            undo = "; find out which rows before any is converted, for the others are right"
        return [
            f"Compare {name} of ten rows with the same records in the source system.",
            f"Ask the team that fills it which release changed the unit or type{undo}; do not retrain on it.",
        ]
    if kind == "encoding break":
        return _encoding(name, names)
    if kind == "default flooding":
        value = figures.get("value")
        which = f" with {amount(value)}" if value is not None and row.kind == "numeric" else " with that value"
        return [
            f"Count the rows{which} in {name} by hour and by sending system: a default that a release began to write "
            "shows as a step.",
            "Look at the same records in the source system: do they have a real value there?",
        ]
    if kind == "missing pipeline":
        return _missing(name, row, moved)
    if kind == "new category":
        return [
            f"Ask the owners of {name} whether the new labels are meant, and since when they are sent.",
            "Check what the model does with a label it never saw.",
        ]
    if kind == "clipping":
        ends = [figures[end] for end in ("limit_above", "limit_below") if end in figures]
        limit = f" of {' or '.join(map(amount, ends))}" if ends and row.kind == "numeric" else ""
        return [
            f"Look for a limit{limit} in the validation, the column's type, the sensor or the form that fills {name}.",
            "Records beyond it in the source system prove it.",
        ]
    return _rest(kind, name)


def _encoding(name: str, names: set[str]) -> list[str]:
    if names & {"sign_flipped", "logarithm", "standardised", "rounded", "rotated"}:
        what = "time zone settings" if "rotated" in names else "transformation steps (scaling, rounding, casts)"
        return [
            f"Compare {name} of ten rows with the same records in the source system.",
            f"Look for a change of the {what} between the source and here: a step left out or done twice.",
        ]
    if "unreadable" in names:
        return [
            f"Look at some of the values of {name} that cannot be read: a decimal comma, a unit, a currency sign or "
            "another date format is usual.",
            "Ask which export, locale or parser changed.",
        ]
    if names & {"flooded", "swallowed"}:
        return [
            f"Take twenty rows that now have the label that grew, and read {name} of the same records at the source.",
            "Look for a changed mapping, enumeration or join that sends what it does not know there.",
        ]
    return [
        f"Compare the list of labels of {name} at its source with the list that the reference was made with.",
        "Look for a changed mapping, export or character encoding; map the labels back until it is mended.",
    ]


def _missing(name: str, row: ColumnResult, moved: Moved) -> list[str]:
    if not lost_values(row):
        return [f"Ask what began to fill {name}, and whether those values are measured or defaults."]
    join = "the source or join that they share" if moved.lost else "the field, join or request that brings it in"
    return [
        f"Find the first row without {name} and what was deployed, renamed or switched off at that time, beginning "
        f"with {join}.",
        "Check that the field still has its name upstream, and what the model does with an empty one.",
    ]


def _rest(kind: str, name: str) -> list[str]:
    if kind == "seasonality":
        return [
            "Compare the periods that the two samples cover, and take the same season of an earlier year as the "
            "reference if there is one.",
            f"If {name} follows the calendar every year, this is expected and no fault.",
        ]
    if kind == "time drift":
        return [
            f"Plot {name} by day over both samples: a slope speaks for a slow change of the world, a step for a "
            "release.",
            "Compare with a more recent reference.",
        ]
    if kind == "schema change":
        return ["Compare the versions of the export or query behind both tables, column by column."]
    if kind == "no drift":
        return [f"Nothing needs to be done about {name}."]
    return [
        f"Look at {name} by day and by source: a step at one moment or in one source points to a release, a slope in "
        "all of them to the world.",
        f"Read twenty rows of the values that rose, next to the same records in the system that {name} comes from.",
    ]
