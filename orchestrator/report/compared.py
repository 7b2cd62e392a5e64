"""The section that compares a drill with the one before it."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.evidence.result import DrillResult
from orchestrator.report import figures as fig
from orchestrator.report.compare import Change, Side, SiteChange, StepChange, compare
from orchestrator.report.context import Context
from orchestrator.report.markup import named, table, text

_NAMED_ONE_BY_ONE = 30
"""Most sites of one change that are named with both verdicts."""

_HEADS = ("Step", "Verified", "Half of all sites by", "Slowest, at most", "Sites")
_ORDER = (Change.WORSE, Change.SLOWER, Change.NEW, Change.GONE, Change.BETTER, Change.FASTER, Change.SAME)
_LOUD = {Change.WORSE, Change.GONE}


def comparison(result: DrillResult, context: Context) -> list[str]:
    """Return the section; where there is no earlier drill, it says so."""
    parts = ['<section class="compared">', "<h2>Compared with the drill before</h2>"]
    if context.previous is None:
        return [*parts, f"<p>{text(context.alone)}</p>", "</section>"]
    before = context.previous
    changes = compare(result, before)
    outcome = "passed" if before.passed else ("was aborted" if before.aborted else "did not pass")
    said = (
        f"The drill of this plan before, {before.drill}, ran {fig.when(before.opened_at)} and {outcome}: "
        f"{before.totals.passed:,} of {before.totals.judged:,} verified, now "
        f"{result.totals.passed:,} of {result.totals.judged:,}."
    )
    parts.append(f"<p>{text(said)}</p>")
    if before.warrant != result.warrant:
        parts.append(
            "<p>Its warrant was another one, so what was asked may differ; each difference is named below.</p>"
        )
    parts += table("Then, and now.", _HEADS, (_row(change) for change in changes))
    for change in changes:
        parts += _sites(change, many=len(changes) > 1)
    return [*parts, "</section>"]


def _row(change: StepChange) -> list[str]:
    before, now = change.before, change.now
    name = f"{text(change.name)} <small>{text(change.control)}</small>"
    if change.asked_otherwise:
        name += f'<span class="seen">asked otherwise: {text("; ".join(change.asked_otherwise))}</span>'
    return [
        name,
        _then_now(_passed(before), _passed(now)),
        _then_now(_time(None if before is None else before.half_ns), _time(None if now is None else now.half_ns)),
        _then_now(_time(None if before is None else before.slowest_ns), _time(None if now is None else now.slowest_ns)),
        _counts(change),
    ]


def _then_now(before: str, now: str) -> str:
    return f'<span class="then">{text(before)}</span> \N{RIGHTWARDS ARROW} <b>{text(now)}</b>'


def _passed(side: Side | None) -> str:
    return "not in it" if side is None else f"{side.passed:,} of {side.judged:,}"


def _time(at_ns: int | None) -> str:
    return fig.NOTHING if at_ns is None else f"{fig.upper(at_ns)} s"


def _counts(change: StepChange) -> str:
    if change.before is None:
        return "a new step"
    if change.now is None:
        return '<span class="loud">no longer asked</span>'
    counts = [(kind, len(change.of(kind))) for kind in _ORDER]
    return ", ".join(
        f'<span class="loud">{count:,} {kind}</span>' if kind in _LOUD else f"{count:,} {kind}"
        for kind, count in counts
        if count
    )


def _sites(change: StepChange, *, many: bool) -> Iterator[str]:
    """Yield which sites changed; those that did the same are only counted."""
    lines = [(kind, listed) for kind in _ORDER if kind is not Change.SAME and (listed := change.of(kind))]
    if not lines:
        return
    if many:
        yield f"<h3>{text(change.name)}</h3>"
    yield '<ul class="changes">'
    for kind, listed in lines:
        yield f"<li><strong>{text(kind.capitalize())}</strong> {text(_named(kind, listed))}</li>"
    yield "</ul>"


def _named(kind: Change, listed: list[SiteChange]) -> str:
    if kind in {Change.WORSE, Change.BETTER} and len(listed) <= _NAMED_ONE_BY_ONE:
        return ", ".join(
            f"{site.site} ({fig.word(site.before)} to {fig.word(site.now)})"
            for site in listed
            if site.before is not None and site.now is not None
        )
    return named([site.site for site in listed])
