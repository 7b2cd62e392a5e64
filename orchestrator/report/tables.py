"""The report for machines: CSV for a spreadsheet, JUnit XML for a pipeline, JSON for everything else."""

from __future__ import annotations

import csv
import io
from html import escape

from orchestrator.core.grades import explain
from orchestrator.evidence.result import DrillResult, SiteResult, StepResult
from orchestrator.report import figures as fig

COLUMNS = (
    "drill",
    "step",
    "step_name",
    "control",
    "site",
    "owner",
    "mock",
    "verdict",
    "cause",
    "grade",
    "response_lower_ns",
    "response_upper_ns",
    "response_limit_ns",
    "dwell_ns",
    "restore_lower_ns",
    "restore_upper_ns",
    "restore_limit_ns",
    "agreeing",
    "dissenting",
    "unknown",
    "rung",
    "rung_control",
    "total_upper_ns",
    "battery_right",
    "battery_orders",
    "armed",
    "checkpoint",
)


def render_json(result: DrillResult) -> str:
    """Return the result as indented JSON; the same content as the bundle's result line."""
    return result.model_dump_json(indent=2) + "\n"


def render_csv(result: DrillResult) -> str:
    """Return one row for each site and step. An empty cell is an unknown figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(result, step, site) for step in result.steps for site in step.sites)
    return out.getvalue()


def _row(result: DrillResult, step: StepResult, site: SiteResult) -> list[object]:
    found = site.result
    return [
        result.drill,
        step.step,
        step.name,
        step.params.control,
        site.site,
        site.owner,
        "yes" if site.mock else "no",
        found.verdict,
        found.cause or "",
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
    ]


def render_junit(result: DrillResult) -> str:
    """Return one test case for each site and step, with a failure's text where it did not pass."""
    totals = result.totals
    suites = [part for step in result.steps for part in _suite(result, step)]
    numbers = f'tests="{totals.judged}" failures="{totals.judged - totals.passed}" errors="0"'
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<testsuites name="{_text(result.title)}" {numbers}>',
            *suites,
            "</testsuites>",
            "",
        ]
    )


def _suite(result: DrillResult, step: StepResult) -> list[str]:
    failed = sum(not site.result.passed for site in step.sites)
    name = f"{result.drill}.{step.name}"
    return [
        (
            f'  <testsuite name="{_text(name)}" tests="{len(step.sites)}" failures="{failed}" errors="0" skipped="0" '
            f'timestamp="{_text(result.opened_at[:19])}">'
        ),
        "    <properties>",
        f'      <property name="control" value="{_text(fig.control(step))}"/>',
        f'      <property name="fleet" value="{_text(result.fleet)}"/>',
        f'      <property name="demo" value="{"true" if result.demo else "false"}"/>',
        "    </properties>",
        *(line for site in step.sites for line in _case(result, step, site)),
        "  </testsuite>",
    ]


def _case(result: DrillResult, step: StepResult, site: SiteResult) -> list[str]:
    found = site.result
    time_s = (found.response_upper_ns or 0) / 1e9
    class_name = f"{result.plan}.{step.name}"
    head = f'    <testcase classname="{_text(class_name)}" name="{_text(site.site)}" time="{time_s:.3f}"'
    if found.passed:
        return [head + "/>"]
    said = _text(explain(found))
    return [
        head + ">",
        f'      <failure type="{_text(found.verdict)}" message="{said}">{said}</failure>',
        "    </testcase>",
    ]


def _text(value: str) -> str:
    return escape(fig.plain(value), quote=True)
