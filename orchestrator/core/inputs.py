"""What the judgement on one site depends on, taken out of a drill's state: rung by rung."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.core.battery import EXPECTED, BatteryCase, CaseAnswer
from orchestrator.core.judge import ReceiptSeen, StepInputs
from orchestrator.core.runs import CaseRun, StepRun
from orchestrator.core.samples import Instant
from protocols.controls import CATALOGUE, Actor, LeaseParams, Params, control_of
from protocols.ids import seconds_to_ns
from protocols.messages import AGENT, Outcome, Receipt
from protocols.reasons import PROVOCABLE

if TYPE_CHECKING:
    from orchestrator.core.drill import Drill


def actor_of(params: Params) -> Actor:
    """Return who acts on a control."""
    return CATALOGUE[control_of(params)].actor


def is_of(receipt: Receipt, actor: Actor) -> bool:
    """Tell whether a receipt is the agent's or, for an enforcer's control, any enforcer's."""
    return (receipt.by == AGENT) == (actor is Actor.AGENT)


def rung_inputs(drill: Drill, number: int, site: str, *, final: bool) -> tuple[StepInputs, ...]:
    """Return what the judgement on one site and one step depends on, for each rung that was ordered there.

    Args:
        drill: The drill.
        number: The step; one that never began counts as not ordered.
        site: A site of the audience.
        final: Whether the drill is over, so that closings are demanded.
    """
    run = drill.steps[number] if number < len(drill.steps) else StepRun(number, preflight_from=drill.now)
    first = _first_inputs(drill, run, site, final=final)
    rungs = [first]
    for climb in run.rungs.get(site, ()):
        rungs[-1] = replace(rungs[-1], climbed=climb.ordered, why_next=climb.why)
        params = first.step.rungs[climb.number].params
        rungs.append(
            replace(
                first,
                rung=climb.number,
                ordered=climb.ordered,
                published=climb.published,
                receipts=tuple(_receipts(drill, run, site, climb.digest, actor_of(params))),
            )
        )
    return tuple(rungs)


def _first_inputs(drill: Drill, run: StepRun, site: str, *, final: bool) -> StepInputs:
    record, step = drill.trust.records[site], drill.warrant.steps[run.number]
    names = [witness.name for witness in record.witnesses]
    return StepInputs(
        record=record,
        step=step,
        tracks={name: drill.tracks[site, name] for name in names},
        issues=drill.issued,
        preflight_from=run.preflight_from,
        ordered=run.ordered,
        published=run.published,
        released=run.released,
        release_published=run.release_published,
        ended=run.ended or drill.now,
        receipts=tuple(_receipts(drill, run, site, run.order_digest, actor_of(step.params))),
        closed=frozenset(name for name in names if drill.closed(site, name)) if final else None,
        aborted=drill.aborted,
        expires=_expires(run, site, step.params),
        stopped=run.lease.stopped,
        battery=battery_answers(drill, run, site),
    )


def _receipts(drill: Drill, run: StepRun, site: str, digest: str, actor: Actor) -> Iterator[ReceiptSeen]:
    """Yield what who acts on a rung said of its order.

    A refusal that came after the step was over answers somebody's replay of the order, or ours.
    """
    for arrival, receipt in drill.receipts.get(site, ()):
        if not digest or receipt.order != digest or not is_of(receipt, actor):
            continue
        if receipt.outcome is Outcome.REFUSED and run.ended is not None and arrival > run.ended:
            continue
        yield ReceiptSeen(receipt.outcome, arrival, receipt.reason, receipt.proofs, receipt.checkpoint, receipt.armed)


def _expires(run: StepRun, site: str, params: Params) -> Instant | None:
    """Return by when a site's last licence had surely expired, once nothing is renewed any more."""
    if not isinstance(params, LeaseParams) or run.lease.stopped is None:
        return None
    last = run.lease.answered.get(site) or run.published or run.ordered
    return None if last is None else last.plus(seconds_to_ns(params.licence_s))


def battery_answers(drill: Drill, run: StepRun, site: str) -> tuple[CaseAnswer, ...]:
    """Return how a site answered each order of a refusal battery so far."""
    return tuple(_case_answer(drill, run, case, site) for case in run.battery)


def _case_answer(drill: Drill, run: StepRun, case: CaseRun, site: str) -> CaseAnswer:
    """Return how a site answered one order of the battery.

    A wrong reason that somebody on the way can provoke takes nothing from the right one.
    """
    reasons, obeyed = [], False
    for arrival, receipt in drill.receipts.get(site, ()):
        if receipt.order != case.digest or receipt.by != AGENT:
            continue
        if case.case is BatteryCase.REPLAYED and (run.released is None or arrival < run.released):
            continue  # it answered the same bytes when they were meant
        if receipt.outcome is Outcome.REFUSED and receipt.reason is not None:
            reasons.append(receipt.reason)
        obeyed = obeyed or receipt.outcome in {Outcome.ACCEPTED, Outcome.HALTED}
    firm = [reason for reason in reasons if reason not in PROVOCABLE - {EXPECTED[case.case]}]
    first = next(iter(firm or reasons), None)
    return CaseAnswer(case=case.case, refused=first, obeyed=obeyed)
