"""What happened to one step so far: its own order, the rungs that sites climbed to, battery and lease.

Folded from events by `orchestrator.core.drill`; nothing else writes to it.
"""

from __future__ import annotations

from collections import Counter as Counted
from dataclasses import dataclass, field

from orchestrator.core.battery import BatteryCase
from orchestrator.core.grades import Cause
from orchestrator.core.samples import Instant

LATE_CASES = frozenset({BatteryCase.SPENT, BatteryCase.REPLAYED})
"""Cases that are sent only after the step was released."""


@dataclass(slots=True)
class RungRun:
    """One site's climb to one rung above the first.

    Attributes:
        number: The rung.
        ordered: When its order was appended: zero of its response time.
        digest: Digest of its order.
        envelope: The order as it was signed.
        published: When the first publish of the order had ended.
        why: Why the rung before did not do.
    """

    number: int
    ordered: Instant
    digest: str
    envelope: str
    expires_at: str
    why: Cause
    published: Instant | None = None


@dataclass(frozen=True, slots=True)
class CaseRun:
    """One order of a refusal battery.

    Attributes:
        digest: Digest of its payload, by which receipts are matched.
        envelope: The order as it is sent.
        whole: Whether the whole warrant goes with it.
    """

    case: BatteryCase
    digest: str
    envelope: str
    whole: bool

    @property
    def late(self) -> bool:
        """Whether it is sent only after the release."""
        return self.case in LATE_CASES


@dataclass(slots=True)
class LeaseRun:
    """The licences of a step.

    Attributes:
        asked: How many requests of each site were taken.
        pending: By site, the nonce of its newest request that is not answered, and when that came.
        answered: By site, when the last request that was answered with a licence arrived.
        issued: By site, its last licence as it was signed.
        stopped: From when on nothing is renewed.
    """

    asked: Counted[str] = field(default_factory=Counted)
    pending: dict[str, tuple[str, Instant]] = field(default_factory=dict)
    answered: dict[str, Instant] = field(default_factory=dict)
    issued: dict[str, str] = field(default_factory=dict)
    stopped: Instant | None = None


@dataclass(slots=True)
class StepRun:
    """What happened to one step so far.

    Attributes:
        preflight_from: When watching for steady state began.
        ordered: When its order (or its battery) was appended: zero of the response time.
        order_digest: Digest of its order; empty for a battery.
        order_envelope: The order as it was signed.
        published: When the first publish of the order had ended.
        released: When its release or the abort was appended: zero of the restore time.
        release_published: When the first publish of that had ended.
        stop_envelope: The release or the abort as it was signed, the later of the two.
        ended: When the step was over.
        rungs: By site, the rungs that it climbed to, in order.
        battery: The orders of a refusal battery.
        lease: The licences.
    """

    number: int
    preflight_from: Instant
    ordered: Instant | None = None
    order_digest: str = ""
    order_expires_at: str = ""
    order_envelope: str = ""
    published: Instant | None = None
    released: Instant | None = None
    release_published: Instant | None = None
    stop_envelope: str = ""
    ended: Instant | None = None
    rungs: dict[str, list[RungRun]] = field(default_factory=dict)
    battery: tuple[CaseRun, ...] = ()
    lease: LeaseRun = field(default_factory=LeaseRun)

    def top(self, site: str) -> int:
        """Return the highest rung that was ordered at a site."""
        return len(self.rungs.get(site, ()))

    def rung(self, site: str, number: int) -> RungRun | None:
        """Return a site's climb to a rung above the first, or None if it did not."""
        climbs = self.rungs.get(site, [])
        return climbs[number - 1] if 0 < number <= len(climbs) else None


@dataclass(frozen=True, slots=True)
class OrderRef:
    """Which order of the drill a digest is.

    Attributes:
        rung: The rung that it orders.
        site: The one site that it is for; None for a broadcast.
        case: The case of a refusal battery; None for an order that is meant.
        ordered: When it was appended.
    """

    step: int
    rung: int
    site: str | None
    case: BatteryCase | None
    ordered: Instant
