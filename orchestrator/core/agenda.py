"""What a drill wants done next: pure, from its state and the time.

An intent is not yet an event: the runtime signs what has to be signed, appends the event, and only
then publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from orchestrator.core.drill import Drill, SiteWitness
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase
from protocols.ids import parse_utc, seconds_to_ns
from protocols.messages import Step
from protocols.reasons import PROVOCABLE, Reason

REPEAT_NS = 1_000_000_000
"""Time between two publishes of the same order or release to sites that have not answered."""

CLOSING_LIMIT_NS = 10_000_000_000
"""How long witnesses are asked for their last word."""

RECALLS_PER_TURN = 64
"""Most witnesses asked to send again in one turn of the loop."""


@dataclass(frozen=True, slots=True)
class IssueChallenge:
    """Broadcast the next challenge."""

    final: bool


@dataclass(frozen=True, slots=True)
class IssueOrder:
    """Order the running step."""

    step: int


@dataclass(frozen=True, slots=True)
class RepeatOrder:
    """Publish the running step's order again: somebody has not answered."""


@dataclass(frozen=True, slots=True)
class IssueRelease:
    """End the running step's hold."""

    step: int


@dataclass(frozen=True, slots=True)
class RepeatStop:
    """Publish the release or the abort again: somebody is not back yet."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Ask a witness for what is missing of its chain."""

    site: str
    witness: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class EndStep:
    """The running step is over."""

    step: int
    ordered: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Judge everything and close the drill."""


Intent = IssueChallenge | IssueOrder | RepeatOrder | IssueRelease | RepeatStop | AskAgain | EndStep | Close


@dataclass(slots=True)
class Pacing:
    """When things were last published. Lost at a crash, which only means one repeat too many.

    Attributes:
        order_ns: Last publish of the running step's order.
        stop_ns: Last publish of its release or abort.
        asked: Last recall of each witness.
        looked_ns: When the chains were last looked through for gaps.
    """

    order_ns: int | None = None
    stop_ns: int | None = None
    asked: dict[SiteWitness, int] = field(default_factory=dict)
    looked_ns: int | None = None


def _since(now: Instant, then: Instant | None) -> int | None:
    """Return the nanoseconds from `then` to `now`, or None across clock epochs."""
    return None if then is None or then.epoch != now.epoch else now.ns - then.ns


def _passed(now: Instant, then: Instant | None, duration_s: float) -> bool:
    """Tell whether `duration_s` has passed since `then`; across a restart it has, to be safe."""
    elapsed = _since(now, then)
    return elapsed is None or elapsed >= seconds_to_ns(duration_s)


def release_after_s(step: Step, challenge_s: float) -> float:
    """Return how long after its order a step is released, seconds.

    That is one challenge before the sites' own timers end the hold, so that what is measured is the
    release and not the timer; but never before a site that halted just in time could be witnessed.
    """
    return max(step.response_limit_s + step.dwell_s, step.hold_s - challenge_s)


@dataclass(slots=True)
class Agenda:
    """Decides what is due.

    Args:
        drill: The drill's state.
        steady: Tells which sites are at steady state in preflight, live.
        back: Tells which sites are witnessed back in steady state after the release, live.
    """

    drill: Drill
    steady: Callable[[], Collection[str]]
    back: Callable[[], Collection[str]]
    pacing: Pacing = field(default_factory=Pacing)

    def due(self, now: Instant, wall_ns: int) -> list[Intent]:
        """Return what is due at `now`, in the order in which it is to be done."""
        drill = self.drill
        intents: list[Intent] = []
        if drill.phase in {Phase.OPENING, Phase.CLOSED}:
            return intents
        intents += self._phase_intents(now, wall_ns)
        changes_phase = any(not isinstance(intent, RepeatOrder | RepeatStop) for intent in intents)
        if not changes_phase:
            intents += self._challenge(now)
            intents += self._recalls(now)
        return intents

    def _phase_intents(self, now: Instant, wall_ns: int) -> list[Intent]:
        match self.drill.phase:
            case Phase.PREFLIGHT:
                return self._preflight(now)
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
        overdue = _passed(now, drill.last_challenge, drill.warrant.challenge_s)
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

    def _preflight(self, now: Instant) -> list[Intent]:
        drill = self.drill
        step = drill.warrant.steps[drill.step.number]
        since = drill.step.preflight_from
        if not _passed(now, since, step.dwell_s):
            return []
        steady = self.steady()
        if len(steady) < len(drill.audience) and not _passed(now, since, step.restore_limit_s):
            return []
        if not steady:
            return [EndStep(drill.step.number, ordered=False)]
        return [IssueOrder(drill.step.number)]

    def _ordered(self, now: Instant, wall_ns: int) -> list[Intent]:
        drill = self.drill
        run, step = drill.step, drill.warrant.steps[drill.step.number]
        if _passed(now, run.ordered, release_after_s(step, drill.warrant.challenge_s)):
            return [IssueRelease(run.number)]
        if not _due(self.pacing.order_ns, now) or wall_ns >= parse_utc(run.order_expires_at):
            return []
        return [] if all(self._answered(site) for site in drill.audience) else [RepeatOrder()]

    def _answered(self, site: str) -> bool:
        """Tell whether a site has answered.

        A refusal that anybody on the way can provoke is no answer, nor is that of a site which is
        still coming back from the step before.
        """
        digest = self.drill.step.order_digest
        return any(
            receipt.order == digest and receipt.reason not in PROVOCABLE | {Reason.BUSY}
            for _, receipt in self.drill.receipts.get(site, ())
        )

    def _recovering(self, now: Instant) -> list[Intent]:
        drill = self.drill
        run, step = drill.step, drill.warrant.steps[drill.step.number]
        if run.ordered is None:
            return [EndStep(run.number, ordered=False)]
        margin_s = step.dwell_s + 2 * drill.warrant.challenge_s  # a return just in time must still be proved
        missing = len(self.back()) < len(drill.audience)
        if not missing or _passed(now, run.released, step.restore_limit_s + margin_s):
            return [EndStep(run.number, ordered=True)]
        return [RepeatStop()] if _due(self.pacing.stop_ns, now) else []

    def _closing(self, now: Instant) -> list[Intent]:
        drill = self.drill
        if drill.final_from is None:
            return []
        complete = drill.closings.keys() == drill.tracks.keys() and not drill.missing()
        elapsed = _since(now, drill.final_from)
        return [Close()] if complete or elapsed is None or elapsed >= CLOSING_LIMIT_NS else []


def _due(last_ns: int | None, now: Instant) -> bool:
    return last_ns is None or now.ns - last_ns >= REPEAT_NS
