"""The report as one self-contained page: no script, no outside asset, light and dark, printable on A4.

The first page is for somebody who reads nothing else: the outcome in a sentence, what it covered,
who authorised it, and a table. Everything that comes from plans and records is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from orchestrator.core.grades import Verdict, explain
from orchestrator.evidence.bundle import BUNDLE_NAME
from orchestrator.evidence.result import DrillResult, SiteResult, StepResult
from orchestrator.report import figures as fig
from orchestrator.report.curve import curve
from orchestrator.report.style import STYLE

_NAMED_MAX = 12
_LOUD = {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.NOT_RESTORED, Verdict.REFUSED}


def text(value: object) -> str:
    """Escape a value for HTML, without characters that can't be seen."""
    return escape(fig.plain(str(value)), quote=True)


def render_html(result: DrillResult) -> str:
    """Return the report of a drill as a page."""
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{text(result.title)}: {'passed' if result.passed else 'did not pass'}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        *_head(result),
        *_facts(result),
        *(part for step in result.steps for part in _step(step, many=len(result.steps) > 1)),
        *_limits(result),
        *_again(result),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _head(result: DrillResult) -> list[str]:
    outcome = "Passed" if result.passed else ("Aborted" if result.aborted else "Did not pass")
    tone = "good" if result.passed else "bad"
    parts = []
    if result.demo:
        parts.append(
            '<p class="demo"><strong>DEMO FLEET.</strong> All of its keys were made in one place, so nobody '
            "independent approved or witnessed anything. It shows how the evidence works and proves nothing more.</p>"
        )
    parts += [
        '<header class="title">',
        '<p class="kicker">Halt drill report <span class="exercise">exercise</span></p>',
        f"<h1>{text(result.title)}</h1>",
        "</header>",
        f'<section class="outcome {tone}">',
        f'<p class="stamp">{outcome}</p>',
        f'<p class="sentence">{text(fig.sentence(result))}</p>',
        "</section>",
    ]
    if result.aborted:
        parts.append(f'<p class="reason">Reason given for the abort: {text(result.abort_reason)}</p>')
    return parts


def _facts(result: DrillResult) -> list[str]:
    totals = result.totals
    given = [entry for entry in totals.verdicts if entry.count]
    approvers = ", ".join(result.approved_by)
    controls = ", then ".join(fig.control(step) for step in result.steps)
    mocks = len({site.site for step in result.steps for site in step.sites if site.mock})
    scope = fig.count(totals.sites, "site") + (f", {mocks} of them mock" if mocks else "")
    rows = [
        ("Scope", f"{scope}; {controls}"),
        ("Verdicts", ", ".join(f"{entry.count} {fig.word(entry.verdict)}" for entry in given)),
        ("Approved by", f"{approvers} ({fig.count(result.threshold, 'owner')} needed)"),
        ("Allowed", f"{_when(result.not_before)} to {_when(result.not_after)}, use {result.use} of {result.uses}"),
        ("Run", f"{_when(result.opened_at)} to {_when(result.ended_at)}, by {result.dispatcher_owner}"),
        ("Drill", result.drill),
    ]
    cells = [f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in rows]
    return ['<dl class="facts">', *cells, "</dl>"]


def _when(at: str) -> str:
    """Return a UTC time to the second, for people."""
    return f"{at[:10]} {at[11:19]} UTC"


def _step(step: StepResult, *, many: bool) -> list[str]:
    name = f"Step {step.step + 1}: {step.name}" if many else f"Step: {step.name}"
    asked = (
        f"Each site was ordered to {fig.asked(step)}: halted within {fig.duration(step.response_limit_ns)}, "
        f"quiet for at least {fig.duration(step.dwell_ns)} to {fig.count(step.quorum, 'independent witness owner')} "
        f"at once, held for {fig.duration(step.hold_ns)}, and back at work within "
        f"{fig.duration(step.restore_limit_ns)} of the release."
    )
    if not step.ordered:
        asked = "This step was never ordered."
    parts = [
        '<section class="step">',
        f"<h2>{text(name)} <span>{text(fig.control(step))}</span></h2>",
        f"<p>{text(asked)}</p>",
        '<div class="wide"><table>',
        (
            '<thead><tr><th>Site</th><th>Verdict</th><th>Evidence</th><th class="n">Response</th>'
            '<th class="n">Limit</th><th class="n">Quiet seen</th><th class="n">Recovery</th>'
            '<th class="n">Limit</th><th class="n">Witnesses</th></tr></thead>'
        ),
        "<tbody>",
        *(_row(site, step) for site in step.sites),
        "</tbody></table></div>",
    ]
    reasons: dict[str, list[str]] = {}
    for site, result in fig.failures(step):
        reasons.setdefault(explain(result), []).append(site)
    if reasons:
        parts.append('<ul class="why">')
        parts += [f"<li><strong>{text(_sites(sites))}</strong> {text(why)}</li>" for why, sites in reasons.items()]
        parts.append("</ul>")
    if step.ordered:
        parts += [
            '<figure class="curve">',
            "<figcaption>Sites witnessed halted, over time. Each halted somewhere inside the band.</figcaption>",
            curve(step),
            "</figure>",
        ]
    parts.append("</section>")
    return parts


def _row(site: SiteResult, step: StepResult) -> str:
    found = site.result
    tone = "good" if found.passed else ("loud" if found.verdict in _LOUD else "bad")
    sign = {"good": "✓", "bad": "!", "loud": "✕"}[tone]
    recovery = fig.interval(found.restore_lower_ns, found.restore_upper_ns) if found.halted else fig.NOTHING
    seen = fig.NOTHING if found.dwell_ns is None else f"{fig.lower(found.dwell_ns)} s"
    response = fig.interval(found.response_lower_ns, found.response_upper_ns)
    if found.response_upper_ns is None and step.ordered:
        response = "not seen halted"
    voices = [f"{len(found.agreeing)} agree"]
    if found.dissenting:
        voices.append(f"{len(found.dissenting)} dissent")
    cells = [
        f'<th scope="row">{text(site.site)}{" <small>mock</small>" if site.mock else ""}</th>',
        f'<td class="verdict {tone}"><span aria-hidden="true">{sign}</span> {text(fig.word(found.verdict))}</td>',
        f'<td title="{text(fig.GRADE_WORDS[found.grade])}">{text(fig.word(found.grade))}</td>',
        f'<td class="n strong">{text(response)}</td>',
        f'<td class="n">{text(fig.duration(step.response_limit_ns))}</td>',
        f'<td class="n">{text(seen)}</td>',
        f'<td class="n">{text(recovery)}</td>',
        f'<td class="n">{text(fig.duration(step.restore_limit_ns))}</td>',
        f'<td class="n">{text(", ".join(voices))}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _limits(result: DrillResult) -> list[str]:
    """Say what was not proved, and how many liars it would take."""
    claims = [
        *_tolerances(result),
        (
            "Times are intervals: a halt happened after the last proof of work and before the first proof of quiet "
            "arrived. No clock at a site was believed."
        ),
        "What an agent reports of itself explains where time went; it proves nothing here.",
        "That a site was not warned beforehand is not proved, nor that this was the only drill that was run.",
    ]
    if result.totals.rejected:
        claims.append(f"{fig.count(result.totals.rejected, 'message')} arrived that were not to be believed.")
    items = [f"<li>{text(claim)}</li>" for claim in claims]
    return [
        '<section class="limits">',
        "<h2>What this rests on, and does not prove</h2>",
        "<ul>",
        *items,
        "</ul></section>",
    ]


def _tolerances(result: DrillResult) -> list[str]:
    """Group sites that tolerate the same, over the steps."""
    groups: dict[tuple[int, int, int], set[str]] = {}
    for step in result.steps:
        for site in step.sites:
            key = (site.tolerates.owners, site.tolerates.false_quiet, site.tolerates.absent)
            groups.setdefault(key, set()).add(site.site)
    said = []
    for (owners, liars, absent), sites in sorted(groups.items()):
        where = "Every site" if len(sites) == result.totals.sites else _sites(sorted(sites))
        said.append(
            f"{where}: {fig.count(owners, 'independent witness owner')}. {_some(liars)} of them may lie that it is "
            f"quiet without a working site being verified; {_some(absent).lower()} may stay silent without a halted "
            "one going unproven. A single one that reports activity is always heard."
        )
    return said


def _sites(names: Sequence[str]) -> str:
    """Name sites, as many as fit a line or two."""
    if len(names) <= _NAMED_MAX:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED_MAX - 2])} and {len(names) - _NAMED_MAX + 2} more"


def _some(number: int) -> str:
    return str(number) if number > 0 else "None"


def _again(result: DrillResult) -> list[str]:
    command = f"haltdrill verify {BUNDLE_NAME} --fleet-id {result.fleet}"
    return [
        '<section class="again">',
        "<h2>Check it yourself</h2>",
        (
            "<p>The evidence bundle holds every signed message. This recomputes every verdict and figure from it, with "
            "no network, and trusts nothing but the fleet's root, whose digest you should have from elsewhere:</p>"
        ),
        f"<pre>{text(command)}</pre>",
        f'<p class="ids">Warrant {text(result.warrant)}<br>{text(result.software)}</p>',
        "</section>",
    ]
