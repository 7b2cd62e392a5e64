"""A step of a plan in words: what it orders, what proves it, who cuts, and what brings the site back.

What differs from control to control is in `protocols.controls` and `orchestrator.core.criteria`.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.criteria import told
from orchestrator.fleet.explain_text import owners_text
from protocols.controls import CATALOGUE, Params, PowerCutParams, acts, control_of, words
from protocols.messages import SiteRecord, Step
from protocols.phrases import duration_text, list_text


def ordered(params: Params) -> str:
    """Say what a control orders, with every parameter, as a clause that ends without a stop."""
    details = words(params)
    summary = CATALOGUE[control_of(params)].summary
    return f"{summary}; {details}" if details else summary


def passes(params: Params, step: Step, limit_s: float) -> str:
    """Say what must be seen for a site to pass, as a sentence.

    Args:
        params: The control of the step, or of a rung of its ladder.
        step: The step.
        limit_s: The response limit of that rung.
    """
    said = told(params)
    seen = f"witnesses of {owners_text(step.quorum)}"
    proof = said.proof.format(seen=seen, dwell=duration_text(step.dwell_s))
    return f"Passes if within {duration_text(limit_s)} of {said.zero} {proof}."


def undoing(step: Step) -> str:
    """Say how long a step lasts and what brings the site back, as a sentence or two."""
    if any(CATALOGUE[control_of(rung.params)].irreversible and acts(rung.params) for rung in step.rungs):
        return "THIS CANNOT BE UNDONE. Nothing restores what it destroys."
    if not acts(step.params):
        return f"Nothing is halted: work goes on, for {duration_text(step.hold_s)} at most."
    then = "its enforcer restores it" if isinstance(step.params, PowerCutParams) else "each site restores by itself"
    return (
        f"Held for {duration_text(step.hold_s)} at most, then {then}. "
        f"Must be back at work within {duration_text(step.restore_limit_s)}."
    )


def cutting(step: Step, records: Sequence[SiteRecord]) -> str:
    """Say who cuts power, and who restores it; empty when no rung of the step is an enforcer's."""
    if not any(isinstance(rung.params, PowerCutParams) for rung in step.rungs):
        return ""
    owners = sorted({entry.owner for record in records for entry in record.enforcers})
    who = f"owned by {list_text(owners)}" if owners else "of which there is none here"
    return (
        f"Power is cut by each site's enforcer, {who}, whatever the site's agent does. It proves beforehand that it "
        "can restore the power, and it alone restores it, when the hold ends or the step is released."
    )
