"""An agent's memory on its disk: decisions become records, receipts are signed into their chain.

A receipt is on the disk before anybody can see it, so a crash never forks the chain and a repeat is
answered with the very same bytes. What *stops* a drill takes effect even when the disk fails: it
stays in memory and is written down as soon as the disk allows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import ValidationError

from agents import reconcile
from agents.decision import Decision, Draft
from agents.events import (
    Event,
    LeaseLapsed,
    LeverEngaged,
    OrderAccepted,
    OrderEnded,
    OrderEnding,
    ReceiptIssued,
    Record,
    RungSeen,
    SiteDisarmed,
    StepReleased,
    UseAborted,
)
from agents.state import AgentState, Moment, fold, fold_event, prune, snapshot
from agents.store import Disk, Slot, Store, check_seq
from protocols.envelope import seal
from protocols.errors import StoreError
from protocols.ids import format_utc
from protocols.keys import Signer
from protocols.messages import AGENT, Link, Order, Outcome, Receipt

COMPACT_BYTES = 4 * 1024 * 1024
"""The log is rewritten when it is larger than this and four times what compaction last left."""

UNSAVED_MAX = 1_000
"""Most events, and most receipts, that wait for a failed disk."""

# A lapse does not end a drill, but like these it is nothing that a full disk may keep from happening.
_STOPPING = (OrderEnding, OrderEnded, StepReleased, UseAborted, LeverEngaged, LeaseLapsed, SiteDisarmed)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs receipts, for one site of one fleet.

    Attributes:
        signer: The key of the agent, or of the enforcer.
        by: `agent`, or the enforcer's name.
    """

    fleet: str
    site: str
    signer: Signer
    by: str = AGENT


class Ledger:
    """The memory of one agent. Open it with `Ledger.open`.

    Attributes:
        state: What is remembered.
    """

    def __init__(self, store: Store, state: AgentState, identity: Identity) -> None:
        self._store = store
        self._identity = identity
        self._unsaved_events: list[Event] = []
        self._unsaved_drafts: list[Draft] = []
        self._compact_at_bytes = max(COMPACT_BYTES, store.size_bytes)
        self.state = state

    @classmethod
    def open(cls, disk: Disk, identity: Identity, *, new_id: str, now_ns: int) -> Ledger:
        """Open the store on `disk`, remember everything in it, and compact it if it has grown.

        Args:
            disk: Where the store lies.
            identity: Who signs.
            new_id: The id of the store, should it be made now.
            now_ns: Wall time, for what can be forgotten.

        Raises:
            StoreError: The store cannot be read or is damaged.
        """
        state = AgentState()

        def replay(body: bytes, slot: Slot) -> None:
            nonlocal state
            where = f"{disk.where}, byte {slot.offset}"
            try:
                state = fold(state, Record.model_validate_json(body))
            except ValidationError:
                raise StoreError("holds a record of a version unknown here", where=where) from None
            check_seq(state.seq, where)

        ledger = cls(Store.open(disk, replay, new_id=new_id), state, identity)
        if ledger._store.size_bytes > COMPACT_BYTES:
            ledger.compact(now_ns)
        return ledger

    @property
    def store_id(self) -> str:
        """The id of the store."""
        return self._store.store_id

    @property
    def unsaved(self) -> bool:
        """Whether something waits for a failed disk."""
        return bool(self._unsaved_events or self._unsaved_drafts)

    def commit(self, decision: Decision, moment: Moment, *, mark: bool = False) -> tuple[ReceiptIssued, ...]:
        """Write a decision down and return the receipts that may now be published.

        Args:
            decision: What was decided.
            moment: Now.
            mark: Write a record even if there is nothing in it but the time.

        Raises:
            StoreError: It is not on the disk. Nothing of it counts, unless all of it serves to stop:
                then it counts in memory, and receipts follow when the disk is back.
        """
        if not (decision.events or decision.drafts or mark or self.unsaved):
            return ()
        drafts = (*self._unsaved_drafts, *decision.drafts)
        receipts = self._sign(drafts, moment)
        events = (*self._unsaved_events, *decision.events, *receipts)
        record = Record(wall_ns=reconcile.now_ns(self.state, moment), events=events)
        try:
            self._store.append(record.model_dump_json().encode())
        except StoreError:
            self._keep_what_stops(decision)
            raise
        # What was unsaved is folded already, and folding it again would change nothing.
        self.state = fold(self.state, record)
        self._unsaved_events.clear()
        self._unsaved_drafts.clear()
        return receipts

    def _keep_what_stops(self, decision: Decision) -> None:
        if not stops_only(decision):
            return
        for event in decision.events:
            self.state = fold_event(self.state, event)
        answers = [draft for draft in decision.drafts if draft.outcome is not Outcome.REFUSED]
        self._unsaved_events = [*self._unsaved_events, *decision.events][:UNSAVED_MAX]
        self._unsaved_drafts = [*self._unsaved_drafts, *answers][:UNSAVED_MAX]

    def _sign(self, drafts: tuple[Draft, ...], moment: Moment) -> tuple[ReceiptIssued, ...]:
        seq, head = self.state.seq, self.state.head
        issued = []
        for draft in drafts:
            seq += 1
            receipt = self._receipt(draft, seq, head, moment)
            head = receipt.digest()
            issued.append(
                ReceiptIssued(
                    seq=seq,
                    digest=head,
                    order=draft.order,
                    outcome=draft.outcome,
                    reason=draft.reason,
                    envelope=seal(receipt, self._identity.signer).decode("ascii"),
                )
            )
        return tuple(issued)

    def _receipt(self, draft: Draft, seq: int, prev: str, moment: Moment) -> Receipt:
        drill, use, step, rung = _names(draft.known)
        return Receipt(
            fleet=self._identity.fleet,
            site=self._identity.site,
            link=Link(seq=seq, prev=prev, boot_id=moment.boot_id, boot_ns=moment.boot_ns),
            at=format_utc(moment.wall_ns),
            order=draft.order,
            drill=drill,
            use=use,
            step=step,
            outcome=draft.outcome,
            reason=draft.reason,
            detail=draft.detail,
            elapsed_ns=draft.elapsed_ns,
            checkpoint=draft.checkpoint,
            by=self._identity.by,
            rung=rung,
            proofs=draft.proofs,
            armed=draft.armed,
        )

    def compact_if_grown(self, now_ns: int) -> None:
        """Rewrite the log if it has outgrown its bound.

        Raises:
            StoreError: It could not be rewritten; everything is as it was.
        """
        if self._store.size_bytes > self._compact_at_bytes and not self.unsaved:
            self.compact(now_ns)

    def compact(self, now_ns: int) -> None:
        """Rewrite the log so that only what still matters is left.

        Raises:
            StoreError: It could not be rewritten; everything is as it was.
        """
        # What is forgotten because of the time may only be forgotten together with that time written down.
        state = replace(prune(self.state, now_ns), high_water_ns=max(now_ns, self.state.high_water_ns))
        record = Record(wall_ns=state.high_water_ns, events=(snapshot(state),))
        self._store.rewrite([record.model_dump_json().encode()])
        self.state = state
        self._compact_at_bytes = max(COMPACT_BYTES, 4 * self._store.size_bytes)

    def close(self) -> None:
        """Let go of the disk."""
        self._store.close()


def stops_only(decision: Decision) -> bool:
    """Tell whether everything in a decision serves to stop, so that it counts even without a disk."""
    return all(isinstance(event, _STOPPING) for event in decision.events)


def _names(known: Order | OrderAccepted | RungSeen | None) -> tuple[str | None, int | None, int | None, int | None]:
    match known:
        case None:
            return None, None, None, None
        case Order():
            return known.drill, known.use, known.step, known.rung
        case OrderAccepted() | RungSeen():
            return known.drill, known.key.use, known.key.step, known.rung
