"""Writes a simulated log, as the command line says: see `tests.logs`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from protocols.logged import Level
from tests.logs.growing import Growing, write_log
from tests.logs.scenario import S, Scenario
from tests.logs.simulation import simulate


def main(arguments: Sequence[str] | None = None) -> None:
    """Write a log as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.logs",
        description="Write the log of a drill that never ran, through the models of the real lines.",
    )
    parser.add_argument("file", type=Path, help="the log; lines are appended to it")
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--faults", type=float, default=0.02, help="the share of sites that go wrong")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--abort-at", type=float, metavar="S", help="abort it this long after its beginning")
    parser.add_argument("--until", type=float, metavar="S", help="stop this long after its beginning")
    parser.add_argument("--speed", type=float, help="let it grow, this many times as fast as the drill would run")
    parser.add_argument("--level", type=Level, default=Level.DEBUG, help="the least level: debug, info, ...")
    given = parser.parse_args(arguments)
    lines = simulate(
        Scenario(sites=given.sites, steps=given.steps, faults=given.faults, seed=given.seed, abort_at_s=given.abort_at)
    )
    if given.until is not None:
        lines = [line for line in lines if line.offset_ns <= given.until * S]
    if given.speed:
        asyncio.run(Growing(given.file, lines).play(given.speed))
    else:
        write_log(given.file, lines, level=given.level)
    sys.stdout.write(f"{given.file}: {given.file.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
