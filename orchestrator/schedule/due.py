"""Which occurrences of a plan are due, and which of those are not to run any more. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from orchestrator.core.results import Verdict
from orchestrator.schedule import notes as n
from orchestrator.schedule.drawing import instant_ns
from orchestrator.schedule.draws import seed_of
from orchestrator.schedule.hindrances import Block, retry_ns
from orchestrator.schedule.names import Occurrence, occurrence
from orchestrator.schedule.occurrences import moments
from orchestrator.schedule.series import Inputs, Series, Wave
from orchestrator.schedule.spec import Misfire
from orchestrator.schedule.state import OpenOccurrence, PlanState
from protocols.ids import format_utc, seconds_to_ns
from protocols.phrases import duration_text, number_text

DUE_MAX = 256
"""Most occurrences of one plan that one decision looks at; the next decision goes on with the rest."""


@dataclass(frozen=True, slots=True)
class Contender:
    """An occurrence that is due, and starts if nothing stands in its way.

    Attributes:
        of: The occurrence, with its wave.
        series: Its plan.
        wave: The part of it that is to start.
        due_ns: Since when it is due.
        deadline_ns: Until when it may start.
        rank_ns: Who comes first: the smallest. Within a plan earlier occurrences do.
        making_up: Whether it was missed and is made up for, so that its deadline does not count.
        waiting: What it was last noted to wait for.
        was_making_up: Whether it was noted then that it is made up for.
        failures: How often it could not be opened.
        failed_ns: When that was last.
        failed: Why.
    """

    of: Occurrence
    series: Series
    wave: Wave
    due_ns: int
    deadline_ns: int
    rank_ns: int
    making_up: bool
    waiting: n.Hindrance | None
    was_making_up: bool
    failures: int
    failed_ns: int | None
    failed: str

    def held_back(self, now_ns: int) -> Block | None:
        """Return the wait that follows a start that failed, while it lasts."""
        if self.failed_ns is None:
            return None
        again_ns = retry_ns(self.failures, self.failed_ns)
        return Block(n.Hindrance.FAILED_TO_START, self.failed, again_ns) if now_ns < again_ns else None


def contenders(inputs: Inputs, series: Series, state: PlanState) -> Iterator[Contender | n.Skipped | int]:
    """Yield a plan's due occurrences in order, what is skipped, and the time when the next is due if that is drawn."""
    now_ns = inputs.now_ns
    begin_ns = max(state.settled_ns + 1, series.waves[0].not_before_ns)
    end_ns = min(now_ns + 1, series.waves[0].not_after_ns)
    calendar = islice(moments(series.schedule, begin_ns, end_ns), DUE_MAX)
    keys = sorted({*calendar, *(key for key, entry in state.open.items() if not entry.live)})
    found = [_due(inputs, series, state, key) for key in keys]
    due_now = [isinstance(one, Contender) for one in found]
    rank_ns = 0
    for number, one in enumerate(found):
        if not isinstance(one, Contender):
            yield one
            continue
        settled = _settled(inputs, one, newer=keys[_newest(due_now)] if any(due_now[number + 1 :]) else None)
        if isinstance(settled, Contender):
            rank_ns = max(rank_ns, settled.rank_ns)
            yield replace(settled, rank_ns=rank_ns)
        else:
            yield settled


def _newest(due_now: list[bool]) -> int:
    return max(number for number, due in enumerate(due_now) if due)


def _due(inputs: Inputs, series: Series, state: PlanState, nominal_ns: int) -> Contender | n.Skipped | int:
    """Look at one occurrence: it is due, skipped at once, or due later in its window."""
    entry = state.open.get(nominal_ns)
    of = entry.of if entry else occurrence(series.plan, nominal_ns, 1 if series.waved else 0)
    if of.wave > len(series.waves) or bool(of.wave) != series.waved:
        return n.Skipped(of=of, reason=n.Hindrance.REPLANNED, detail="its plan has other waves now")
    if entry is not None and entry.ended is not None:
        return _gated(series, entry)
    if entry is not None and entry.instant_ns is not None:
        return _contender(series, of, entry.instant_ns, entry)
    due_ns = _instant(inputs, series, of)
    if isinstance(due_ns, n.Skipped) or due_ns > inputs.now_ns:
        return due_ns
    if entry is None:
        closure = inputs.closures.first_in(due_ns, due_ns + seconds_to_ns(series.waves[0].longest_s))
        if closure is not None:
            return n.Skipped(of=of, reason=n.Hindrance.BLACKOUT, detail=f"falls into {closure.name}")
    return _contender(series, of, due_ns, entry)


def _instant(inputs: Inputs, series: Series, of: Occurrence) -> int | n.Skipped:
    if series.schedule.unannounced is None:
        return of.nominal_ns
    draw = inputs.state.draws.get((of.plan, of.nominal_ns))
    if draw is None:
        detail = "no seed was committed to before its window began: it was not approved, or the service was away"
        return n.Skipped(of=of, reason=n.Hindrance.NOT_COMMITTED, detail=detail)
    seed = seed_of(inputs, draw)
    if seed is None:
        detail = "the drawing key that its seed comes from is gone, so its instant cannot be known"
        return n.Skipped(of=of, reason=n.Hindrance.DRAW_LOST, detail=detail)
    return instant_ns(seed, of.nominal_ns, draw.within_ms)


def _gated(series: Series, entry: OpenOccurrence) -> Contender | n.Skipped:
    """Let the next wave begin if the last one went well."""
    verdicts: Mapping[Verdict, int] = entry.ended or {}
    total, good = sum(verdicts.values()), verdicts.get(Verdict.VERIFIED, 0)
    share = good / total if total else 0.0
    if share < series.wave_verified_share:
        wanted = number_text(round(series.wave_verified_share * 100, 2))
        detail = f"{good} of the {total} sites of wave {entry.of.wave - 1} were verified, and {wanted} % must be"
        return n.Skipped(of=entry.of, reason=n.Hindrance.GATE, detail=detail)
    began_ns = entry.ended_ns if entry.ended_ns is not None else entry.of.nominal_ns
    return _contender(series, entry.of, began_ns, entry)


def _contender(series: Series, of: Occurrence, due_ns: int, entry: OpenOccurrence | None) -> Contender:
    return Contender(
        of=of,
        series=series,
        wave=series.waves[max(of.wave, 1) - 1],
        due_ns=due_ns,
        deadline_ns=due_ns + seconds_to_ns(series.misfire_grace_s),
        rank_ns=due_ns,
        making_up=entry.making_up if entry else False,
        waiting=entry.waiting if entry else None,
        was_making_up=entry.making_up if entry else False,
        failures=entry.failures if entry else 0,
        failed_ns=entry.failed_ns if entry else None,
        failed=entry.failed if entry else "",
    )


def _settled(inputs: Inputs, one: Contender, newer: int | None) -> Contender | n.Skipped:
    """Apply the misfire policy: what is too late is skipped, or made up for."""
    late = inputs.now_ns > one.deadline_ns
    if newer is not None and (one.making_up or (late and _missed(one) and one.series.misfire is Misfire.RUN_ONCE)):
        detail = f"was missed; {occurrence(one.of.plan, newer)} is run for it"
        return n.Skipped(of=one.of, reason=n.Hindrance.MADE_UP, detail=detail)
    if not late or one.making_up:
        return one
    if not _missed(one):
        reason = one.waiting or n.Hindrance.FAILED_TO_START
        return n.Skipped(of=one.of, reason=reason, detail=_too_late(one))
    if one.series.misfire is Misfire.SKIP:
        detail = f"nobody was there to start it until {format_utc(one.deadline_ns)}"
        return n.Skipped(of=one.of, reason=n.Hindrance.MISSED, detail=detail)
    return replace(one, making_up=True)


def _missed(one: Contender) -> bool:
    """Tell whether nobody was there when it was due: else it would have been noted why it does not start."""
    return one.waiting is None and one.failed_ns is None


def _too_late(one: Contender) -> str:
    grace = duration_text(one.series.misfire_grace_s)
    why = f": {one.failed}" if one.waiting is None and one.failed else ""
    return f"could not start within its grace of {grace}{why}"[:500]
