"""What the gate is told of a site's memory, and what it answers: the values of `protocols.trust.orders`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.messages import Order, Rung, Standing, Step, Warrant
from protocols.reasons import Reason

StepId = tuple[str, int, int]
"""Warrant digest, use, step: what a release ends."""

OrderKey = tuple[str, int, int, int]
"""Warrant digest, use, step, rung: an order is obeyed once for each."""


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order that this site accepted at some time.

    Attributes:
        digest: Digest of the order's payload.
        accepted_ns: The site's wall time at acceptance, nanoseconds.
        ends_ns: When its hold ends or ended, nanoseconds of wall time.
        live: Whether it still holds the site.
        stopped_by: `veto`, `lever` or `revoked`, if that ended it. Then the step goes no further here.
    """

    digest: str
    accepted_ns: int
    ends_ns: int
    live: bool
    stopped_by: Reason | None = None


@dataclass(frozen=True, slots=True)
class SeenRung:
    """An order of a ladder's rung that was admitted here, whoever is to act on it.

    Attributes:
        digest: Digest of the order's payload.
        ago_ns: How long ago that was at least, by a monotonic clock of this party, nanoseconds.
    """

    digest: str
    ago_ns: int


@dataclass(frozen=True, slots=True)
class Armed:
    """A site that is armed for decommissioning, and not yet past it.

    Attributes:
        nonce: What the warrant that fires must quote.
        at_ns: The site's wall time when it was armed, nanoseconds.
    """

    nonce: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class SiteMemory:
    """What a site remembers across restarts, as far as authority depends on it.

    Attributes:
        high_water_ns: The largest wall time that it ever wrote down.
        orders: Every order it accepted.
        rungs: Every order that was accepted or noted here, by its key.
        armed: Whether it is armed, and with which nonce.
        released: Tombstones of steps.
        aborted: Tombstones of whole uses.
        engaged: Digests of the lever engagements in force.
        revoked: Warrants that were revoked.
        standing_seq: The highest number of a timekeeper's statement that was seen here.
        veto: Whether the operator's local veto is set.
    """

    high_water_ns: int = 0
    orders: Mapping[OrderKey, HeldOrder] = field(default_factory=dict)
    rungs: Mapping[OrderKey, SeenRung] = field(default_factory=dict)
    armed: Armed | None = None
    released: frozenset[StepId] = frozenset()
    aborted: frozenset[tuple[str, int]] = frozenset()
    engaged: frozenset[str] = frozenset()
    revoked: frozenset[str] = frozenset()
    standing_seq: int = 0
    veto: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order may be acted upon, after it was journalled.

    Attributes:
        rung: What is to be done: the rung of the step that the order names.
        hold_ns: How long it holds from now. A higher rung holds for what is left of the step's hold.
        now_ns: What counts as now, by which the next use is kept apart from this one.
        owners: Who approved the warrant.
        standing: The timekeeper's statement that the order carried.
    """

    order: Order
    digest: str
    warrant: Warrant
    step: Step
    rung: Rung
    hold_ns: int
    now_ns: int
    owners: frozenset[str] = frozenset()
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """The order is good, and somebody else's to act on.

    Attributes:
        matters: Whether a later rung is ours, so that it must be remembered when this one came.
        now_ns: What counts as now.
        standing: The timekeeper's statement that the order carried.
    """

    order: Order
    digest: str
    warrant: Warrant
    matters: bool
    now_ns: int
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Repeat:
    """The very order that was accepted or noted before: answer with the same receipts, do nothing."""

    order: Order
    digest: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Do nothing, and say why.

    Attributes:
        order: The order as far as its signature let it be read, else None.
        digest: Digest of the payload that was refused.
        standing: The timekeeper's statement that it carried, if that was a good one.
    """

    reason: Reason
    detail: str
    order: Order | None
    digest: str
    standing: Standing | None = None


Admission = Accepted | Noted | Repeat | Refused
