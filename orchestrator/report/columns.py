"""The columns of the CSV report, each with what it means: one list that writes them and documents them.

Cells that a spreadsheet would take for a formula are made text: site names, owners and reasons come from
outside, and a report is opened by people who did not write them (OWASP, CSV injection).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.core.grades import explain
from orchestrator.evidence.result import DrillResult, SiteResult, StepResult
from orchestrator.report import figures as fig

Cell = str | int | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell may begin with that a spreadsheet evaluates, in half and full width."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Its head; a figure's ends in its unit.
        datatype: What its cells hold, in the words of XML Schema: `string` or `integer`.
        meaning: What it says.
        required: Whether no cell of it is ever empty; an empty one says that it is not known.
    """

    name: str
    datatype: str
    meaning: str
    required: bool = True


COLUMNS: tuple[Column, ...] = (
    Column("drill", "string", "The drill's id."),
    Column("step", "integer", "The step's number, from 0."),
    Column("step_name", "string", "The step's name in the plan."),
    Column("control", "string", "The control that the step asked for first."),
    Column("site", "string", "The site."),
    Column("owner", "string", "Whose site it is."),
    Column("mock", "string", "yes if the site is simulated, else no."),
    Column("verdict", "string", "What the drill found."),
    Column("cause", "string", "Why the verdict is no better; empty if it is verified.", required=False),
    Column("grade", "string", "How good the evidence is that it was done; only witnessed and held count."),
    Column(
        "response_lower_ns",
        "integer",
        "Nanoseconds from the order (the rung's own) to the site as ordered, at least.",
        required=False,
    ),
    Column(
        "response_upper_ns",
        "integer",
        "The same, at most; empty if it was never witnessed so, and its time is right-censored.",
        required=False,
    ),
    Column(
        "response_limit_ns",
        "integer",
        "The limit that the upper bound is judged against, in nanoseconds: of the rung that the site came to.",
    ),
    Column(
        "dwell_ns",
        "integer",
        "How long the agreeing witnesses all saw it as ordered, in nanoseconds.",
        required=False,
    ),
    Column("restore_lower_ns", "integer", "Nanoseconds from the release to the site back, at least.", required=False),
    Column("restore_upper_ns", "integer", "The same, at most; empty if it was not witnessed back.", required=False),
    Column("restore_limit_ns", "integer", "The limit that the return is judged against, in nanoseconds."),
    Column("agreeing", "string", "Witnesses that saw it as ordered, with a space between.", required=False),
    Column("dissenting", "string", "Witnesses that saw it otherwise.", required=False),
    Column("unknown", "string", "The other witnesses of its record.", required=False),
    Column("rung", "integer", "The rung of the ladder that it came to, from 0."),
    Column("rung_control", "string", "That rung's control."),
    Column(
        "total_upper_ns",
        "integer",
        "With an escalation: nanoseconds from the step's first order to the halt, at most.",
        required=False,
    ),
    Column("battery_right", "integer", "Of a refusal battery: orders refused for the right reason.", required=False),
    Column("battery_orders", "integer", "Of a refusal battery: orders sent.", required=False),
    Column("armed", "string", "The nonce that the site was armed with, in hex.", required=False),
    Column("checkpoint", "string", "SHA-256 of the checkpoint that the site reports, in hex.", required=False),
    Column("said", "string", "The verdict as a sentence, with its reason."),
)


def cells_of(drill: DrillResult, step: StepResult, site: SiteResult) -> list[Cell]:
    """Return a site's row, in the order of `COLUMNS`."""
    found = site.result
    cells: list[Cell] = [
        drill.drill,
        step.step,
        step.name,
        step.params.control,
        site.site,
        site.owner,
        "yes" if site.mock else "no",
        found.verdict,
        found.cause,
        found.grade,
        found.response_lower_ns,
        found.response_upper_ns,
        fig.rung_limit_ns(step, found.rung),
        found.dwell_ns,
        found.restore_lower_ns,
        found.restore_upper_ns,
        step.restore_limit_ns,
        " ".join(found.agreeing),
        " ".join(found.dissenting),
        " ".join(found.unknown),
        found.rung,
        found.control,
        found.total_upper_ns,
        sum(answer.right for answer in found.battery) if found.battery else None,
        len(found.battery) or None,
        found.receipts.armed,
        found.receipts.checkpoint,
        explain(found),
    ]
    return [safe(cell) for cell in cells]


def safe(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet evaluates: what looks like a formula gets an apostrophe before it."""
    if not isinstance(cell, str):
        return cell
    shown = fig.plain(cell)
    return f"'{shown}" if cell.startswith(_FORMULA) else shown


def table_schema() -> dict[str, Any]:
    """Return what the columns mean, as W3C metadata of a table (CSV on the Web, csvw)."""
    return {
        "@context": "http://www.w3.org/ns/csvw",
        "url": "sites.csv",
        "dc:title": "haltdrill: one row for each site and step of a drill",
        "dialect": {"header": True, "lineTerminators": ["\r\n"], "quoteChar": '"'},
        "tableSchema": {
            "columns": [
                {
                    "name": column.name,
                    "titles": column.name,
                    "datatype": column.datatype,
                    "dc:description": column.meaning,
                    "required": column.required,
                }
                for column in COLUMNS
            ],
            "primaryKey": ["drill", "step", "site"],
        },
    }
