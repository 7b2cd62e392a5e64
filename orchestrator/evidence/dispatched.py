"""Checks what the dispatcher said: challenges, orders, releases, recalls; and who aborted.

A stolen dispatcher key can sign all of these, so each is held against the warrant, the journal and
the time of its record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.intake import check_sole
from orchestrator.core.states import Phase
from orchestrator.evidence.memo import Memo
from protocols.envelope import open_envelope, parse_envelope
from protocols.errors import JournalError
from protocols.ids import parse_utc, seconds_to_ns
from protocols.keys import PublicKey
from protocols.limits import ORDER_LIFETIME_MAX_S
from protocols.messages import Abort, Challenge, Order, Recall, Release
from protocols.messages.base import Message

M = TypeVar("M", bound=Message)

ISSUE_SKEW_NS = 5_000_000_000
"""Most between the issue time in a message and the wall time of the record that holds it."""

Dispatch = ev.ChallengeIssued | ev.OrderIssued | ev.ReleaseIssued | ev.RecallIssued | ev.Aborted


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the journal a message stands.

    Attributes:
        seq: Number of its record.
        prev: Digest of the record before.
        wall_ns: Wall time of its record.
    """

    seq: int
    prev: str
    wall_ns: int


def demand(holds: bool, what: str) -> None:
    """Raise unless something holds.

    Raises:
        JournalError: It doesn't.
    """
    if not holds:
        raise JournalError(what)


@dataclass(slots=True)
class Dispatched:
    """Checks one drill's own messages.

    Attributes:
        warrant_digest: Digest of the drill's warrant.
        nonces: Every nonce seen so far.
    """

    drill: Drill
    warrant_digest: str
    memo: Memo
    nonces: set[str] = field(default_factory=set)

    def check(self, event: Dispatch, place: Place) -> Message:
        """Check one message against the drill as it stands before it.

        Raises:
            JournalError: It doesn't fit.
            UntrustedInput: It isn't signed, or isn't what it claims to be.
        """
        match event:
            case ev.ChallengeIssued():
                return self._challenge(event, place)
            case ev.OrderIssued():
                return self._order(event, place)
            case ev.ReleaseIssued():
                return self._release(event, place)
            case ev.RecallIssued():
                return self._recall(event)
            case ev.Aborted():
                return self._abort(event)

    def _open(self, text: str, kind: type[M], keys: Mapping[str, PublicKey], *, sole: bool = True) -> M:
        def opened() -> M:
            envelope = parse_envelope(text.encode())
            if sole:
                check_sole(envelope)
            message, _ = open_envelope(envelope, kind, keys)
            return message

        return self.memo.recall((kind, text, sole, tuple(sorted(keys))), opened)

    def _own(self, text: str, kind: type[M]) -> M:
        """Open a message that only this drill's dispatcher may have signed."""
        drill = self.drill
        return self._open(text, kind, {drill.dispatcher: drill.trust.dispatchers.keys[drill.dispatcher]})

    def _fresh(self, fleet: str, nonce: str) -> None:
        demand(fleet == self.drill.trust.fleet, "it is for another fleet")
        demand(nonce not in self.nonces, "its nonce was used before")
        self.nonces.add(nonce)

    def _timely(self, issued_at: str, place: Place) -> None:
        apart_ns = abs(parse_utc(issued_at) - place.wall_ns)
        demand(apart_ns <= ISSUE_SKEW_NS, f"its issue time is {apart_ns / 1e9:.3f} s from its record's time")

    def _of_this_use(self, said: Order | Release | Abort) -> None:
        demand(said.warrant == self.warrant_digest, "it names another warrant")
        demand(said.use == self.drill.use, f"it is for use {said.use}, the drill is use {self.drill.use}")

    def _challenge(self, event: ev.ChallengeIssued, place: Place) -> Challenge:
        said = self._own(event.envelope, Challenge)
        self._fresh(said.fleet, said.nonce)
        self._timely(said.issued_at, place)
        expected = len(self.drill.issued) + 1
        demand(said.drill == self.drill.drill, "it is for another drill")
        demand(said.seq == event.seq == expected, f"expected challenge {expected}, found {said.seq}")
        closing = self.drill.phase is Phase.CLOSING
        demand(said.final == event.final == closing, "only the challenges of the closing are final")
        demand(said.journal_seq == place.seq - 1, f"it states journal record {said.journal_seq} as the newest")
        demand(said.journal_head == place.prev, "it states another journal head than there was")
        return said

    def _order(self, event: ev.OrderIssued, place: Place) -> Order:
        said, warrant = self._own(event.envelope, Order), self.drill.warrant
        self._fresh(said.fleet, said.nonce)
        self._timely(said.issued_at, place)
        self._of_this_use(said)
        issued_ns = parse_utc(said.issued_at)
        lifetime_ns = parse_utc(said.expires_at) - issued_ns
        demand(said.drill == self.drill.drill, "it is for another drill")
        demand(said.step == event.step, f"it orders step {said.step}, its record says {event.step}")
        demand(said.status == "exercise" and said.standing is None, "it is no exercise")
        demand(0 < lifetime_ns <= seconds_to_ns(ORDER_LIFETIME_MAX_S), f"it lives {lifetime_ns / 1e9:.3f} s")
        inside = parse_utc(warrant.not_before) <= issued_ns < parse_utc(warrant.not_after)
        demand(inside, "it was issued outside the warrant's window")
        return said

    def _release(self, event: ev.ReleaseIssued, place: Place) -> Release:
        said = self._own(event.envelope, Release)
        self._fresh(said.fleet, said.nonce)
        self._timely(said.issued_at, place)
        self._of_this_use(said)
        demand(said.drill == self.drill.drill, "it is for another drill")
        demand(said.step == event.step, f"it releases step {said.step}, its record says {event.step}")
        return said

    def _recall(self, event: ev.RecallIssued) -> Recall:
        said = self._own(event.envelope, Recall)
        self._fresh(said.fleet, said.nonce)
        demand(said.drill == self.drill.drill, "it is for another drill")
        demand((said.site, said.witness) == (event.site, event.witness), "it asks another witness")
        demand((event.site, event.witness) in self.drill.tracks, "the audience has no such witness")
        demand(said.first <= said.last, "it asks for nothing")
        return said

    def _abort(self, event: ev.Aborted) -> Abort:
        # An abort stops a drill in whatever form it came, so here its form is no matter either; nor is
        # its issue time, which is by the clock of an approver's own machine.
        trust = self.drill.trust
        said = self._open(event.envelope, Abort, {**trust.dispatchers.keys, **trust.approvers.keys}, sole=False)
        self._fresh(said.fleet, said.nonce)
        self._of_this_use(said)
        demand(said.reason == event.reason, "its reason is another than its record's")
        return said
