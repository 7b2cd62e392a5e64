"""Which sites went wrong in a drill, at any time of it: pure.

Where a site stands is about the running step; an alert must not end because the next step began. What
once went wrong in a drill stays, until a verdict takes it back or the next drill begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core.grades import Cause
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import Standing
from orchestrator.logbook.views import DrillView
from orchestrator.metrics.families import Families
from protocols.controls import Control, control_of

LISTED_MAX = 100
"""Most sites that have a series of their own because something is wrong there."""

LOUDEST_FIRST = (
    Standing.CONTRADICTED,
    Standing.BROKEN,
    Standing.NOT_RESTORED,
    Standing.REFUSED,
    Standing.LATE,
    Standing.UNPROVEN,
)
"""Everything that can be wrong with a site."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with one site in one step."""

    site: str
    region: str
    control: Control
    standing: Standing
    cause: Cause | None


def expose_trouble(drill: DrillView, out: Families) -> None:
    """Add how many sites went wrong how, and the loudest of them by name."""
    found = list({(one.site, one.control, one.standing): one for one in _wrong(drill)}.values())
    counts = Counter((one.control, one.standing) for one in found)
    controls = [control_of(params) for step in drill.stated.steps for params in step.rungs]
    for control in dict.fromkeys(controls):
        for standing in LOUDEST_FIRST:
            count = counts[control, standing]
            out.add("drill_trouble_sites", count, drill=drill.drill, control=control, standing=standing)
    found.sort(key=lambda one: (LOUDEST_FIRST.index(one.standing), one.site))
    for one in found[:LISTED_MAX]:
        labels = {"site": one.site, "region": one.region, "control": one.control, "standing": one.standing}
        out.add("site_trouble", 1, drill=drill.drill, cause=one.cause or "", **labels)
    out.add("site_trouble_omitted", max(0, len(found) - LISTED_MAX), drill=drill.drill)


def _wrong(drill: DrillView) -> Iterator[Wrong]:
    for site in drill.sites.values():
        for line in site.alarms.values():
            standing = line.standing if isinstance(line, ln.Changed) else Standing(line.verdict.value)
            yield Wrong(site.site, site.region, line.control, standing, line.cause)
