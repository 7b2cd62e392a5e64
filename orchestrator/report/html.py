"""The report as one self-contained page: no script, no outside asset, light and dark, printable on A4.

The first page is to be signed by somebody who reads nothing else; then the steps, what failed with its
evidence, the comparison, the limits, the map to outside documents, and an annex with every site.
Everything that comes from plans and records is escaped.
"""

from __future__ import annotations

from orchestrator.evidence.result import DrillResult
from orchestrator.report.annex import annex
from orchestrator.report.compared import comparison
from orchestrator.report.context import NO_CONTEXT, Context
from orchestrator.report.cover import cover
from orchestrator.report.failures import failures
from orchestrator.report.limits import again, limits
from orchestrator.report.mapped import mapped
from orchestrator.report.markup import text
from orchestrator.report.steps import step_section
from orchestrator.report.style import STYLE
from orchestrator.report.style_report import REPORT_STYLE, running_foot


def render_html(result: DrillResult, context: Context = NO_CONTEXT) -> str:
    """Return the report of a drill as a page."""
    many = len(result.steps) > 1
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{text(result.title)}: {'passed' if result.passed else 'did not pass'}</title>",
        f"<style>{STYLE}{REPORT_STYLE}{running_foot(result)}</style>",
        "</head>",
        "<body>",
        "<main>",
        *cover(result, context),
        *failures(result, context),
        *(part for step in result.steps for part in step_section(step, context, many=many)),
        *comparison(result, context),
        *limits(result),
        *mapped(result),
        *again(result),
        *annex(result, context),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"
