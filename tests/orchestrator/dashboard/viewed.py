"""Simulated logs, folded."""

from __future__ import annotations

from orchestrator.logbook import lines as ln
from orchestrator.logbook.views import DrillView, LogView
from tests.logs import Scenario, simulate


def lines_of(**options: object) -> list[ln.AnyDrillLine]:
    """Return the lines of a simulated drill."""
    return simulate(Scenario(**options))  # type: ignore[arg-type]  # a test names only what it is about


def view_of(*drills: list[ln.AnyDrillLine]) -> LogView:
    """Fold the lines of some drills."""
    view = LogView()
    for lines in drills:
        view.take_all(lines)
    return view


def drill_until(lines: list[ln.AnyDrillLine], action: str) -> DrillView:
    """Fold a drill's lines up to the first of an action, with it."""
    end = next(place for place, line in enumerate(lines) if line.action == action) + 1
    drill = view_of(lines[:end]).newest
    assert drill is not None
    return drill
