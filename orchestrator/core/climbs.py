"""The ladder: who is to answer an order, which sites climb, and whose rung is published again.

That a site climbs is decided once, by an event, and only ever to the next rung that its warrant names.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.drill import Drill
from orchestrator.core.grades import Cause
from orchestrator.core.intents import ClimbRung, Intent, Pacing, RepeatRung, repeat_due
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase
from protocols.controls import CATALOGUE, Actor, control_of
from protocols.ids import parse_utc
from protocols.messages import AGENT, SiteRecord, Step
from protocols.messages.orders import CLIMB_CHALLENGES
from protocols.reasons import PROVOCABLE, Reason

NO_ANSWER = PROVOCABLE | {Reason.BUSY, Reason.RUNG_TOO_SOON}
"""Refusals after which an order is published again: anybody on the way can provoke them, or the site is still
coming back from the step before, or by its own clock the rung before has some time left."""


def ladder_s(step: Step, challenge_s: float) -> float:
    """Return how long after its order a step's last rung must have halted a site and been witnessed, seconds.

    Each climb but the first order takes its margin on top of what the rungs take.
    """
    return step.reach_s + len(step.ladder) * CLIMB_CHALLENGES * challenge_s


def speakers(step: Step, rung: int, record: SiteRecord) -> frozenset[str]:
    """Return who at a site has to answer the order of a rung.

    That is whoever acts on it; and every enforcer that is to act on a later one, since it must have
    seen this one first.
    """
    actors = [CATALOGUE[control_of(later.params)].actor for later in step.rungs[rung:]]
    who = {AGENT} if actors[0] is Actor.AGENT else set()
    if Actor.ENFORCER in actors:
        who |= {enforcer.name for enforcer in record.enforcers}
    return frozenset(who)


def answered(drill: Drill, site: str, rung: int) -> bool:
    """Tell whether everybody who has to has answered the order of a site's rung in the running step."""
    run = drill.step
    climb = run.rung(site, rung)
    digest = run.order_digest if climb is None else climb.digest
    heard = {
        receipt.by
        for _, receipt in drill.receipts.get(site, ())
        if receipt.order == digest and receipt.reason not in NO_ANSWER
    }
    return speakers(drill.warrant.steps[run.number], rung, drill.trust.records[site]) <= heard


def climb_intents(
    drill: Drill, pacing: Pacing, causes: Mapping[str, Cause], now: Instant, wall_ns: int
) -> list[Intent]:
    """Return which sites climb now, and whose highest rung is published again.

    Args:
        drill: The drill's state.
        pacing: When things were last published.
        causes: Why the highest rung of a site did not do, for the sites where that is certain by now.
        now: The time.
        wall_ns: The same for people, by which orders expire.
    """
    if drill.phase is not Phase.ORDERED or drill.aborted:
        return []
    run, step = drill.step, drill.warrant.steps[drill.step.number]
    intents: list[Intent] = []
    climbing = set()
    for site, why in causes.items():
        rung = run.top(site) + 1
        if rung < len(step.rungs):
            intents.append(ClimbRung(site, rung, why))
            climbing.add(site)
    for site, climbs in run.rungs.items():
        top = climbs[-1]
        waits = site not in climbing and wall_ns < parse_utc(top.expires_at)
        if waits and repeat_due(pacing.rungs.get(site), now) and not answered(drill, site, top.number):
            intents.append(RepeatRung(site, top.number))
    return intents
