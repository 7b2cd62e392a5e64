"""The dashboard of the log in Loki."""  # noqa: INP001 - beside a script

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import dashboard
from panels import LOKI, LOUD, board_of, figures, lines_of, log, over_time

STREAM = '{service_namespace="haltdrill"}'
OF_DRILL = f'{STREAM} | json | drill=~"$drill"'
TOLD = '| line_format "{{.event_action}}  {{.site}}  {{.message}}"'
VERDICT = '| line_format "{{.site}}: {{.verdict}}, {{.message}}"'
SHOWN, STEPWISE = "$__range", "$__auto"


def logs_board() -> dashboard.Dashboard:
    """Return the dashboard of the log in Loki."""
    board = board_of("haltdrill: log", "haltdrill-logs", "The log of drills, from Loki.")
    board = board.with_variable(dashboard.DatasourceVariable("loki").label("Loki").type("loki"))
    for name, label in (("drill", "Drill (regex)"), ("site", "Site (regex)")):
        board = board.with_variable(dashboard.TextBoxVariable(name).label(label).default_value(".*"))
    board = board.with_row(dashboard.Row("In numbers"))
    for panel in _numbers():
        board = board.with_panel(panel)
    board = board.with_row(dashboard.Row("In words"))
    for panel in _words():
        board = board.with_panel(panel)
    return board


def _count(label: str, where: str = "", span: str = STEPWISE) -> str:
    """Return a query for how many lines there are, by one of their fields."""
    return f"sum by ({label}) (count_over_time({OF_DRILL}{where} [{span}]))"


def _response_s(share: float) -> str:
    """Return a query for the time within which a share of the sites halted, by step."""
    judged = f'{OF_DRILL} | event_action="site.judged" | response_upper_ns!="" | unwrap response_upper_ns'
    return f"quantile_over_time({share}, {judged} [{SHOWN}]) by (step_name) / 1e9"


def _numbers() -> list[Any]:
    wrong = f' | event_action="site.changed" | standing=~"{LOUD}"'
    return [
        over_time("Lines", "By level.", log(_count("log_level"), "{{log_level}}"), source=LOKI, width=8),
        over_time(
            "Sites that went wrong",
            "Changes to a standing that somebody must look at.",
            log(_count("standing", wrong), "{{standing}}"),
            source=LOKI,
            width=8,
        ),
        over_time(
            "Not to be believed",
            "Rejected messages, by reason.",
            log(_count("reason", ' | event_action="input.rejected"'), "{{reason}}"),
            source=LOKI,
            width=8,
        ),
        figures(
            "Verdicts",
            "How often each was given in the time that is shown.",
            log(_count("verdict", ' | event_action="site.judged"', SHOWN), instant=True),
        ),
        figures(
            "Response times, seconds",
            "Upper bounds, by step: half of the sites, and 95 % of them.",
            log(_response_s(0.5), "half", instant=True),
            log(_response_s(0.95), "95 %", instant=True),
        ),
        figures(
            "What sites' agents said",
            "Receipts by outcome: their own word, no evidence.",
            log(_count("outcome", ' | event_action="receipt.received"', SHOWN), instant=True),
        ),
    ]


def _words() -> list[Any]:
    failed = f'{OF_DRILL} | event_action="site.judged" | verdict!="verified" {VERDICT}'
    return [
        lines_of(
            "What somebody must look at",
            "Warnings and errors of all programs.",
            log(f'{STREAM} | json | log_level=~"warning|error|critical" {TOLD}'),
        ),
        lines_of("Verdicts other than verified", "Final.", log(failed), width=12),
        lines_of(
            "The course of the drill",
            "What the orchestrator says of the drill as a whole.",
            log(f'{OF_DRILL} | log_level="info" {TOLD}'),
            width=12,
        ),
        lines_of(
            "One site",
            "All that is said of the sites that the box at the top names, oldest first: also by agents and witnesses.",
            log(f'{STREAM} | json | site=~"$site" | site!="" {TOLD}'),
            newest_first=False,
        ),
    ]
