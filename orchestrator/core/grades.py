"""Evidence grades and verdicts, derived from one table over findings.

`VERDICTS` is read from its top; the first row that holds decides. So the loudest comes first: a
site that says it halted while a witness sees work is `contradicted` whatever else is true of it,
and a site is `verified` only when nothing at all speaks against it. A drill passes only if every
site of its audience is verified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.battery import CaseAnswer
from protocols.controls import Control
from protocols.ids import Digest, Nonce
from protocols.messages import Part, Proof
from protocols.reasons import TEXT, Reason


class Grade(StrEnum):
    """How good the evidence is that the site halted, from worst to best."""

    SILENT = "silent"
    ACCEPTED = "accepted"
    SELF_REPORTED = "self_reported"
    CORROBORATED = "corroborated"
    WITNESSED = "witnessed"
    HELD = "held"


class Verdict(StrEnum):
    """What the drill found of one site, from best to worst."""

    VERIFIED = "verified"
    LATE = "late"
    UNPROVEN = "unproven"
    REFUSED = "refused"
    NOT_RESTORED = "not_restored"
    BROKEN = "broken"
    CONTRADICTED = "contradicted"


class Cause(StrEnum):
    """Why a verdict is no better."""

    NOT_ORDERED = "not_ordered"
    UNCOVERED = "uncovered"
    ABORTED = "aborted"
    PENDING = "pending"
    DRIVER_FAILED = "driver_failed"
    SILENT = "silent"
    NO_LOAD = "no_load"
    NO_CLOSING = "no_closing"
    FORKED = "forked"
    DISHONEST = "dishonest"
    GAP = "gap"
    DISSENT = "dissent"
    NO_QUORUM = "no_quorum"
    CLOCK_RESTART = "clock_restart"
    NOT_RELEASED = "not_released"
    RESTORE_UNPROVEN = "restore_unproven"
    REFUSED = "refused"
    RESTORED_LATE = "restored_late"
    NOT_SEEN_BACK = "not_seen_back"
    ACTIVE_IN_HOLD = "active_in_hold"
    ACTIVE_AFTER_REPORT = "active_after_report"
    OVER_LIMIT = "over_limit"


CAUSE_TEXT: dict[Cause, str] = {
    Cause.NOT_ORDERED: "the order was never given",
    Cause.UNCOVERED: "its witnesses do not cover the signals that this control is judged by",
    Cause.ABORTED: "the drill was aborted",
    Cause.PENDING: "the step is still running",
    Cause.DRIVER_FAILED: "its agent reported that the driver could not act",
    Cause.SILENT: "its agent answered nothing",
    Cause.NO_LOAD: "no quorum of witnesses saw its load in band before the order",
    Cause.NO_CLOSING: "too few witnesses closed their account",
    Cause.FORKED: "a witness's chain forked, which leaves no quorum",
    Cause.DISHONEST: "a witness contradicted itself, which leaves no quorum",
    Cause.GAP: "readings are missing that were never filled in",
    Cause.DISSENT: "a witness saw it active and never saw it quiet together with the others",
    Cause.NO_QUORUM: "no quorum of witnesses saw it quiet for the whole dwell at once",
    Cause.CLOCK_RESTART: "the orchestrator restarted in between, so the response time is unknown",
    Cause.NOT_RELEASED: "it was never released",
    Cause.RESTORE_UNPROVEN: "its recovery could not be witnessed",
    Cause.REFUSED: "its agent refused the order",
    Cause.RESTORED_LATE: "it came back after the restore limit",
    Cause.NOT_SEEN_BACK: "it was not seen back in steady state within the restore limit",
    Cause.ACTIVE_IN_HOLD: "it was quiet, and then a witness saw it active inside the hold",
    Cause.ACTIVE_AFTER_REPORT: "its agent reported a halt while a witness saw it at work",
    Cause.OVER_LIMIT: "it halted after the response limit",
}
"""What each cause means, for people; a test holds it complete."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a verdict is decided on.

    Attributes:
        ordered: Whether the order was given.
        uncovered: Whether too few owners cover the signals needed.
        aborted: Whether the drill was aborted.
        pending: Whether this is a live view and the step may still change by itself.
        accepted: Whether the agent accepted the order.
        reported: Whether the agent reported a halt.
        refused: Whether the agent refused and never accepted.
        failed: Whether the agent reported that its driver failed.
        preflight_ok: Whether a quorum saw the load in band before the order.
        halted: Whether a quorum agreed on a common quiet span and nobody dissents.
        held: Whether that quorum's evidence reaches to the end of the hold.
        corroborated: Whether at least one owner saw a whole dwell of quiet.
        shortfall: Why no quorum agreed, when none did.
        contradicted: Whether work was proven after the agent's report.
        broken: Whether work was proven after a whole dwell of quiet, inside the hold.
        timed: Whether the response time has an upper bound.
        late: Whether that bound is over the limit.
        released: Whether the step was released.
        restored: Whether it was back in time; None when the witnesses cannot tell.
        restored_late: Whether it came back, but late.
    """

    ordered: bool
    uncovered: bool
    aborted: bool
    pending: bool
    accepted: bool
    reported: bool
    refused: bool
    failed: bool
    preflight_ok: bool
    halted: bool
    held: bool
    corroborated: bool
    shortfall: Cause
    contradicted: bool
    broken: bool
    timed: bool
    late: bool
    released: bool
    restored: bool | None
    restored_late: bool

    @property
    def obeyed(self) -> bool:
        """Whether the site has something to be restored from."""
        return self.accepted or self.reported or self.halted


Row = tuple[Callable[[Findings], bool], Verdict, Callable[[Findings], Cause | None]]


def _row(verdict: Verdict, cause: Cause | None, holds: Callable[[Findings], bool]) -> Row:
    return holds, verdict, lambda _: cause


VERDICTS: tuple[Row, ...] = (
    _row(Verdict.CONTRADICTED, Cause.ACTIVE_AFTER_REPORT, lambda f: f.contradicted),
    _row(Verdict.BROKEN, Cause.ACTIVE_IN_HOLD, lambda f: f.broken),
    _row(Verdict.NOT_RESTORED, Cause.RESTORED_LATE, lambda f: f.obeyed and f.restored_late),
    _row(Verdict.NOT_RESTORED, Cause.NOT_SEEN_BACK, lambda f: f.obeyed and f.restored is False),
    _row(Verdict.REFUSED, Cause.REFUSED, lambda f: f.refused),
    _row(Verdict.UNPROVEN, Cause.NOT_ORDERED, lambda f: not f.ordered and not f.pending),
    _row(Verdict.UNPROVEN, Cause.UNCOVERED, lambda f: f.uncovered),
    _row(Verdict.UNPROVEN, Cause.ABORTED, lambda f: f.aborted),
    _row(Verdict.UNPROVEN, Cause.DRIVER_FAILED, lambda f: f.failed),
    _row(Verdict.UNPROVEN, Cause.PENDING, lambda f: f.pending),
    _row(Verdict.UNPROVEN, Cause.SILENT, lambda f: not (f.accepted or f.reported)),
    (lambda f: not f.halted and f.shortfall is not Cause.NO_QUORUM, Verdict.UNPROVEN, lambda f: f.shortfall),
    _row(Verdict.UNPROVEN, Cause.NO_LOAD, lambda f: not f.preflight_ok),
    (lambda f: not f.halted, Verdict.UNPROVEN, lambda f: f.shortfall),
    _row(Verdict.UNPROVEN, Cause.CLOCK_RESTART, lambda f: not f.timed),
    _row(Verdict.UNPROVEN, Cause.NOT_RELEASED, lambda f: not f.released),
    _row(Verdict.UNPROVEN, Cause.RESTORE_UNPROVEN, lambda f: f.restored is not True),
    _row(Verdict.LATE, Cause.OVER_LIMIT, lambda f: f.late),
    _row(Verdict.VERIFIED, None, lambda _: True),
)
"""The one table: the first row whose condition holds gives the verdict and its cause."""


def verdict(findings: Findings) -> tuple[Verdict, Cause | None]:
    """Return the verdict on a site and why it is no better."""
    return next((word, why(findings)) for holds, word, why in VERDICTS if holds(findings))


def grade(findings: Findings) -> Grade:
    """Return the grade of the evidence that the site halted.

    A site without load in preflight is quiet anyway, so what witnesses saw then proves no halt.
    """
    if findings.preflight_ok and findings.halted:
        return Grade.HELD if findings.held and not findings.broken else Grade.WITNESSED
    if findings.preflight_ok and findings.corroborated:
        return Grade.CORROBORATED
    if findings.reported:
        return Grade.SELF_REPORTED
    return Grade.ACCEPTED if findings.accepted else Grade.SILENT


class ReceiptSummary(Part):
    """When the first receipt of each kind arrived, after the order; the actor's own account only.

    Attributes:
        accepted_ns: Nanoseconds from the order to the arrival of `accepted`.
        halted_ns: The same for `halted`.
        restored_ns: The same for `restored`.
        refused: Why it refused, if it did.
        failed: Why its driver failed, if it did.
        proofs: What it exercised of the way there and back.
        checkpoint: Digest of the checkpoint that it left on disk.
        armed: The nonce that it was armed with.
    """

    accepted_ns: int | None = None
    halted_ns: int | None = None
    restored_ns: int | None = None
    refused: Reason | None = None
    failed: Reason | None = None
    proofs: tuple[Proof, ...] = ()
    checkpoint: Digest | None = None
    armed: Nonce | None = None


class RungResult(Part):
    """What one rung of a ladder did at one site.

    Attributes:
        response_lower_ns: From this rung's own order; likewise the upper bound.
        response_limit_s: The rung's own limit.
        why_next: Why the site climbed to the next rung; null for the last.
    """

    rung: int
    control: Control
    verdict: Verdict
    cause: Cause | None
    response_lower_ns: int | None
    response_upper_ns: int | None
    response_limit_s: float
    why_next: Cause | None = None


class SiteStepResult(Part):
    """What one step of a drill found of one site. Stored in journals and bundles.

    Attributes:
        grade: How good the evidence of the halt is.
        verdict: What follows from it.
        cause: Why the verdict is no better; null when it is `verified`.
        response_lower_ns: The site halted no earlier than this after the order.
        response_upper_ns: And no later than this; null when it was not witnessed halted, so that
            its response time is right-censored.
        restore_lower_ns: It was back no earlier than this after the release; null when not back.
        restore_upper_ns: And no later than this.
        dwell_ns: How long the agreeing witnesses all saw it quiet, within the hold.
        agreeing: Witnesses that saw it quiet over the common span.
        dissenting: Witnesses that saw it active against that.
        unknown: The other witnesses of its record.
        preflight_ok: Whether a quorum saw its load in band before the order.
        held: Whether quiet was proven without a break to the end of the hold.
        receipts: The own account of who acted.
        control: What was exercised: of the last rung that the site climbed to.
        rung: That rung; the response time is its own.
        rungs: With an escalation, every rung that was ordered, in order; else empty.
        total_upper_ns: With an escalation, from the step's own order to the halt, at most.
        battery: How it answered each order of a refusal battery.
    """

    grade: Grade
    verdict: Verdict
    cause: Cause | None
    response_lower_ns: int | None
    response_upper_ns: int | None
    restore_lower_ns: int | None
    restore_upper_ns: int | None
    dwell_ns: int | None
    agreeing: tuple[str, ...]
    dissenting: tuple[str, ...]
    unknown: tuple[str, ...]
    preflight_ok: bool
    held: bool
    receipts: ReceiptSummary
    control: Control = Control.PAUSE
    rung: int = 0
    rungs: tuple[RungResult, ...] = ()
    total_upper_ns: int | None = None
    battery: tuple[CaseAnswer, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the site did all that the step asked, with evidence."""
        return self.verdict is Verdict.VERIFIED

    @property
    def halted(self) -> bool:
        """Whether witnesses saw it halted: receipts alone never count."""
        return self.grade in {Grade.WITNESSED, Grade.HELD}


def explain(result: SiteStepResult) -> str:
    """Return a plain sentence about the result, for people."""
    if result.verdict is Verdict.VERIFIED:
        agreed = len(result.agreeing)
        witnesses = "1 witness" if agreed == 1 else f"{agreed} witnesses"
        return (
            f"Verified: {witnesses} saw it quiet {_span(result.response_lower_ns, result.response_upper_ns)} after "
            f"the order for {_seconds(result.dwell_ns)}, and back at work "
            f"{_span(result.restore_lower_ns, result.restore_upper_ns)} after the release."
        )
    why = CAUSE_TEXT[result.cause] if result.cause is not None else "for no stated cause"
    if result.verdict is Verdict.REFUSED and result.receipts.refused is not None:
        why += f": {TEXT[result.receipts.refused]}"
    if result.verdict is Verdict.LATE:
        why += f" ({_span(result.response_lower_ns, result.response_upper_ns)} after the order)"
    if result.dissenting and result.verdict in {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.UNPROVEN}:
        why += f" (active according to {', '.join(result.dissenting)})"
    return f"{result.verdict.replace('_', ' ').capitalize()}: {why}."


def _seconds(duration_ns: int | None) -> str:
    return "an unknown time" if duration_ns is None else f"{duration_ns / 1e9:.3f} s"


def _span(lower_ns: int | None, upper_ns: int | None) -> str:
    return f"between {_seconds(lower_ns)} and {_seconds(upper_ns)}"
