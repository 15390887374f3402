"""How the dashboard's panels look: what they share, so that build.py says only what each of them shows."""

from typing import Any, TypeVar, cast

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from proxy.deploy.grafana.once import once

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

SEVERITIES = (("0", "LOW", "green"), ("1", "MEDIUM", "yellow"), ("2", "HIGH", "orange"), ("3", "CRITICAL", "red"))
YES_NO = (("0", "no", "text"), ("1", "yes", "blue"))
CHANGED = (("0", "as before", "green"), ("1", "changed", "red"))
UP_DOWN = (("0", "down", "red"), ("1", "up", "green"))

Names = tuple[tuple[str, str, str], ...]
"""What numbers are called: (number, word, colour)."""
Queries = dict[str, str]
"""{legend: PromQL}"""
P = TypeVar("P")
"""A builder of some kind of panel."""


def mapping(names: Names) -> list[models.ValueMapping]:
    found = {n: models.ValueMappingResult(text=t, color=c, index=i) for i, (n, t, c) in enumerate(names)}
    return [models.ValueMap(found)]


def steps(*values: tuple[float | None, str]) -> builders.ThresholdsConfig:
    """Colours from a value on; the first one's value is None."""
    return (
        builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in values])
    )


def _targets(panel: P, queries: Queries, *, instant: bool = False, exemplars: bool = False) -> P:
    built: Any = panel
    for number, (legend, expr) in enumerate(queries.items()):
        query = prometheus.Dataquery().expr(once(expr)).legend_format(legend).ref_id(chr(ord("A") + number))
        query = query.instant() if instant else query.range().exemplar(exemplars)
        built = built.with_target(query.datasource(SOURCE))
    return cast(P, built.datasource(SOURCE))


def chart(
    title: str,
    description: str,
    queries: Queries,
    *,
    unit: str,
    width: int = 8,
    least: float | None = 0,
    most: float | None = None,
    line: float | None = None,
    stacked: bool = False,
    log: bool = False,
    exemplars: bool = False,
) -> timeseries.Panel:
    """Lines over time; with `line`, a threshold that is drawn in red."""
    panel = timeseries.Panel().title(title).description(description).unit(unit).height(8).span(width)
    panel = panel.fill_opacity(25 if stacked else 5).show_points(words.VisibilityMode.NEVER)
    panel = panel.tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI))
    panel = panel.legend(
        common.VizLegendOptions()
        .display_mode(words.LegendDisplayMode.LIST)
        .placement(words.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    if least is not None and not log:
        panel = panel.min(least)
    if most is not None:
        panel = panel.max(most)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(words.StackingMode.NORMAL).group("A"))
    if log:
        panel = panel.scale_distribution(common.ScaleDistributionConfig().type(words.ScaleDistribution.LOG).log(10))
    if line is not None:
        panel = panel.thresholds(steps((None, "transparent"), (line, "red"))).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(words.GraphTresholdsStyleMode.DASHED)
        )
    return _targets(panel, queries, exemplars=exemplars)


def bars(title: str, description: str, queries: Queries, *, unit: str, line: float, width: int = 8) -> bargauge.Panel:
    """The largest now; red from `line` on."""
    panel = bargauge.Panel().title(title).description(description).unit(unit).height(8).span(width).min(0).max(1)
    panel = panel.orientation(words.VizOrientation.HORIZONTAL).display_mode(words.BarGaugeDisplayMode.BASIC)
    panel = panel.reduce_options(common.ReduceDataOptions().values(False).calcs(["lastNotNull"]))
    return _targets(panel.thresholds(steps((None, "green"), (line, "red"))), queries, instant=True)


def states(title: str, description: str, queries: Queries, names: Names, *, width: int = 24) -> statetimeline.Panel:
    """A coloured band for each series."""
    panel = statetimeline.Panel().title(title).description(description).height(6).span(width)
    panel = panel.mappings(mapping(names)).show_value(words.VisibilityMode.NEVER).row_height(0.8).fill_opacity(90)
    panel = panel.legend(common.VizLegendOptions().show_legend(False).calcs([]))
    return _targets(panel, queries)


def numbers(
    title: str, description: str, queries: Queries, *, names: Names | None = None, unit: str = "none", width: int = 8
) -> stat.Panel:
    """Numbers as they are now."""
    panel = stat.Panel().title(title).description(description).unit(unit).height(6).span(width)
    panel = panel.reduce_options(common.ReduceDataOptions().values(False).calcs(["lastNotNull"]))
    panel = panel.text_mode(words.BigValueTextMode.VALUE_AND_NAME).graph_mode(words.BigValueGraphMode.NONE)
    if names:
        panel = panel.mappings(mapping(names)).color_mode(words.BigValueColorMode.VALUE)
    return _targets(panel, queries, instant=True)


def rows(
    title: str, description: str, columns: dict[str, tuple[str, list[models.DynamicConfigValue]]], *, by: list[str]
) -> table.Panel:
    """A table with a row for each set of the labels `by`. columns: {heading: (PromQL, how it is shown)}."""
    panel = table.Panel().title(title).description(description).height(8).span(24).show_header(True)
    for number, (_, (expr, _)) in enumerate(columns.items()):
        query = prometheus.Dataquery().expr(once(expr)).ref_id(chr(ord("A") + number)).instant()
        panel = panel.with_target(query.format(PromQueryFormat.TABLE).datasource(SOURCE))
    letters = {f"Value #{chr(ord('A') + number)}": heading for number, heading in enumerate(columns)}
    order = {name: index for index, name in enumerate([*by, *letters])}
    panel = panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel = panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize", options={"excludeByName": {"Time": True}, "indexByName": order, "renameByName": letters}
        )
    )
    for heading, (_, shown) in columns.items():
        panel = panel.override_by_name(heading, shown)
    return panel.datasource(SOURCE)


def cell(**properties: Any) -> list[models.DynamicConfigValue]:
    """How a column is shown; `custom_x` stands for custom.x."""
    named = {name.replace("custom_", "custom."): value for name, value in properties.items()}
    return [models.DynamicConfigValue(id_val=name, value=value) for name, value in named.items()]
