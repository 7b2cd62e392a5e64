"""What every message of the dispatcher is held to: its signature, form, nonce, time, drill and use.

Whoever has stolen the dispatcher's key can sign all of it, so nothing is believed for its signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.core.drill import Drill
from orchestrator.core.intake import check_sole
from orchestrator.core.samples import Instant
from orchestrator.evidence.memo import Memo
from protocols.envelope import open_envelope, parse_envelope
from protocols.errors import JournalError
from protocols.ids import parse_utc, seconds_to_ns
from protocols.keys import PublicKey
from protocols.limits import ORDER_LIFETIME_MAX_S
from protocols.messages import Abort, Order, Release
from protocols.messages.base import Message

M = TypeVar("M", bound=Message)

ISSUE_SKEW_NS = 5_000_000_000
"""Most between the issue time in a message and the wall time of the record that holds it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the journal a message stands.

    Attributes:
        seq: Number of its record.
        prev: Digest of the record before.
        wall_ns: Wall time of its record.
        now: Time of its record on the orchestrator's clock.
    """

    seq: int
    prev: str
    wall_ns: int
    now: Instant


def demand(holds: bool, what: str) -> None:
    """Raise unless something holds.

    Raises:
        JournalError: It doesn't.
    """
    if not holds:
        raise JournalError(what)


@dataclass(slots=True)
class Spoken:
    """Opens one drill's messages and checks what they have in common.

    Attributes:
        drill: The drill as it stands before the message.
        warrant_digest: Digest of the drill's warrant.
        memo: Keeps answers between verifications.
        nonces: Every nonce that was seen so far.
    """

    drill: Drill
    warrant_digest: str
    memo: Memo
    nonces: set[str] = field(default_factory=set)

    def open(self, text: str, kind: type[M], keys: Mapping[str, PublicKey], *, sole: bool = True) -> M:
        """Open a message that one of `keys` may have signed.

        Raises:
            UntrustedInput: None of them did, it is no such message, or not in its one form.
        """

        def opened() -> M:
            envelope = parse_envelope(text.encode())
            if sole:
                check_sole(envelope)
            message, _ = open_envelope(envelope, kind, keys)
            return message

        return self.memo.recall((kind, text, sole, tuple(sorted(keys))), opened)

    def own(self, text: str, kind: type[M]) -> M:
        """Open a message that only this drill's dispatcher may have signed.

        Raises:
            UntrustedInput: It did not, or it is no such message.
        """
        return self.open(text, kind, self.dispatcher)

    @property
    def dispatcher(self) -> Mapping[str, PublicKey]:
        """The key of this drill's dispatcher, by its id."""
        return {self.drill.dispatcher: self.drill.trust.dispatchers.keys[self.drill.dispatcher]}

    def fresh(self, fleet: str, nonce: str) -> None:
        """Check that a message is this fleet's and that its nonce is new, and remember that.

        Raises:
            JournalError: It is not.
        """
        demand(fleet == self.drill.trust.fleet, "it is for another fleet")
        demand(nonce not in self.nonces, "its nonce was used before")
        self.nonces.add(nonce)

    def timely(self, issued_at: str, place: Place) -> None:
        """Check that an issue time is about that of its record.

        Raises:
            JournalError: It is not.
        """
        apart_ns = abs(parse_utc(issued_at) - place.wall_ns)
        demand(apart_ns <= ISSUE_SKEW_NS, f"its issue time is {apart_ns / 1e9:.3f} s from its record's time")

    def of_this_use(self, said: Order | Release | Abort) -> None:
        """Check that a message is about this use of this warrant.

        Raises:
            JournalError: It is not.
        """
        demand(said.warrant == self.warrant_digest, "it names another warrant")
        demand(said.use == self.drill.use, f"it is for use {said.use}, the drill is use {self.drill.use}")

    def of_this_drill(self, drill: str) -> None:
        """Check that a message is of this drill.

        Raises:
            JournalError: It is not.
        """
        demand(drill == self.drill.drill, "it is for another drill")

    def orders(self, said: Order, place: Place, step: int) -> None:
        """Check an order that is to be obeyed, all but its rung and its site.

        Raises:
            JournalError: No site that goes by the rules could obey it, or it says other things than its record.
        """
        self.fresh(said.fleet, said.nonce)
        self.timely(said.issued_at, place)
        self.of_this_use(said)
        self.of_this_drill(said.drill)
        issued_ns, warrant = parse_utc(said.issued_at), self.drill.warrant
        demand(said.step == step, f"it orders step {said.step}, its record says {step}")
        demand(said.status == "exercise" and said.standing is None, "it is no exercise")
        lives(said)
        inside = parse_utc(warrant.not_before) <= issued_ns < parse_utc(warrant.not_after)
        demand(inside, "it was issued outside the warrant's window")


def lives(said: Order) -> None:
    """Check that an order lives for some time, and not for too long.

    Raises:
        JournalError: It does not.
    """
    lifetime_ns = parse_utc(said.expires_at) - parse_utc(said.issued_at)
    demand(0 < lifetime_ns <= seconds_to_ns(ORDER_LIFETIME_MAX_S), f"it lives {lifetime_ns / 1e9:.3f} s")
