"""Plays a plot on virtual time, and takes its fingerprint: one seed is one run, to the byte."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace

from protocols.controls import DecommissionParams
from protocols.messages import Warrant
from tests.simulation.harness import names, step_of
from tests.simulation.invariants import Ran
from tests.simulation.plot import Plot, Strike, draw
from tests.simulation.resumed import ResumedStorm
from tests.simulation.storm import WITNESSES, Storm
from tests.simulation.troubles import Scene, bend, beside
from tests.simulation.truth import Sent
from tests.simulation.virtual_loop import VirtualClock, run_alone

HOLDING_BOUND_S = 6.0
AFTERWARDS_S = 30.0
"""How long is looked on at most after a drill in which somebody was cut off or down: a hold has to end by itself."""

QUIET_AFTERWARDS_S = 10.0
"""How long at least, once nothing is held any more: it must not begin again either."""

_LEAVE_HELD = frozenset({"cuts", "crashes", "broker", "orchestrator"})


@dataclass(frozen=True, slots=True)
class Playing:
    """A plot that was played.

    Attributes:
        ran: What it left.
        struck: The strikes that there were.
    """

    plot: Plot
    ran: Ran
    struck: frozenset[Strike]


def run(seed: int) -> Ran:
    """Run one seed and return what it left."""
    return play(draw(seed)).ran


def play(plot: Plot) -> Playing:
    """Play a plot to its end."""
    return run_alone(_play(plot))


def warrant_for(storm: Storm, plot: Plot) -> Warrant:
    """Return what is approved."""
    tight = {"response_limit_s": 1.5, "dwell_s": 1.0, "hold_s": 3.0}
    steps = [
        step_of(storm, *ladder, name=f"step-{number}", **(tight if plot.tight and not number else {}))
        for number, ladder in enumerate(plot.ladders)
    ]
    held_s = sum(step.hold_s for step in steps)
    once = any(isinstance(one, DecommissionParams) for ladder in plot.ladders for one in ladder)
    return storm.warrant(
        *steps,
        uses=1 if once else 2,
        max_total_held_s=max(held_s * plot.held_share, 3.0),
        min_between_uses_s=plot.gap_s,
    )


async def _play(plot: Plot) -> Playing:
    storm = ResumedStorm(
        names(plot.sites),
        witnesses=WITNESSES,
        seed=plot.seed,
        challenge_s=1.0,
        clock=VirtualClock(),
        adjust=lambda made: bend(made, plot) if isinstance(made, Storm) else None,
    )
    storm.weather, storm.chance = plot.weather, plot.chance("weather")
    storm.noted.holding_bound_s = HOLDING_BOUND_S
    async with storm:
        scene = Scene(storm, plot, warrant_for(storm, plot))
        going_on = [asyncio.ensure_future(trouble(scene)) for trouble in beside(plot)]
        try:
            ran = await storm.ran(*[scene.warrant] * min(plot.uses, scene.warrant.uses), pause_s=plot.pause_s)
            if plot.troubles & _LEAVE_HELD:
                await _look_on(storm)
                storm.noted.ended_ns = storm.clock.boot_ns()
            for task in going_on:
                if task.done() and task.exception() is not None:
                    raise task.exception() or AssertionError
        finally:
            for task in going_on:
                task.cancel()
            await asyncio.gather(*going_on, return_exceptions=True)
        storm.keep_count()
        return Playing(plot, replace(ran, scenario=plot), frozenset(scene.struck))


async def _look_on(storm: Storm) -> None:
    quiet_s = 0
    for _ in range(round(AFTERWARDS_S)):
        await storm.clock.sleep(1.0)
        quiet_s = 0 if storm.holds() else quiet_s + 1
        if quiet_s >= QUIET_AFTERWARDS_S:
            return


def fingerprint(ran: Ran) -> str:
    """Return a digest of everything in a run: its journals, and all of its truth."""
    taken, truth = hashlib.sha256(), ran.truth
    for drill, lines in truth.journals.items():
        taken.update(drill.encode() + b"\n" + b"\n".join(lines))
    for said in (*truth.sent, *truth.heard):
        who = said.by if isinstance(said, Sent) else said.who
        taken.update(f"{said.at_ns} {said.n} {who} {said.topic} {len(said.payload)} ".encode() + said.payload)
    for synced in truth.synced:
        taken.update(f"{synced.at_ns} {synced.n} {synced.by} {len(synced.data)} ".encode() + synced.data)
    for listed in (truth.acted, truth.states, truth.struck):
        taken.update(repr(listed).encode())
    for work in truth.work:
        taken.update(f"{work.at_ns} {work.site} {work.done}".encode())
    taken.update(repr((truth.ended_ns, truth.trouble, sorted(truth.kept.items()))).encode())
    return taken.hexdigest()
