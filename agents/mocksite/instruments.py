"""A witness's instruments at a simulated site: what they show, also when they are stuck or replay."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agents.mocksite.power import Meter
from agents.mocksite.world import World
from protocols.mock_config import Fault

TAPE_READINGS = 64
"""Readings that replaying instruments show again."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the instruments show.

    Attributes:
        work: Cumulative work units, by signal.
        processes: The most processes since the reading before.
        power_w: The most power since the reading before, watts.
    """

    work: dict[str, int]
    processes: int
    power_w: int


class Instruments:
    """The instruments of one witness; nobody else reads them.

    Args:
        world: The site.
        witness: Whose they are.
    """

    def __init__(self, world: World, witness: str) -> None:
        self._world = world
        self._witness = witness
        self._tap = world.tap_processes()
        config = world.config
        self._meter = Meter(world.samples, seed=config.seed, name=witness, noise=config.power.meter_noise)
        self._tape: deque[Numbers] = deque(maxlen=TAPE_READINGS)
        self._replayed = 0

    def read(self) -> Numbers:
        """Read everything; the world must have been advanced to now."""
        faults = self._world.faults
        if self._tape and faults.instrument_has(Fault.METER_STUCK, self._witness):
            return self._tape[-1]
        if self._tape and faults.instrument_has(Fault.METER_REPLAYING, self._witness):
            self._replayed += 1
            return self._tape[(self._replayed - 1) % len(self._tape)]
        self._replayed = 0
        numbers = Numbers(self._world.work(), self._tap.peak, self._meter.peak_w())
        self._tap.peak = self._world.processes()
        self._tape.append(numbers)
        return numbers
