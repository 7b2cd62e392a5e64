"""The formats that a report comes in."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from orchestrator.evidence.result import DrillResult
from orchestrator.report.context import NO_CONTEXT, Context
from orchestrator.report.html import render_html
from orchestrator.report.tables import render_csv, render_json, render_junit


class ReportFormat(StrEnum):
    """How a report is written."""

    HTML = "html"
    JSON = "json"
    JUNIT = "junit"
    CSV = "csv"


def render(result: DrillResult, form: ReportFormat, context: Context = NO_CONTEXT) -> str:
    """Return the report of a drill in one of the formats.

    Args:
        result: The drill.
        form: The format. Only HTML shows what is in the context; the others hold the result alone.
        context: What is known beside the result.
    """
    match form:
        case ReportFormat.HTML:
            return render_html(result, context)
        case ReportFormat.JSON:
            return render_json(result)
        case ReportFormat.JUNIT:
            return render_junit(result)
        case ReportFormat.CSV:
            return render_csv(result)
        case _:
            assert_never(form)
