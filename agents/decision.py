"""What an agent decides upon, and what a decision is: values that `agents.decide` takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from agents.events import Event, OrderAccepted, ReceiptIssued, RungSeen
from protocols.messages import Order, Outcome, Proof
from protocols.reasons import Reason

Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class OrderFrame:
    """What came in on the topic of orders."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class StopEnvelope:
    """One envelope that came in on the topic of stops."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went by, or the operator touched the veto."""


@dataclass(frozen=True, slots=True)
class Halted:
    """What `order` asks for is done: it was applied, and the actuator was observed so afterwards.

    Attributes:
        checkpoint: Digest of the checkpoint that a shutdown left.
        proofs: What was exercised before it was applied.
        armed: A fresh nonce, when the order arms the site.
    """

    order: str
    detail: str
    checkpoint: str | None
    proofs: tuple[Proof, ...] = ()
    armed: str | None = None


@dataclass(frozen=True, slots=True)
class ApplyFailed:
    """The driver could not apply `order`.

    Attributes:
        give_up: Whether it was tried often enough.
        proofs: What was exercised before, if that is what failed.
    """

    order: str
    detail: str
    give_up: bool
    proofs: tuple[Proof, ...] = ()


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The path to a halt and back was exercised, for a standby or because a rung was seen.

    Attributes:
        order: The order that asked for it.
        proofs: What the driver says of each step.
    """

    order: str
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """The actuator was observed running and without our mark, while nothing else was wanted.

    Attributes:
        gone: Whether it was rather observed destroyed, which nothing restores.
    """

    detail: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Stopping:
    """The agent was asked to stop: it leaves nothing halted behind."""


Input = OrderFrame | StopEnvelope | Tick | Halted | ApplyFailed | Rehearsed | Restored | Stopping


@dataclass(frozen=True, slots=True)
class Draft:
    """A receipt that is still to be signed and chained."""

    order: str
    outcome: Outcome
    detail: str
    known: Order | OrderAccepted | RungSeen | None
    reason: Reason | None = None
    elapsed_ns: int = 0
    checkpoint: str | None = None
    proofs: tuple[Proof, ...] = ()
    armed: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log; whoever writes it puts the program's name before `event`."""

    level: Level
    event: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from one input.

    Attributes:
        events: To be written down, together with the receipts, as one record.
        drafts: Receipts to sign, write down and then publish.
        again: Receipts to publish once more, byte for byte.
        notes: Lines for the log.
        unsigned: Whether nobody known signed what this answers; such answers are rationed.
    """

    events: tuple[Event, ...] = ()
    drafts: tuple[Draft, ...] = ()
    again: tuple[ReceiptIssued, ...] = ()
    notes: tuple[Note, ...] = ()
    unsigned: bool = False
