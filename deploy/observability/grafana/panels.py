"""Panels and queries as both dashboards have them."""  # noqa: INP001 - beside a script

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, logs, loki, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as cm
from grafana_foundation_sdk.models import dashboard as dm
from grafana_foundation_sdk.models import loki as lm
from grafana_foundation_sdk.models import prometheus as pm

GREEN, AMBER, RED, BLUE, GREY = "#1f9d6b", "#d98e04", "#d1242f", "#3274d9", "#8e99a4"
STANDINGS = {
    "waiting": GREY,
    "at_work": "#b0bac4",
    "ordered": "#9ec5f5",
    "accepted": "#78aef0",
    "self_reported": "#5794e8",
    "corroborated": BLUE,
    "witnessed": "#2aa597",
    "held": "#12877a",
    "coming_back": "#7fc9b0",
    "back": "#54b890",
    "verified": GREEN,
    "late": AMBER,
    "unproven": "#b8770b",
    "refused": "#ee7a80",
    "not_restored": "#e4545c",
    "broken": "#da3a43",
    "contradicted": RED,
}
"""Where a site may stand, in the order in which the parts are stacked."""

LOUD = "contradicted|broken|not_restored|refused"

PROMETHEUS = dm.DataSourceRef(type_val="prometheus", uid="${prometheus}")
LOKI = dm.DataSourceRef(type_val="loki", uid="${loki}")


def metric(expr: str, legend: str = "", *, instant: bool = False, shape: str = "") -> prometheus.Dataquery:
    """Ask Prometheus: over the time that is shown, or as of now."""
    query = prometheus.Dataquery().datasource(PROMETHEUS).expr(expr).legend_format(legend or "__auto")
    if shape:
        query = query.format(pm.PromQueryFormat(shape))
    return query.instant() if instant else query.range()


def log(expr: str, legend: str = "", *, instant: bool = False) -> loki.Dataquery:
    """Ask Loki."""
    kind = lm.LokiQueryType.INSTANT if instant else lm.LokiQueryType.RANGE
    query = loki.Dataquery().datasource(LOKI).expr(expr).query_type(kind)
    return query.legend_format(legend) if legend else query


def lettered(panel: Any, *queries: Any) -> Any:
    """Give a panel its queries, each with its letter."""
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(query.ref_id(letter))
    return panel


def _steps(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    made = [dm.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(dm.ThresholdsMode.ABSOLUTE).steps(made)


def _words(words: dict[str, tuple[str, str]]) -> list[dm.ValueMapping]:
    options = {
        value: dm.ValueMappingResult(text=text, color=color, index=place)
        for place, (value, (text, color)) in enumerate(words.items())
    }
    return [dm.ValueMap(options=options)]


def figure(
    title: str,
    said: str,
    query: Any,
    *,
    unit: str = "none",
    steps: tuple[tuple[float | None, str], ...] = ((None, BLUE),),
    words: dict[str, tuple[str, str]] | None = None,
    empty: str = "-",
    width: int = 4,
) -> stat.Panel:
    """Make a panel of one figure."""
    panel = (
        stat.Panel()
        .title(title)
        .description(said)
        .datasource(PROMETHEUS)
        .unit(unit)
        .thresholds(_steps(*steps))
        .color_mode(cm.BigValueColorMode.BACKGROUND)
        .graph_mode(cm.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(empty)
        .height(4)
        .span(width)
    )
    return lettered(panel.mappings(_words(words)) if words else panel, query)


def over_time(
    title: str, said: str, *queries: Any, unit: str = "none", source: Any = PROMETHEUS, width: int = 12
) -> timeseries.Panel:
    """Make a panel of lines."""
    legend = common.VizLegendOptions().display_mode(cm.LegendDisplayMode.LIST).placement(cm.LegendPlacement.BOTTOM)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(said)
        .datasource(source)
        .unit(unit)
        .min(0)
        .fill_opacity(8)
        .line_width(2)
        .legend(legend.show_legend(True).calcs([]))  # noqa: FBT003 - the library's signature
        .tooltip(common.VizTooltipOptions().mode(cm.TooltipDisplayMode.MULTI).sort(cm.SortOrder.DESCENDING))
        .height(9)
        .span(width)
    )
    return lettered(panel, *queries)


def _coloured(panel: Any, colors: dict[str, str]) -> Any:
    for name, color in colors.items():
        value = {"mode": "fixed", "fixedColor": color}
        panel = panel.override_by_name(name, [dm.DynamicConfigValue(id_val="color", value=value)])
    return panel


def stacked(panel: timeseries.Panel, colors: dict[str, str]) -> Any:
    """Stack the series of a panel, each in its colour."""
    stacking = common.StackingConfig().mode(cm.StackingMode.NORMAL).group("A")
    return _coloured(panel.fill_opacity(70).line_width(0).stacking(stacking), colors)


def bars(
    title: str,
    said: str,
    query: Any,
    *,
    unit: str = "none",
    steps: tuple[tuple[float | None, str], ...] = ((None, BLUE),),
) -> bargauge.Panel:
    """Make a panel of one bar for each series, as of now."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(said)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .thresholds(_steps(*steps))
        .orientation(cm.VizOrientation.HORIZONTAL)
        .display_mode(cm.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(8)
        .span(8)
    )
    return lettered(panel, query)


def board_of(title: str, uid: str, said: str) -> dashboard.Dashboard:
    """Begin a dashboard."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(said)
        .tags(["haltdrill"])
        .timezone("utc")
        .time("now-1h", "now")
        .refresh("5s")
        .tooltip(dm.DashboardCursorSync.CROSSHAIR)
        .editable()
    )


def figures(title: str, said: str, *queries: Any) -> table.Panel:
    """Make a panel of a table of numbers from the log."""
    hidden = dm.DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}})
    heads = True
    panel = table.Panel().title(title).description(said).datasource(LOKI).show_header(heads)
    return lettered(panel.with_transformation(hidden).no_value("none").height(7).span(8), *queries)


def lines_of(title: str, said: str, query: Any, *, newest_first: bool = True, width: int = 24) -> logs.Panel:
    """Make a panel of lines of the log."""
    order = cm.LogsSortOrder.DESCENDING if newest_first else cm.LogsSortOrder.ASCENDING
    panel = logs.Panel().title(title).description(said).datasource(LOKI).sort_order(order).height(10).span(width)
    yes, no = True, False
    return lettered(panel.show_time(yes).wrap_log_message(yes).enable_log_details(yes).show_labels(no), query)
