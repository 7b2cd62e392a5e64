"""Checks the orders that are to be obeyed: a step's own, and those of higher rungs for single sites.

A climb is decided by the orchestrator alone, so it is recomputed: a site climbs only when its rung's
time was up and no quorum had seen it quiet, and only for the reason that the evidence gives.
"""

from __future__ import annotations

from orchestrator.core import events as ev
from orchestrator.evidence.checks.climbs import check_climb
from orchestrator.evidence.checks.spoken import Place, Spoken, demand
from protocols.controls import RefusalParams
from protocols.messages import Order


def check_order(event: ev.OrderIssued, spoken: Spoken, place: Place) -> Order:
    """Check the order of a step's own control.

    Raises:
        JournalError: It is not what the warrant allows, or its record says otherwise.
        UntrustedInput: The drill's dispatcher did not sign it.
    """
    said = spoken.own(event.envelope, Order)
    spoken.orders(said, place, event.step)
    demand(said.rung == 0 and said.site is None, "a step's own order is for rung 0 and the whole audience")
    step = spoken.drill.warrant.steps[spoken.drill.step.number]
    demand(not isinstance(step.params, RefusalParams), "a refusal step is a battery, and orders nothing")
    return said


def check_rung(event: ev.RungOrdered, spoken: Spoken, place: Place) -> Order:
    """Check the order of a higher rung for one site, and that the site had to climb to it.

    Raises:
        JournalError: The warrant has no such rung, it is not the site's next, or nothing called for it.
        UntrustedInput: The drill's dispatcher did not sign it.
    """
    drill = spoken.drill
    said = spoken.own(event.envelope, Order)
    spoken.orders(said, place, event.step)
    demand(event.step == drill.step.number, f"step {event.step} is not the one that is running")
    demand((said.rung, said.site) == (event.rung, event.site), "it orders another rung or site than its record says")
    demand(event.site in drill.audience, "the site is not in the audience")
    rungs = drill.warrant.steps[event.step].rungs
    demand(0 < event.rung < len(rungs), f"it orders rung {event.rung}, the warrant's ladder ends at {len(rungs) - 1}")
    expected = drill.step.top(event.site) + 1
    demand(event.rung == expected, f"it orders rung {event.rung}, the site's next is {expected}")
    stopped = drill.aborted or drill.step.released is not None
    demand(drill.step.ordered is not None and not stopped, "the step was over, or had not begun")
    check_climb(event, drill, place.now)
    return said


def check_rung_published(event: ev.RungPublished, spoken: Spoken) -> None:
    """Check that a rung's order was there to be published, and was not published before.

    Raises:
        JournalError: It was not, or it was.
    """
    run = spoken.drill.step.rung(event.site, event.rung) if event.step == spoken.drill.step.number else None
    demand(run is not None, f"rung {event.rung} was not ordered at this site")
    demand(run is None or run.published is None, "the order's first publish ended before already")
