"""Every failure with its evidence, grouped by what went wrong, and what each group means and calls for."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.grades import Cause, SiteStepResult, Verdict, explain
from orchestrator.core.wording import why
from orchestrator.evidence.result import DrillResult, SiteResult, StepResult
from orchestrator.report import figures as fig
from orchestrator.report.advice import advice
from orchestrator.report.context import Context
from orchestrator.report.markup import cells, text, verdict_cell
from protocols.reasons import TEXT

SHOWN_MAX = 100
"""Most sites of one group that are told one by one; the annex has them all."""

_HEADS = ("Site", "What was found", "Witnesses", "Its own account")
_SEVERITY = {verdict: place for place, verdict in enumerate(reversed(Verdict))}

Group = tuple[StepResult, Verdict, Cause | None]


def failures(result: DrillResult, context: Context) -> list[str]:
    """Return the section of failures."""
    groups = _groups(result)
    if not groups:
        return [
            '<section class="failures">',
            "<h2>Failures</h2>",
            "<p>None: every site of the audience is verified in every step.</p>",
            "</section>",
        ]
    parts = ['<section class="failures">', "<h2>Failures, each with its evidence</h2>"]
    for (step_number, verdict, cause), sites in groups:
        parts += _group(result.steps[step_number], verdict, cause, sites, context, many=len(result.steps) > 1)
    return [*parts, "</section>"]


def _groups(result: DrillResult) -> list[tuple[tuple[int, Verdict, Cause | None], list[SiteResult]]]:
    """Group what failed by step and cause, the loudest first."""
    groups: dict[tuple[int, Verdict, Cause | None], list[SiteResult]] = {}
    for place, step in enumerate(result.steps):
        for site in step.sites:
            if not site.result.passed:
                groups.setdefault((place, site.result.verdict, site.result.cause), []).append(site)
    return sorted(groups.items(), key=lambda entry: (_SEVERITY[entry[0][1]], entry[0][0], entry[0][2] or ""))


def _group(
    step: StepResult, verdict: Verdict, cause: Cause | None, sites: list[SiteResult], context: Context, *, many: bool
) -> Iterator[str]:
    said = advice(cause)
    where = f" in step {step.name}" if many else ""
    reason = "no stated cause" if cause is None else why(cause, sites[0].result.control)
    yield '<div class="failure">'
    head = text(f"{fig.count(len(sites), 'site')}{where}: {reason}")
    yield f"<h3>{verdict_cell(verdict)} <span>{head}</span></h3>"
    yield f'<p class="means"><strong>What it means.</strong> {text(said.means)}</p>'
    yield f'<p class="means"><strong>What to do.</strong> {text(said.do)}</p>'
    yield '<p class="due"><span>Owner</span><span>Due</span><span>Done</span></p>'
    yield '<table class="evidence">'
    columns = "".join(f'<th scope="col">{name}</th>' for name in _HEADS)
    yield f"<thead><tr>{columns}</tr></thead><tbody>"
    for site in sites[:SHOWN_MAX]:
        yield _row(site, context)
    yield "</tbody></table>"
    if len(sites) > SHOWN_MAX:
        others = len(sites) - SHOWN_MAX
        yield f'<p class="told">and {others:,} more with the same cause; the annex and result.json have each.</p>'
    yield "</div>"


def _row(site: SiteResult, context: Context) -> str:
    found = site.result
    region = context.regions.get(site.site)
    small = ", ".join(word for word in (region or "", "mock" if site.mock else "", f"owner {site.owner}") if word)
    return cells(
        f"{text(site.site)} <small>{text(small)}</small>",
        [
            (_HEADS[1], f"{text(explain(found))}{_seen(found)}"),
            (_HEADS[2], _witnesses(found)),
            (_HEADS[3], "".join(f'<span class="voice">{text(said)}</span>' for said in own_account(found))),
        ],
    )


def _seen(found: SiteStepResult) -> str:
    """Return what witnesses signed and people must read."""
    if not found.seen:
        return ""
    said = "; ".join(dict.fromkeys(f"{entry.witness} saw {entry.signal} = {entry.value}" for entry in found.seen))
    return f'<span class="seen">{text(said)}</span>'


def _witnesses(found: SiteStepResult) -> str:
    lines = []
    for names, word, tone in (
        (found.agreeing, "as ordered", "good"),
        (found.dissenting, "otherwise", "loud"),
        (found.unknown, "not known", ""),
    ):
        if names:
            lines.append(f'<span class="voice {tone}"><b>{word}</b> {text(", ".join(names))}</span>')
    lines.append(f'<span class="voice">evidence: {text(fig.word(found.grade))}</span>')
    if not found.preflight_ok:
        lines.append('<span class="voice">not seen at work before</span>')
    return "".join(lines)


def own_account(found: SiteStepResult) -> list[str]:
    """Say in clauses what who acted there signed, with when it arrived after the order. It proves no halt."""
    receipts = found.receipts
    said = [
        f"{word} at {fig.upper(at_ns)} s"
        for word, at_ns in (
            ("accepted", receipts.accepted_ns),
            ("reported done", receipts.halted_ns),
            ("reported restored", receipts.restored_ns),
        )
        if at_ns is not None
    ]
    if receipts.refused is not None:
        said.append(f"refused: {TEXT[receipts.refused]}")
    if receipts.failed is not None:
        said.append(f"failed: {TEXT[receipts.failed]}")
    said += [f"{proof.step}: {proof.detail or 'would not work'}" for proof in receipts.proofs if not proof.ok]
    if receipts.checkpoint is not None:
        said.append(f"checkpoint {receipts.checkpoint[:16]}")
    if found.battery:
        said.append(f"{sum(answer.right for answer in found.battery)} of {len(found.battery)} forged orders refused")
    return said or ["it answered nothing"]
