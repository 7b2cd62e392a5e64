"""The twelve controls in words: what each one orders, what proves it, and what brings the site back.

Whoever adds a control is asked for its words here by the type checker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from orchestrator.fleet.explain_text import duration_text, list_text, number_text, owners_text
from protocols.controls import (
    CATALOGUE,
    CensusParams,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
    acts,
    control_of,
)
from protocols.messages import SiteRecord, Step

_UNITS = {"accelerator_hours": "accelerator-hours", "flop": "FLOP"}


def ordered(params: Params) -> str:
    """Say what a control orders, with every parameter, as a clause that ends without a stop."""
    details = _details(params)
    summary = CATALOGUE[control_of(params)].summary
    return f"{summary}; {details}" if details else summary


def _details(params: Params) -> str:  # noqa: PLR0911 - one for each control
    match params:
        case StandbyParams() | RefusalParams() | CensusParams() | PauseParams() | IsolateParams() | PowerCutParams():
            return ""
        case SlowdownParams(fraction=fraction):
            return f"the cap is {number_text(fraction)} of the least rate of each site's load band"
        case RunCapParams(unit=unit, limit=limit):
            return f"the largest run that still starts is {number_text(limit)} {_UNITS[unit]}"
        case SelectivePauseParams(protected=protected):
            return f"these go on: {list_text(protected)}"
        case LeaseParams(licence_s=licence_s, renewed_s=renewed_s, partition=partition):
            gone = "; then the site also leaves its connection until the hold has ended" if partition else ""
            return (
                f"a licence lasts {duration_text(licence_s)}, and the drill renews it for "
                f"{duration_text(renewed_s)} after the order{gone}"
            )
        case ShutdownParams(grace_s=grace_s):
            return f"what has not stopped after {duration_text(grace_s)} is killed"
        case DecommissionParams(phase="arm", armed_for_s=armed_for_s):
            return (
                f"this only arms it, for {duration_text(armed_for_s or 0)}: each agent signs a nonce and destroys "
                "nothing. To fire takes a second warrant, approved afterwards, that quotes each nonce"
            )
        case DecommissionParams():
            return "this fires: every armed site loses its compute"
        case _:
            assert_never(params)


def passes(params: Params, step: Step, limit_s: float) -> str:
    """Say what must be seen for a site to pass, as a sentence.

    Args:
        params: The control of the step, or of a rung of its ladder.
        step: The step.
        limit_s: The response limit of that rung.
    """
    within = f"within {duration_text(limit_s)} of the order"
    if isinstance(params, LeaseParams):
        within = f"within {duration_text(limit_s)} of the end of its last licence"
    seen = f"witnesses of {owners_text(step.quorum)}"
    dwell = duration_text(step.dwell_s)
    return f"Passes if {within} {_proof(params, seen, dwell)}."


def _proof(params: Params, seen: str, dwell: str) -> str:  # noqa: PLR0911, PLR0912 - one for each control
    for_a_while = f"for {dwell}"
    match params:
        case StandbyParams():
            return (
                "its agent has proved each part of the path (authority, permissions, replay record, restore path), "
                f"and {seen} see steady state unbroken throughout"
            )
        case RefusalParams():
            return (
                "it has refused each order of the battery with the right reason, "
                f"and {seen} see steady state unbroken throughout"
            )
        case CensusParams():
            return (
                f"{seen} find that every registered accelerator answers, with none missing, unregistered or doubled, "
                "and as many as are physically counted"
            )
        case SlowdownParams():
            return (
                f"and then {for_a_while} {seen} see its work at or under the cap, and not quiet: a halt does not pass"
            )
        case RunCapParams():
            return (
                f"and then {for_a_while} {seen} see a run above the cap refused and one below it start, both submitted "
                "by the witness, and list the running jobs that are above it"
            )
        case SelectivePauseParams():
            return (
                f"and then {for_a_while} {seen} see each other class of work quiet, each protected class in its load "
                "band, and a job under a false label caught"
            )
        case PauseParams():
            return f"and then {for_a_while} {seen} see it quiet"
        case LeaseParams():
            return (
                f"and then {for_a_while} {seen} see it quiet, having seen it at work until the renewing stopped; "
                "a licence that is sent again prolongs nothing"
            )
        case IsolateParams():
            return (
                f"and then {for_a_while} {seen} see a canary fail from inside and not arrive outside, "
                "while its agent still answers"
            )
        case ShutdownParams():
            return (
                f"and then {for_a_while} {seen} see it quiet and no process of the work alive, and its receipt has the "
                "checkpoint's digest"
            )
        case PowerCutParams():
            return (
                f"and then {for_a_while} {seen}, none of them the enforcer's owner, see its power at the off level, "
                "and the power controller itself says off"
            )
        case DecommissionParams(phase="arm"):
            return f"its agent has signed the nonce, and {seen} see steady state unbroken throughout"
        case DecommissionParams():
            return f"and then for the rest of the drill {seen} find its accelerators gone from the census"
        case _:
            assert_never(params)


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
