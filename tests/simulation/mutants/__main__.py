"""Prints the table: bug, the invariant that caught it, and the seed. Exits with 1 if one escaped."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.simulation.mutants import MUTANTS
from tests.simulation.mutants.hunt import SEEDS_MAX, Catch, hunt


def main(arguments: list[str] | None = None) -> int:
    """Hunt the bugs that are asked for.

    Returns:
        0 if every one was caught, 1 if one escaped, 2 if there is none of that name.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of a bug's name; all bugs unless given")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, help="most seeds for each bug (%(default)s)")
    parser.add_argument("--jobs", type=int, default=None, help="processes (as many as there are cores)")
    options = parser.parse_args(arguments)
    chosen = [one for one in MUTANTS if not options.names or any(name in one.name for name in options.names)]
    if not chosen:
        sys.stderr.write(f"no bug is called like that; there are: {', '.join(one.name for one in MUTANTS)}\n")
        return 2
    caught: list[Catch] = []
    screen = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} seeds"), TimeElapsedColumn()
    with Progress(TextColumn("{task.fields[found]}"), *columns, console=screen, transient=True) as progress:
        task = progress.add_task("", total=options.seeds, found=f"0 of {len(chosen)}")

        def tell(name: str, seeds: int) -> None:
            found = f"{len(caught)} of {len(chosen)}"
            progress.update(task, description=name, completed=seeds, found=found)

        for catch in hunt(chosen, seeds=options.seeds, jobs=options.jobs, tell=tell):
            caught.append(catch)
            if not screen.is_terminal:
                sys.stderr.write(f"{_line(catch)}\n")
    _print(caught)
    escaped = [catch.mutant for catch in caught if catch.seed is None]
    if escaped:
        sys.stdout.write(f"{len(escaped)} of {len(caught)} bugs escaped: {', '.join(escaped)}\n")
        return 1
    sys.stdout.write(f"all {len(caught)} bugs were caught\n")
    return 0


def _line(catch: Catch) -> str:
    if catch.seed is None:
        return f"{catch.mutant}: ESCAPED ({catch.hits} hits, {catch.wall_s:.0f} s)"
    return f"{catch.mutant}: seed {catch.seed}, {', '.join(catch.invariants)} ({catch.wall_s:.1f} s)"


def _print(caught: list[Catch]) -> None:
    what = {one.name: one.what for one in MUTANTS}
    table = Table("bug", "what it is", "caught by", "at seed", "times run", box=None, pad_edge=False)
    for catch in caught:
        by = catch.invariants[0] if catch.invariants else "ESCAPED"
        more = f" (+{len(catch.invariants) - 1})" if len(catch.invariants) > 1 else ""
        seed = "-" if catch.seed is None else str(catch.seed)
        table.add_row(catch.mutant, what[catch.mutant], by + more, seed, str(catch.hits))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


if __name__ == "__main__":
    sys.exit(main())
