"""Whole drills on simulated sites: the real runtime, agents, witnesses and enforcers, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.core.drill import Drill
from orchestrator.core.grades import SiteStepResult
from orchestrator.journal.base import JournalStore
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.loop import Runtime
from orchestrator.runtime.opening import open_drill
from protocols.controls import Params
from protocols.messages import Rung, Step, Warrant
from protocols.mock_config import Fault, FaultConfig
from protocols.transport.memory import MemoryTransport
from tests import kit
from tests.agents.mocksite.stage import Stage
from tests.orchestrator.runtime.scripted import documents_of
from tests.virtual import run_virtual

Faults = Mapping[str, Iterable[Fault | FaultConfig]]

LIMIT_S, DWELL_S = 8.0, 2.0


def step_of(fleet: kit.Fleet, params: Params, *ladder: Params, **changes: Any) -> Step:
    """Make a step with limits that suit a simulated site, and a ladder of controls with the same limits."""
    rungs = tuple(Rung(params=one, response_limit_s=LIMIT_S) for one in ladder)
    licensed_s = getattr(params, "licence_s", 0.0) + getattr(params, "renewed_s", 0.0)
    fields: dict[str, Any] = {
        "name": params.control.replace("_", "-"),
        "params": params,
        "ladder": rungs,
        "hold_s": licensed_s + (LIMIT_S + DWELL_S + 1) * (1 + len(ladder)) + 4,
        "response_limit_s": LIMIT_S,
        "dwell_s": DWELL_S,
        "restore_limit_s": 15.0,
    }
    return fleet.step(**(fields | changes))


def warrant_of(stage: Stage, *steps: Step, **changes: Any) -> Warrant:
    """Make a warrant for all sites of a stage, approved now."""
    now = stage.fleet.at(stage.clock.boot_ns() / 1e9)
    fields: dict[str, Any] = {"max_total_held_s": 3600.0, "uses": 1, "issued_at": now, "not_before": now}
    return stage.fleet.warrant(*steps, **(fields | changes))


async def drill(stage: Stage, warrant: Warrant, store: JournalStore | None = None) -> Drill:
    """Run a drill on a stage whose sites run, and return it at its end."""
    store = store or SqliteJournal(None)
    opened = open_drill(
        documents_of(stage.fleet),
        stage.fleet.approve(warrant, kit.APPROVERS),
        kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0])),
        store,
        nonce=stage.fleet.nonce,
        wall_ns=stage.clock.wall_ns(),
    )
    filters = stage.fleet.topics.orchestrator_filters()
    async with MemoryTransport(stage.broker, filters, clock=stage.clock, client_id="orchestrator") as transport:
        runtime = Runtime(
            opened.drill,
            opened.events,
            opened.issuer,
            store,
            transport,
            stage.clock,
            gather_s=0.0,
            threads=0,
        )
        async with asyncio.timeout(3600):
            return await runtime.run()


def results_of(
    params: Params, faults: Faults, *, sites: Iterable[str] = ("alpha", "beta")
) -> dict[str, SiteStepResult]:
    """Exercise one control at an honest and a faulty site; return what the drill found of each."""

    async def play() -> dict[str, SiteStepResult]:
        async with Stage(sites, faults=faults) as stage:
            done = await drill(stage, warrant_of(stage, step_of(stage.fleet, params)))
            found = {site: done.results[0, site] for site in stage.fleet.sites}
            for site in stage.sites.values():  # whatever was wrong is mended, so that everything ends in good order
                for fault in Fault:
                    site.world.faults.switch(fault, on=False)
            return found

    return run_virtual(play())
