"""The parts of a step's report that only some controls have: ladder, battery, proofs, nonces, checkpoints.

Each returns nothing where there is nothing to show.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median_high

from orchestrator.core.battery import EXPECTED, BatteryCase
from orchestrator.core.results import RungResult, Verdict
from orchestrator.core.wording import why
from orchestrator.evidence.result import DrillResult, StepResult
from orchestrator.report import figures as fig
from orchestrator.report.markup import named, table, text
from orchestrator.report.wording import described, phase_of, told
from protocols.controls import control_of
from protocols.reasons import TEXT


def more(step: StepResult) -> list[str]:
    """Return every such part of a step."""
    return [*_rungs(step), *_climbs(step), *_battery(step), *_proofs(step), *_armed(step), *_kept(step), *_listed(step)]


def distribution(result: DrillResult) -> list[str]:
    """Return one line of figures for each control that was exercised, over its sites."""
    rows = []
    for step in result.steps:
        for rung in range(len(step.ladder) + 1):
            found = _of_rung(step, rung)
            if found:
                rows.append(_figures(step, rung, found))
    if len(rows) < 2:  # noqa: PLR2004 - one row would only repeat the step's own table
        return []
    heads = ("Control", "Step", "Sites", "Verified", "Median, at most", "Slowest, at most", "Limit")
    said = "What was exercised. A control without a response time shows none."
    return table(said, heads, rows, figures=(2, 3, 4, 5, 6))


def _of_rung(step: StepResult, rung: int) -> list[RungResult]:
    """Return what one rung of a step found at each site where it was ordered."""
    found = []
    for site in step.sites:
        result = site.result
        climbed = [entry for entry in result.rungs if entry.rung == rung]
        if not result.rungs and rung == 0 and step.ordered:
            climbed = [
                RungResult(
                    rung=0,
                    control=control_of(step.params),
                    verdict=result.verdict,
                    cause=result.cause,
                    response_lower_ns=result.response_lower_ns,
                    response_upper_ns=result.response_upper_ns,
                    response_limit_s=step.response_limit_ns / 1e9,
                )
            ]
        found += climbed
    return found


def _figures(step: StepResult, rung: int, found: list[RungResult]) -> list[str]:
    params = step.params if rung == 0 else step.ladder[rung - 1].params
    uppers_ns = [entry.response_upper_ns for entry in found if entry.response_upper_ns is not None]
    timed = told(params).timed and uppers_ns
    return [
        text(phase_of(params)),
        text(step.name + (f", rung {rung + 1}" if step.ladder else "")),
        str(len(found)),
        str(sum(entry.verdict is Verdict.VERIFIED for entry in found)),
        f"{fig.upper(median_high(uppers_ns))} s" if timed else fig.NOTHING,
        f"{fig.upper(max(uppers_ns))} s" if timed else fig.NOTHING,
        text(fig.duration(fig.rung_limit_ns(step, rung))),
    ]


def _rungs(step: StepResult) -> Iterator[str]:
    if not step.ladder:
        return
    yield "<h3>The ladder</h3><ol>"
    for rung in range(len(step.ladder) + 1):
        params = step.params if rung == 0 else step.ladder[rung - 1].params
        reached = len(_of_rung(step, rung))
        limit = fig.duration(fig.rung_limit_ns(step, rung))
        yield f"<li>{text(described(params))}, within {text(limit)}: ordered at {fig.count(reached, 'site')}</li>"
    yield "</ol>"


def _climbs(step: StepResult) -> list[str]:
    rows = []
    for site, result in fig.escalated(step):
        rows += [
            [
                text(site),
                text(fig.rung_words(step, entry.rung)),
                text(fig.word(entry.verdict)),
                text(fig.interval(entry.response_lower_ns, entry.response_upper_ns)),
                text(fig.duration(fig.rung_limit_ns(step, entry.rung))),
                text("" if entry.why_next is None else why(entry.why_next, entry.control)),
            ]
            for entry in result.rungs
        ]
        total = fig.NOTHING if result.total_upper_ns is None else f"at most {fig.upper(result.total_upper_ns)} s"
        rows.append([text(site), "<em>in all, from the first order</em>", "", text(total), "", ""])
    heads = ("Site", "Rung", "Verdict", "Response", "Limit", "Climbed on because")
    return table("Sites that climbed. Each rung's time counts from its own order.", heads, rows)


def _battery(step: StepResult) -> list[str]:
    rows = []
    answered = [(site.site, answer) for site in step.sites for answer in site.result.battery]
    for case in BatteryCase:
        of_case = [(site, answer) for site, answer in answered if answer.case is case]
        wrong = []
        for site, answer in of_case:
            if answer.obeyed:
                wrong.append(f"{site} OBEYED it")
            elif answer.refused is None:
                wrong.append(f"{site} answered nothing")
            elif not answer.right:
                wrong.append(f"{site} said: {TEXT[answer.refused]}")
        if of_case:
            right = sum(answer.right for _, answer in of_case)
            rows.append(
                [
                    text(case.replace("_", " ")),
                    text(TEXT[EXPECTED[case]]),
                    f"{right} of {len(of_case)}",
                    f'<strong class="loud">{text("; ".join(wrong))}</strong>' if wrong else fig.NOTHING,
                ]
            )
    heads = ("Order", "Right reason to refuse it", "Refused so", "Otherwise")
    return table("Orders that nobody may obey, and how they were answered.", heads, rows)


def _proofs(step: StepResult) -> list[str]:
    given = [(site.site, proof) for site in step.sites for proof in site.result.receipts.proofs]
    rows = []
    for name in dict.fromkeys(proof.step for _, proof in given):
        of_step = [(site, proof) for site, proof in given if proof.step == name]
        failed = [f"{site}: {proof.detail or 'no'}" for site, proof in of_step if not proof.ok]
        details = list(dict.fromkeys(proof.detail for _, proof in of_step if proof.ok and proof.detail))
        rows.append(
            [
                text(name.replace("-", " ")),
                f"{len(of_step) - len(failed)} of {len(of_step)}",
                text(details[0] if len(details) == 1 else f"{len(details)} different accounts" if details else ""),
                f'<strong class="loud">{text("; ".join(failed))}</strong>' if failed else fig.NOTHING,
            ]
        )
    heads = ("Part of the path", "Would work at", "What was done", "Would not work")
    return table("Signed proofs of the path, part by part; each party's own account.", heads, rows)


def _armed(step: StepResult) -> list[str]:
    rows = [
        [text(site.site), f"<code>{text(site.result.receipts.armed)}</code>"]
        for site in step.sites
        if site.result.receipts.armed is not None
    ]
    return table("Armed. A second warrant fires only if it quotes these nonces.", ("Site", "Nonce"), rows)


def _kept(step: StepResult) -> list[str]:
    rows = [
        [text(site.site), f"<code>{text(site.result.receipts.checkpoint)}</code>"]
        for site in step.sites
        if site.result.receipts.checkpoint is not None
    ]
    return table("Checkpoints, as the sites report them.", ("Site", "SHA-256"), rows)


def _listed(step: StepResult) -> Iterator[str]:
    """List what witnesses of sites that passed named; what failed is told with its verdict."""
    said: dict[str, list[str]] = {}
    for site in step.sites:
        for value in dict.fromkeys(f"{entry.signal}: {entry.value}" for entry in site.result.seen):
            if site.result.passed:
                said.setdefault(value, []).append(site.site)
    if said:
        yield "<h3>Also listed by witnesses</h3><ul>"
        for value, sites in said.items():
            yield f"<li>{text(value)} ({text(named(sites))})</li>"
        yield "</ul>"
