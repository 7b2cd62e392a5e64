"""Runs seeds of the simulation: whole drills in bad weather, held against what must always hold.

Exits with 1 if an invariant was broken; then the seed, the invariant and a shrunken timeline are printed.
"""

from __future__ import annotations

import argparse
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.simulation.campaign import Figures, Outcome, campaign, violations_of
from tests.simulation.playing import fingerprint
from tests.simulation.plot import draw
from tests.simulation.shrink import shrink
from tests.simulation.timeline import timeline

SHRUNK_MAX = 3
"""Most seeds that are shrunk after a campaign."""


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for.

    Returns:
        0 if all invariants held, 1 if one was broken.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many seeds (%(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first of them (%(default)s)")
    parser.add_argument("--jobs", type=int, default=None, metavar="J", help="processes (as many as there are cores)")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="run this one, and print its timeline")
    parser.add_argument("--shrink", action="store_true", help="with --seed: print the shrunken timeline instead")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _one(options.seed, shrunken=options.shrink)
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    return _many(range(options.first, options.first + options.seeds), options.jobs)


def _one(seed: int, *, shrunken: bool) -> int:
    plot = draw(seed)
    playing, violations = violations_of(plot)
    sys.stdout.write(f"seed {seed}: {plot}\n")
    if playing is not None:
        if not (shrunken and violations):
            sys.stdout.writelines(f"{line}\n" for line in timeline(playing.ran))
        sys.stdout.write(f"fingerprint {fingerprint(playing.ran)}\n")
    for violation in violations:
        sys.stdout.write(f"broken: {violation.invariant}: {violation.what}\n")
    if shrunken and violations:
        _print_shrunken(seed)
    return 1 if violations else 0


def _many(seeds: range, jobs: int | None) -> int:
    screen, figures, begun_s = Console(stderr=True), Figures(), time.monotonic()
    columns = MofNCompleteColumn(), TextColumn("seeds"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, TextColumn("{task.description}"), console=screen, transient=True) as progress:
        task = progress.add_task("", total=len(seeds))
        for outcome in campaign(seeds, jobs=jobs):
            figures.add(outcome)
            progress.update(task, advance=1, description=f"{len(figures.failed)} broken")
            if outcome.violations:
                progress.print(_failure(outcome), markup=False, soft_wrap=True)
    _print_figures(figures, time.monotonic() - begun_s)
    for outcome in sorted(figures.failed, key=lambda one: one.seed)[:SHRUNK_MAX]:
        _print_shrunken(outcome.seed)
    return 1 if figures.failed else 0


def _failure(outcome: Outcome) -> str:
    first = outcome.violations[0]
    return f"seed {outcome.seed}: {first.invariant}: {first.what}"


def _print_figures(figures: Figures, wall_s: float) -> None:
    hours = figures.simulated_s / 3600
    out = sys.stdout.write
    out(f"{figures.seeds} seeds in {wall_s:.0f} s: {figures.seeds / wall_s:.2f} seeds/s\n")
    out(f"{hours:.1f} simulated hours: {hours / wall_s:.4f} simulated hours per wall second\n")
    out(f"verdicts: {', '.join(f'{count} {verdict}' for verdict, count in figures.verdicts.most_common())}\n")
    out(f"seeds with each trouble: {', '.join(f'{count} {one}' for one, count in figures.troubles.most_common())}\n")
    broken = sorted(figures.failed, key=lambda one: one.seed)
    out(f"invariants broken in {len(broken)} seeds\n")
    for outcome in broken:
        out(f"  {_failure(outcome)}\n")


def _print_shrunken(seed: int) -> None:
    playing, violations = violations_of(draw(seed))
    if not violations:
        sys.stdout.write(f"seed {seed} breaks nothing here\n")
        return
    shrunk = shrink(draw(seed), playing, violations[0])
    out = sys.stdout.write
    out(f"\nseed {seed}, shrunken in {shrunk.tries} tries: {shrunk.plot}\n")
    if shrunk.playing is not None:
        sys.stdout.writelines(f"{line}\n" for line in timeline(shrunk.playing.ran))
    out(f"broken: {shrunk.violation.invariant}: {shrunk.violation.what}\n")
    out(f"again: python -m tests.simulation --seed {seed} --shrink\n")


if __name__ == "__main__":
    sys.exit(main())
