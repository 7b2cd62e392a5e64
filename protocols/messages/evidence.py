"""What sites say back: receipts, readings, closings and presence."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from protocols.ids import Digest, DrillId, Int63, Name, Nonce, SignalName, SiteId, Text, UtcTime
from protocols.limits import PROOFS_MAX, SIGNALS_MAX
from protocols.messages.base import Message, Part
from protocols.messages.fleet import AGENT
from protocols.messages.orders import RungNumber, StepNumber, UseNumber
from protocols.reasons import Reason

BootId = Annotated[str, Field(pattern=r"^[0-9a-f-]{8,64}$")]


class Link(Part):
    """Where a message stands in its sender's chain, which runs across drills.

    Attributes:
        seq: Counts the sender's messages from 1.
        prev: Digest of the payload of its message before, or 64 zeros for the first.
        boot_id: Identifies the boot of the sender's machine.
        boot_ns: That machine's boot-time clock when it signed.
    """

    seq: Int63
    prev: Digest
    boot_id: BootId
    boot_ns: Int63


class Outcome(StrEnum):
    """What a receipt reports of the order it answers."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    HALTED = "halted"
    FAILED = "failed"
    RESTORED = "restored"
    NOTED = "noted"


class Proof(Part):
    """One step of the path to a halt, exercised without halting, or of the path back.

    Attributes:
        step: What was exercised, such as `restore-path`.
        ok: Whether it would have worked.
        detail: What was done and seen, in a clause.
    """

    step: Name
    ok: bool
    detail: Annotated[str, Field(max_length=200)]


class Receipt(Message):
    """The own account of an agent or an enforcer. It explains where time went; it proves no halt.

    `halted` says that what was ordered is done, whichever control it is. `noted` is an enforcer's:
    it has seen a rung that is not its own to act on, and from now its limit runs.

    Attributes:
        by: Who speaks: `agent`, or the name of an enforcer.
        rung: The rung of the order.
        proofs: What was exercised of the way there and back, for a standby or before a cut.
        armed: The nonce that a warrant must quote to fire, from an agent that was armed.
        order: Digest of the order's payload (what it could make of it, for a refusal).
        reason: Why it was refused or failed; null otherwise.
        detail: The same for people, and for `halted` what was done.
        elapsed_ns: Time by the agent's boot clock since it accepted the order, 0 for a refusal.
        checkpoint: SHA-256 of the checkpoint that a shutdown left on disk, if there is one.
    """

    KIND: ClassVar[str] = "receipt"
    version: Literal[1] = 1
    fleet: Digest
    site: SiteId
    link: Link
    at: UtcTime
    order: Digest
    drill: DrillId | None
    use: UseNumber | None
    step: StepNumber | None
    outcome: Outcome
    reason: Reason | None
    detail: Annotated[str, Field(max_length=500)]
    elapsed_ns: Int63
    checkpoint: Digest | None = None
    by: Name = AGENT
    rung: RungNumber | None = None
    proofs: Annotated[tuple[Proof, ...], Field(max_length=PROOFS_MAX)] = ()
    armed: Nonce | None = None


class LicenceRequest(Message):
    """An agent under a lease order asks for its next licence. It is signed, but no link of its chain.

    Attributes:
        order: Digest of the lease order.
        nonce: Fresh; the licence that quotes it counts from when this was sent.
    """

    KIND: ClassVar[str] = "licence-request"
    version: Literal[1] = 1
    fleet: Digest
    site: SiteId
    order: Digest
    drill: DrillId
    nonce: Nonce
    at: UtcTime


class Counter(Part):
    """A cumulative count since a counter epoch, in the signal's unit.

    Attributes:
        epoch: Changes whenever the count may have lost something or begun again.
    """

    kind: Literal["counter"] = "counter"
    name: SignalName
    epoch: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9a-zA-Z.:-]+$")]
    value: Int63


class Peak(Part):
    """The largest level since the witness's previous reading, in the signal's unit."""

    kind: Literal["peak"] = "peak"
    name: SignalName
    value: Int63


class Fact(Part):
    """A named outcome, with the digest of what it is about where there is one."""

    kind: Literal["fact"] = "fact"
    name: SignalName
    value: Annotated[str, Field(max_length=120)]
    digest: Digest | None = None


Signal = Annotated[Counter | Peak | Fact, Field(discriminator="kind")]


class Quoted(Part):
    """The challenge that a witness had latched before it sampled.

    Attributes:
        nonce: The challenge's nonce: whoever quotes it had seen the challenge.
        digest: Digest of the challenge's payload. It covers the journal's head in there, so quoting
            it cosigns the journal up to there: no record before can be rewritten afterwards.
    """

    drill: DrillId
    seq: Int63
    nonce: Nonce
    digest: Digest


class Reading(Message):
    """One sample of a witness: what it saw of the site after the challenge it quotes.

    Attributes:
        at: The witness's own wall clock when it sampled; it bounds nothing.
        quotes: The newest challenge latched before sampling.
        signals: What was seen, each name once.
    """

    KIND: ClassVar[str] = "reading"
    version: Literal[1] = 1
    fleet: Digest
    site: SiteId
    witness: Name
    link: Link
    at: UtcTime
    quotes: Quoted
    signals: Annotated[tuple[Signal, ...], Field(max_length=SIGNALS_MAX)]


class Closing(Message):
    """A witness's last word in a drill: which of its messages belong to it.

    Its own `link` stands in the chain too; `link.prev` is the chain's head before it.

    Attributes:
        first: Sequence number of the witness's first reading in this drill.
        last: Sequence number of its last reading in this drill.
    """

    KIND: ClassVar[str] = "closing"
    version: Literal[1] = 1
    fleet: Digest
    site: SiteId
    witness: Name
    link: Link
    at: UtcTime
    quotes: Quoted
    first: Int63
    last: Int63


class Role(StrEnum):
    """Who says it is present."""

    AGENT = "agent"
    WITNESS = "witness"
    ENFORCER = "enforcer"


class Presence(Message):
    """Says that an agent or a witness is there; never evidence, so outside the chain.

    Attributes:
        store: Id of its disk's store, made when the store was; with `last_seq` it shows when a
            disk was rolled back.
        last_seq: Sequence number of its last chained message.
        software: Name and version of the program.
    """

    KIND: ClassVar[str] = "presence"
    version: Literal[1] = 1
    fleet: Digest
    site: SiteId
    role: Role
    name: Name
    store: Nonce
    last_seq: Int63
    last_digest: Digest
    boot_id: BootId
    at: UtcTime
    software: Text
