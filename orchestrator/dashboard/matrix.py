"""The coverage matrix of a log's drills: the same computation as `haltdrill coverage`, from what the log says.

A log does not say which controls a site lists, so the columns are the controls that some drill of the log had
in it, for every site; and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.core.coverage import SAID_MAX_CHARS, Cell, Exercise, Standing
from orchestrator.core.grades import RungResult, SiteStepResult
from orchestrator.core.matrix import DrillDone, Wanted, build_coverage, roster_of
from orchestrator.coverage.drills import said
from orchestrator.coverage.words import MEANINGS, age, code, control_words, headline, timing
from orchestrator.logbook import lines as ln
from orchestrator.logbook.views import DrillView, SiteView
from orchestrator.watch.panels.figures import stamp_ns
from orchestrator.watch.panels.paint import clean
from protocols.controls import Control, DecommissionParams, control_of
from protocols.ids import seconds_to_ns
from protocols.messages import Attribute

MAX_AGE_NS = seconds_to_ns(90 * 86_400)
"""The age over which a proof is overdue, as of `haltdrill coverage` by default."""


@dataclass(frozen=True, slots=True)
class ListedSite:
    """A site as a log lists it."""

    site: str
    owner: str
    mock: bool
    attributes: tuple[Attribute, ...]
    controls: tuple[Control, ...]


def matrix(drills: Iterable[DrillView], now_ns: int) -> dict[str, Any]:
    """Return the matrix of the drills that came to their end.

    Args:
        drills: The log's drills.
        now_ns: Wall time that ages are counted to.
    """
    known = list(drills)
    over = [drill for drill in known if _whole(drill)]
    controls = tuple(control for control in Control if any(control in _controls(drill) for drill in over))
    done = [_done(drill, controls) for drill in over]
    made = build_coverage(
        roster_of(done),
        done,
        now_ns=now_ns,
        max_age_ns=MAX_AGE_NS,
        wanted=Wanted(controls=frozenset(controls)),
        open_drills=len(known) - len(over),
    )
    return {
        "headline": headline(made) if done else "",
        "controls": [control_words(control) for control in made.controls],
        "rows": [
            [row.site, *(_cell(row.cell(control)) for control in made.controls)]
            for row in sorted(made.rows, key=lambda row: -sum(_WORST[cell.standing] for cell in row.cells))
        ],
        "meanings": MEANINGS,
        "drills": len(over) - made.aborted,
        "aborted": made.aborted,
        "open": made.open,
        "at_ms": now_ns // 1_000_000,
    }


_WORST = {
    Standing.FRESH: 0,
    Standing.UNSUPPORTED: 0,
    Standing.NEVER: 1,
    Standing.OVERDUE: 10,
    Standing.FAILING: 100,
}


def _whole(drill: DrillView) -> bool:
    wanted = drill.opened.sites * len(drill.steps)
    return drill.closed is not None and sum(len(site.results) for site in drill.sites.values()) == wanted


def _controls(drill: DrillView) -> set[Control]:
    return {control_of(params) for step in drill.steps for params in step.stated.rungs}


def _cell(cell: Cell | None) -> list[str]:
    """Return a cell: its code, its figures, and its sentence."""
    if cell is None:
        return ["", "", ""]
    shown = cell.blamed or cell.last
    if shown is None:
        return [code(cell), "", ""]
    ago = f"{age(cell.age_ns)} ago" if cell.age_ns is not None else "not counted"
    return [code(cell), f"{timing(shown)} s", clean(f"{shown.said} {ago}, in {shown.drill}")]


def _done(drill: DrillView, controls: tuple[Control, ...]) -> DrillDone:
    return DrillDone(
        fleet=drill.stated.fleet,
        demo=drill.stated.demo,
        drill=drill.drill,
        digest=drill.stated.warrant,
        opened_ns=stamp_ns(drill.opened.timestamp),
        aborted=drill.aborted is not None,
        records={name: _listed(site, controls) for name, site in drill.sites.items()},
        exercises={name: tuple(_exercises(drill, site)) for name, site in drill.sites.items()},
    )


def _listed(site: SiteView, controls: tuple[Control, ...]) -> ListedSite:
    line = site.enlisted
    tags = tuple(Attribute(name=tag.name, value=tag.value) for tag in line.tags)
    return ListedSite(line.site, line.owner, line.mock, tags, controls)


def _exercises(drill: DrillView, site: SiteView) -> Iterator[Exercise]:
    """Yield what each step exercised at a site; with an escalation, each rung that was ordered."""
    for number, result in sorted(site.results.items()):
        for rung in result.rungs:
            yield _exercise(drill, site, number, rung.rung, rung)
        if not result.rungs:
            yield _exercise(drill, site, number, result.rung, result)


def _exercise(drill: DrillView, site: SiteView, number: int, rung: int, found: SiteStepResult | RungResult) -> Exercise:
    stated = drill.steps[number].stated
    rung = min(rung, len(stated.rungs) - 1)
    params = stated.rungs[rung]
    limit_ns = stated.ladder[rung - 1].response_limit_ns if rung else stated.response_limit_ns
    return Exercise(
        control=control_of(params),
        drill=drill.drill,
        plan=drill.stated.plan,
        title=drill.stated.title,
        step=number,
        step_name=stated.name,
        rung=rung,
        at_ns=_ordered_ns(drill, site, number, rung),
        aborted=drill.aborted is not None,
        verdict=found.verdict,
        cause=found.cause,
        said=said(found)[:SAID_MAX_CHARS],
        response_lower_ns=found.response_lower_ns,
        response_upper_ns=found.response_upper_ns,
        response_limit_ns=limit_ns,
        phase=params.phase if isinstance(params, DecommissionParams) else None,
        climbed=isinstance(found, RungResult) and found.why_next is not None,
    )


def _ordered_ns(drill: DrillView, site: SiteView, number: int, rung: int) -> int:
    for line in site.said:
        if rung and isinstance(line, ln.RungOrdered) and (line.step, line.rung) == (number, rung):
            return stamp_ns(line.timestamp)
    ordered = drill.steps[number].ordered
    return stamp_ns((ordered or drill.opened).timestamp)
