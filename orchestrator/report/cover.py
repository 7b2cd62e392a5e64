"""The first page, for somebody who reads nothing else and signs it: outcome, scope, authority, figures, limits."""

from __future__ import annotations

from orchestrator.evidence.result import DrillResult, StepResult
from orchestrator.report import figures as fig
from orchestrator.report.context import Context
from orchestrator.report.incidence import HALF, incidence
from orchestrator.report.limits import tolerated_in_short
from orchestrator.report.markup import text
from orchestrator.report.sections import distribution
from orchestrator.report.standards import not_seen_back
from orchestrator.report.steps import drawn
from orchestrator.report.wording import comes_back, told

_DESCRIBED_MAX = 2
"""Most steps whose parameters the first lines repeat."""

_REGIONS_MAX = 6

_LINES = (("Name",), ("Role",), ("Signature", "Date"))


def cover(result: DrillResult, context: Context) -> list[str]:
    """Return the first page."""
    return [
        '<section class="cover">',
        *_head(result),
        *_tiles(result),
        *_facts(result, context),
        *_shown(result),
        *_in_short(result),
        *_signatures(),
        "</section>",
    ]


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
        f'<div class="outcome {tone}">',
        f'<p class="stamp">{outcome}</p>',
        f'<p class="sentence">{text(fig.sentence(result))}</p>',
        "</div>",
    ]
    if result.aborted:
        parts.append(f'<p class="reason">Reason given for the abort: {text(result.abort_reason)}</p>')
    return parts


def _tiles(result: DrillResult) -> list[str]:
    totals = result.totals
    failed = {site.site for step in result.steps for site in step.sites if not site.result.passed}
    tiles = [(f"{totals.sites - len(failed):,} of {totals.sites:,}", "sites passed")]
    if len(result.steps) > 1:
        whole = sum(all(site.result.passed for site in step.sites) for step in result.steps)
        tiles.append((f"{whole} of {len(result.steps)}", "steps passed everywhere"))
    else:
        tiles += _times(result.steps[0]) if result.steps else []
    returning = [step for step in result.steps if step.ordered and comes_back(step.params)]
    if returning:
        missing = {site for step in returning for site in not_seen_back(step)}
        tiles.append((f"{len(missing):,}" if missing else "none", "sites not seen back after release"))
    cells = [f"<div><dt>{text(name)}</dt><dd>{_large(value)}</dd></div>" for value, name in tiles]
    return ['<dl class="tiles">', *cells, "</dl>"]


def _large(value: str) -> str:
    """Return a figure in large type; what it is of, in small."""
    first, of, whole = value.partition(" of ")
    return text(first) + (f" <small>of {text(whole)}</small>" if of else "")


def _times(step: StepResult) -> list[tuple[str, str]]:
    """Return the figures of a drill's only step, if it has a response time."""
    if not step.ordered or not told(step.params).timed:
        return []
    found, limit_ns = incidence(step), step.response_limit_ns
    half_ns = found.quantile_ns(HALF)
    proved = told(step.params).proved
    slowest = f"{fig.upper(found.latest[-1])} s" if found.latest else fig.NOTHING
    return [
        (f"{found.proved_by(limit_ns):,} of {found.sites:,}", f"proved {proved} by the limit of {limit_ns / 1e9:g} s"),
        (fig.NOTHING if half_ns is None else f"{fig.upper(half_ns)} s", f"half of all sites {proved} by"),
        (slowest, f"slowest {proved}, at most"),
    ]


def _facts(result: DrillResult, context: Context) -> list[str]:
    given = [entry for entry in result.totals.verdicts if entry.count]
    controls = ", then ".join(fig.control(step) for step in result.steps)
    if len(result.steps) > _DESCRIBED_MAX:
        controls = ", ".join(fig.control_names(step) for step in result.steps)
    rows = [
        ("Scope", f"{_who(result, context)}; {controls}"),
        ("Verdicts", ", ".join(f"{entry.count:,} {fig.word(entry.verdict)}" for entry in given)),
        ("Approved by", f"{', '.join(result.approved_by)} ({fig.count(result.threshold, 'owner')} needed)"),
        ("Window and use", f"{fig.span(result.not_before, result.not_after)}, use {result.use} of {result.uses}"),
        ("Run", f"{fig.span(result.opened_at, result.ended_at)}, conducted by {result.dispatcher_owner}"),
        ("Drill and warrant", f"{result.drill}, {result.warrant[:16]}"),
    ]
    cells = [f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in rows]
    return ['<dl class="facts">', *cells, "</dl>"]


def _who(result: DrillResult, context: Context) -> str:
    said = fig.count(result.totals.sites, "site")
    mocks = len({site.site for step in result.steps for site in step.sites if site.mock})
    if mocks:
        said += f", {mocks:,} of them mock"
    regions = sorted({context.regions[site] for site in result.audience if site in context.regions})
    if regions:
        shown = ", ".join(regions[:_REGIONS_MAX]) + (" and more" if len(regions) > _REGIONS_MAX else "")
        said += f", in {fig.count(len(regions), 'region')} ({shown})"
    return said


def _shown(result: DrillResult) -> list[str]:
    """Return the curve of a drill of one step, or the table of one of many."""
    return drawn(result.steps[0]) if len(result.steps) == 1 else distribution(result)


def _in_short(result: DrillResult) -> list[str]:
    claims = [
        *tolerated_in_short(result),
        "It is not proved that no site was warned beforehand, nor that this was the only drill that was run.",
        "A drill shows what happened this time; it promises nothing of the next.",
    ]
    items = [f"<li>{text(claim)}</li>" for claim in claims]
    return ['<div class="short"><h2>What this does not prove</h2><ul>', *items, "</ul></div>"]


def _signatures() -> list[str]:
    """Return the lines to be filled in by hand."""
    lines = "".join(f"<p>{''.join(f'<span>{name}</span>' for name in names)}</p>" for names in _LINES)
    return [
        '<div class="sign">',
        f"<div><h2>Drill director</h2>{lines}</div>",
        f"<div><h2>Read and accepted</h2>{lines}</div>",
        "</div>",
    ]
