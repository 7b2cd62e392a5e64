"""Everything that the judgement on one site and one rung of a step depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.battery import CaseAnswer
from orchestrator.core.causes import Cause
from orchestrator.core.samples import Instant, Track
from protocols.controls import LeaseParams, Params
from protocols.messages import Outcome, Proof, SiteRecord, Step
from protocols.reasons import Reason


@dataclass(frozen=True, slots=True)
class ReceiptSeen:
    """A receipt of who acts on this rung, for this rung's order, and when it arrived."""

    outcome: Outcome
    arrival: Instant
    reason: Reason | None = None
    proofs: tuple[Proof, ...] = ()
    checkpoint: str | None = None
    armed: str | None = None


@dataclass(frozen=True, slots=True)
class StepInputs:
    """Everything that the judgement on one site and one rung of a step depends on.

    Attributes:
        record: The site's record.
        step: The step as approved.
        rung: Which of its rungs this is about; 0 is the step's own control.
        climbed: When the site climbed on to the next rung; None when it did not. It ends the window.
        why_next: Why it climbed.
        expires: With a lease: by when the site's last licence had surely expired. It is zero of the
            response time; None when there was no licence, or while it is still renewed.
        stopped: With a lease: the commit of `lease.stopped`. Until then the site must be at work.
        battery: With a refusal: how the site answered each order of it so far.
        tracks: By witness name, its track of this drill; witnesses that said nothing may lack.
        issues: When each challenge of the drill was issued, by its number.
        preflight_from: From when steady state is looked for.
        ordered: The commit of the order's event: zero of the response time. None: not ordered.
        published: The end of the order's first publish.
        released: The commit of the release (or abort): zero of the restore time.
        release_published: The end of its first publish.
        ended: Now, or the end of the step's observation.
        receipts: The agent's receipts for this order, in order of arrival.
        closed: Witnesses with a valid closing whose track holds all that it claims
            (`Track.holds(closing.first, closing.link.seq)`); None while the drill runs.
        aborted: Whether the drill was aborted.
    """

    record: SiteRecord
    step: Step
    tracks: Mapping[str, Track]
    issues: Mapping[int, Instant]
    preflight_from: Instant
    ordered: Instant | None
    published: Instant | None
    released: Instant | None
    release_published: Instant | None
    ended: Instant
    receipts: tuple[ReceiptSeen, ...] = ()
    closed: frozenset[str] | None = None
    aborted: bool = False
    rung: int = 0
    climbed: Instant | None = None
    why_next: Cause | None = None
    expires: Instant | None = None
    stopped: Instant | None = None
    battery: tuple[CaseAnswer, ...] = ()

    @property
    def params(self) -> Params:
        """The control of this rung, with its parameters."""
        return self.step.ladder[self.rung - 1].params if self.rung else self.step.params

    @property
    def response_limit_s(self) -> float:
        """This rung's own response limit."""
        step = self.step
        return step.ladder[self.rung - 1].response_limit_s if self.rung else step.response_limit_s

    @property
    def begins(self) -> Instant | None:
        """From when it is to be as ordered: the order's commit or, with a lease, when no licence is renewed any more.

        None when that has not come.
        """
        return self.stopped if isinstance(self.params, LeaseParams) and self.ordered is not None else self.ordered

    @property
    def zero(self) -> Instant | None:
        """Zero of the upper bound of the response time; with a lease the last licence's expiry."""
        return self.expires if isinstance(self.params, LeaseParams) else self.ordered

    def receipt(self, outcome: Outcome) -> ReceiptSeen | None:
        """Return the first receipt of this kind."""
        return next((seen for seen in self.receipts if seen.outcome is outcome), None)

    def arrival(self, outcome: Outcome) -> Instant | None:
        """Return when the first receipt of this kind arrived."""
        seen = self.receipt(outcome)
        return None if seen is None else seen.arrival


def elapsed(later: Instant | None, earlier: Instant | None) -> int | None:
    """Return the nanoseconds between two instants, or None when one is missing or they are of two epochs."""
    return None if later is None or earlier is None else later.minus(earlier)
