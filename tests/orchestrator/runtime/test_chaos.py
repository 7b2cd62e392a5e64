"""Whole drills over a network that loses, doubles, delays and reorders, one seed each."""

from __future__ import annotations

import asyncio
import functools
import random
from collections import Counter

import pytest

from orchestrator.core.drill import Drill
from orchestrator.core.grades import Verdict
from orchestrator.core.states import Phase
from protocols.transport.memory import MemoryBroker
from tests.kit import make_fleet
from tests.orchestrator.runtime.scripted import Script, Stage
from tests.virtual import run_virtual

SEEDS = range(12)


class ChaoticBroker(MemoryBroker):
    """Delivers each message never, once or twice, after a time of its own.

    Args:
        rng: Where its whims come from.
        loss: The share of messages that are lost.
    """

    def __init__(self, rng: random.Random, loss: float) -> None:
        super().__init__()
        self._rng = rng
        self._loss = loss
        self.calm = False

    def route(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Deliver, or not."""
        if self.calm:
            super().route(topic, payload, retain=retain)
            return
        copies = 0 if self._rng.random() < self._loss else 1 + (self._rng.random() < 0.1)
        for _ in range(copies):
            delay_s = self._rng.choice([0.0, 0.002, 0.01, 0.05, 0.3]) * self._rng.random()
            asyncio.get_running_loop().call_later(delay_s, super().route, topic, payload)


SCRIPTS = {
    "honest": Script(),
    "lying": Script(lies=True),
    "slow": Script(delay_s=6.0),
    "silent": Script(silent=True),
    "stuck": Script(stays_down=True),
    "flapping": Script(resumes_after_s=5.0),
    "idle": Script(idle=True),
}

SHORT = {Verdict.UNPROVEN, Verdict.NOT_RESTORED}
ALLOWED = {
    "honest": {Verdict.VERIFIED, Verdict.LATE} | SHORT,
    "lying": {Verdict.CONTRADICTED} | SHORT,
    "slow": {Verdict.LATE} | SHORT,
    "silent": SHORT,
    "stuck": SHORT,
    "flapping": {Verdict.BROKEN, Verdict.CONTRADICTED} | SHORT,
    "idle": SHORT,
}
"""What may be said of a site that behaves so. A bad network may cost a proof; it never makes one."""


def play(seed: int) -> tuple[Drill, dict[str, str]]:
    """Run one drill of four sites with roles, losses and delays drawn from the seed."""
    rng = random.Random(seed)
    names = ("alpha", "beta", "gamma", "delta")
    roles = {name: rng.choice(sorted(SCRIPTS)) for name in names} | {"alpha": "honest"}
    fleet = make_fleet(names, witnesses=3)
    broker = ChaoticBroker(rng, rng.choice([0.0, 0.02, 0.1, 0.3]))
    stage = Stage(fleet, {name: SCRIPTS[role] for name, role in roles.items()}, broker=broker)
    warrant = fleet.warrant(fleet.step(hold_s=14.0, max_gap_s=2.0))
    return run_virtual(stage.play(warrant)), roles


@functools.cache
def played(seed: int) -> tuple[Drill, dict[str, str]]:
    """Return the drill of a seed, which is run once."""
    return play(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_network_makes_a_false_verdict(seed: int) -> None:
    """Whatever is lost or late, nobody is verified who was not halted, and no honest site is accused."""
    drill, roles = played(seed)
    assert drill.phase is Phase.CLOSED
    assert set(drill.results) == {(0, site) for site in roles}
    for site, role in roles.items():
        assert drill.results[0, site].verdict in ALLOWED[role], (site, role, drill.results[0, site])


def test_the_seeds_show_something() -> None:
    """The seeds above come to every kind of verdict, so that they are no empty test."""
    seen = Counter(result.verdict for seed in SEEDS for result in played(seed)[0].results.values())
    assert seen[Verdict.VERIFIED] >= len(SEEDS) // 2
    assert seen[Verdict.CONTRADICTED] > 0
    assert seen[Verdict.UNPROVEN] > 0
