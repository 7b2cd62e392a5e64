"""Results in plain sentences, each control in its own words."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.battery import EXPECTED
from orchestrator.core.causes import CAUSE_TEXT, Cause
from orchestrator.core.results import SiteStepResult, Verdict
from protocols.controls import Control
from protocols.reasons import TEXT


@dataclass(frozen=True, slots=True)
class Words:
    """What people read of one control.

    Attributes:
        seen: What its witnesses saw, as in "3 witnesses saw ...".
        back: What they saw after the release.
        zero: What the response time is counted from.
        actor: Who acts.
        otherwise: What a witness saw that did not see it as ordered.
    """

    seen: str
    back: str = "back at work"
    zero: str = "the order"
    actor: str = "its agent"
    otherwise: str = "active"


WORDS: dict[Control, Words] = {
    Control.STANDBY: Words("its steady state unbroken", back="at work", otherwise="out of its steady state"),
    Control.REFUSAL: Words("its steady state unbroken", back="at work", otherwise="out of its steady state"),
    Control.CENSUS: Words("every registered accelerator answer and no other", back="at work", otherwise="otherwise"),
    Control.SLOWDOWN: Words("its work at or under the cap, and above zero", otherwise="out of its cap"),
    Control.RUN_CAP: Words(
        "runs above the cap refused and runs below it started", back="taking both again", otherwise="otherwise"
    ),
    Control.SELECTIVE_PAUSE: Words(
        "all but the protected classes quiet, and those at work", back="wholly back at work", otherwise="otherwise"
    ),
    Control.PAUSE: Words("it quiet"),
    Control.LEASE: Words("it quiet", zero="its last licence had expired"),
    Control.ISOLATE: Words("its egress cut, inside and outside", back="connected again", otherwise="connected"),
    Control.SHUTDOWN: Words("it quiet and no process left"),
    Control.POWER_CUT: Words(
        "it without power", back="under power again", actor="its enforcer", otherwise="under power or at work"
    ),
    Control.DECOMMISSION: Words("its devices gone", otherwise="there"),
}
"""For every control; a test holds it complete."""


def explain(result: SiteStepResult) -> str:
    """Return a plain sentence about the result, for people."""
    said = _verified(result) if result.verdict is Verdict.VERIFIED else _failed(result)
    return f"{said}{_ladder(result)}."


def _verified(result: SiteStepResult) -> str:
    words = WORDS[result.control]
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
    words = WORDS[result.control]
    span = _span(result.response_lower_ns, result.response_upper_ns)
    return f"{_witnesses(result)} saw {words.seen} {span} after {words.zero} for {_seconds(result.dwell_ns)}"


def _failed(result: SiteStepResult) -> str:
    words = WORDS[result.control]
    cause = result.cause
    why = "for no stated cause" if cause is None else CAUSE_TEXT[cause].replace("its agent", words.actor)
    if cause is Cause.REFUSED and result.receipts.refused is not None:
        why += f": {TEXT[result.receipts.refused]}"
    if cause is Cause.ESCALATED:
        why += f"; {_halt(result)}"
    elif result.verdict is Verdict.LATE:
        why += f" ({_span(result.response_lower_ns, result.response_upper_ns)} after {words.zero})"
    if cause is Cause.PROOF_FAILED:
        why += "".join(f"; {proof.step}: {proof.detail}" for proof in result.receipts.proofs if not proof.ok)
    if cause in {Cause.OBEYED, Cause.WRONG_REASON, Cause.UNANSWERED}:
        why += f" ({_battery(result)})"
    if result.seen and cause is not None:
        why += f" ({'; '.join(sorted({f'{entry.signal}: {entry.value}' for entry in result.seen}))})"
    if result.dissenting and result.verdict in {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.UNPROVEN}:
        why += f" ({words.otherwise} according to {', '.join(result.dissenting)})"
    return f"{result.verdict.replace('_', ' ').capitalize()}: {why}"


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


def _arming(result: SiteStepResult) -> bool:
    return result.control is Control.DECOMMISSION and result.receipts.armed is not None


def _witnesses(result: SiteStepResult) -> str:
    agreed = len(result.agreeing)
    return "1 witness" if agreed == 1 else f"{agreed} witnesses"


def _seconds(duration_ns: int | None) -> str:
    return "an unknown time" if duration_ns is None else f"{duration_ns / 1e9:.3f} s"


def _span(lower_ns: int | None, upper_ns: int | None) -> str:
    return f"between {_seconds(lower_ns)} and {_seconds(upper_ns)}"
