"""The report for machines: CSV for a spreadsheet, JUnit XML for a pipeline, JSON for everything else."""

from __future__ import annotations

import csv
import io
from html import escape

from orchestrator.core.grades import SiteStepResult, explain
from orchestrator.evidence.result import DrillResult, SiteResult, StepResult
from orchestrator.report import figures as fig
from orchestrator.report.advice import advice
from orchestrator.report.columns import COLUMNS, cells_of
from orchestrator.report.failures import own_account


def render_json(result: DrillResult) -> str:
    """Return the result as indented JSON; the same content as the bundle's result line."""
    return result.model_dump_json(indent=2) + "\n"


def render_csv(result: DrillResult) -> str:
    """Return one row for each site and step (RFC 4180). An empty cell is an unknown figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(column.name for column in COLUMNS)
    writer.writerows(cells_of(result, step, site) for step in result.steps for site in step.sites)
    return out.getvalue()


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
        f'      <failure type="{_text(found.verdict)}" message="{said}">{_text(_evidence(found))}</failure>',
        "    </testcase>",
    ]


def _evidence(found: SiteStepResult) -> str:
    """Return a failure's sentence, what it calls for, and what it rests on."""
    voices = [
        f"{word}: {', '.join(names) or 'nobody'}"
        for word, names in (
            ("as ordered", found.agreeing),
            ("otherwise", found.dissenting),
            ("not known", found.unknown),
        )
    ]
    return (
        f"{explain(found)} {advice(found.cause).do} Witnesses that saw it {'; '.join(voices)}. "
        f"Evidence: {fig.word(found.grade)}. Its own account: {'; '.join(own_account(found))}."
    )


def _text(value: str) -> str:
    return escape(fig.plain(value), quote=True)
