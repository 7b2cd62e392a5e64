"""Computes the coverage matrix from drills that came to their end. Pure.

A cell is one control at one site. The newest exercise that counts decides it; what came of the one
before gives the trend. An exercise of an aborted drill, or one that was never ordered, is no proof,
so it never makes a cell better; it is told, and a fault that was proved in it (a refusal, a broken
hold, a contradiction, no recovery) makes the cell failing until an exercise that counts comes after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.core.coverage import Cell, Coverage, Exercise, SiteRow, Standing, StandingCount, Trend
from orchestrator.core.grades import Verdict
from protocols.controls import CATALOGUE, Control
from protocols.ids import format_utc
from protocols.messages import Attribute

SiteKey = tuple[str, str]
"""A fleet's id and a site of it."""

_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}


class Listed(Protocol):
    """What coverage has to know of a site: its record says it, or what a drill's log lists."""

    @property
    def site(self) -> str:
        """Its name."""

    @property
    def owner(self) -> str:
        """Whose site it is."""

    @property
    def mock(self) -> bool:
        """Whether it is a mock site."""

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Its tags."""

    @property
    def controls(self) -> tuple[Control, ...]:
        """What can be ordered of it."""


@dataclass(frozen=True, slots=True)
class DrillDone:
    """A drill that came to its end, as far as coverage goes.

    Attributes:
        digest: Digest of its journal's last record: two journals of one drill must agree.
        opened_ns: When it was opened, wall time.
        records: The sites that it leant on.
        exercises: What was exercised, by site.
    """

    fleet: str
    demo: bool
    drill: str
    digest: str
    opened_ns: int
    aborted: bool
    records: Mapping[str, Listed]
    exercises: Mapping[str, tuple[Exercise, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the matrix is wanted. Each only takes away.

    Attributes:
        tags: Attribute to accepted values, all of which must hold.
        sites: These sites only; empty for all. Likewise the controls.
        older_than_ns: Only cells whose last exercise is older, or that have none.
        since_ns: Only cells exercised since then, wall time.
    """

    tags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sites: frozenset[str] = frozenset()
    controls: frozenset[Control] = frozenset()
    older_than_ns: int | None = None
    since_ns: int | None = None

    def has_site(self, record: Listed) -> bool:
        """Tell whether a site's row is wanted."""
        held = {entry.name: entry.value for entry in record.attributes}
        tagged = all(held.get(name) in accepted for name, accepted in self.tags.items())
        return tagged and (not self.sites or record.site in self.sites)

    def has_cell(self, cell: Cell) -> bool:
        """Tell whether a cell of a wanted row and column is wanted."""
        old = self.older_than_ns is None or (
            cell.standing is not Standing.UNSUPPORTED and (cell.age_ns is None or cell.age_ns > self.older_than_ns)
        )
        recent = self.since_ns is None or (cell.last is not None and cell.last.at_ns >= self.since_ns)
        return old and recent


def roster_of(drills: Iterable[DrillDone]) -> dict[SiteKey, Listed]:
    """Return the sites of some drills, each with the record of the newest that leant on it."""
    roster: dict[SiteKey, Listed] = {}
    for drill in sorted(drills, key=lambda drill: (drill.opened_ns, drill.drill)):
        roster.update({(drill.fleet, site): record for site, record in drill.records.items()})
    return roster


def build_coverage(
    roster: Mapping[SiteKey, Listed],
    drills: Sequence[DrillDone],
    *,
    now_ns: int,
    max_age_ns: int,
    wanted: Wanted | None = None,
    open_drills: int = 0,
    notes: Sequence[str] = (),
) -> Coverage:
    """Compute the matrix. The order of `drills` does not matter: their times do.

    Args:
        roster: The sites that are to be covered; what drills found of others is left out.
        drills: The drills that came to their end, each once.
        now_ns: Wall time that ages are counted to.
        max_age_ns: The age over which a proof is overdue.
        wanted: What of it is wanted; everything by default.
        open_drills: How many drills did not come to their end.
        notes: What the reader should know.
    """
    wanted = wanted or Wanted()
    controls = tuple(control for control in Control if not wanted.controls or control in wanted.controls)
    found = _by_cell(drills)
    rows = []
    for (fleet, site), record in sorted(roster.items(), key=lambda entry: (entry[0][1], entry[0][0])):
        if not wanted.has_site(record):
            continue
        cells = [
            _cell(control, record, found.get((fleet, site, control), []), now_ns, max_age_ns) for control in controls
        ]
        kept = tuple(cell for cell in cells if wanted.has_cell(cell))
        if kept:
            rows.append(_row(fleet, record, kept))
    listed = [cell for row in rows for cell in row.cells]
    return Coverage(
        as_of=format_utc(now_ns),
        max_age_ns=max_age_ns,
        demo=any(drill.demo for drill in drills),
        drills=len(drills),
        aborted=sum(drill.aborted for drill in drills),
        open=open_drills,
        controls=tuple(control for control in controls if any(cell.control is control for cell in listed)),
        rows=tuple(rows),
        totals=tuple(
            StandingCount(standing=standing, count=sum(cell.standing is standing for cell in listed))
            for standing in Standing
        ),
        notes=(*notes, *_from_the_future(drills, now_ns)),
    )


def _by_cell(drills: Iterable[DrillDone]) -> dict[tuple[str, str, Control], list[Exercise]]:
    found: dict[tuple[str, str, Control], list[Exercise]] = {}
    for drill in drills:
        for site, exercises in drill.exercises.items():
            for exercise in exercises:
                found.setdefault((drill.fleet, site, exercise.control), []).append(exercise)
    for listed in found.values():
        listed.sort(key=lambda exercise: exercise.order)
    return found


def _row(fleet: str, record: Listed, cells: tuple[Cell, ...]) -> SiteRow:
    return SiteRow(
        fleet=fleet,
        site=record.site,
        owner=record.owner,
        mock=record.mock,
        attributes=record.attributes,
        cells=cells,
    )


def supports(record: Listed, control: Control) -> bool:
    """Tell whether a control can be ordered of a site at all."""
    return control in record.controls and (record.mock or not CATALOGUE[control].mock_only)


def _cell(control: Control, record: Listed, listed: Sequence[Exercise], now_ns: int, max_age_ns: int) -> Cell:
    if not supports(record, control):
        return Cell(control=control, standing=Standing.UNSUPPORTED)
    done = [exercise for exercise in listed if exercise.counts]
    last = done[-1] if done else None
    undone = _undone(listed[listed.index(last) + 1 :] if last is not None else listed)
    age_ns = None if last is None else max(0, now_ns - last.at_ns)
    overdue = age_ns is not None and age_ns > max_age_ns
    return Cell(
        control=control,
        standing=_standing(last, undone, overdue=overdue),
        last=last,
        trend=None if last is None else trend(last, _before(done)),
        age_ns=age_ns,
        overdue=overdue,
        exercises=len(done),
        undone=undone,
    )


def _undone(since: Sequence[Exercise]) -> Exercise | None:
    """Return what is to be told of the exercises that do not count: a proven fault, or the newest."""
    faults = [exercise for exercise in since if exercise.fault]
    return (faults or since)[-1] if since else None


def _before(done: Sequence[Exercise]) -> Exercise | None:
    """Return what the newest is compared with: arming and firing are two different things."""
    return next((exercise for exercise in reversed(done[:-1]) if exercise.phase == done[-1].phase), None)


def _standing(last: Exercise | None, undone: Exercise | None, *, overdue: bool) -> Standing:
    if undone is not None and undone.fault:
        return Standing.FAILING
    if last is None:
        return Standing.NEVER
    if last.verdict is not Verdict.VERIFIED:
        return Standing.FAILING
    return Standing.OVERDUE if overdue else Standing.FRESH


def trend(last: Exercise, before: Exercise | None) -> Trend:
    """Compare two exercises of a control at a site.

    The verdict goes first. Times are intervals, so they differ only if they do not overlap.
    """
    if before is None:
        return Trend.FIRST
    if last.verdict is not before.verdict:
        return Trend.WORSE if _RANK[last.verdict] > _RANK[before.verdict] else Trend.BETTER
    if last.response_upper_ns is None or before.response_upper_ns is None:
        return Trend.SAME
    if last.response_upper_ns < (before.response_lower_ns or 0):
        return Trend.FASTER
    return Trend.SLOWER if (last.response_lower_ns or 0) > before.response_upper_ns else Trend.SAME


def _from_the_future(drills: Iterable[DrillDone], now_ns: int) -> list[str]:
    ahead = [drill.drill for drill in drills if drill.opened_ns > now_ns]
    if not ahead:
        return []
    return [f"{len(ahead)} of these drills lie in the future, so a clock is wrong and ages are not to be believed"]
