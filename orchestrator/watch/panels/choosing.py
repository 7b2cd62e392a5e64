"""Which of a log's drills is shown."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.logbook.views import DrillView, LogView
from orchestrator.watch.panels.figures import clock, sites
from orchestrator.watch.panels.heading import state
from orchestrator.watch.panels.paint import Line, Span, clean
from protocols.errors import ConfigError


def choose(view: LogView, wanted: str | None) -> DrillView | None:
    """Return the drill that is wanted by its id or the beginning of it, or else the newest.

    Returns:
        None if there is none yet.
    """
    if wanted is None:
        return view.newest
    exact = view.drills.get(wanted)
    if exact is not None:
        return exact
    return next((drill for name, drill in reversed(view.drills.items()) if name.startswith(wanted)), None)


def missing(drills: Mapping[str, DrillView], wanted: str, path: str) -> ConfigError:
    """Return the error that says that a drill is not in the log, and which are."""
    known = ", ".join(list(drills)[-5:])
    remedy = f"it holds {known}" if known else "it holds no drill"
    return ConfigError(f"there is no drill {wanted!r}", where=path, remedy=remedy)


def row(drill: DrillView) -> Line:
    """Return the line by which a drill is chosen."""
    word, role = state(drill)
    began = f"{drill.opened.timestamp[:10]} {clock(drill.opened.timestamp)}"
    return (
        Span(f"{word:<11}", role),
        Span(f" {began}  "),
        Span(f"{sites(drill.opened.sites)}  "),
        Span(f"{clean(drill.stated.title)}  "),
        Span(drill.drill),
    )
