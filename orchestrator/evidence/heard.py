"""Checks what sites said: receipts, readings and closings, and when they are claimed to have arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.intake import open_witness
from orchestrator.core.samples import Instant
from orchestrator.evidence.checks.receipts import check_receipt, open_as_sender
from orchestrator.evidence.checks.spoken import demand
from orchestrator.evidence.memo import Memo
from protocols.envelope import parse_envelope
from protocols.messages import Closing, Reading, Receipt
from protocols.reasons import TEXT, Reason

S = TypeVar("S", Receipt, Reading, Closing, Reading | Closing)

SiteSaid = ev.ReceiptReceived | ev.ReadingReceived | ev.ClosingReceived


@dataclass(slots=True)
class HeardCheck:
    """Checks one drill's inputs."""

    drill: Drill
    memo: Memo

    def check(self, event: SiteSaid, at: Instant) -> tuple[Receipt | Reading | Closing, str]:
        """Check one input against the drill as it stands before it, and return it with its digest.

        Args:
            event: What the record says.
            at: The record's time.

        Raises:
            JournalError: It doesn't fit.
            UntrustedInput: It isn't signed by whom it should be, or isn't what it claims to be.
        """
        demand(event.site in self.drill.audience, "the site is not in the audience")
        arrival = Instant(at.epoch, event.arrival_ns)
        demand(arrival <= at, "it arrived after it was written down")
        if isinstance(event, ev.ReceiptReceived):
            return self._receipt(event, arrival)
        return self._witness(event, arrival)

    def _receipt(self, event: ev.ReceiptReceived, arrival: Instant) -> tuple[Receipt, str]:
        trust, site, text = self.drill.trust, event.site, event.envelope
        keys = tuple(sorted(trust.agents[site]))
        enforcers = trust.records[site].enforcers
        said, digest = self.memo.recall(
            ("receipt", trust.fleet, site, keys, enforcers, text),
            lambda: _with_digest(open_as_sender(text, trust, site)),
        )
        check_receipt(said, self.drill, event, arrival)
        self._concerns(said, digest)
        return said, digest

    def _witness(
        self, event: ev.ReadingReceived | ev.ClosingReceived, arrival: Instant
    ) -> tuple[Reading | Closing, str]:
        trust, site, name, text = self.drill.trust, event.site, event.witness, event.envelope
        keys = tuple(sorted(trust.witnesses.get((site, name), ())))
        said, digest = self.memo.recall(
            ("witness", trust.fleet, site, name, keys, text),
            lambda: _with_digest(open_witness(parse_envelope(text.encode()), trust, site, name)),
        )
        demand(isinstance(said, Closing) == isinstance(event, ev.ClosingReceived), TEXT[Reason.WRONG_TYPE])
        self._concerns(said, digest)
        if said.quotes.drill == self.drill.drill:
            issued = self.drill.issued[said.quotes.seq]
            demand(arrival >= issued, f"it arrived before challenge {said.quotes.seq}, which it quotes, was issued")
        return said, digest

    def _concerns(self, said: Receipt | Reading | Closing, digest: str) -> None:
        demand(digest not in self.drill.seen, "it stands in the journal twice")
        problem = self.drill.concern(said, digest)
        if isinstance(said, Receipt):
            demand(problem is True, "it answers no order of this drill")
        else:
            demand(problem is True, f"it quotes challenge {said.quotes.seq} wrongly, or before it was issued")


def _with_digest(said: S) -> tuple[S, str]:
    return said, said.digest()
