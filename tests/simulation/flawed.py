"""Sites that are wrong in one way each, drilled beside an honest one.

A flaw is a fault of the simulated site, or a function that bends one part of it before it runs (see
`bent_parties` and `bent_sites`)::

    assert words(ShutdownParams(), Fault.RESPAWNING_JOB, only_pauses) == {
        "respawning_job": "broken (active_in_hold)",
        "only_pauses": "contradicted (active_after_report)",
    }
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.core.grades import SiteStepResult, Verdict
from protocols.controls import Params
from protocols.mock_config import Fault, FaultConfig
from tests.simulation.drilled import Site
from tests.simulation.harness import Played, Simulation, step_of
from tests.virtual import run_virtual

HONEST = "honest"

Flaw = Fault | FaultConfig | Callable[[Simulation, str], None]


def name_of(flaw: Flaw) -> str:
    """Return what a flaw is called."""
    match flaw:
        case Fault():
            return flaw.value
        case FaultConfig():
            return f"{flaw.kind}_of_{flaw.witness}" if flaw.witness else flaw.kind.value
        case _:
            return flaw.__name__


def flawed_sites(*flaws: Flaw, **settings: Any) -> Site:
    """Make a fleet of an honest site and one for each flaw, named after it."""
    of_site = {name_of(flaw).replace("_", "-"): flaw for flaw in flaws}
    bent = {site: flaw for site, flaw in of_site.items() if not isinstance(flaw, Fault | FaultConfig)}

    def bend(sites: Simulation) -> None:
        for site, flaw in bent.items():
            flaw(sites, site)

    faults = {site: [flaw] for site, flaw in of_site.items() if isinstance(flaw, Fault | FaultConfig)}
    return Site((HONEST, *of_site), faults=faults, adjust=bend, challenge_s=0.5, **settings)


def word(result: SiteStepResult) -> str:
    """Return a verdict with its cause, as one word or two."""
    return result.verdict.value if result.cause is None else f"{result.verdict} ({result.cause})"


def checked(played: Played, step: int) -> dict[str, str]:
    """Return what was found of each flaw in a step, once the honest site is verified and the evidence holds."""
    found = played.results(step)
    assert found[HONEST].verdict is Verdict.VERIFIED, found[HONEST]
    assert played.report.findings == ()
    assert played.report.verified
    return {site.replace("-", "_"): word(result) for site, result in found.items() if site != HONEST}


def words(*params: Params | Flaw, ladder: Sequence[Params] = (), changes: Any = None, **step: Any) -> dict[str, str]:
    """Exercise controls at an honest and at flawed sites; return what was found of each flaw in the last step.

    Args:
        params: The controls, a step each, and the flaws.
        ladder: The rungs above, of each step.
        changes: Fields of every site's configuration to change.
        step: Fields of the steps to change.
    """
    controls = [one for one in params if isinstance(one, Params)]
    flaws = [one for one in params if not isinstance(one, Params)]

    async def scene() -> dict[str, str]:
        settings = {} if changes is None else {"changes": changes}
        async with flawed_sites(*flaws, **settings) as sites:
            played = await sites.drill(sites.warrant(*(step_of(sites, one, *ladder, **step) for one in controls)))
            sites.mend()
            return checked(played, len(controls) - 1)

    return run_virtual(scene())
