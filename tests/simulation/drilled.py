"""One simulated site that is drilled once, and ways to make parts of it dishonest that no configured fault covers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.mocksite.assembly import MockSite
from orchestrator.core.grades import Cause, SiteStepResult, Verdict
from protocols.controls import Params
from protocols.messages import Challenge, Signal
from protocols.mock_config import Fault, FaultConfig
from protocols.transport.memory import MemoryTransport
from tests.agents.mocksite.stage import LatentTransport
from tests.simulation.harness import Played, Simulation, step_of
from tests.virtual import run_virtual

SITE = "site-00"
PATIENCE_S = 120.0

Adjust = Callable[[Simulation, MockSite], Any]
Rewrite = Callable[[Challenge, Signal], Signal]


class Site(Simulation):
    """One site, to and from which everything takes a few milliseconds, so that no two things happen at one instant."""

    def transport(self, client_id: str, filters: Sequence[str]) -> MemoryTransport:
        return LatentTransport(self.broker, filters, clock=self.clock, client_id=client_id)


@dataclass(frozen=True, slots=True)
class Found:
    """What a drill found of the one site.

    Attributes:
        result: The result of its (last) step.
        played: The whole drill.
    """

    result: SiteStepResult
    played: Played

    @property
    def word(self) -> tuple[Verdict, Cause | None]:
        """The verdict and its cause."""
        return self.result.verdict, self.result.cause

    @property
    def said(self) -> dict[str, str]:
        """What witnesses saw that was wrong, by signal."""
        return {seen.signal: seen.value for seen in self.result.seen}


def drilled(
    *params: Params,
    faults: Iterable[Fault | FaultConfig] = (),
    ladder: Iterable[Params] = (),
    adjust: Adjust | None = None,
    meanwhile: Callable[[Simulation, MockSite], Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    witnesses: int = 2,
    **step: Any,
) -> Found:
    """Drill one site in a step for each of some controls, verify the evidence offline, and mend the site.

    Args:
        params: What is exercised, in order.
        faults: What is wrong with the site.
        ladder: The rungs above, of each step.
        adjust: Changes the site before it runs.
        meanwhile: A coroutine function that runs beside the drill.
        changes: Fields of the site's configuration to change.
        witnesses: How many witnesses it has.
        step: Fields of the steps to change.
    """

    async def scene() -> Found:
        settings: dict[str, Any] = {} if changes is None else {"changes": changes}
        simulation = Site([SITE], faults={SITE: faults}, witnesses=witnesses, challenge_s=0.5, **settings)
        if adjust is not None:
            change = adjust
            simulation.adjust = lambda built: change(built, built.sites[SITE])
        async with simulation as sim:
            warrant = sim.warrant(*(step_of(sim, one, *ladder, **step) for one in params))
            beside = None if meanwhile is None else meanwhile
            played = await sim.drill(
                warrant, meanwhile=None if beside is None else lambda _: beside(sim, sim.sites[SITE])
            )
            assert played.report.findings == ()
            assert played.report.verified
            sim.mend()
            return Found(played.results(len(params) - 1)[SITE], played)

    return run_virtual(scene())
