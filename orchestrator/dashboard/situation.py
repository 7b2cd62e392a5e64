"""What the page says of a whole drill, as JSON holds it: what it is, how far it is, what is due, who is in trouble."""

from __future__ import annotations

from typing import Any

from orchestrator.core.criteria import told
from orchestrator.core.states import MEANING, Phase
from orchestrator.dashboard.curve import staircases
from orchestrator.dashboard.roster import Roster
from orchestrator.logbook.standing import STANDING_MEANING
from orchestrator.logbook.views import DrillView, StepView, verdict_counts
from orchestrator.watch.panels.figures import stamp_ns
from orchestrator.watch.panels.heading import GRACE_NS, control_words, score, state, where
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import clean
from orchestrator.watch.panels.trouble import Trouble, totals, troubles
from protocols.controls import Control, comes_back, control_of

PROBLEMS_MAX = 200
DRILLS_MAX = 500

_NS_PER_MS = 1_000_000


def legend() -> list[list[str]]:
    """Return the letters with their words, roles and meanings, from what asks for nothing to the loudest."""
    return [[look.letter, look.word, look.role.value, STANDING_MEANING[what]] for what, look in LOOKS.items()]


def stamp_ms(timestamp: str) -> int:
    """Return the wall time of a line in milliseconds since 1970."""
    return stamp_ns(timestamp) // _NS_PER_MS


def situation(drill: DrillView, roster: Roster) -> dict[str, Any]:
    """Return all of a drill that may change with any line, without its single sites."""
    found = troubles(drill)
    loud, failed = totals(found)
    counts = {LOOKS[standing].letter: number for standing, number in drill.counts.items() if number}
    counted = score(drill)
    return {
        "head": head(drill),
        "score": [counted.done, counted.of, counted.word],
        "counts": counts,
        "regions": roster.by_region(drill),
        "deadline": deadline(drill),
        "loud": loud,
        "failed": failed,
        "problems": [_problem(one, drill, roster) for one in found[:PROBLEMS_MAX]],
        "problems_total": len(found),
        "curve": curve(drill, drill.running),
    }


def head(drill: DrillView) -> dict[str, Any]:
    """Return what a drill is, and its phase."""
    stated, word = drill.stated, state(drill)
    closed = drill.closed
    return {
        "id": drill.drill,
        "title": clean(stated.title),
        "plan": stated.plan,
        "demo": stated.demo,
        "use": stated.use,
        "uses": stated.uses,
        "approved_by": list(stated.approved_by),
        "threshold": stated.threshold,
        "opened_ms": stamp_ms(drill.opened.timestamp),
        "phase": drill.phase.value,
        "phase_words": MEANING[drill.phase],
        "state": word[0],
        "role": word[1].value,
        "where": where(drill),
        "running": drill.running,
        "sites": drill.opened.sites,
        "steps": [_step(step) for step in drill.steps],
        "aborted": None if drill.aborted is None else clean(drill.aborted.reason),
        "ended_ms": None if closed is None else stamp_ms(closed.timestamp),
        "passed": None if closed is None else closed.passed,
        "resumed": drill.resumed,
        "rejected": drill.rejected,
        "newest_ms": stamp_ms((drill.newest or drill.opened).timestamp),
    }


def _step(step: StepView) -> dict[str, Any]:
    stated = step.stated
    return {
        "name": stated.name,
        "control": " > ".join(control_words(params) for params in stated.rungs),
        "limit_ms": stated.response_limit_ns / _NS_PER_MS,
        "hold_ms": stated.hold_ns / _NS_PER_MS,
        "quorum": stated.quorum,
        "ordered_ms": None if step.ordered is None else stamp_ms(step.ordered.timestamp),
        "released_ms": None if step.released is None else stamp_ms(step.released.timestamp),
        "ended": step.ended is not None,
    }


def deadline(drill: DrillView) -> dict[str, Any] | None:
    """Return what is due next and when, wall time; None when nothing is.

    `grace_ms` is how far it may be behind before that is called overdue.
    """
    step = drill.step
    if drill.closed is not None:
        return None
    if drill.phase is Phase.ORDERED and step.ordered is not None:
        due_ns = stamp_ns(step.ordered.timestamp) + step.ordered.release_after_ns
        return _due("release", due_ns, GRACE_NS + drill.opened.challenge_ns)
    since = step.released if drill.phase is Phase.RECOVERING else drill.aborted
    if drill.phase in {Phase.RECOVERING, Phase.ABORTING} and since is not None and comes_back(step.stated.params):
        return _due("back", stamp_ns(since.timestamp) + step.stated.restore_limit_ns, 0)
    return None


def _due(what: str, at_ns: int, grace_ns: int) -> dict[str, Any]:
    return {"what": what, "at_ms": at_ns // _NS_PER_MS, "grace_ms": grace_ns // _NS_PER_MS}


def _problem(one: Trouble, drill: DrillView, roster: Roster) -> list[Any]:
    """Return a site in trouble: its place, letter, sentence, step, and when that was said."""
    site = drill.sites[one.site]
    step = drill.running if one.step is None else one.step
    line = site.alarms.get(step)
    at_ms = stamp_ms(line.timestamp) if line is not None else None
    letter = "^" if one.climbed else LOOKS[one.standing].letter
    return [roster.place_of[one.site], letter, one.sentence, step, at_ms]


def curve(drill: DrillView, number: int) -> dict[str, Any]:
    """Return the curve of a step, with what it is held against."""
    step = drill.steps[number]
    halts = drill.halts(number)
    limit_ns = step.stated.response_limit_ns
    drawn = staircases(halts)
    over = step.ended is not None or drill.closed is not None or step.released is not None
    return {
        "step": number,
        "sites": drill.opened.sites,
        "word": told(step.stated.params).proved,
        "nothing_to_time": control_of(step.stated.params) is Control.REFUSAL,
        "limit_ms": limit_ns / _NS_PER_MS,
        "ordered_ms": None if step.ordered is None else stamp_ms(step.ordered.timestamp),
        "over": over,
        "seen": len(halts),
        "in_time": sum(upper <= limit_ns for _, upper in halts),
        "earliest": drawn.earliest,
        "latest": drawn.latest,
    }


def listed(drill: DrillView) -> dict[str, Any]:
    """Return what the list of drills says of one."""
    said = head(drill)
    kept = ("id", "title", "opened_ms", "ended_ms", "state", "role", "sites", "passed", "demo")
    verdicts = {verdict.value: number for verdict, number in verdict_counts(drill).items()}
    steps = [control_words(step.stated.params) for step in drill.steps]
    return {**{name: said[name] for name in kept}, "verdicts": verdicts, "steps": steps}
