"""Results of sites that did nothing that can be told of: never ordered, or aborted."""

from __future__ import annotations

from typing import Any

from orchestrator.core.grades import Cause, Grade, ReceiptSummary, SiteStepResult, Verdict
from protocols.controls import control_of
from tests.logs.scenario import WITNESSES, params_of


def nothing_found(number: int, verdict: Verdict, cause: Cause, **changes: Any) -> SiteStepResult:
    """Return a result of which nothing was measured."""
    bounds = ("response_lower_ns", "response_upper_ns", "restore_lower_ns", "restore_upper_ns", "dwell_ns")
    given: dict[str, Any] = {
        **dict.fromkeys(bounds),
        "grade": Grade.SILENT,
        "verdict": verdict,
        "cause": cause,
        "agreeing": (),
        "dissenting": (),
        "unknown": WITNESSES,
        "preflight_ok": False,
        "held": False,
        "receipts": ReceiptSummary(),
        "control": control_of(params_of(number)),
    }
    return SiteStepResult(**given | changes)


def not_ordered(number: int) -> SiteStepResult:
    """Return the result of a step that was never ordered."""
    return nothing_found(number, Verdict.UNPROVEN, Cause.NOT_ORDERED)


def aborted_result(number: int, loud: Verdict | None, *, ordered: bool) -> SiteStepResult:
    """Return the result of an aborted step, at a site that was loud before or was not."""
    causes = {
        Verdict.CONTRADICTED: Cause.ACTIVE_AFTER_REPORT,
        Verdict.BROKEN: Cause.ACTIVE_IN_HOLD,
        Verdict.REFUSED: Cause.REFUSED,
        Verdict.NOT_RESTORED: Cause.NOT_SEEN_BACK,
    }
    if loud is not None:
        return nothing_found(number, loud, causes[loud], preflight_ok=True, dissenting=WITNESSES, unknown=())
    cause = Cause.ABORTED if ordered else Cause.NOT_ORDERED
    return nothing_found(number, Verdict.UNPROVEN, cause, preflight_ok=ordered)
