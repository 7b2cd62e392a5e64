"""Writes the reports of a drill into its folder."""

from __future__ import annotations

from pathlib import Path

from orchestrator.evidence.result import DrillResult
from orchestrator.journal.base import JournalStore
from orchestrator.report.context import NO_CONTEXT, Context
from orchestrator.report.formats import ReportFormat, render
from orchestrator.report.reading import read_closed
from protocols.host.files import write_atomic

NAMES: dict[ReportFormat, str] = {
    ReportFormat.HTML: "report.html",
    ReportFormat.JSON: "result.json",
    ReportFormat.JUNIT: "junit.xml",
    ReportFormat.CSV: "sites.csv",
}


def write_reports(store: JournalStore, drill: str, folder: Path) -> Path:
    """Write every format of a closed drill's report and return the one for people.

    Raises:
        JournalError: There is no such drill, it is not closed, or its journal is damaged.
        ConfigError: A file cannot be written.
    """
    result, context = read_closed(store, drill)
    return write_result(result, folder, context)


def write_result(result: DrillResult, folder: Path, context: Context = NO_CONTEXT) -> Path:
    """Write every format of a result and return the one for people.

    Raises:
        ConfigError: A file cannot be written.
    """
    for form, name in NAMES.items():
        write_atomic(folder / name, render(result, form, context).encode())
    return folder / NAMES[ReportFormat.HTML]
