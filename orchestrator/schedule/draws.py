"""Unannounced occurrences on their way: committing to seeds ahead, revealing them afterwards. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from orchestrator.schedule import notes as n
from orchestrator.schedule.drawing import NS_PER_MS, DrawStatement, commitment_of, instant_ns, within_ms_of
from orchestrator.schedule.moves import Move, Note
from orchestrator.schedule.names import NS_PER_S, occurrence
from orchestrator.schedule.occurrences import moments
from orchestrator.schedule.series import Inputs, Seeds, Series
from protocols.ids import digest_of, format_utc

COMMIT_AHEAD_S = 3 * 86_400
"""How long before its window the seed of an unannounced occurrence is committed to, where the plan is known by then."""

_AHEAD_NS = COMMIT_AHEAD_S * NS_PER_S
_COMMITS_MAX = 64


def draw_moves(inputs: Inputs) -> Iterator[Move]:
    """Yield what is to be noted about seeds: the key, commitments, and what is over."""
    unannounced = [one for one in inputs.series if one.schedule.unannounced is not None]
    if inputs.seeds is not None and unannounced and inputs.state.draw_key != digest_of(inputs.seeds.public):
        yield Note(n.DrawKeyed(key=inputs.seeds.public.hex()))
        return
    for one in sorted(unannounced, key=lambda series: series.plan):
        state = inputs.state.plans.get(one.plan)
        if inputs.seeds is not None and state is not None and state.schedule == one.digest:
            yield from _commitments(inputs, one, inputs.seeds)
    yield from _revelations(inputs)


def _commitments(inputs: Inputs, series: Series, seeds: Seeds) -> Iterator[Note]:
    first, spec = series.waves[0], series.schedule.unannounced
    if first.warrant is None or first.barred or spec is None:
        return  # the warrant is part of what is drawn from, so it must be there
    begin_ns = max(inputs.now_ns + 1, first.not_before_ns)
    end_ns = min(inputs.now_ns + _AHEAD_NS + 1, first.not_after_ns)
    for nominal_ns in islice(moments(series.schedule, begin_ns, end_ns), _COMMITS_MAX):
        if (series.plan, nominal_ns) in inputs.state.draws:
            continue
        of, within_ms = occurrence(series.plan, nominal_ns), within_ms_of(spec.within_s)
        seed = seeds.seed(DrawStatement(of=of, within_ms=within_ms, warrant=first.warrant).encode())
        yield Note(
            n.DrawCommitted(
                of=of,
                within_ms=within_ms,
                warrant=first.warrant,
                key_id=digest_of(seeds.public),
                commitment=commitment_of(seed),
            )
        )


def seed_of(inputs: Inputs, draw: n.DrawCommitted) -> bytes | None:
    """Return the seed that was committed to; None if the key that gives it is gone."""
    if inputs.seeds is None or digest_of(inputs.seeds.public) != draw.key_id:
        return None
    seed = inputs.seeds.seed(DrawStatement(of=draw.of, within_ms=draw.within_ms, warrant=draw.warrant).encode())
    return seed if commitment_of(seed) == draw.commitment else None


def _revelations(inputs: Inputs) -> Iterator[Note]:
    for (plan, nominal_ns), draw in sorted(inputs.state.draws.items()):
        seed = seed_of(inputs, draw) if _over(inputs, plan, nominal_ns, draw) else None
        if seed is not None:
            instant = format_utc(instant_ns(seed, nominal_ns, draw.within_ms))
            yield Note(n.DrawRevealed(of=draw.of, seed=seed.hex(), instant=instant))


def _over(inputs: Inputs, plan: str, nominal_ns: int, draw: n.DrawCommitted) -> bool:
    """Tell whether the window is over, and the instant not needed any more."""
    if inputs.now_ns < _end_ns(nominal_ns, draw):
        return False
    state = inputs.state.plans.get(plan)
    if state is None:
        return True
    entry = state.open.get(nominal_ns)
    return nominal_ns <= state.settled_ns and (entry is None or entry.instant_ns is not None)


def _end_ns(nominal_ns: int, draw: n.DrawCommitted) -> int:
    return nominal_ns + draw.within_ms * NS_PER_MS


def draw_wakes(inputs: Inputs) -> Iterator[int]:
    """Yield when there will be something to note about seeds."""
    for (_, nominal_ns), draw in inputs.state.draws.items():
        yield _end_ns(nominal_ns, draw)
    for one in inputs.series:
        if one.schedule.unannounced is not None and inputs.seeds is not None:
            begin_ns = max(inputs.now_ns + _AHEAD_NS + 1, one.waves[0].not_before_ns)
            upcoming = next(moments(one.schedule, begin_ns, one.waves[0].not_after_ns), None)
            if upcoming is not None:
                yield upcoming - _AHEAD_NS
