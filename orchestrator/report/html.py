"""The report as one self-contained page: no script, no outside asset, light and dark, printable on A4.

The first page is for somebody who reads nothing else: the outcome in a sentence, what it covered,
who authorised it, and a table. Everything that comes from plans and records is escaped.
"""

from __future__ import annotations

from orchestrator.core.grades import Verdict, explain
from orchestrator.evidence.bundle import BUNDLE_NAME
from orchestrator.evidence.result import DrillResult, SiteResult, StepResult
from orchestrator.report import figures as fig
from orchestrator.report.curve import curve
from orchestrator.report.markup import named, text
from orchestrator.report.sections import distribution, more
from orchestrator.report.style import STYLE
from orchestrator.report.wording import back_words, comes_back, summary, told

_DESCRIBED_MAX = 2
"""Most steps whose parameters the first lines repeat."""

_LOUD = {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.NOT_RESTORED, Verdict.REFUSED}


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
        *distribution(result),
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
    if len(result.steps) > _DESCRIBED_MAX:
        controls = ", ".join(fig.control_names(step) for step in result.steps)
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
    asked = _asked(step) if step.ordered else "This step was never ordered."
    parts = [
        '<section class="step">',
        f"<h2>{text(name)} <span>{text(fig.control(step))}</span></h2>",
        f"<p>{text(asked)}</p>",
        '<div class="wide"><table>',
        (
            '<thead><tr><th scope="col">Site</th><th scope="col">Verdict</th><th scope="col">Evidence</th>'
            '<th scope="col" class="n">Response</th><th scope="col" class="n">Limit</th>'
            '<th scope="col" class="n">Seen for</th><th scope="col" class="n">Recovery</th>'
            '<th scope="col" class="n">Limit</th><th scope="col" class="n">Witnesses</th></tr></thead>'
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
        parts += [f"<li><strong>{text(named(sites))}</strong> {text(why)}</li>" for why, sites in reasons.items()]
        parts.append("</ul>")
    parts += more(step)
    if step.ordered and told(step.params).timed:
        proved = told(step.params).proved
        parts += [
            '<figure class="curve">',
            f"<figcaption>Sites witnessed {text(proved)}, over time. Each came to it inside the band.</figcaption>",
            curve(step),
            "</figure>",
        ]
    parts.append("</section>")
    return parts


def _asked(step: StepResult) -> str:
    back = ""
    if comes_back(step.params):
        back = (
            f"; held for {fig.duration(step.hold_ns)}, and {back_words(step.params)} within "
            f"{fig.duration(step.restore_limit_ns)} of the release"
        )
    words = told(step.params)
    return (
        f"Each site was ordered to {summary(step.params)}: {words.goal} within "
        f"{fig.duration(step.response_limit_ns)}, {words.lasting} for at least {fig.duration(step.dwell_ns)}, as "
        f"{fig.count(step.quorum, 'independent witness owner')} must see at once{back}."
    )


def _row(site: SiteResult, step: StepResult) -> str:
    found = site.result
    params = step.params if found.rung == 0 else step.ladder[found.rung - 1].params
    tone = "good" if found.passed else ("loud" if found.verdict in _LOUD else "bad")
    sign = {"good": "✓", "bad": "!", "loud": "✕"}[tone]
    back = comes_back(params)
    recovery = fig.interval(found.restore_lower_ns, found.restore_upper_ns) if found.halted and back else fig.NOTHING
    seen = fig.NOTHING if found.dwell_ns is None else f"{fig.lower(found.dwell_ns)} s"
    response = fig.interval(found.response_lower_ns, found.response_upper_ns)
    if found.response_upper_ns is None and step.ordered and told(params).timed:
        response = f"not seen {told(params).proved}"
    voices = [f"{len(found.agreeing)} agree"]
    if found.dissenting:
        voices.append(f"{len(found.dissenting)} dissent")
    verdict = text(fig.word(found.verdict))
    if found.rungs:
        verdict += f" <small>rung {text(fig.rung_words(step, found.rung))}</small>"
    cells = [
        f'<th scope="row">{text(site.site)}{" <small>mock</small>" if site.mock else ""}</th>',
        f'<td class="verdict {tone}"><span aria-hidden="true">{sign}</span> {verdict}</td>',
        f'<td title="{text(fig.GRADE_WORDS[found.grade])}">{text(fig.word(found.grade))}</td>',
        f'<td class="n strong">{text(response)}</td>',
        f'<td class="n">{text(fig.duration(fig.rung_limit_ns(step, found.rung)))}</td>',
        f'<td class="n">{text(seen)}</td>',
        f'<td class="n">{text(recovery)}</td>',
        f'<td class="n">{text(fig.duration(step.restore_limit_ns) if back else fig.NOTHING)}</td>',
        f'<td class="n">{text(", ".join(voices))}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _limits(result: DrillResult) -> list[str]:
    """Say what was not proved, and how many liars it would take."""
    claims = [
        *_tolerances(result),
        (
            "Times are intervals: what was ordered was done after the last proof that it was not yet, and before the "
            "first proof that it was arrived. No clock at a site was believed."
        ),
        "What an agent or an enforcer reports explains where time went, or shows what it could do; it proves no halt.",
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
        where = "Every site" if len(sites) == result.totals.sites else named(sorted(sites))
        said.append(
            f"{where}: {fig.count(owners, 'independent witness owner')}. {_some(liars)} of them may lie that all "
            f"is as ordered without a site that is not so being verified; {_some(absent).lower()} may stay silent "
            "without one that is so going unproven. A single one that reports otherwise is always heard."
        )
    return said


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
