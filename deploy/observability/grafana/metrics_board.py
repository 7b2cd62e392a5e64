"""The dashboard of what `haltdrill metrics` exposes."""  # noqa: INP001 - beside a script

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.models import dashboard as dm
from panels import (
    AMBER,
    GREEN,
    LOUD,
    PROMETHEUS,
    RED,
    STANDINGS,
    bars,
    board_of,
    figure,
    metric,
    over_time,
    stacked,
)

HERE = '{drill="$drill"}'
DAY_S = 86_400.0
_MINUTELY = "60 * {by}(rate({name}[$__rate_interval]))"


def metrics_board() -> dashboard.Dashboard:
    """Return the dashboard of the metrics."""
    drill = (
        dashboard.QueryVariable("drill")
        .label("Drill")
        .datasource(PROMETHEUS)
        .query("label_values(haltdrill_drill_info, drill)")
        .refresh(dm.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dm.VariableSort.ALPHABETICAL_DESC)
    )
    board = board_of("haltdrill: drills", "haltdrill-metrics", "Drills, from what haltdrill metrics exposes.")
    board = board.with_variable(dashboard.DatasourceVariable("prometheus").label("Prometheus").type("prometheus"))
    board = board.with_variable(drill)
    for title, panels in (
        ("The drill", _drill()),
        ("All drills", _all_drills()),
        ("The log and its reader", _records()),
    ):
        board = board.with_row(dashboard.Row(title))
        for panel in panels:
            board = board.with_panel(panel)
    return board


def _drill() -> list[Any]:
    halted = over_time(
        "Halted",
        "How many sites a quorum of witnesses sees as ordered, of how many.",
        metric(f"haltdrill_drill_sites_halted{HERE}", "halted"),
        metric(f"haltdrill_drill_audience_sites{HERE}", "all"),
    )
    stands = over_time(
        "Where sites stand",
        "How many sites stand where in the running step.",
        metric(f"haltdrill_drill_sites{HERE} > 0", "{{standing}}"),
    )
    times = over_time(
        "Response times",
        "Upper bounds, by step; the limit is what a site may take.",
        metric(f"step:haltdrill_response_time_seconds:p50{HERE}", "{{step_name}}: half of the sites"),
        metric(f"step:haltdrill_response_time_seconds:p95{HERE}", "{{step_name}}: 95 %"),
        metric(f"haltdrill_step_last_halt_seconds{HERE}", "{{step_name}}: last"),
        metric(f"haltdrill_step_response_limit_seconds{HERE}", "{{step_name}}: limit"),
        unit="s",
    )
    return [*_figures(), stacked(stands, STANDINGS), halted, times, _wrong()]


def _figures() -> list[Any]:
    trouble = f'sum(haltdrill_drill_trouble_sites{{drill="$drill",standing=~"{LOUD}"}})'
    return [
        figure(
            "Result",
            "Final, when every verdict is given.",
            metric(f"haltdrill_drill_passed{HERE}"),
            words={"0": ("NOT PASSED", RED), "1": ("PASSED", GREEN)},
            empty="not over",
        ),
        figure(
            "In trouble",
            "Sites that refused, broke, did not come back, or are contradicted by witnesses, in any step.",
            metric(trouble),
            steps=((None, GREEN), (1, RED)),
            empty="0",
        ),
        figure(
            "Halted now",
            "Seen as ordered by a quorum of witnesses, of all sites of the drill.",
            metric(f"drill:haltdrill_halted:ratio{HERE}"),
            unit="percentunit",
        ),
        figure(
            "Hold ends in",
            "When the hold of the running step ends by itself.",
            metric(f"step:haltdrill_hold_remaining_seconds:max{HERE}"),
            unit="s",
            empty="no hold",
        ),
        figure(
            "Slowest halt, of its limit",
            "Over 100 % is late.",
            metric(f"max(step:haltdrill_last_halt_limit:ratio{HERE})"),
            unit="percentunit",
            steps=((None, GREEN), (0.8, AMBER), (1, RED)),
        ),
        figure(
            "Silent too long for",
            "The log has not said what it had to say by now: is the orchestrator alive?",
            metric(f"drill:haltdrill_silence_seconds:max{HERE}"),
            unit="s",
            steps=((None, GREEN), (1, AMBER), (60, RED)),
            empty="over",
        ),
    ]


def _wrong() -> table.Panel:
    shown = ("standing", "site", "region", "control", "cause")
    columns = {
        "excludeByName": dict.fromkeys(("Time", "Value", "__name__", "drill", "instance", "job"), True),
        "indexByName": {name: place for place, name in enumerate(shown)},
    }
    return (
        table.Panel()
        .show_header(True)  # noqa: FBT003 - the library's signature
        .title("Sites that went wrong")
        .description("The loudest first, a hundred at most; haltdrill watch and the report have them all.")
        .datasource(PROMETHEUS)
        .with_target(metric(f"haltdrill_site_trouble{HERE}", instant=True, shape="table").ref_id("A"))
        .with_transformation(dm.DataTransformerConfig(id_val="organize", options=columns))
        .no_value("none")
        .height(9)
        .span(12)
    )


def _all_drills() -> list[Any]:
    return [
        bars(
            "Since the last drill",
            "By plan.",
            metric("plan:haltdrill_drill_age_seconds:max", "{{plan}}", instant=True),
            unit="s",
            steps=((None, GREEN), (35 * DAY_S, AMBER)),
        ),
        bars(
            "Since the last drill that passed",
            "By plan. A plan that never passed has no bar here.",
            metric("plan:haltdrill_success_age_seconds:max", "{{plan}}", instant=True),
            unit="s",
            steps=((None, GREEN), (35 * DAY_S, RED)),
        ),
        bars(
            "Oldest proof",
            "By control: how long ago the site whose proof is oldest was verified.",
            metric("control:haltdrill_proof_age_seconds:max", "{{control}}", instant=True),
            unit="s",
            steps=((None, GREEN), (90 * DAY_S, RED)),
        ),
        bars(
            "Never verified",
            "By control: sites that were drilled and never passed.",
            metric("haltdrill_control_unproved_sites", "{{control}}", instant=True),
            steps=((None, GREEN), (1, RED)),
        ),
        bars(
            "Drills by outcome",
            "All drills in the logs that are read.",
            metric("sum by (outcome) (haltdrill_drills_total)", "{{outcome}}", instant=True),
        ),
        bars(
            "Sites by newest verdict",
            "Over all controls.",
            metric("sum by (verdict) (haltdrill_control_sites) > 0", "{{verdict}}", instant=True),
        ),
    ]


def _records() -> list[Any]:
    lines = _MINUTELY.format(by="sum by (level) ", name="haltdrill_log_lines_total")
    rejected = _MINUTELY.format(by="", name="haltdrill_rejected_inputs_total")
    return [
        over_time("Lines of the log", "A minute, by level.", metric(lines, "{{level}}"), width=8),
        over_time(
            "Not to be believed",
            "Messages a minute that were rejected: forged, replayed, or by a clock that is off.",
            metric(rejected, "rejected"),
            width=8,
        ),
        over_time(
            "Damage",
            "Lines that are no lines, that could not be written, or whose drill's beginning is not in the log.",
            metric("haltdrill_log_wrong_lines_total", "wrong"),
            metric("haltdrill_log_lost_lines_total", "lost"),
            metric("haltdrill_log_stray_lines_total", "stray"),
            width=8,
        ),
    ]
