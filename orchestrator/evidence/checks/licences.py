"""Checks a lease: each licence answers a request of the agent's, and none was issued once renewal had stopped.

When the last licence ran out is where a lease's response time begins; it is computed from when the
last answered request arrived, so that arrival is held to the journal's times like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.core.intake import open_request
from orchestrator.core.samples import Instant
from orchestrator.evidence.checks.spoken import ISSUE_SKEW_NS, Place, Spoken, demand
from protocols.controls import LeaseParams
from protocols.envelope import parse_envelope
from protocols.errors import JournalError
from protocols.ids import seconds_to_ns
from protocols.messages import Licence, LicenceRequest

SiteNonce = tuple[str, str]


@dataclass(slots=True)
class LicenceCheck:
    """Checks one drill's licences.

    Attributes:
        asked: The nonces of all requests so far, each with its site.
        answered: Those of them that were answered.
    """

    spoken: Spoken
    asked: set[SiteNonce] = field(default_factory=set)
    answered: set[SiteNonce] = field(default_factory=set)

    def request(self, event: ev.LicenceRequested, now: Instant) -> LicenceRequest:
        """Check an agent's request.

        Raises:
            JournalError: It is not for the lease that is running, or arrived at an impossible time.
            UntrustedInput: The site's agent did not sign it.
        """
        drill, text = self.spoken.drill, event.envelope
        demand(event.site in drill.audience, "the site is not in the audience")
        keys = tuple(sorted(drill.trust.agents[event.site]))
        said = self.spoken.memo.recall(
            ("request", drill.trust.fleet, event.site, keys, text),
            lambda: open_request(parse_envelope(text.encode()), drill.trust, event.site),
        )
        self.spoken.of_this_drill(said.drill)
        self._lease(said.order)
        arrival, ordered = Instant(now.epoch, event.arrival_ns), drill.step.ordered
        demand(arrival <= now, "it arrived after it was written down")
        demand(ordered is not None and arrival >= ordered, "it arrived before the order was given")
        demand((said.site, said.nonce) not in self.asked, "its nonce was used before")
        self.asked.add((said.site, said.nonce))
        return said

    def issued(self, event: ev.LicenceIssued, place: Place) -> Licence:
        """Check a licence.

        Raises:
            JournalError: No request called for it, or it came too late.
            UntrustedInput: The drill's dispatcher did not sign it.
        """
        drill = self.spoken.drill
        said = self.spoken.own(event.envelope, Licence)
        demand(said.fleet == drill.trust.fleet, "it is for another fleet")
        self.spoken.of_this_drill(said.drill)
        demand(event.step == drill.step.number, f"step {event.step} is not the one that is running")
        demand(said.site == event.site and event.site in drill.audience, "it is for another site than its record says")
        params = self._lease(said.order)
        request = (said.site, said.request)
        demand(request in self.asked, "it quotes no request that the site's agent signed before it")
        demand(request not in self.answered, "the request that it quotes was answered before")
        demand(drill.step.lease.stopped is None, "it was issued after renewal had stopped")
        elapsed_ns = None if drill.step.ordered is None else place.now.minus(drill.step.ordered)
        most_ns = seconds_to_ns(params.renewed_s) + ISSUE_SKEW_NS
        within = elapsed_ns is None or elapsed_ns <= most_ns
        demand(within, f"it renews for longer than the {params.renewed_s:g} s that were approved")
        self.answered.add(request)
        return said

    def stopped(self, event: ev.LeaseStopped, now: Instant) -> None:
        """Check the end of renewal.

        Raises:
            JournalError: No lease is running, it came too early, or twice.
        """
        run = self.spoken.drill.step
        demand(event.step == run.number, f"step {event.step} is not the one that is running")
        params = self._lease(run.order_digest)
        demand(run.lease.stopped is None, "renewal had stopped before already")
        elapsed_ns = None if run.ordered is None else now.minus(run.ordered)
        renewed_ns = seconds_to_ns(params.renewed_s)
        early = elapsed_ns is not None and elapsed_ns < renewed_ns
        demand(not early, f"renewal lasted {(elapsed_ns or 0) / 1e9:.3f} s of {params.renewed_s:g} s")

    def _lease(self, order: str) -> LeaseParams:
        """Return the parameters of the lease that is running, if `order` is its order."""
        drill = self.spoken.drill
        params = drill.warrant.steps[drill.step.number].params
        if not isinstance(params, LeaseParams):
            raise JournalError("the running step is no lease")
        demand(bool(order) and order == drill.step.order_digest, "it is for another order than the running lease's")
        return params
