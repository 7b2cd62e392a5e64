"""The formats that the matrix comes in, other than the terminal's."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from enum import StrEnum
from typing import assert_never

from orchestrator.core.coverage import Cell, Coverage, Exercise, SiteRow
from orchestrator.coverage.page import render_html
from orchestrator.report.figures import plain

COLUMNS = (
    "fleet",
    "site",
    "owner",
    "mock",
    "attributes",
    "control",
    "standing",
    "verdict",
    "cause",
    "phase",
    "response_lower_ns",
    "response_upper_ns",
    "response_limit_ns",
    "age_ns",
    "overdue",
    "trend",
    "exercises",
    "drill",
    "rung",
    "plan",
    "title",
    "not_counted_drill",
    "not_counted_verdict",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class CoverageFormat(StrEnum):
    """How the matrix is written."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"
    CSV = "csv"


def render(coverage: Coverage, form: CoverageFormat) -> str | None:
    """Return the matrix in one of the formats, or None for the terminal's, which needs a console."""
    match form:
        case CoverageFormat.TEXT:
            return None
        case CoverageFormat.HTML:
            return render_html(coverage)
        case CoverageFormat.JSON:
            return coverage.model_dump_json(indent=2) + "\n"
        case CoverageFormat.CSV:
            return render_csv(coverage)
        case _:
            assert_never(form)


def render_csv(coverage: Coverage) -> str:
    """Return one row for each site and control (RFC 4180). An empty cell is an unknown figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in coverage.rows:
        for cell in row.cells:
            writer.writerow([_safe(value) for value in _values(row, cell)])
    return out.getvalue()


def _values(row: SiteRow, cell: Cell) -> Iterator[object]:
    yield from (row.fleet, row.site, row.owner, _yes(row.mock))
    yield " ".join(f"{tag.name}={tag.value}" for tag in row.attributes)
    yield from (cell.control, cell.standing)
    last = cell.last
    yield from _found(last)
    yield from (cell.age_ns, _yes(cell.overdue) if cell.last else "", cell.trend, cell.exercises)
    yield from (None,) * 4 if last is None else (last.drill, last.rung, last.plan, last.title)
    yield from (None, None) if cell.undone is None else (cell.undone.drill, cell.undone.verdict)


def _found(last: Exercise | None) -> tuple[object, ...]:
    if last is None:
        return (None,) * 6
    times = (last.response_lower_ns, last.response_upper_ns, last.response_limit_ns)
    return (last.verdict, last.cause, last.phase, *times)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _safe(value: object) -> object:
    """Return a value as a spreadsheet may read it: no text is ever taken for a formula."""
    if not isinstance(value, str):
        return value
    shown = plain(value)
    return f"'{shown}" if shown.startswith(_FORMULA_STARTS) else shown
