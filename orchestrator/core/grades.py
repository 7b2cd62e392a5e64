"""Evidence grades and verdicts, derived from one table over findings.

`VERDICTS` is read from its top; the first row that holds decides. So the loudest comes first: a
site that says it did as ordered while a witness sees otherwise is `contradicted` whatever else is
true of it, and a site is `verified` only when nothing at all speaks against it. A drill passes only
if every site of its audience is verified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.causes import CAUSE_TEXT, Cause
from orchestrator.core.results import Grade, ReceiptSummary, RungResult, SignalSeen, SiteStepResult, Verdict
from orchestrator.core.wording import explain


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a verdict is decided on.

    Attributes:
        ordered: Whether the order was given.
        uncovered: Whether too few owners cover the signals needed.
        aborted: Whether the drill was aborted.
        pending: Whether this is a live view and the step may still change by itself.
        accepted: Whether the actor accepted the order.
        reported: Whether it reported that what was ordered is done.
        refused: Whether it refused and never accepted.
        failed: Whether it reported that its driver failed.
        silent: Whether it answered nothing at all.
        disobedient: Whether it obeyed an order that nobody may obey.
        preflight_ok: Whether a quorum saw it as it should be, its load in band, before the order.
        lapsed: Whether it stopped working while it was still licensed.
        halted: Whether a quorum saw it as ordered over a common span and nobody dissents.
        held: Whether that quorum's evidence reaches to the end of the hold.
        corroborated: Whether at least one owner saw a whole dwell of it.
        shortfall: Why no quorum agreed, when none did.
        contradicted: What was proven against the actor's report; None when nothing was.
        broken: What was proven after a whole dwell as ordered, inside the hold, or of steady state
            that broke.
        unproven: What its answers fail to prove, when witnesses alone cannot.
        timed: Whether the response time has an upper bound, where one is measured.
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
    silent: bool
    disobedient: bool
    preflight_ok: bool
    lapsed: bool
    halted: bool
    held: bool
    corroborated: bool
    shortfall: Cause
    contradicted: Cause | None
    broken: Cause | None
    unproven: Cause | None
    timed: bool
    late: bool
    released: bool
    restored: bool | None
    restored_late: bool

    @property
    def obeyed(self) -> bool:
        """Whether the site has something to be restored from."""
        return self.accepted or self.reported or self.halted

    @property
    def obstructed(self) -> bool:
        """Whether no quorum agreed for a reason that says more than that none did."""
        return not self.halted and self.shortfall not in {Cause.NO_QUORUM, Cause.STEADY_UNPROVEN}


Row = tuple[Callable[[Findings], bool], Verdict, Callable[[Findings], Cause | None]]


def _row(verdict: Verdict, cause: Cause | None, holds: Callable[[Findings], bool]) -> Row:
    return holds, verdict, lambda _: cause


VERDICTS: tuple[Row, ...] = (
    _row(Verdict.CONTRADICTED, Cause.OBEYED, lambda f: f.disobedient),
    (lambda f: f.contradicted is not None, Verdict.CONTRADICTED, lambda f: f.contradicted),
    (lambda f: f.broken is not None, Verdict.BROKEN, lambda f: f.broken),
    _row(Verdict.NOT_RESTORED, Cause.RESTORED_LATE, lambda f: f.obeyed and f.restored_late),
    _row(Verdict.NOT_RESTORED, Cause.NOT_SEEN_BACK, lambda f: f.obeyed and f.restored is False),
    _row(Verdict.REFUSED, Cause.REFUSED, lambda f: f.refused),
    _row(Verdict.UNPROVEN, Cause.NOT_ORDERED, lambda f: not f.ordered and not f.pending),
    _row(Verdict.UNPROVEN, Cause.UNCOVERED, lambda f: f.uncovered),
    _row(Verdict.UNPROVEN, Cause.ABORTED, lambda f: f.aborted),
    _row(Verdict.UNPROVEN, Cause.PROOF_FAILED, lambda f: f.unproven is Cause.PROOF_FAILED),
    _row(Verdict.UNPROVEN, Cause.DRIVER_FAILED, lambda f: f.failed),
    _row(Verdict.UNPROVEN, Cause.PENDING, lambda f: f.pending),
    _row(Verdict.UNPROVEN, Cause.SILENT, lambda f: f.silent),
    _row(Verdict.UNPROVEN, Cause.LAPSED_EARLY, lambda f: f.lapsed),
    (lambda f: f.obstructed, Verdict.UNPROVEN, lambda f: f.shortfall),
    _row(Verdict.UNPROVEN, Cause.NO_LOAD, lambda f: not f.preflight_ok),
    (lambda f: not f.halted, Verdict.UNPROVEN, lambda f: f.shortfall),
    (lambda f: f.unproven is not None, Verdict.UNPROVEN, lambda f: f.unproven),
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


def ladder_verdict(rungs: tuple[RungResult, ...]) -> tuple[Verdict, Cause | None]:
    """Return the verdict on a site that climbed: its last rung's, unless an earlier one was a lie or broke.

    That a later rung halted it in time makes it `late`: what was ordered first was not done.
    """
    for loud in (Verdict.CONTRADICTED, Verdict.BROKEN):
        for rung in rungs:
            if rung.verdict is loud:
                return loud, rung.cause
    last = rungs[-1]
    return (Verdict.LATE, Cause.ESCALATED) if last.verdict is Verdict.VERIFIED else (last.verdict, last.cause)


def grade(findings: Findings) -> Grade:
    """Return the grade of the evidence that what was ordered was done.

    A site without load in preflight is quiet anyway, so what witnesses saw then proves no halt.
    """
    if findings.preflight_ok and findings.halted:
        return Grade.HELD if findings.held and findings.broken is None else Grade.WITNESSED
    if findings.preflight_ok and findings.corroborated:
        return Grade.CORROBORATED
    if findings.reported:
        return Grade.SELF_REPORTED
    return Grade.ACCEPTED if findings.accepted else Grade.SILENT


__all__ = [
    "CAUSE_TEXT",
    "VERDICTS",
    "Cause",
    "Findings",
    "Grade",
    "ReceiptSummary",
    "RungResult",
    "SignalSeen",
    "SiteStepResult",
    "Verdict",
    "explain",
    "grade",
    "ladder_verdict",
    "verdict",
]
