"""A step's own section: what was asked, how it came out, its curve, its slowest sites, and how it was undone."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.grades import Verdict
from orchestrator.evidence.result import SiteResult, StepResult
from orchestrator.report import figures as fig
from orchestrator.report.context import Context
from orchestrator.report.curve import curve
from orchestrator.report.incidence import HALF, MOST, Incidence, came_to_it_ns, incidence
from orchestrator.report.markup import named, table, text, verdict_cell
from orchestrator.report.sections import more
from orchestrator.report.standards import not_seen_back
from orchestrator.report.wording import back_words, comes_back, summary, told

SLOWEST_SHOWN = 5
_FEW_SITES = 5
"""Up to so many sites, the annex shows at a glance which were slowest."""


def step_section(step: StepResult, context: Context, *, many: bool) -> list[str]:
    """Return the section of one step."""
    name = f"Step {step.step + 1}: {step.name}" if many else f"Step: {step.name}"
    asked = _asked(step) if step.ordered else "This step was never ordered."
    return [
        '<section class="step">',
        f"<h2>{text(name)} <span>{text(fig.control(step))}</span></h2>",
        f"<p>{text(asked)}</p>",
        *_outcome(step),
        *(drawn(step) if many else []),
        *_regions(step, context),
        *_slowest(step, context),
        *_recovery(step, context),
        *more(step),
        "</section>",
    ]


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


def _outcome(step: StepResult) -> Iterator[str]:
    """Yield the verdicts with their counts, and the shares of the fleet over time."""
    counts = [(verdict, sum(site.result.verdict is verdict for site in step.sites)) for verdict in Verdict]
    yield '<ul class="tally">'
    for verdict, count in counts:
        if count:
            yield f"<li>{verdict_cell(verdict, f'{count:,} {fig.word(verdict)}')}</li>"
    yield "</ul>"
    found = incidence(step)
    if step.ordered and told(step.params).timed and found.latest:
        yield f"<p>{text(_in_time(step, found))}</p>"


def _in_time(step: StepResult, found: Incidence) -> str:
    proved = told(step.params).proved
    said = [
        f"{_percent(share)} of all {found.sites:,} sites were {proved} by {fig.upper(at_ns)} s"
        for share in (HALF, MOST)
        if (at_ns := found.quantile_ns(share)) is not None
    ]
    said.append(
        f"{found.proved_by(step.response_limit_ns):,} by the limit of {fig.duration(step.response_limit_ns)}"
        if said
        else f"Fewer than half of the {found.sites:,} sites were ever witnessed {proved}"
    )
    if found.censored:
        said.append(f"{found.censored:,} never seen so, which count against every share")
    return "; ".join(said) + "."


def _percent(share: float) -> str:
    return "Half" if share == HALF else f"{share:.0%}"


def drawn(step: StepResult) -> list[str]:
    """Return the curve of a step with its caption; nothing if it has no response time to draw."""
    if not step.ordered or not told(step.params).timed:
        return []
    proved, found = told(step.params).proved, incidence(step)
    said = f"Sites witnessed {proved}, over time. Each came to it inside the band; the lower edge is proved."
    if found.censored:
        said += f" {fig.count(found.censored, 'site')} never seen so: censored, counted to the end."
    said += " Below: how many are not yet proved."
    return ['<figure class="curve">', f"<figcaption>{text(said)}</figcaption>", curve(step), "</figure>"]


def _regions(step: StepResult, context: Context) -> list[str]:
    """Return one line for each region, where there is more than one."""
    groups: dict[str, list[SiteResult]] = {}
    for site in step.sites:
        groups.setdefault(context.regions.get(site.site, ""), []).append(site)
    if len(groups) < 2 or not step.ordered:  # noqa: PLR2004 - one line would only repeat the totals
        return []
    rows = []
    for region, sites in sorted(groups.items()):
        found = incidence(step.model_copy(update={"sites": tuple(sites)}))
        half_ns, timed = found.quantile_ns(HALF), told(step.params).timed
        rows.append(
            [
                text(region or "no region"),
                f"{len(sites):,}",
                f"{sum(site.result.passed for site in sites):,}",
                f"{fig.upper(half_ns)} s" if timed and half_ns is not None else fig.NOTHING,
                f"{fig.upper(found.latest[-1])} s" if timed and found.latest else fig.NOTHING,
            ]
        )
    return table(
        "By region.", ("Region", "Sites", "Verified", "Half by", "Slowest, at most"), rows, figures=(1, 2, 3, 4)
    )


def _slowest(step: StepResult, context: Context) -> list[str]:
    timed = [(time[1], site) for site in step.sites if (time := came_to_it_ns(site.result)) is not None]
    if not told(step.params).timed or len(step.sites) <= _FEW_SITES or not timed:
        return []
    worst = sorted(timed, key=lambda entry: (-entry[0], entry[1].site))[:SLOWEST_SHOWN]
    rows = [
        [
            _name(site, context),
            verdict_cell(site.result.verdict),
            text(fig.interval((came_to_it_ns(site.result) or (0, 0))[0], upper_ns)),
            text(_account(site)),
        ]
        for upper_ns, site in worst
    ]
    heads = ("Slowest sites", "Verdict", "Response", "By its own account")
    return table(f"Of those that were witnessed {told(step.params).proved}.", heads, rows, figures=(2,))


def _account(site: SiteResult) -> str:
    receipts = site.result.receipts
    said = [
        f"{word} {fig.upper(at_ns)} s"
        for word, at_ns in (("accepted", receipts.accepted_ns), ("done", receipts.halted_ns))
        if at_ns is not None
    ]
    return ", ".join(said) or fig.NOTHING


def _name(site: SiteResult, context: Context) -> str:
    region = context.regions.get(site.site)
    return text(site.site) + (f" <small>{text(region)}</small>" if region else "")


def _recovery(step: StepResult, context: Context) -> Iterator[str]:
    """Yield how the step was undone: how many came back, how fast, who is not, and who was slowest."""
    if not step.ordered or not comes_back(step.params):
        return
    back = [(site.result.restore_upper_ns, site) for site in step.sites if site.result.restore_upper_ns is not None]
    uppers = sorted(upper_ns for upper_ns, _ in back)
    word = back_words(step.params)
    yield "<h3>Recovery</h3>"
    said = f"{len(back):,} of {fig.count(len(step.sites), 'site')} were witnessed {word} after the release"
    if uppers:
        said += (
            f": half of these within {fig.upper(uppers[(len(uppers) - 1) // 2])} s, the slowest within "
            f"{fig.upper(uppers[-1])} s; the limit is {fig.duration(step.restore_limit_ns)}"
        )
    yield f"<p>{text(said)}.</p>"
    missing = not_seen_back(step)
    if missing:
        yield (
            f'<p class="call"><strong>Not seen {text(word)}:</strong> {text(named(missing))}. '
            "Make sure of each by hand.</p>"
        )
    if len(back) <= _FEW_SITES:
        return
    worst = sorted(back, key=lambda entry: (-entry[0], entry[1].site))[:SLOWEST_SHOWN]
    rows = [
        [
            _name(site, context),
            verdict_cell(site.result.verdict),
            text(fig.interval(site.result.restore_lower_ns, upper_ns)),
        ]
        for upper_ns, site in worst
    ]
    yield from table("Slowest to come back.", ("Site", "Verdict", "After the release"), rows, figures=(2,))
