"""Writes the log of a drill that never ran, through the models of the real lines: for tests, and to try views on.

It is the same for the same arguments, takes seconds for ten thousand sites, and rebuilds a result::

    python -m tests.logs --sites 10000 --steps 2 --faults 0.02 big.log
    python -m tests.logs --sites 500 --speed 1 live.log     # grows as it would while the drill runs

In a test, `simulate(Scenario(...))` gives the lines in the order of their times, and `Growing` writes
them piece by piece, as far as the test wants it.
"""

from __future__ import annotations

from tests.logs.growing import Growing, rendered, write_log
from tests.logs.scenario import FAULTS, REGIONS, START_WALL_NS, WITNESSES, Scenario
from tests.logs.simulation import simulate

__all__ = [
    "FAULTS",
    "REGIONS",
    "START_WALL_NS",
    "WITNESSES",
    "Growing",
    "Scenario",
    "rendered",
    "simulate",
    "write_log",
]
