"""An agent's memory as a fold over its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, assert_never

from agents.events import (
    Cause,
    Event,
    LeaseLapsed,
    LeverEngaged,
    LeverLifted,
    OrderAccepted,
    OrderEnded,
    OrderEnding,
    OrderEntry,
    ReceiptIssued,
    Record,
    RungEntry,
    RungSeen,
    SiteArmed,
    SiteDisarmed,
    Snapshot,
    StandingSeen,
    StepReleased,
    UseAborted,
    WarrantRevoked,
)
from protocols.controls import DecommissionParams
from protocols.limits import TOMBSTONES_MAX
from protocols.messages.evidence import Outcome
from protocols.reasons import Reason
from protocols.trust.admission import HeldOrder, OrderKey, StepId

KEEP_NS = 400 * 86_400 * 1_000_000_000
"""How long a tombstone is kept whose warrant is not known here."""

RECEIPTS_MAX = 256
"""Receipts that are kept to be sent again; an order's repeats end 120 s after it was issued."""

REFUSALS_MAX = 256
"""Refusals that are kept to be sent again, beside the other receipts."""

HARD_TOMBSTONES_MAX = 2 * TOMBSTONES_MAX
"""Past this even tombstones are dropped: new orders are refused long before, so nothing is lost."""

_NO_PAYLOAD = "0" * 64
_STOPPED_BY = {Cause.VETO: Reason.VETO, Cause.LEVER: Reason.LEVER, Cause.REVOKED: Reason.REVOKED}

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Moment:
    """What an agent knows of the world at one instant.

    Attributes:
        wall_ns: Wall clock.
        boot_ns: Boot-time clock, of the boot `boot_id`.
        veto: Whether the operator's local veto is set.
        licensed: Whether a licence is in force for the lease order that is live.
    """

    wall_ns: int
    boot_ns: int
    boot_id: str
    veto: bool
    licensed: bool = False


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """An accepted order and what became of it.

    Attributes:
        cause: Why it holds the site no longer, or None while it does.
        ended_ns: Wall time at which the site was restored, or None before that.
        lapsed: Whether it is a lease whose licence ran out.
    """

    accepted: OrderAccepted
    cause: Cause | None = None
    ended_ns: int | None = None
    lapsed: bool = False

    @property
    def live(self) -> bool:
        """Whether the site is not yet restored from it."""
        return self.ended_ns is None

    def held(self) -> HeldOrder:
        """Return it as the trust rules see it."""
        wall_ns = self.accepted.wall_ns
        ends_ns = self.ended_ns if self.ended_ns is not None else wall_ns + self.accepted.hold_ns
        stopped_by = None if self.cause is None else _STOPPED_BY.get(self.cause)
        return HeldOrder(self.accepted.order, wall_ns, ends_ns, self.live, stopped_by)


@dataclass(frozen=True, slots=True)
class SeenEntry:
    """A rung of somebody else's that was seen, and whether the receipt for it was signed."""

    seen: RungSeen
    noted: bool = False


@dataclass(frozen=True, slots=True)
class AgentState:
    """Everything an agent remembers.

    Attributes:
        high_water_ns: The largest wall time ever written down.
        seq: Sequence number of the last receipt.
        head: Digest of the last receipt's payload.
        orders: Every order that was accepted and could still be sent again, by its key.
        released: When each step's tombstone was written, by key; `aborted` likewise by use.
        engaged: When each engagement in force was written; `lifted` those that are over.
        receipts: The newest receipts, by sequence number, oldest first.
        holding: The key of the order that the site is not yet restored from, if there is one.
        rungs: Every rung of somebody else's that was seen and still matters, by its key.
        armed: The last arming, unless something disarmed it. Whether it has expired depends on the time.
        revoked: When each revocation's tombstone was written, by warrant.
        standing_seq: The highest number of a timekeeper's statement that was seen.
    """

    high_water_ns: int = 0
    seq: int = 0
    head: str = _NO_PAYLOAD
    orders: Mapping[OrderKey, HeldEntry] = field(default_factory=dict)
    released: Mapping[StepId, int] = field(default_factory=dict)
    aborted: Mapping[tuple[str, int], int] = field(default_factory=dict)
    engaged: Mapping[str, int] = field(default_factory=dict)
    lifted: Mapping[str, int] = field(default_factory=dict)
    receipts: Mapping[int, ReceiptIssued] = field(default_factory=dict)
    holding: OrderKey | None = None
    rungs: Mapping[OrderKey, SeenEntry] = field(default_factory=dict)
    armed: SiteArmed | None = None
    revoked: Mapping[str, int] = field(default_factory=dict)
    standing_seq: int = 0

    @property
    def live(self) -> HeldEntry | None:
        """The order that the site is not yet restored from; there is one at most."""
        return None if self.holding is None else self.orders[self.holding]

    @property
    def tombstones(self) -> int:
        """How many tombstones there are."""
        return len(self.released) + len(self.aborted) + len(self.lifted) + len(self.revoked)

    def receipts_of(self, order: str) -> tuple[ReceiptIssued, ...]:
        """Return the receipts of one order that are still kept, oldest first, refusals apart."""
        return tuple(
            receipt
            for receipt in self.receipts.values()
            if receipt.order == order and receipt.outcome is not Outcome.REFUSED
        )

    def receipts_of_step(self, step: StepId) -> tuple[ReceiptIssued, ...]:
        """Return the same for all rungs of one step of one use."""
        orders = {entry.accepted.order for key, entry in self.orders.items() if key[:3] == step}
        orders |= {entry.seen.order for key, entry in self.rungs.items() if key[:3] == step}
        return tuple(
            receipt
            for receipt in self.receipts.values()
            if receipt.order in orders and receipt.outcome is not Outcome.REFUSED
        )

    def knows_step(self, step: StepId) -> bool:
        """Tell whether any rung of a step was accepted or seen here."""
        return any(key[:3] == step for key in (*self.orders, *self.rungs))


def fold(state: AgentState, record: Record) -> AgentState:
    """Return the memory after `record`."""
    for event in record.events:
        state = fold_event(state, event)
    return replace(state, high_water_ns=max(state.high_water_ns, record.wall_ns))


def fold_event(state: AgentState, event: Event) -> AgentState:  # noqa: PLR0911, PLR0912 - one for each kind
    """Return the memory after one event."""
    match event:
        case OrderAccepted():
            return _accept(state, event)
        case OrderEnding() | OrderEnded() | LeaseLapsed():
            return _change(state, event)
        case RungSeen():
            return replace(state, rungs={**state.rungs, event.order_key: SeenEntry(event)})
        case SiteArmed():
            return replace(state, armed=event)
        case SiteDisarmed(nonce=nonce):
            return replace(state, armed=_unless(state.armed, state.armed is not None and state.armed.nonce == nonce))
        case StepReleased():
            return replace(state, released={**state.released, event.key.parts: event.wall_ns})
        case UseAborted():
            use = (event.warrant, event.use)
            armed = _unless(state.armed, state.armed is not None and state.armed.key.parts[:2] == use)
            return replace(state, aborted={**state.aborted, use: event.wall_ns}, armed=armed)
        case LeverEngaged():
            return replace(state, engaged={**state.engaged, event.engagement: event.wall_ns}, armed=None)
        case LeverLifted(engagement=engagement):
            engaged = {digest: at for digest, at in state.engaged.items() if digest != engagement}
            return replace(state, engaged=engaged, lifted={**state.lifted, engagement: event.wall_ns})
        case WarrantRevoked(warrant=warrant):
            armed = _unless(state.armed, state.armed is not None and state.armed.key.warrant == warrant)
            return replace(state, revoked={**state.revoked, warrant: event.wall_ns}, armed=armed)
        case StandingSeen(seq=seq):
            return replace(state, standing_seq=max(state.standing_seq, seq))
        case ReceiptIssued():
            return _issue(state, event)
        case Snapshot():
            return _from_snapshot(event)
        case _:
            assert_never(event)


def _accept(state: AgentState, event: OrderAccepted) -> AgentState:
    key = event.order_key
    # An arming is good for one firing.
    fires = isinstance(event.params, DecommissionParams) and event.params.phase == "fire"
    armed = _unless(state.armed, fires)
    return replace(state, orders={**state.orders, key: HeldEntry(event)}, holding=key, armed=armed)


def _unless(armed: SiteArmed | None, disarmed: bool) -> SiteArmed | None:
    return None if disarmed else armed


def _issue(state: AgentState, event: ReceiptIssued) -> AgentState:
    receipts = _newest({**state.receipts, event.seq: event})
    rungs = state.rungs
    if event.outcome is Outcome.NOTED:
        rungs = {
            key: replace(entry, noted=entry.noted or entry.seen.order == event.order) for key, entry in rungs.items()
        }
    return replace(state, seq=event.seq, head=event.digest, receipts=receipts, rungs=rungs)


def _change(state: AgentState, event: OrderEnding | OrderEnded | LeaseLapsed) -> AgentState:
    """Change the entry of the order that holds the site; events of any other change nothing."""
    key, entry = state.holding, state.live
    if key is None or entry is None or entry.accepted.order != event.order:
        return state
    match event:
        case OrderEnding(cause=cause):
            # The first cause stays, so that a receipt names what really ended it.
            changed = entry if entry.cause is not None else replace(entry, cause=cause)
            return replace(state, orders={**state.orders, key: changed})
        case OrderEnded(ended_ns=ended_ns):
            return replace(state, orders={**state.orders, key: replace(entry, ended_ns=ended_ns)}, holding=None)
        case LeaseLapsed():
            return replace(state, orders={**state.orders, key: replace(entry, lapsed=True)})
        case _:
            assert_never(event)


def _newest(receipts: Mapping[int, ReceiptIssued]) -> Mapping[int, ReceiptIssued]:
    refusals = [seq for seq, receipt in receipts.items() if receipt.outcome is Outcome.REFUSED]
    others = [seq for seq, receipt in receipts.items() if receipt.outcome is not Outcome.REFUSED]
    over = {*refusals[: max(0, len(refusals) - REFUSALS_MAX)], *others[: max(0, len(others) - RECEIPTS_MAX)]}
    return {seq: receipt for seq, receipt in receipts.items() if seq not in over} if over else receipts


def prune(state: AgentState, now_ns: int) -> AgentState:
    """Forget what can no longer matter.

    Orders are kept until their warrant has ended, tombstones for `KEEP_NS`, engagements for ever.

    Args:
        state: The memory.
        now_ns: Wall time; the high-water mark counts if it is larger.
    """
    now = max(now_ns, state.high_water_ns)

    def recent(stones: Mapping[K, int]) -> dict[K, int]:
        return {key: at for key, at in stones.items() if at + KEEP_NS > now}

    return replace(
        state,
        orders={
            key: entry for key, entry in state.orders.items() if entry.live or entry.accepted.matters_until_ns > now
        },
        rungs={key: entry for key, entry in state.rungs.items() if entry.seen.matters_until_ns > now},
        released=recent(state.released),
        aborted=recent(state.aborted),
        lifted=recent(state.lifted),
        revoked=recent(state.revoked),
    )


def snapshot(state: AgentState) -> Snapshot:
    """Return the whole memory as one event."""
    return Snapshot(
        seq=state.seq,
        head=state.head,
        orders=tuple(
            OrderEntry(accepted=entry.accepted, cause=entry.cause, ended_ns=entry.ended_ns, lapsed=entry.lapsed)
            for entry in state.orders.values()
        ),
        released=tuple(
            StepReleased.model_validate({"key": _key(key), "wall_ns": at}) for key, at in state.released.items()
        ),
        aborted=tuple(UseAborted(warrant=warrant, use=use, wall_ns=at) for (warrant, use), at in state.aborted.items()),
        engaged=tuple(LeverEngaged(engagement=digest, wall_ns=at) for digest, at in state.engaged.items()),
        lifted=tuple(LeverLifted(engagement=digest, wall_ns=at) for digest, at in state.lifted.items()),
        receipts=tuple(state.receipts.values()),
        rungs=tuple(RungEntry(seen=entry.seen, noted=entry.noted) for entry in state.rungs.values()),
        armed=state.armed,
        revoked=tuple(WarrantRevoked(warrant=warrant, wall_ns=at) for warrant, at in state.revoked.items()),
        standing_seq=state.standing_seq,
    )


def _key(parts: StepId) -> dict[str, str | int]:
    warrant, use, step = parts
    return {"warrant": warrant, "use": use, "step": step}


def _from_snapshot(event: Snapshot) -> AgentState:
    orders = {
        entry.accepted.order_key: HeldEntry(entry.accepted, entry.cause, entry.ended_ns, entry.lapsed)
        for entry in event.orders
    }
    return AgentState(
        seq=event.seq,
        head=event.head,
        orders=orders,
        holding=next((key for key, entry in orders.items() if entry.live), None),
        released={stone.key.parts: stone.wall_ns for stone in event.released},
        aborted={(stone.warrant, stone.use): stone.wall_ns for stone in event.aborted},
        engaged={entry.engagement: entry.wall_ns for entry in event.engaged},
        lifted={entry.engagement: entry.wall_ns for entry in event.lifted},
        receipts={receipt.seq: receipt for receipt in event.receipts},
        rungs={entry.seen.order_key: SeenEntry(entry.seen, entry.noted) for entry in event.rungs},
        armed=event.armed,
        revoked={stone.warrant: stone.wall_ns for stone in event.revoked},
        standing_seq=event.standing_seq,
    )
