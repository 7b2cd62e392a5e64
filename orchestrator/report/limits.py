"""What a drill rests on and does not prove: how many liars it would take, and how to check it without us."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.evidence.bundle import BUNDLE_NAME
from orchestrator.evidence.result import DrillResult
from orchestrator.report import figures as fig
from orchestrator.report.incidence import incidence
from orchestrator.report.markup import named, text
from orchestrator.report.wording import told


def limits(result: DrillResult) -> list[str]:
    """Say what was not proved, and how many liars it would take."""
    claims = [
        *_tolerances(result),
        (
            "Times are intervals: what was ordered was done after the last proof that it was not yet, and before the "
            "first proof that it was arrived. No clock at a site was believed."
        ),
        "What an agent or an enforcer reports explains where time went, or shows what it could do; it proves no halt.",
        "That a site was not warned beforehand is not proved, nor that this was the only drill that was run.",
        "Only the sites of the audience were asked; nothing is said of any other.",
        *_of_this_drill(result),
    ]
    items = [f"<li>{text(claim)}</li>" for claim in claims]
    return [
        '<section class="limits">',
        "<h2>What this rests on, and does not prove</h2>",
        "<ul>",
        *items,
        "</ul></section>",
    ]


def _of_this_drill(result: DrillResult) -> Iterator[str]:
    mocks = {site.site for step in result.steps for site in step.sites if site.mock}
    if mocks:
        where = "Every site is" if len(mocks) == result.totals.sites else f"{fig.count(len(mocks), 'site')} are"
        yield f"{where} simulated (mock): what is proved there is the procedure and no machine."
    for step in result.steps:
        if not step.ordered:
            yield f"The step {step.name} was never ordered, so nothing is known of it."
        elif told(step.params).timed and (censored := incidence(step).censored):
            proved = told(step.params).proved
            yield (
                f"In step {step.name}, {fig.count(censored, 'site')} never witnessed {proved} have no response time; "
                "the slowest figure leaves them out, and the curve does not."
            )
    if result.totals.rejected:
        yield f"{fig.count(result.totals.rejected, 'message')} arrived that were not to be believed."


def tolerated_in_short(result: DrillResult) -> list[str]:
    """Say in a sentence how many liars the weakest site tolerates."""
    found = [site.tolerates for step in result.steps for site in step.sites]
    if not found:
        return []
    weakest = min(found, key=lambda entry: (entry.false_quiet, entry.owners))
    if weakest.false_quiet > 0:
        liars = fig.count(weakest.false_quiet + 1, "witness owner")
        return [f"Where fewest watch, it would take {liars} lying together to pass off a working site as halted."]
    return ["Where fewest watch, a single lying witness owner could pass off a working site as halted."]


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


def again(result: DrillResult) -> list[str]:
    """Say how to check everything without trusting who made the report."""
    command = f"haltdrill verify {BUNDLE_NAME} --fleet-id {result.fleet}"
    return [
        '<section class="again">',
        "<h2>Check it yourself</h2>",
        (
            "<p>The evidence bundle holds every signed message. This recomputes every verdict and figure from it, with "
            "no network, and trusts nothing but the fleet's root, whose digest you should have from elsewhere:</p>"
        ),
        f"<pre>{text(command)}</pre>",
        f'<p class="ids">Warrant {text(result.warrant)}<br>Drill {text(result.drill)}<br>{text(result.software)}</p>',
        "</section>",
    ]
