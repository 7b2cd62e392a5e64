"""Results in plain sentences, each control in its own words."""

from __future__ import annotations

from orchestrator.core.battery import EXPECTED
from orchestrator.core.causes import CAUSE_TEXT, Cause
from orchestrator.core.criteria import words_of
from orchestrator.core.results import RungResult, SiteStepResult, Verdict
from protocols.controls import CATALOGUE, Actor, Control
from protocols.reasons import TEXT


def why(cause: Cause, control: Control) -> str:
    """Say what a cause means for a control: in its text, `its agent` is whoever acts on that one."""
    actor = "its enforcer" if CATALOGUE[control].actor is Actor.ENFORCER else "its agent"
    return CAUSE_TEXT[cause].replace("its agent", actor)


def explain(result: SiteStepResult) -> str:
    """Return a plain sentence about the result, for people."""
    said = _verified(result) if result.verdict is Verdict.VERIFIED else _failed(result)
    return f"{said}{_ladder(result)}."


def _verified(result: SiteStepResult) -> str:
    words = words_of(result.control)
    who = _witnesses(result)
    if _arming(result):
        return f"Verified: {who} saw its steady state unbroken, and it signed the nonce that it was armed with"
    match result.control:
        case Control.STANDBY:
            return (
                f"Verified: {who} saw {words.seen} for {_seconds(result.dwell_ns)}, and its agent proved each part "
                f"of the path to a halt within {_seconds(result.response_upper_ns)} of the order"
            )
        case Control.REFUSAL:
            return (
                f"Verified: {who} saw {words.seen} for {_seconds(result.dwell_ns)}, and it refused all "
                f"{len(result.battery)} orders of the battery for the right reason"
            )
        case Control.DECOMMISSION:
            return f"Verified: {_halt(result)}, and never back"
        case _:
            span = _span(result.restore_lower_ns, result.restore_upper_ns)
            listed = "".join(f" (running above the cap: {entry.value})" for entry in result.seen[:1])
            return f"Verified: {_halt(result)}, and {words.back} {span} after the release{listed}"


def _halt(result: SiteStepResult) -> str:
    words = words_of(result.control)
    span = _span(result.response_lower_ns, result.response_upper_ns)
    return f"{_witnesses(result)} saw {words.seen} {span} after {words.zero} for {_seconds(result.dwell_ns)}"


def _failed(result: SiteStepResult) -> str:
    head = result.verdict.replace("_", " ").capitalize()
    cause, earlier = result.cause, _earlier(result)
    if cause is None:
        return f"{head}: for no stated cause"
    if earlier is not None:
        # All else in the result is of the last rung, and says nothing of this one.
        return f"{head}: {why(cause, earlier.control)}, on rung {earlier.rung + 1} ({_name(earlier.control)})"
    return f"{head}: {why(cause, result.control)}{_particulars(result, cause)}"


def _earlier(result: SiteStepResult) -> RungResult | None:
    """Return the rung that the verdict on a site that climbed is about; None when that is its last one."""
    if result.verdict not in {Verdict.CONTRADICTED, Verdict.BROKEN}:
        return None
    about = next((rung for rung in result.rungs if rung.verdict is result.verdict), None)
    return None if about is None or about.rung == result.rung else about


def _particulars(result: SiteStepResult, cause: Cause) -> str:
    words, said = words_of(result.control), ""
    if cause is Cause.REFUSED and result.receipts.refused is not None:
        said += f": {TEXT[result.receipts.refused]}"
    if cause is Cause.ESCALATED:
        said += f"; {_halt(result)}"
    elif result.verdict is Verdict.LATE:
        said += f" ({_span(result.response_lower_ns, result.response_upper_ns)} after {words.zero})"
    if cause is Cause.PROOF_FAILED:
        said += "".join(f"; {proof.step}: {proof.detail}" for proof in result.receipts.proofs if not proof.ok)
    if cause in {Cause.OBEYED, Cause.WRONG_REASON, Cause.UNANSWERED}:
        said += f" ({_battery(result)})"
    if result.seen:
        said += f" ({'; '.join(sorted({f'{entry.signal}: {entry.value}' for entry in result.seen}))})"
    if result.dissenting and result.verdict in {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.UNPROVEN}:
        said += f" ({words.otherwise} according to {', '.join(result.dissenting)})"
    return said


def _battery(result: SiteStepResult) -> str:
    wrong = []
    for answer in result.battery:
        if answer.obeyed:
            wrong.append(f"{answer.case} was obeyed")
        elif answer.refused is None:
            wrong.append(f"{answer.case} was not answered")
        elif not answer.right:
            wrong.append(f"{answer.case} was refused as {answer.refused}, not as {EXPECTED[answer.case]}")
    return "; ".join(wrong) or "there was none"


def _ladder(result: SiteStepResult) -> str:
    if not result.rungs:
        return ""
    first = result.rungs[0]
    climbs = [f"{first.control}"]
    for before, rung in zip(result.rungs, result.rungs[1:], strict=False):
        why = "" if before.why_next is None else f" ({before.why_next.replace('_', ' ')})"
        climbs.append(f"escalated to {rung.control}{why}")
    total = (
        "" if result.total_upper_ns is None else f", at most {_seconds(result.total_upper_ns)} after the first order"
    )
    return f" [{', '.join(climbs)}{total}]"


def _name(control: Control) -> str:
    return control.replace("_", " ")


def _arming(result: SiteStepResult) -> bool:
    return result.control is Control.DECOMMISSION and result.receipts.armed is not None


def _witnesses(result: SiteStepResult) -> str:
    agreed = len(result.agreeing)
    return "1 witness" if agreed == 1 else f"{agreed} witnesses"


def _seconds(duration_ns: int | None) -> str:
    return "an unknown time" if duration_ns is None else f"{duration_ns / 1e9:.3f} s"


def _span(lower_ns: int | None, upper_ns: int | None) -> str:
    return f"between {_seconds(lower_ns)} and {_seconds(upper_ns)}"
