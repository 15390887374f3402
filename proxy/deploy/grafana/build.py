"""Builds the dashboard: python -m proxy.deploy.grafana.build writes driftium.json beside this file.

Needs grafana-foundation-sdk, which the product does not. Wherever a query is changed here,
tests/integration/test_prometheus.py runs it against a real Prometheus.
"""

import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from proxy.deploy.grafana.look import (
    CHANGED,
    SEVERITIES,
    SOURCE,
    UP_DOWN,
    YES_NO,
    bars,
    cell,
    chart,
    mapping,
    numbers,
    rows,
    states,
)
from proxy.deploy.grafana.once import once

FILE = Path(__file__).parent / "dashboards" / "driftium.json"
CONSOLE = "http://127.0.0.1:8000"
"""Where the console is, until `driftium export dashboards` or the dashboard's own text box says otherwise."""

I = 'instance=~"$instance"'  # noqa: E741 - as short as it can be, since it stands in every query
M = I + ',monitor=~"$monitor"'
RATE = "[$__rate_interval]"


def quantiles(metric: str, labels: str = I) -> dict[str, str]:
    by = f"sum by (le) (rate(driftium_{metric}_bucket{{{labels}}}{RATE}))"
    return {f"p{q * 100:g}": f"histogram_quantile({q}, {by})" for q in (0.5, 0.95, 0.99)}


def each(metric: str) -> str:
    """A gauge of each monitor under the same labels, so that a table can put it beside others."""
    return f"max by (instance, monitor) (driftium_{metric}{{{M}}})"


def by_label(label: str, metric: str, labels: str = I) -> dict[str, str]:
    """The rate of a counter by one or more labels."""
    legend = " ".join(f"{{{{{one}}}}}" for one in label.split(", "))
    return {legend: f"sum by ({label}) (rate(driftium_{metric}{{{labels}}}{RATE}))"}


def drift() -> list[Any]:
    url = "${console}/?monitor=${__value.raw:percentencode}"
    link = {"title": "Open in the console", "url": url, "targetBlank": True}
    colour = {"type": "color-background", "mode": "basic"}
    monitors = rows(
        "Monitors",
        "Every monitor now. A cell is empty while there is no score yet. Click a name to see it in the console.",
        {
            "Severity": (each("drift_severity"), cell(mappings=mapping(SEVERITIES), custom_cellOptions=colour)),
            "Health": (each("health_index"), cell(unit="none", decimals=0)),
            "Worst ratio": (each("drift_ratio"), cell(decimals=2)),
            "Exchanges": (
                f"sum by (instance, monitor) (rate(driftium_scored_total{{{M}}}{RATE}))",
                cell(unit="reqps", decimals=2),
            ),
            "Window": (each("window_samples"), cell(unit="none")),
            "Baseline": (each("baseline_samples"), cell(unit="none")),
            "Last scored": ("time() - " + each("last_scored_timestamp_seconds"), cell(unit="s", decimals=0)),
            "Muted": (each("muted"), cell(mappings=mapping(YES_NO))),
        },
        by=["monitor", "instance"],
    )
    return [
        monitors.override_by_name("monitor", cell(displayName="Monitor", links=[link])),
        states("Severity", "LOW below the alarm line, MEDIUM from it on, HIGH at twice and CRITICAL at four times it.",
               {"{{monitor}}": f"driftium_drift_severity{{{M}}}"}, SEVERITIES),
        chart("Health index", "100 without drift, 50 at the alarm line, 20 at HIGH, 6 at CRITICAL.",
              {"{{monitor}}": f"driftium_health_index{{{M}}}"}, unit="none", most=100),
        chart("Ratio to the alarm line", "Each detector's statistic over its own threshold: at 1 it alarms.",
              {"{{monitor}} {{detector}}": f"driftium_drift_ratio{{{M}}}"}, unit="none", line=1),
        chart("Verdict: users or model?",
              "p of three tests, when last looked. Small for prompts: the users ask otherwise. Small for conditional: "
              "the same prompts are answered otherwise, so the model has changed.",
              {"{{monitor}} {{test}}": f"driftium_drift_p_value{{{M}}}"}, unit="none", log=True, most=1),
        bars("Behaviour that moved", "How much a feature of the answers differs from the baseline's, 0 to 1.",
             {"{{feature}} ({{monitor}})":
              f"topk(12, max by (monitor, feature) (driftium_feature_drift_effect{{{M}}}))"}, unit="none", line=0.1,
             width=12),
        chart("Statistics behind it",
              "MMD² is unbiased and lies around 0 without drift. The centroid distance is raw, and never 0. Alignment "
              "is how well answers fit their prompts, as a share of the baseline's.",
              {"{{monitor}} MMD²": f"driftium_drift_mmd_squared{{{M}}}",
               "{{monitor}} centroid distance": f"driftium_drift_centroid_distance{{{M}}}",
               "{{monitor}} alignment": f"driftium_alignment_ratio{{{M}}}"}, unit="none", least=None, width=12),
    ]  # fmt: skip


def coverage() -> list[Any]:
    return [
        chart("Exchanges by result", "What became of the exchanges that were read from the log. Only scored ones count "
              "towards drift.", by_label("result", "scored_total", M), unit="reqps", stacked=True),
        chart("Tap", "Exchanges that passed the proxy: logged, left out on request, or dropped since the log could not "
              "take them.", by_label("result", "tap_exchanges_total"), unit="reqps", stacked=True),
        chart("Share that is scored", "Below 1 more comes than can be embedded, and a uniform sample is scored.",
              {"{{instance}}": f"driftium_scored_share{{{I}}}"}, unit="percentunit", most=1),
        chart("Lag", "Age of the oldest exchange that the worker has not read.",
              {"{{instance}}": f"driftium_log_lag_seconds{{{I}}}"}, unit="s"),
        chart("Waiting exchanges", "Logged, and not read by the worker yet.",
              {"{{instance}}": f"driftium_log_lag_exchanges{{{I}}}"}, unit="none"),
        chart("Lost before they were scored", "Dropped by the tap, or deleted from the log unread.",
              {"dropped": f'sum(increase(driftium_tap_exchanges_total{{{I},result="dropped"}}{RATE}))',
               "expired": f"sum(increase(driftium_log_expired_total{{{I}}}{RATE}))"}, unit="none"),
    ]  # fmt: skip


def proxied() -> list[Any]:
    total = f"sum(rate(driftium_requests_total{{{I}}}{RATE}))"
    server = f'rate(driftium_requests_total{{{I},code=~"5.."}}{RATE})'
    broken = f'rate(driftium_requests_total{{{I},outcome=~"upstream_error|truncated"}}{RATE})'
    return [
        chart("Requests by model", "The model as requests name it.", by_label("model", "requests_total"),
              unit="reqps", stacked=True),
        chart("Requests by outcome", "Status code, and how the answer ended.",
              by_label("code, outcome", "requests_total"), unit="reqps", stacked=True),
        chart("Errors", "Share of requests with a 5xx or a broken answer. Mistakes of clients are not among them.",
              {"errors": f"sum({server} or {broken}) / {total} or 0 * {total}"}, unit="percentunit"),
        chart("Request duration", "From the request's first byte to the answer's last.",
              quantiles("request_duration_seconds"), unit="s", exemplars=True),
        chart("Time to the first chunk", "From the request's first byte to the first byte of the answer's body.",
              quantiles("time_to_first_chunk_seconds"), unit="s", exemplars=True),
        chart("Driftium's overhead", "What the proxy adds: the whole time less the waiting for server and client.",
              quantiles("overhead_seconds"), unit="s"),
        chart("Requests in flight", "Being answered now.",
              {"{{endpoint}}": f"sum by (endpoint) (driftium_inflight_requests{{{I}}})"}, unit="none"),
        chart("Tokens", "As the model server counts them.", by_label("model, type", "tokens_total"), unit="none",
              width=16, stacked=True),
    ]  # fmt: skip


def parts() -> list[Any]:
    up = {name.replace("_", " "): f"min(driftium_{name}_up{{{I}}})"
          for name in ("upstream", "worker", "vector_store", "stores", "scheduler")}  # fmt: skip
    return [
        numbers("Parts", "The scheduler is there only where notifications, collected logs or canaries are set up.",
                up | {"embedding model": f"min(driftium_embedder_ready{{{I}}})"}, names=UP_DOWN, width=10),
        numbers("Versions", "Driftium and Python of each instance.",
                {"{{version}} on Python {{python_version}}":
                 f"count by (version, python_version) (driftium_build_info{{{I}}})"}, width=6),
        chart("Embedding", "One answer and its prompt.", quantiles("embedding_duration_seconds"), unit="s"),
    ]  # fmt: skip


def causes() -> list[Any]:
    age = f"time() - driftium_tabular_last_success_timestamp_seconds{{{I}}}"
    return [
        chart("Drifted columns", "Columns that differ from the reference, in each dataset's last comparison.",
              {"{{dataset}}": f"driftium_tabular_drifted_features{{{I}}}"}, unit="none"),
        bars("Columns that moved", "How much a column differs from its reference's, 0 to 1.",
             {"{{dataset}} {{feature}}": f"topk(12, driftium_tabular_feature_effect{{{I}}})"}, unit="none", line=0.1),
        numbers("Last comparison", "How long ago each dataset was compared.", {"{{dataset}}": age}, unit="s"),
        chart("Root cause analyses", "By whose words were taken: the model's, the rules', or none since it failed.",
              {"{{result}}": f"sum by (result) (increase(driftium_rca_runs_total{{{I}}}{RATE}))"}, unit="none",
              width=12),
        chart("Root cause duration", "From the evidence to the report.", quantiles("rca_duration_seconds"), unit="s",
              width=12),
    ]  # fmt: skip


def scheduled() -> list[Any]:
    return [
        chart("Notifications", "Messages by channel, and whether they were delivered.",
              by_label("channel, result", "notifications_total"), unit="cps"),
        chart("Collected logs", "Exchanges by source, and what became of them.",
              by_label("source, result", "ingested_exchanges_total"), unit="cps"),
        chart("Canary requests", "By canary, and whether they were answered.",
              by_label("canary, result", "canary_requests_total"), unit="cps"),
        states("Canaries", "Whether the same prompts are answered as they used to be.",
               {"{{canary}}": f"driftium_canary_changed{{{I}}}"}, CHANGED, width=12),
        chart("Canary p-value", "Of the paired test of each canary's last round.",
              {"{{canary}}": f"driftium_canary_p_value{{{I}}}"}, unit="none", log=True, most=1, width=12),
    ]  # fmt: skip


ROWS = {
    "Drift": drift,
    "Coverage: what the scores rest on": coverage,
    "Proxy": proxied,
    "Driftium's parts": parts,
    "Tables and root causes": causes,
    "Notifications, collected logs and canaries": scheduled,
}


def variable(name: str, label: str, query: str) -> builders.QueryVariable:
    """Several may be chosen; all of them at first."""
    chosen = builders.QueryVariable(name).label(label).query(query).datasource(SOURCE).multi(True).include_all(True)
    chosen = chosen.all_value(".*").refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    return chosen.current(models.VariableOption(selected=True, text="All", value="$__all"))


def build() -> str:
    """The dashboard as JSON."""
    new_baseline = builders.AnnotationQuery().name("New baseline").datasource(SOURCE).enable(True).icon_color("blue")
    board = (
        builders.Dashboard("Driftium")
        .uid("driftium")
        .description("Drift of language models' answers, and how the proxy that watches them is doing.")
        .tags(["driftium", "llm"])
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(variable("instance", "Driftium", "label_values(driftium_build_info, instance)"))
        .with_variable(
            variable("monitor", "Monitor", 'label_values(driftium_scored_total{instance=~"$instance"}, monitor)')
        )
        .with_variable(
            builders.TextBoxVariable("console")
            .label("Console")
            .default_value(CONSOLE)
            .current(models.VariableOption(selected=True, text=CONSOLE, value=CONSOLE))
        )
        .annotation(new_baseline.expr(once(f"driftium_baseline_timestamp_seconds{{{M}}}") + " > time() - 60"))
        .link(
            builders.DashboardLink("Console").type(models.DashboardLinkType.LINK).url("${console}").target_blank(True)
        )
    )
    number = 0
    for title, panels in ROWS.items():
        number += 1
        board = board.with_row(builders.Row(title).id(number))
        for panel in panels():
            number += 1
            board = board.with_panel(panel.id(number))
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if "--print" in sys.argv:
        sys.stdout.write(build())
    else:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(build())
