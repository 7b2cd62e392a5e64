"""Makes and signs what the orchestrator says. The only place that holds the dispatcher's signer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocols.controls import Params
from protocols.envelope import seal
from protocols.ids import format_utc, seconds_to_ns
from protocols.keys import Signer, generate_signer
from protocols.limits import ORDER_LIFETIME_MAX_S
from protocols.messages import Abort, Challenge, Licence, Order, Recall, Release, StapledStanding, Warrant

ORDER_LIFETIME_MIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Issuer:
    """Signs for one drill.

    Args:
        signer: The dispatcher's signer.
        nonce: Makes 128 unpredictable bits in hex; injected so that a simulation can seed it.
        warrant: What was approved.
        warrant_digest: Its digest.
        stranger: Makes the key that nobody knows, for the forged order of a refusal battery.
        standing: Gives the timekeeper's statement that is stapled to orders; None if there is none.
    """

    signer: Signer
    nonce: Callable[[], str]
    warrant: Warrant
    warrant_digest: str
    drill: str
    use: int
    stranger: Callable[[], Signer] = generate_signer
    standing: Callable[[], str | None] = lambda: None

    def challenge(
        self,
        seq: int,
        *,
        final: bool,
        journal_seq: int,
        journal_head: str,
        wall_ns: int,
        exercise: Params | None = None,
    ) -> tuple[Challenge, str]:
        """Make a challenge that has its quoters cosign the journal up to `journal_head`.

        `exercise` tells witnesses what is being exercised, so that they know what to try.
        """
        message = Challenge(
            fleet=self.warrant.fleet,
            drill=self.drill,
            seq=seq,
            nonce=self.nonce(),
            issued_at=format_utc(wall_ns),
            journal_seq=journal_seq,
            journal_head=journal_head,
            final=final,
            exercise=exercise,
        )
        return message, self.seal(message)

    def order(self, step: int, *, wall_ns: int, rung: int = 0, site: str | None = None) -> tuple[Order, str]:
        """Make the order of a step or, for one site, of a higher rung: everything else is in the warrant.

        It lives as long as accepting it could still meet the response limit, within the protocol's
        maximum.
        """
        message = self.draft(step, wall_ns=wall_ns, rung=rung, site=site)
        return message, self.seal(message)

    def draft(self, step: int, *, wall_ns: int, rung: int = 0, site: str | None = None) -> Order:
        """Make an order and do not sign it."""
        limit_s = self.warrant.steps[step].rungs[rung].response_limit_s
        lifetime_s = min(max(limit_s, ORDER_LIFETIME_MIN_S), ORDER_LIFETIME_MAX_S)
        standing = self.standing()
        return Order(
            fleet=self.warrant.fleet,
            warrant=self.warrant_digest,
            use=self.use,
            step=step,
            drill=self.drill,
            nonce=self.nonce(),
            issued_at=format_utc(wall_ns),
            expires_at=format_utc(wall_ns + seconds_to_ns(lifetime_s)),
            status="exercise",
            standing=None if standing is None else StapledStanding(envelope=standing),
            rung=rung,
            site=site,
        )

    def licence(self, site: str, order: str, request: str) -> tuple[Licence, str]:
        """Make the licence that answers a site's request under a lease order."""
        message = Licence(fleet=self.warrant.fleet, site=site, order=order, drill=self.drill, request=request)
        return message, self.seal(message)

    def release(self, step: int, *, wall_ns: int) -> tuple[Release, str]:
        """Make the release of a step."""
        message = Release(
            fleet=self.warrant.fleet,
            warrant=self.warrant_digest,
            use=self.use,
            step=step,
            drill=self.drill,
            nonce=self.nonce(),
            issued_at=format_utc(wall_ns),
        )
        return message, self.seal(message)

    def abort(self, reason: str, *, wall_ns: int) -> tuple[Abort, str]:
        """Make the abort of the whole use."""
        return make_abort(self.signer, self.warrant.fleet, self.warrant_digest, self.use, reason, self.nonce(), wall_ns)

    def recall(self, site: str, witness: str, first: int, last: int) -> tuple[Recall, str]:
        """Ask a witness to send again from `first` to `last`."""
        message = Recall(
            fleet=self.warrant.fleet,
            drill=self.drill,
            site=site,
            witness=witness,
            first=first,
            last=last,
            nonce=self.nonce(),
        )
        return message, self.seal(message)

    def seal(self, message: Challenge | Order | Release | Recall | Licence) -> str:
        """Sign a message as the dispatcher and return its envelope."""
        return seal(message, self.signer).decode()


def make_abort(
    signer: Signer, fleet: str, warrant: str, use: int, reason: str, nonce: str, wall_ns: int
) -> tuple[Abort, str]:
    """Make an abort that any dispatcher or approver may sign, from any terminal."""
    message = Abort(fleet=fleet, warrant=warrant, use=use, nonce=nonce, issued_at=format_utc(wall_ns), reason=reason)
    return message, seal(message, signer).decode()
