"""What an agent writes down: the events that its memory is a fold over. They cross its disk."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from protocols.controls import ControlParams
from protocols.ids import Digest, DrillId, Int63, Nonce, Owner
from protocols.messages.base import Part
from protocols.messages.evidence import BootId, Outcome
from protocols.messages.orders import RungNumber, StepNumber, UseNumber
from protocols.reasons import Reason


class Cause(StrEnum):
    """Why an order no longer holds the site."""

    HOLD_END = "hold_end"
    RELEASE = "release"
    ABORT = "abort"
    LEVER = "lever"
    VETO = "veto"
    CLOCK = "implausible_clock"
    DRIVER = "driver_failed"
    STOPPING = "agent_stopping"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class StepKey(Part):
    """One step of one use of a warrant: it is obeyed once."""

    warrant: Digest
    use: UseNumber
    step: StepNumber

    @property
    def parts(self) -> tuple[str, int, int]:
        """The same as the tuple that the trust rules use."""
        return (self.warrant, self.use, self.step)


class OrderAccepted(Part):
    """An order was accepted: from here on it holds the site.

    Attributes:
        order: Digest of the order's payload.
        hold_ns: How long it holds, from acceptance.
        wall_ns: Wall clock at acceptance.
        boot_ns: Boot-time clock at acceptance, in the boot `boot_id`.
        matters_until_ns: Wall time after which nobody can send it again: the end of its warrant.
        rung: The rung of its step's ladder.
        owners: Who approved its warrant.
    """

    kind: Literal["order_accepted"] = "order_accepted"
    order: Digest
    key: StepKey
    drill: DrillId
    params: ControlParams
    hold_ns: Int63
    wall_ns: Int63
    boot_ns: Int63
    boot_id: BootId
    matters_until_ns: Int63
    rung: RungNumber = 0
    owners: tuple[Owner, ...] = ()

    @property
    def order_key(self) -> tuple[str, int, int, int]:
        """What the trust rules know it by: warrant, use, step, rung."""
        return (*self.key.parts, self.rung)


class RungSeen(Part):
    """A rung was ordered that is somebody else's, before one that is ours: from here its limit runs.

    Attributes:
        order: Digest of the order's payload.
        later: The control of the next rung that is ours, so that it can be rehearsed.
        hold_ns: How long the step holds, from when the first of its rungs was seen here.
        wall_ns: Wall clock when it came; `boot_ns` and `boot_id` likewise.
        matters_until_ns: Wall time after which nobody can send it again: the end of its warrant.
    """

    kind: Literal["rung_seen"] = "rung_seen"
    order: Digest
    key: StepKey
    rung: RungNumber
    drill: DrillId
    later: ControlParams
    hold_ns: Int63
    wall_ns: Int63
    boot_ns: Int63
    boot_id: BootId
    matters_until_ns: Int63

    @property
    def order_key(self) -> tuple[str, int, int, int]:
        """What the trust rules know it by: warrant, use, step, rung."""
        return (*self.key.parts, self.rung)


class OrderEnding(Part):
    """The order holds the site no longer; it is not restored yet."""

    kind: Literal["order_ending"] = "order_ending"
    order: Digest
    cause: Cause


class OrderEnded(Part):
    """The site was seen restored after the order; `ended_ns` is the wall time of that."""

    kind: Literal["order_ended"] = "order_ended"
    order: Digest
    ended_ns: Int63


class LeaseLapsed(Part):
    """The licence of a lease order ran out: the site is halted until that order's hold ends."""

    kind: Literal["lease_lapsed"] = "lease_lapsed"
    order: Digest
    wall_ns: Int63


class SiteArmed(Part):
    """The site is armed for decommissioning: nothing is done but that this nonce was signed.

    Attributes:
        nonce: What a warrant that fires must quote.
        key: The step that armed it. An abort of its use disarms.
        armed_for_ns: How long the nonce is good for.
    """

    kind: Literal["site_armed"] = "site_armed"
    order: Digest
    key: StepKey
    nonce: Nonce
    armed_for_ns: Int63
    wall_ns: Int63
    boot_ns: Int63
    boot_id: BootId


class SiteDisarmed(Part):
    """The nonce is good no longer: it expired, or the operator set the veto."""

    kind: Literal["site_disarmed"] = "site_disarmed"
    nonce: Nonce
    wall_ns: Int63


class StepReleased(Part):
    """A tombstone: this step of this use never starts again."""

    kind: Literal["step_released"] = "step_released"
    key: StepKey
    wall_ns: Int63


class UseAborted(Part):
    """A tombstone: this use never starts again."""

    kind: Literal["use_aborted"] = "use_aborted"
    warrant: Digest
    use: UseNumber
    wall_ns: Int63


class LeverEngaged(Part):
    """The safety lever was engaged by the message of this digest."""

    kind: Literal["lever_engaged"] = "lever_engaged"
    engagement: Digest
    wall_ns: Int63


class LeverLifted(Part):
    """The engagement of this digest is lifted, for good: the same message engages nothing again."""

    kind: Literal["lever_lifted"] = "lever_lifted"
    engagement: Digest
    wall_ns: Int63


class WarrantRevoked(Part):
    """A tombstone: nothing of this warrant ever starts again."""

    kind: Literal["warrant_revoked"] = "warrant_revoked"
    warrant: Digest
    wall_ns: Int63


class StandingSeen(Part):
    """A timekeeper's statement of this number was seen: none that is older is taken any more."""

    kind: Literal["standing_seen"] = "standing_seen"
    seq: Int63


class ReceiptIssued(Part):
    """A receipt was signed. It is published only after this is on the disk.

    Attributes:
        seq: Its place in the agent's chain.
        digest: Digest of its payload: what the next one quotes.
        order: The order it answers.
        envelope: The exact envelope, so that a repeat is answered with the very same bytes.
    """

    kind: Literal["receipt_issued"] = "receipt_issued"
    seq: Int63
    digest: Digest
    order: Digest
    outcome: Outcome
    reason: Reason | None
    envelope: Annotated[str, Field(max_length=65_536)]


class OrderEntry(Part):
    """Everything that is remembered of one accepted order, as it stands in a snapshot."""

    accepted: OrderAccepted
    cause: Cause | None = None
    ended_ns: Int63 | None = None
    lapsed: bool = False


class RungEntry(Part):
    """A rung that was seen, as it stands in a snapshot, and whether the receipt for it was signed."""

    seen: RungSeen
    noted: bool = False


class Snapshot(Part):
    """The whole memory at once: what compaction leaves of the log."""

    kind: Literal["snapshot"] = "snapshot"
    seq: Int63
    head: Digest
    orders: tuple[OrderEntry, ...]
    released: tuple[StepReleased, ...]
    aborted: tuple[UseAborted, ...]
    engaged: tuple[LeverEngaged, ...]
    lifted: tuple[LeverLifted, ...]
    receipts: tuple[ReceiptIssued, ...]
    rungs: tuple[RungEntry, ...] = ()
    armed: SiteArmed | None = None
    revoked: tuple[WarrantRevoked, ...] = ()
    standing_seq: Int63 = 0


Event = Annotated[
    OrderAccepted
    | RungSeen
    | OrderEnding
    | OrderEnded
    | LeaseLapsed
    | SiteArmed
    | SiteDisarmed
    | StepReleased
    | UseAborted
    | LeverEngaged
    | LeverLifted
    | WarrantRevoked
    | StandingSeen
    | ReceiptIssued
    | Snapshot,
    Field(discriminator="kind"),
]


class Record(Part):
    """What one append holds: events that count together or not at all.

    Attributes:
        wall_ns: The wall clock when it was written; the largest is the high-water mark.
    """

    version: Literal[1] = 1
    wall_ns: Int63
    events: tuple[Event, ...]
