"""Says in lines what a verification found: what was exercised in each step, climbs, and refusals."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.battery import BatteryCase
from orchestrator.core.grades import RungResult, SiteStepResult, explain
from orchestrator.core.wording import why
from orchestrator.evidence.findings import VerifyReport
from orchestrator.evidence.result import DrillResult, SiteResult, StepResult
from orchestrator.report import figures as fig
from protocols.controls import Control, Params, words

_HALTED = frozenset({Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT})


def told(found: VerifyReport) -> str:
    """Say a verification's outcome in lines."""
    lines = []
    if found.verified and found.result is not None:
        lines.append(_headline(found.result))
        lines += _checked(found, found.result)
        for step in found.result.steps:
            lines += _step(step)
    else:
        lines.append(f"evidence NOT verified: {fig.count(len(found.findings) + found.more, 'failure')}")
        lines += [f"  {finding}" for finding in found.findings]
        if found.more:
            lines.append(f"  and {found.more} more")
    lines += [f"note: {note}" for note in found.notes]
    return fig.plain_lines(lines)


def _headline(result: DrillResult) -> str:
    outcome = "the drill passed" if result.passed else "the drill did NOT pass"
    return f"evidence verified; {outcome}" + (" (DEMO fleet: all keys were made in one place)" if result.demo else "")


def _checked(found: VerifyReport, result: DrillResult) -> list[str]:
    counts = found.counts
    return [
        f"  drill {result.drill}, plan {result.plan}, use {result.use}",
        f"  approved by {', '.join(result.approved_by)} ({fig.count(result.threshold, 'owner')} needed)",
        (
            f"  checked {counts.records} journal records, {counts.envelopes} signed envelopes, "
            f"{counts.events.get('reading.received', 0)} readings, {counts.verdicts} verdicts"
        ),
    ]


def named(params: Params) -> str:
    """Return a control with what its parameters mean, as `shutdown (what has not stopped after 10 s is killed)`."""
    meaning = words(params)
    control = params.control.replace("_", " ")
    return f"{control} ({meaning})" if meaning else control


def _step(step: StepResult) -> Iterator[str]:
    ladder = "".join(f", then {named(rung.params)}" for rung in step.ladder)
    yield f"  step {step.name}, {named(step.params)}{ladder}:"
    yield from _battery(step)
    climbed = sum(bool(site.result.rungs) for site in step.sites)
    if step.ladder:
        yield f"    {climbed} of {fig.count(len(step.sites), 'site')} climbed the ladder"
    for site in step.sites:
        yield from _site(site)


def _battery(step: StepResult) -> Iterator[str]:
    """Say which orders were refused, and where one was not."""
    answers = [answer for site in step.sites for answer in site.result.battery]
    if not answers:
        return
    cases = ", ".join(_plain(case) for case in BatteryCase if any(answer.case is case for answer in answers))
    right = sum(answer.right for answer in answers)
    yield f"    refused with the right reason {right} of {fig.count(len(answers), 'time')}: {cases}"
    for site in step.sites:
        for answer in site.result.battery:
            if answer.obeyed:
                yield f"    {site.site} OBEYED the {_plain(answer.case)} order"
            elif not answer.right:
                said = f"refused it as {answer.refused}" if answer.refused is not None else "did not answer it"
                yield f"    {site.site}, {_plain(answer.case)} order: {said}"


def _plain(case: BatteryCase) -> str:
    return case.replace("_", " ")


def _site(site: SiteResult) -> Iterator[str]:
    result = site.result
    yield f"    {site.site}: {_done(result) if result.passed else explain(result)}"
    for rung in result.rungs:
        yield f"      rung {rung.rung}, {rung.control.replace('_', ' ')}: {_rung(rung)}"
    if result.rungs and result.total_upper_ns is not None:
        yield f"      halted at most {fig.upper(result.total_upper_ns)} s after the step's first order"


def _done(result: SiteStepResult) -> str:
    response = fig.interval(result.response_lower_ns, result.response_upper_ns)
    if result.response_upper_ns is None:
        return "verified"
    if result.control in _HALTED:
        return f"verified, halted in {response}"
    if result.control is Control.LEASE:
        return f"verified, halted {response} after its last licence had run out"
    return f"verified, as ordered in {response}"


def _rung(rung: RungResult) -> str:
    said = fig.word(rung.verdict)
    if rung.response_upper_ns is not None:
        said += f" in {fig.interval(rung.response_lower_ns, rung.response_upper_ns)} of its own order"
    if rung.why_next is not None:
        said += f"; it climbed because {why(rung.why_next, rung.control)}"
    return said
