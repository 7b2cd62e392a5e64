"""Checks what the dispatcher said: challenges, orders, licences, releases, recalls; and who aborted.

A stolen dispatcher key can sign all of these, so each is held against the warrant, the journal and
the time of its record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from orchestrator.core import events as ev
from orchestrator.core.states import Phase
from orchestrator.evidence.checks.battery import check_battery
from orchestrator.evidence.checks.licences import LicenceCheck
from orchestrator.evidence.checks.orders import check_order, check_rung, check_rung_published
from orchestrator.evidence.checks.spoken import Place, Spoken, demand
from protocols.controls import Params
from protocols.messages import Abort, Challenge, Recall, Release
from protocols.messages.base import Message

Dispatch = (
    ev.ChallengeIssued
    | ev.OrderIssued
    | ev.RungOrdered
    | ev.RungPublished
    | ev.BatteryIssued
    | ev.LicenceIssued
    | ev.LeaseStopped
    | ev.ReleaseIssued
    | ev.RecallIssued
    | ev.Aborted
)


@dataclass(slots=True)
class Dispatched:
    """Checks one drill's own messages.

    Attributes:
        spoken: What they have in common.
        licences: The licences so far.
    """

    spoken: Spoken
    licences: LicenceCheck = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no licence."""
        self.licences = LicenceCheck(self.spoken)

    def check(self, event: Dispatch, place: Place) -> Message | None:  # noqa: PLR0911 - one for each event
        """Check one event against the drill as it stands before it.

        Returns:
            The message in its envelope, where it has just one.

        Raises:
            JournalError: It doesn't fit.
            UntrustedInput: It isn't signed, or isn't what it claims to be.
        """
        match event:
            case ev.ChallengeIssued():
                return self._challenge(event, place)
            case ev.OrderIssued():
                return check_order(event, self.spoken, place)
            case ev.RungOrdered():
                return check_rung(event, self.spoken, place)
            case ev.RungPublished():
                check_rung_published(event, self.spoken)
                return None
            case ev.BatteryIssued():
                check_battery(event, self.spoken, place)
                return None
            case ev.LicenceIssued():
                return self.licences.issued(event, place)
            case ev.LeaseStopped():
                self.licences.stopped(event, place.now)
                return None
            case ev.ReleaseIssued():
                return self._release(event, place)
            case ev.RecallIssued():
                return self._recall(event)
            case ev.Aborted():
                return self._abort(event)
            case _:
                assert_never(event)

    def _challenge(self, event: ev.ChallengeIssued, place: Place) -> Challenge:
        spoken, drill = self.spoken, self.spoken.drill
        said = spoken.own(event.envelope, Challenge)
        spoken.fresh(said.fleet, said.nonce)
        spoken.timely(said.issued_at, place)
        spoken.of_this_drill(said.drill)
        expected = len(drill.issued) + 1
        demand(said.seq == event.seq == expected, f"expected challenge {expected}, found {said.seq}")
        closing = drill.phase is Phase.CLOSING
        demand(said.final == event.final == closing, "only the challenges of the closing are final")
        demand(said.journal_seq == place.seq - 1, f"it states journal record {said.journal_seq} as the newest")
        demand(said.journal_head == place.prev, "it states another journal head than there was")
        demand(said.exercise == self._exercised(), "it has witnesses try another control than the one that is running")
        return said

    def _exercised(self) -> Params | None:
        """Return the control that is being exercised, or about to be."""
        drill = self.spoken.drill
        return None if drill.phase is Phase.CLOSING else drill.warrant.steps[drill.step.number].params

    def _release(self, event: ev.ReleaseIssued, place: Place) -> Release:
        spoken = self.spoken
        said = spoken.own(event.envelope, Release)
        spoken.fresh(said.fleet, said.nonce)
        spoken.timely(said.issued_at, place)
        spoken.of_this_use(said)
        spoken.of_this_drill(said.drill)
        demand(said.step == event.step, f"it releases step {said.step}, its record says {event.step}")
        return said

    def _recall(self, event: ev.RecallIssued) -> Recall:
        spoken = self.spoken
        said = spoken.own(event.envelope, Recall)
        spoken.fresh(said.fleet, said.nonce)
        spoken.of_this_drill(said.drill)
        demand((said.site, said.witness) == (event.site, event.witness), "it asks another witness")
        demand((event.site, event.witness) in spoken.drill.tracks, "the audience has no such witness")
        demand(said.first <= said.last, "it asks for nothing")
        return said

    def _abort(self, event: ev.Aborted) -> Abort:
        # An abort stops a drill in whatever form it came, so here its form is no matter either; nor is
        # its issue time, which is by the clock of an approver's own machine.
        trust = self.spoken.drill.trust
        said = self.spoken.open(event.envelope, Abort, {**trust.dispatchers.keys, **trust.approvers.keys}, sole=False)
        self.spoken.fresh(said.fleet, said.nonce)
        self.spoken.of_this_use(said)
        demand(said.reason == event.reason, "its reason is another than its record's")
        return said
