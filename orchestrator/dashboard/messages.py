"""The messages that a page is sent: all there is, or what has changed since a serial. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.dashboard.roster import Roster
from orchestrator.dashboard.situation import DRILLS_MAX, legend, listed, situation
from orchestrator.dashboard.tail import Tail
from orchestrator.logbook.views import DrillView, LogView


def snapshot(drill: DrillView, roster: Roster, tail: Tail) -> dict[str, Any]:
    """Return all that the page shows of a drill."""
    rows, skipped = tail.since(-1, drill.drill)
    return {
        "kind": "snapshot",
        "legend": legend(),
        "names": roster.names,
        "region_names": roster.regions,
        "region_of": roster.region_of,
        "letters": roster.letters(drill),
        "rows": rows,
        "skipped": skipped,
        **situation(drill, roster),
    }


def delta(drill: DrillView, roster: Roster, tail: Tail, since: int) -> dict[str, Any]:
    """Return what has changed of a drill since a serial; of what is small, all."""
    rows, skipped = tail.since(since, drill.drill)
    return {
        "kind": "delta",
        "cells": roster.changed(drill, since),
        "rows": rows,
        "skipped": skipped,
        **situation(drill, roster),
    }


def drills(view: LogView) -> dict[str, Any]:
    """Return the drills of the log, the newest first."""
    newest = list(reversed(view.drills.values()))
    return {"drills": [listed(drill) for drill in newest[:DRILLS_MAX]], "drills_total": len(newest)}


def framed(event: str, data: Mapping[str, Any], identity: str = "") -> bytes:
    """Return one server-sent event (HTML Living Standard, 9.2), its data as one line of JSON."""
    lines: Iterable[str] = (
        *([f"id: {identity}"] if identity else []),
        f"event: {event}",
        f"data: {json.dumps(data, separators=(',', ':'))}",
    )
    return ("\n".join(lines) + "\n\n").encode()
