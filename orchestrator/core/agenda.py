"""What a drill wants done next: pure, from its state and the time.

An intent is not yet an event: the runtime signs what has to be signed, appends the event, and only
then publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from orchestrator.core.climbs import answered, climb_intents, ladder_s
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Cause
from orchestrator.core.intents import (
    PHASE_CHANGES,
    AskAgain,
    Close,
    EndStep,
    Intent,
    IssueBattery,
    IssueChallenge,
    IssueOrder,
    IssueRelease,
    Pacing,
    RepeatOrder,
    RepeatStop,
    StopLease,
    passed,
    repeat_due,
    since,
)
from orchestrator.core.leases import lease_intents
from orchestrator.core.refusals import battery_intents, battery_over
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase
from protocols.controls import DecommissionParams, LeaseParams, RefusalParams
from protocols.ids import parse_utc, seconds_to_ns
from protocols.messages import Step

CLOSING_LIMIT_NS = 10_000_000_000
"""How long witnesses are asked for their last word."""

RECALLS_PER_TURN = 64
"""Most witnesses asked to send again in one turn of the loop."""


def release_after_s(step: Step, challenge_s: float) -> float:
    """Return how long after its order a step is released, seconds.

    That is one challenge before the sites' own timers end the hold, so that what is measured is the
    release and not the timer; but never before a site that halted just in time, on whichever rung, could
    be witnessed. After a refusal nothing is held, so nothing is waited for.
    """
    reach_s = ladder_s(step, challenge_s)
    return reach_s if isinstance(step.params, RefusalParams) else max(reach_s, step.hold_s - challenge_s)


@dataclass(slots=True)
class Agenda:
    """Decides what is due.

    Args:
        drill: The drill's state.
        steady: Tells which sites are at steady state in preflight, live.
        back: Tells which sites are witnessed back in steady state after the release, live.
        climbs: Tells at which sites the highest rung that was ordered has failed, and why, live.
    """

    drill: Drill
    steady: Callable[[], Collection[str]]
    back: Callable[[], Collection[str]]
    climbs: Callable[[], Mapping[str, Cause]] = dict
    pacing: Pacing = field(default_factory=Pacing)

    def due(self, now: Instant, wall_ns: int) -> list[Intent]:
        """Return what is due at `now`, in the order in which it is to be done."""
        drill = self.drill
        intents: list[Intent] = []
        if drill.phase in {Phase.OPENING, Phase.CLOSED}:
            return intents
        intents += self._phase_intents(now, wall_ns)
        if not any(isinstance(intent, PHASE_CHANGES) for intent in intents):
            intents += self._challenge(now)
            intents += self._recalls(now)
        return intents

    def _phase_intents(self, now: Instant, wall_ns: int) -> list[Intent]:
        match self.drill.phase:
            case Phase.PREFLIGHT:
                return self._preflight(now, wall_ns)
            case Phase.ORDERED:
                return self._ordered(now, wall_ns)
            case Phase.RECOVERING | Phase.ABORTING:
                return self._recovering(now)
            case Phase.CLOSING:
                return self._closing(now)
            case Phase.OPENING | Phase.CLOSED:
                return []

    def _challenge(self, now: Instant) -> list[Intent]:
        drill = self.drill
        closing = drill.phase is Phase.CLOSING
        overdue = passed(now, drill.last_challenge, drill.warrant.challenge_s)
        if overdue or (closing and drill.final_from is None):
            return [IssueChallenge(final=closing)]
        return []

    def _recalls(self, now: Instant) -> list[Intent]:
        """Ask for gaps that are older than two challenges, each witness once in two challenges."""
        challenge_ns = seconds_to_ns(self.drill.warrant.challenge_s)
        pause_ns, looked_ns = 2 * challenge_ns, self.pacing.looked_ns
        intents: list[Intent] = []
        if looked_ns is not None and now.ns - looked_ns < challenge_ns // 4:
            return intents  # a large fleet has many chains to look through
        self.pacing.looked_ns = now.ns
        for who, gaps in self.drill.missing().items():
            asked = self.pacing.asked.get(who)
            if asked is None:
                self.pacing.asked[who] = now.ns  # messages may just be out of order: give them time
            elif now.ns - asked >= pause_ns and len(intents) < RECALLS_PER_TURN:
                self.pacing.asked[who] = now.ns
                intents.append(AskAgain(*who, *gaps[0]))
        return intents

    def _preflight(self, now: Instant, wall_ns: int) -> list[Intent]:
        drill = self.drill
        step = drill.warrant.steps[drill.step.number]
        watched_from = drill.step.preflight_from
        if not passed(now, watched_from, step.dwell_s):
            return []
        steady = self.steady()
        if len(steady) < len(drill.audience) and not passed(now, watched_from, step.restore_limit_s):
            return []
        if not steady or wall_ns >= parse_utc(drill.warrant.not_after):  # a restart may have taken long
            return [EndStep(drill.step.number, ordered=False)]
        refusal = isinstance(step.params, RefusalParams)
        return [IssueBattery(drill.step.number) if refusal else IssueOrder(drill.step.number)]

    def _ordered(self, now: Instant, wall_ns: int) -> list[Intent]:
        drill = self.drill
        run, step = drill.step, drill.warrant.steps[drill.step.number]
        if passed(now, run.ordered, release_after_s(step, drill.warrant.challenge_s)):
            # Across a restart nobody knows how long sites were held, so they are released at once.
            leased = isinstance(step.params, LeaseParams) and run.lease.stopped is None
            return [*([StopLease(run.number)] if leased else []), IssueRelease(run.number)]
        if run.battery:
            return battery_intents(drill, self.pacing, now)
        intents = lease_intents(drill, self.pacing, now)
        intents += climb_intents(drill, self.pacing, self.climbs(), now, wall_ns)
        if repeat_due(self.pacing.order_ns, now) and wall_ns < parse_utc(run.order_expires_at):
            intents += [] if all(answered(drill, site, 0) for site in drill.audience) else [RepeatOrder()]
        return intents

    def _recovering(self, now: Instant) -> list[Intent]:
        drill = self.drill
        run, step = drill.step, drill.warrant.steps[drill.step.number]
        if run.ordered is None:
            return [EndStep(run.number, ordered=False)]
        margin_s = step.dwell_s + 2 * drill.warrant.challenge_s  # a return just in time must still be proved
        watched_from = drill.counted_from(run.released)
        if passed(now, watched_from, self._longest_s(step) + margin_s) or self._all_is_done(now):
            return [EndStep(run.number, ordered=True)]
        intents = battery_intents(drill, self.pacing, now)
        return intents or ([RepeatStop()] if repeat_due(self.pacing.stop_ns, now) else [])

    def _all_is_done(self, now: Instant) -> bool:
        everybody = len(self.back()) == len(self.drill.audience)
        return everybody and (self.drill.aborted or battery_over(self.drill, now))

    @staticmethod
    def _longest_s(step: Step) -> float:
        """Return how long after its release a step's sites have to come back, or to answer a battery's end, seconds.

        What was destroyed does not come back, so nobody waits for it.
        """
        match step.params:
            case DecommissionParams(phase="fire"):
                return 0.0
            case RefusalParams():
                return max(step.restore_limit_s, step.response_limit_s)
            case _:
                return step.restore_limit_s

    def _closing(self, now: Instant) -> list[Intent]:
        drill = self.drill
        if drill.final_from is None:
            return []
        complete = drill.closings.keys() == drill.tracks.keys() and not drill.missing()
        elapsed = since(now, drill.final_from)
        return [Close()] if complete or elapsed is None or elapsed >= CLOSING_LIMIT_NS else []
