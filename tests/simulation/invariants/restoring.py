"""Everything undoes itself: whoever crashes, whatever is lost, a site is back soon after its hold, or after a stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocols.controls import CATALOGUE, Actor, DecommissionParams, PowerCutParams, acts, control_of
from tests.simulation.invariants.authority import CLOCK_BACK_NS
from tests.simulation.invariants.ran import NS, Accept, Found, Ran

STOP_BOUND_NS = 6 * NS
"""How long after a stop that was heard a site may take to be back: resuming, starting, booting, and a few retries."""

STUCK = ("no_permission", "no_restore_path", "slow", "lying_agent")
"""Faults that keep a site from coming back while they last."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which something was in force at a site by one party's doing.

    Attributes:
        until_ns: When it ended; past the run's end when it did not.
    """

    site: str
    actor: Actor
    since_ns: int
    until_ns: int


def spans(ran: Ran) -> Iterator[Span]:
    """Yield when each site was not as always, by the agent's doing and by an enforcer's."""
    for actor in Actor:
        since: dict[str, int] = {}
        for state in ran.truth.states:
            held = not state.feed_on if actor is Actor.ENFORCER else state.control is not None
            if held and state.site not in since:
                since[state.site] = state.at_ns
            elif not held and state.site in since:
                yield Span(state.site, actor, since.pop(state.site), state.at_ns)
        for site, at_ns in since.items():
            yield Span(site, actor, at_ns, ran.truth.ended_ns + 1)


def _of(ran: Ran, span: Span) -> list[Accept]:
    """Return the orders that the actor had accepted by the end of a span, and that act."""
    mine = []
    for accept in ran.accepts:
        site, _, by = accept.party.partition("/")
        ordered = ran.order_of.get(accept.order)
        if site != span.site or (by == "agent") != (span.actor is Actor.AGENT) or accept.at_ns > span.until_ns:
            continue
        if accept.acts and ordered is not None and ordered.step is not None:
            mine.append(accept)
    return mine


def _holds_until(ran: Ran, accept: Accept) -> int:
    """Return until when an accepted order may hold at the latest, counted from the first of its step's rungs."""
    ordered = ran.order_of[accept.order]
    step = ordered.step
    first_ns = min(one.at_ns for one in ran.accepts if one.party == accept.party and one.key[:3] == accept.key[:3])
    hold_s = 0.0 if step is None else step.hold_s
    back_ns = min(ran.spread_ns(accept.party), CLOCK_BACK_NS)
    return first_ns + ran.longest_ns(hold_s) + back_ns


def _hindrances(ran: Ran, span: Span, party: str) -> list[list[tuple[int, int]]]:
    """Return when the party could not act: when it was down, and when the site was stuck or (for an agent) dark."""
    listed = [list(ran.downs.get(party, ()))]
    listed += [list(ran.faults.get((span.site, name), ())) for name in STUCK]
    if span.actor is Actor.AGENT:
        listed.append([(one.since_ns, one.until_ns) for one in spans(ran) if one.actor is Actor.ENFORCER])
    return listed


def _fires(ran: Ran, accept: Accept) -> bool:
    step = ran.order_of[accept.order].step
    params = None if step is None else step.rungs[accept.key[3]].params
    return isinstance(params, DecommissionParams) and params.phase == "fire"


def was_back_after_the_hold(ran: Ran) -> Iterator[Found]:
    """Every site is as always again by the end of its hold and the stated bound, unless it was to be destroyed."""
    bound_ns = round(ran.truth.holding_bound_s * NS)
    for span in spans(ran):
        mine = _of(ran, span)
        if any(_fires(ran, accept) for accept in mine):
            continue
        if not mine:
            yield Found(
                f"{span.site} was not as always, and no order was accepted there by the {span.actor}", span.since_ns
            )
            continue
        last = max(mine, key=lambda accept: _holds_until(ran, accept))
        due_ns = ran.due(_holds_until(ran, last), bound_ns, *_hindrances(ran, span, last.party))
        if min(span.until_ns, ran.truth.ended_ns) > due_ns:
            yield Found(
                f"{span.site} was not as always {(due_ns - _holds_until(ran, last)) / NS:.1f} s after the hold of "
                f"{last.party} had ended",
                due_ns,
            )


def was_back_after_a_stop(ran: Ran) -> Iterator[Found]:
    """A stop of any kind, or a veto, that was heard brings a site back long before its hold is over."""
    for span in spans(ran):
        for accept in _of(ran, span):
            if _fires(ran, accept) or accept.at_ns < span.since_ns - STOP_BOUND_NS:
                continue
            superseded = [
                one.at_ns for one in ran.accepts if one.acts and one.party == accept.party and one.n > accept.n
            ]
            for at_ns, until_ns, kind in _ends(ran, span, accept):
                if accept.ended_ns is not None and any(accept.ended_ns <= one <= at_ns for one in superseded):
                    continue  # a later order holds the site: what was over cannot be stopped again
                begun_ns = max(at_ns, accept.at_ns)
                due_ns = ran.due(begun_ns, STOP_BOUND_NS, *_hindrances(ran, span, accept.party))
                over_ns = min(
                    [span.until_ns, until_ns, ran.truth.ended_ns, *(one for one in superseded if one > at_ns)]
                )
                if span.since_ns <= due_ns < over_ns:
                    seconds = (due_ns - begun_ns) / NS
                    yield Found(f"{span.site} was not back {seconds:.1f} s after a {kind} was heard", due_ns)
                    return


def _ends(ran: Ran, span: Span, accept: Accept) -> list[tuple[int, int, str]]:
    """Return from when until when something ends an order, and what."""
    ends = [(stop.at_ns, until_ns, stop.kind) for stop, until_ns in ran.stopped(accept.party, accept.key)]
    if span.actor is Actor.AGENT:
        ends += [(begin, end, "veto") for begin, end in ran.faults.get((span.site, "veto"), ())]
    return ends


def nothing_is_left(ran: Ran) -> Iterator[Found]:
    """What an enforcer cut it gives back, and an agent ends what it began: at the run's end nothing is in force."""
    for accept in ran.accepts:
        ordered = ran.order_of.get(accept.order)
        step = None if ordered is None else ordered.step
        if not accept.acts or step is None or accept.key[3] >= len(step.rungs):
            continue
        params = step.rungs[accept.key[3]].params
        if not acts(params) or _fires(ran, accept) or accept.ended_ns is not None:
            continue
        site = accept.party.partition("/")[0]
        actor = CATALOGUE[control_of(params)].actor
        span = Span(site, actor, accept.at_ns, ran.truth.ended_ns)
        bound_ns = round(ran.truth.holding_bound_s * NS)
        due_ns = ran.due(_holds_until(ran, accept), bound_ns, *_hindrances(ran, span, accept.party))
        if due_ns < ran.truth.ended_ns:
            what = "power" if isinstance(params, PowerCutParams) else params.control
            yield Found(f"{accept.party} never wrote down that {what} was over", due_ns)


CHECKS = (was_back_after_the_hold, was_back_after_a_stop, nothing_is_left)
