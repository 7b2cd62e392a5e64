"""Results made by hand: one drill with a step of every kind that a report shows in its own way."""

from __future__ import annotations

from functools import cache
from typing import Any

from orchestrator.core.battery import EXPECTED, BatteryCase, CaseAnswer
from orchestrator.core.grades import Cause, Grade, ReceiptSummary, RungResult, SignalSeen, SiteStepResult, Verdict
from orchestrator.evidence.result import DrillResult, RungStated, SiteResult, StepResult, ToleranceResult
from protocols.controls import (
    ArmedSite,
    Control,
    DecommissionParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    StandbyParams,
    control_of,
)
from protocols.messages import Proof
from protocols.reasons import Reason
from tests.orchestrator.coverage.journals import judged
from tests.orchestrator.recorder import record_drill

S_NS = 1_000_000_000
SITES = ("alpha", "beta", "delta", "gamma")
NONCE = "0123456789abcdef" * 2
DIGEST = "cd" * 32
HOSTILE = "<img src=x onerror=alert(1)>\u202e"


def step(number: int, params: Params, results: dict[str, SiteStepResult], **changes: Any) -> StepResult:
    """Make a step; sites that are not in `results` are verified."""
    control = control_of(params)
    fields: dict[str, Any] = {
        "step": number,
        "name": f"step-{number}",
        "params": params,
        "ordered": True,
        "hold_ns": 60 * S_NS,
        "response_limit_ns": 5 * S_NS,
        "dwell_ns": 2 * S_NS,
        "restore_limit_ns": 10 * S_NS,
        "max_gap_ns": S_NS,
        "quorum": 2,
        "sites": tuple(
            SiteResult(
                site=site,
                owner=f"owner-{site}",
                mock=control is Control.DECOMMISSION,
                tolerates=ToleranceResult(owners=3, false_quiet=1, absent=1, false_active=0),
                result=results.get(site, judged(control=control)),
            )
            for site in SITES
        ),
    }
    return StepResult(**(fields | changes))


def rung(number: int, control: Control, verdict: Verdict, cause: Cause | None, **changes: Any) -> RungResult:
    """Make what one rung did."""
    fields: dict[str, Any] = {
        "rung": number,
        "control": control,
        "verdict": verdict,
        "cause": cause,
        "response_lower_ns": None,
        "response_upper_ns": None,
        "response_limit_s": 5.0 * (number + 1),
    }
    return RungResult(**(fields | changes))


LADDER = (
    RungStated(rung=1, params=ShutdownParams(), response_limit_ns=10 * S_NS),
    RungStated(rung=2, params=PowerCutParams(), response_limit_ns=15 * S_NS),
)
_PAUSED = rung(0, Control.PAUSE, Verdict.REFUSED, Cause.REFUSED, why_next=Cause.REFUSED)
_DEAF = rung(1, Control.SHUTDOWN, Verdict.UNPROVEN, Cause.SILENT, why_next=Cause.SILENT)
_STOPPED = {"response_lower_ns": 3 * S_NS, "response_upper_ns": 4 * S_NS}


def ladder_step(number: int = 0) -> StepResult:
    """Make a ladder of three rungs: beta climbed to the second, gamma to the third."""
    second = rung(1, Control.SHUTDOWN, Verdict.VERIFIED, None, **_STOPPED)
    third = rung(2, Control.POWER_CUT, Verdict.VERIFIED, None, **_STOPPED)
    results = {
        "beta": judged(
            Verdict.LATE,
            cause=Cause.ESCALATED,
            control=Control.SHUTDOWN,
            rung=1,
            rungs=(_PAUSED, second),
            total_upper_ns=9 * S_NS,
            **_STOPPED,
        ),
        "gamma": judged(
            Verdict.LATE,
            cause=Cause.ESCALATED,
            control=Control.POWER_CUT,
            rung=2,
            rungs=(_PAUSED.model_copy(update={"why_next": Cause.SILENT}), _DEAF, third),
            total_upper_ns=21 * S_NS,
            **_STOPPED,
        ),
    }
    return step(number, PauseParams(), results, ladder=LADDER)


def proofs(*, replay_ok: bool = True) -> tuple[Proof, ...]:
    """Make the proofs of a standby."""
    return (
        Proof(step="authority", ok=True, detail="the warrant has 2 of 2 owners"),
        Proof(step="permissions", ok=True, detail="may signal 3 of 3 processes"),
        Proof(step="replay-record", ok=replay_ok, detail="" if replay_ok else f"disk full {HOSTILE}"),
        Proof(step="restore-path", ok=True, detail="may continue 3 of 3 processes"),
    )


def standby_step(number: int = 0) -> StepResult:
    """Make a standby in which beta could not have kept its replay record."""
    fields = {"control": Control.STANDBY, "grade": Grade.HELD}
    results = {site: judged(receipts=ReceiptSummary(proofs=proofs()), **fields) for site in SITES}
    results["beta"] = judged(
        Verdict.UNPROVEN,
        **(fields | {"cause": Cause.PROOF_FAILED}),
        receipts=ReceiptSummary(proofs=proofs(replay_ok=False)),
    )
    return step(number, StandbyParams(), results)


def refusal_step(number: int = 0) -> StepResult:
    """Make a battery: beta obeyed a forged order, gamma named a wrong reason and left one unanswered."""
    right = tuple(CaseAnswer(case=case, refused=EXPECTED[case]) for case in BatteryCase)
    obeyed = (CaseAnswer(case=BatteryCase.FORGED, obeyed=True), *right[1:])
    wrong = (
        right[0],
        CaseAnswer(case=BatteryCase.TAMPERED, refused=Reason.EXPIRED),
        CaseAnswer(case=BatteryCase.EXPIRED),
    )
    fields = {"control": Control.REFUSAL, "response_lower_ns": None, "response_upper_ns": None}
    results = {site: judged(battery=right, **fields) for site in SITES}
    results["beta"] = judged(Verdict.CONTRADICTED, battery=obeyed, **(fields | {"cause": Cause.OBEYED}))
    results["gamma"] = judged(
        Verdict.UNPROVEN, battery=(*wrong, *right[3:]), **(fields | {"cause": Cause.WRONG_REASON})
    )
    return step(number, RefusalParams(), results)


def other_steps(first: int = 0) -> list[StepResult]:
    """Make a run cap with jobs above it, a shutdown with checkpoints, an arming, a firing, a selective pause."""
    jobs = SignalSeen(witness="w1", signal="runs_over_cap", value="train-7b,train-70b")
    stopped = judged(control=Control.SHUTDOWN, receipts=ReceiptSummary(checkpoint=DIGEST))
    armed = judged(control=Control.DECOMMISSION, receipts=ReceiptSummary(armed=NONCE))
    arm = DecommissionParams(phase="arm", armed_for_s=3600.0)
    fire = DecommissionParams(phase="fire", armed=tuple(ArmedSite(site=site, nonce=NONCE) for site in SITES))
    return [
        step(first, RunCapParams(), {"alpha": judged(control=Control.RUN_CAP, seen=(jobs,))}),
        step(first + 1, ShutdownParams(), dict.fromkeys(SITES, stopped)),
        step(first + 2, arm, dict.fromkeys(SITES, armed)),
        step(first + 3, fire, {}),
        step(first + 4, SelectivePauseParams(protected=("evals", "interpretability")), {}),
    ]


@cache
def _recorded() -> DrillResult:
    """Return the drill that the made ones are changes of."""
    return record_drill().result


def drill_of(*steps: StepResult) -> DrillResult:
    """Make a drill of these steps."""
    base = _recorded()
    numbered = tuple(made.model_copy(update={"step": number}) for number, made in enumerate(steps))
    judgements = [site.result for made in numbered for site in made.sites]
    passed = sum(result.passed for result in judgements)
    totals = base.totals.model_copy(
        update={"sites": len(SITES), "steps": len(steps), "judged": len(judgements), "passed": passed}
    )
    return base.model_copy(
        update={"steps": numbered, "totals": totals, "audience": SITES, "passed": passed == len(judgements)}
    )


def whole_drill() -> DrillResult:
    """Make a drill with every kind of step."""
    return drill_of(standby_step(), refusal_step(), ladder_step(), *other_steps())
