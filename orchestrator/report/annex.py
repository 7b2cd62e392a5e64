"""The annex: every site of every step with its figures, in tables that a browser lays out only when seen."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.grades import Verdict
from orchestrator.evidence.result import DrillResult, SiteResult, StepResult
from orchestrator.report import figures as fig
from orchestrator.report.context import Context
from orchestrator.report.markup import text, verdict_cell
from orchestrator.report.wording import comes_back, told

CHUNK = 200
"""Sites of one table. A browser is slow to lay out one of ten thousand rows."""

_ROW_PX = 34

_HEADS = (
    ("Site", ""),
    ("Verdict", ""),
    ("Evidence", ""),
    ("Response", "n"),
    ("Seen for", "n"),
    ("Back after", "n"),
    ("Witnesses", ""),
)


def annex(result: DrillResult, context: Context) -> list[str]:
    """Return the annex."""
    parts = ['<section class="annex">', "<h2>Annex: every site</h2>", *_key(result)]
    for step in result.steps:
        parts += _step(step, context, many=len(result.steps) > 1)
    return [*parts, "</section>"]


def _key(result: DrillResult) -> list[str]:
    """Say what the words mean that occur in it."""
    given = {site.result.grade for step in result.steps for site in step.sites}
    said = [
        f"<b>{text(fig.word(grade))}</b>: {text(fig.GRADE_WORDS[grade])}" for grade in fig.GRADE_WORDS if grade in given
    ]
    return [
        f'<p class="key">Evidence, from least to most: {"; ".join(said)}.',
        "Witnesses: + as ordered, \u2212 otherwise, ? not known. Times are intervals, rounded outward.</p>",
    ]


def _step(step: StepResult, context: Context, *, many: bool) -> Iterator[str]:
    limits = f"Response limit {fig.duration(step.response_limit_ns)}"
    if step.ladder:
        limits += ", of the rungs " + ", ".join(fig.duration(rung.response_limit_ns) for rung in step.ladder)
    if comes_back(step.params):
        limits += f"; restore limit {fig.duration(step.restore_limit_ns)}"
    name = f"Step {step.step + 1}: {step.name}" if many else step.name
    yield f"<h3>{text(name)} <span>{text(limits)}</span></h3>"
    for first in range(0, len(step.sites), CHUNK):
        yield from _table(step, step.sites[first : first + CHUNK], first, context)


def _table(step: StepResult, sites: tuple[SiteResult, ...], first: int, context: Context) -> Iterator[str]:
    size = f' style="contain-intrinsic-size:auto {len(sites) * _ROW_PX}px"' if len(step.sites) > CHUNK else ""
    yield f'<div class="wide chunk" tabindex="0"{size}><table class="sites">'
    if len(step.sites) > CHUNK:
        last = first + len(sites)
        said = f"{first + 1:,} to {last:,} of {len(step.sites):,}: {sites[0].site} to {sites[-1].site}"
        yield f"<caption>{text(said)}</caption>"
    heads = "".join(
        f'<th scope="col" class="{tone}">{name}</th>' if tone else f'<th scope="col">{name}</th>'
        for name, tone in _HEADS
    )
    yield f"<thead><tr>{heads}</tr></thead><tbody>"
    for site in sites:
        yield _row(site, step, context)
    yield "</tbody></table></div>"


def _row(site: SiteResult, step: StepResult, context: Context) -> str:
    found = site.result
    params = step.params if found.rung == 0 else step.ladder[found.rung - 1].params
    notes = [word for word in (context.regions.get(site.site, ""), "mock" if site.mock else "") if word]
    small = f" <small>{text(', '.join(notes))}</small>" if notes else ""
    response = fig.interval(found.response_lower_ns, found.response_upper_ns)
    if found.response_upper_ns is None and step.ordered and told(params).timed:
        response = f"not seen {told(params).proved}"
    recovery = fig.interval(found.restore_lower_ns, found.restore_upper_ns) if comes_back(params) else fig.NOTHING
    return (
        f'<tr><th scope="row">{text(site.site)}{small}</th><td>{_verdict(site, step)}</td>'
        f'<td>{fig.word(found.grade)}</td><td class="n">{text(response)}</td>'
        f'<td class="n">{fig.NOTHING if found.dwell_ns is None else fig.lower(found.dwell_ns) + " s"}</td>'
        f'<td class="n">{text(recovery)}</td><td>{_voices(site)}</td></tr>'
    )


def _verdict(site: SiteResult, step: StepResult) -> str:
    found = site.result
    said = verdict_cell(found.verdict)
    if found.verdict is not Verdict.VERIFIED and found.cause is not None:
        said += f" <small>{text(found.cause.replace('_', ' '))}</small>"
    if found.rungs:
        said += f" <small>rung {text(fig.rung_words(step, found.rung))}</small>"
    return said


def _voices(site: SiteResult) -> str:
    found = site.result
    counts = ((len(found.agreeing), "+"), (len(found.dissenting), "\u2212"), (len(found.unknown), "?"))
    return " ".join(f"{count}{sign}" for count, sign in counts if count) or fig.NOTHING
