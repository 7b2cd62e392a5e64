"""Writes the reports of a drill into its folder."""

from __future__ import annotations

from pathlib import Path

from orchestrator.evidence.bundle import result_of
from orchestrator.evidence.result import DrillResult
from orchestrator.journal.base import JournalStore
from orchestrator.report.formats import ReportFormat, render
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
    return write_result(result_of(store.lines(drill)), folder)


def write_result(result: DrillResult, folder: Path) -> Path:
    """Write every format of a result and return the one for people.

    Raises:
        ConfigError: A file cannot be written.
    """
    for form, name in NAMES.items():
        write_atomic(folder / name, render(result, form).encode())
    return folder / NAMES[ReportFormat.HTML]
