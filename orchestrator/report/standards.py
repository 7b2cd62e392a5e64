"""Where a report holds what four outside documents ask a record of such a test to hold.

Cited by number and paraphrased: OWASP AISVS 1.0 (chapter C9, section 9.6), Regulation (EU) 2024/1689,
IEC 61511-1:2016, and HSEEP (January 2020). A map of contents is no claim that anybody conforms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.evidence.result import DrillResult, StepResult
from orchestrator.report import figures as fig
from orchestrator.report.markup import named
from orchestrator.report.wording import comes_back, told
from protocols.controls import CATALOGUE, Actor, Control, control_of


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause.

    Attributes:
        number: How it is cited.
        asks: What it asks for, in our words.
        here: What this report holds on it, with this drill's figures.
        lacking: What it asks for beyond what a drill can show; empty if nothing.
    """

    number: str
    asks: str
    here: str
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One outside document."""

    name: str
    clauses: tuple[Clause, ...]


def mapping(result: DrillResult) -> tuple[Source, ...]:
    """Return the map of a report's contents."""
    return (_aisvs(result), _ai_act(result), _proof_test(result), _after_action(result))


def _aisvs(result: DrillResult) -> Source:
    outside = any(CATALOGUE[control].actor is Actor.ENFORCER for control in _ordered(result))
    beyond = (
        "A rung of this drill was acted on by enforcers, which sit outside the sites' own systems."
        if outside
        else "No enforcer acted in this drill."
    )
    return Source(
        "OWASP AISVS 1.0, C9.6: shutdown and graceful degradation",
        (
            Clause(
                "9.6.1",
                "People can halt inference and output at once, by hand.",
                f"{_stopped(result)} What each control stops is in its step; times are in the annex.",
                "Which models run at a site is not recorded: a drill halts the site's work as a whole, or by class.",
            ),
            Clause(
                "9.6.2",
                "An action that waits for a human approval is blocked if none comes in time.",
                f"Every order leant on a warrant that {_approved(result)}, valid to {fig.when(result.not_after)}. "
                "Each agent checks approvals and expiry itself, and refuses without.",
                "" if _has_battery(result) else "This drill sent no expired or unapproved order to show the refusal.",
            ),
            Clause(
                "9.6.3",
                "The order to halt travels out of band, apart from the runtime that it stops.",
                f"Agents, witnesses and enforcers have keys and connections of their own. {beyond}",
                "That the network path is separate at a site is for its operator to show.",
            ),
        ),
    )


def _ai_act(result: DrillResult) -> Source:
    return Source(
        "Regulation (EU) 2024/1689 (AI Act), Article 14: human oversight",
        (
            Clause(
                "14(4)(e)",
                "Whoever oversees a high-risk system can intervene or interrupt it by a stop, to a safe state.",
                f"{_stopped(result)} {_came_back(result)} Any single approver could abort at any time"
                f"{': one did' if result.aborted else ''}.",
                "Whether a system is high-risk, and what state is safe for it, is for its provider and deployer.",
            ),
        ),
    )


def _proof_test(result: DrillResult) -> Source:
    judged = [site for step in result.steps for site in step.sites]
    ready = sum(site.result.preflight_ok for site in judged)
    failed = result.totals.judged - result.totals.passed
    return Source(
        "IEC 61511-1:2016, 16.3.3: record of a proof test",
        (
            Clause(
                "(a)",
                "What was tested, and how.",
                "; ".join(f"{step.name}: {fig.goals(step)}" for step in result.steps[:6])
                + ("; and more, see each step" if len(result.steps) > 6 else ""),  # noqa: PLR2004 - fits a cell
            ),
            Clause("(b)", "The dates.", f"{fig.when(result.opened_at)} to {fig.when(result.ended_at)}"),
            Clause(
                "(c)",
                "Who did the test.",
                f"Conducted by {result.dispatcher_owner} (key {result.dispatcher[:16]}); {_approved(result)}.",
                "Persons: by hand, on the signature lines.",
            ),
            Clause(
                "(d)",
                "What identifies the system tested.",
                f"Fleet {result.fleet[:16]}, {fig.count(result.totals.sites, 'site')} listed in the annex; "
                f"warrant {result.warrant[:16]}, use {result.use}; drill {result.drill}.",
            ),
            Clause(
                "(e) as found",
                "The condition before the test, and the faults found.",
                f"Before their orders a quorum saw {ready:,} of {len(judged):,} as they should be, with load in band. "
                f"{fig.count(failed, 'verdict')} other than verified, each under failures with its cause.",
            ),
            Clause(
                "(e) as left",
                "The condition afterwards.",
                _came_back(result),
                "Repairs after the drill are recorded elsewhere.",
            ),
        ),
    )


def _after_action(result: DrillResult) -> Source:
    verified, judged = result.totals.passed, result.totals.judged
    return Source(
        "HSEEP 2020: after-action report and improvement plan",
        (
            Clause(
                "Exercise overview",
                "Name, dates, scope, objectives, sponsor, who took part.",
                f"First page: {result.title}. Operations-based, a drill. Objectives: what each step asks. Sites, "
                "with their verdicts, are in the annex.",
            ),
            Clause(
                "Analysis of capabilities",
                "How well each objective was met, with strengths and areas for improvement.",
                f"Strengths: {verified:,} of {judged:,} verdicts verified, by step. Areas for improvement: failures, "
                "grouped by cause, with analysis.",
                "Ratings by evaluators who were present.",
            ),
            Clause(
                "Improvement plan",
                "Corrective actions, each with an owner and dates.",
                "What to do stands with each failure.",
                "Owners and dates are agreed after the drill; lines for them are with the failures.",
            ),
            Clause("Appendices", "Participants and supporting data.", "Annex of sites; evidence bundle; result.json."),
        ),
    )


def _ordered(result: DrillResult) -> Iterator[Control]:
    """Yield every control that was ordered anywhere, its rungs included."""
    for step in result.steps:
        if step.ordered:
            yield control_of(step.params)
        for site in step.sites:
            yield from (rung.control for rung in site.result.rungs)


def _has_battery(result: DrillResult) -> bool:
    return any(site.result.battery for step in result.steps for site in step.sites)


def _approved(result: DrillResult) -> str:
    return f"{', '.join(result.approved_by)} approved ({fig.count(result.threshold, 'owner')} needed)"


def _stopped(result: DrillResult) -> str:
    """Say how many were proved halted by the controls that halt."""
    halting = [step for step in result.steps if step.ordered and told(step.params).proved == "halted"]
    if not halting:
        return "No step of this drill ordered a halt."
    sites = [site.result for step in halting for site in step.sites]
    seen = sum(found.halted for found in sites)
    return f"Halts were ordered and {seen:,} of {len(sites):,} were witnessed."


def _came_back(result: DrillResult) -> str:
    """Say what was left behind."""
    returning = [step for step in result.steps if step.ordered and comes_back(step.params)]
    if not returning:
        return "Nothing was ordered that had to be undone."
    sites = [site.result for step in returning for site in step.sites]
    back = sum(found.restore_upper_ns is not None for found in sites)
    open_ones = sorted({name for step in returning for name in not_seen_back(step)})
    said = f"After release {back:,} of {len(sites):,} were witnessed back."
    return said if not open_ones else f"{said} Left open: {named(open_ones)}."


def not_seen_back(step: StepResult) -> list[str]:
    """Return the sites that may have done as ordered, and were not witnessed back."""
    return [
        site.site
        for site in step.sites
        if site.result.restore_upper_ns is None
        and (site.result.halted or site.result.receipts.accepted_ns is not None or site.result.receipts.halted_ns)
    ]
