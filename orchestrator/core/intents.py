"""What a drill may want done: one class for each kind of act, without the signing and publishing of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.core.battery import BatteryCase
from orchestrator.core.grades import Cause
from orchestrator.core.samples import Instant
from protocols.ids import seconds_to_ns

REPEAT_NS = 1_000_000_000
"""Time between two publishes of the same order or release to sites that have not answered."""


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
class ClimbRung:
    """Order one site to climb to its next rung."""

    site: str
    rung: int
    why: Cause


@dataclass(frozen=True, slots=True)
class RepeatRung:
    """Publish the order of a site's highest rung again: who is to answer has not."""

    site: str
    rung: int


@dataclass(frozen=True, slots=True)
class IssueBattery:
    """Begin the running step, a refusal: send the orders that must do nothing."""

    step: int


@dataclass(frozen=True, slots=True)
class SendCase:
    """Publish one order of the battery, for the first time or again.

    Attributes:
        sites: Who has not answered; None to broadcast it.
    """

    case: BatteryCase
    sites: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class IssueLicence:
    """Answer a site's newest request for a licence."""

    site: str


@dataclass(frozen=True, slots=True)
class StopLease:
    """Renew no licence of the running step any more."""

    step: int


@dataclass(frozen=True, slots=True)
class ReplayLicence:
    """Publish a site's last licence once more: it must prolong nothing."""

    site: str


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


Intent = (
    IssueChallenge
    | IssueOrder
    | RepeatOrder
    | ClimbRung
    | RepeatRung
    | IssueBattery
    | SendCase
    | IssueLicence
    | StopLease
    | ReplayLicence
    | IssueRelease
    | RepeatStop
    | AskAgain
    | EndStep
    | Close
)

PHASE_CHANGES = IssueOrder | IssueBattery | IssueRelease | EndStep | Close
"""Intents that end a phase: nothing else is done in the same turn."""


@dataclass(slots=True)
class Pacing:
    """When things were last published. Lost at a crash, which only means one repeat too many.

    Attributes:
        order_ns: Last publish of the running step's order.
        stop_ns: Last publish of its release or abort.
        rungs: Last publish of each site's highest rung.
        cases: Last publish of each order of the battery.
        replays_ns: When the sites' last licences were last sent once more.
        asked: Last recall of each witness.
        looked_ns: When the chains were last looked through for gaps.
    """

    order_ns: int | None = None
    stop_ns: int | None = None
    rungs: dict[str, int] = field(default_factory=dict)
    cases: dict[BatteryCase, int] = field(default_factory=dict)
    replays_ns: int | None = None
    asked: dict[tuple[str, str], int] = field(default_factory=dict)
    looked_ns: int | None = None

    def next_step(self) -> None:
        """Forget what was published in the step before."""
        self.stop_ns, self.replays_ns = None, None
        self.rungs.clear()
        self.cases.clear()


def repeat_due(last_ns: int | None, now: Instant) -> bool:
    """Tell whether something may be published again."""
    return last_ns is None or now.ns - last_ns >= REPEAT_NS


def since(now: Instant, then: Instant | None) -> int | None:
    """Return the nanoseconds from `then` to `now`, or None across clock epochs."""
    return None if then is None or then.epoch != now.epoch else now.ns - then.ns


def passed(now: Instant, then: Instant | None, duration_s: float) -> bool:
    """Tell whether `duration_s` has passed since `then`; across a restart it has, to be safe."""
    elapsed_ns = since(now, then)
    return elapsed_ns is None or elapsed_ns >= seconds_to_ns(duration_s)
