"""Runs seeds with a bug planted until an invariant is broken: on all cores, with one answer whatever their number."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.simulation.invariants import check
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.playing import run
from tests.simulation.remembered import remembered

SEEDS_MAX = 1_000
"""Seeds in which a bug must be found."""

_BLOCK = 4


@dataclass(frozen=True, slots=True)
class Catch:
    """How a bug fared.

    Attributes:
        invariants: What it broke at that seed; empty when it escaped.
        seed: The first seed at which an invariant was broken; None when there was none.
        hits: How often the planted code was run in the seeds up to there.
        wall_s: How long that took.
    """

    mutant: str
    invariants: tuple[str, ...]
    seed: int | None
    hits: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class _Tried:
    seed: int
    invariants: tuple[str, ...]
    hits: int


Broken = Callable[[int], Sequence[str]]
"""Runs a seed, and returns the names of the invariants that it broke."""


def broken_by(seed: int) -> Sequence[str]:
    """Run one seed and return the names of the invariants that it broke, each once."""
    with remembered():
        return tuple(dict.fromkeys(one.invariant for one in check(run(seed))))


def try_seed(mutant: Mutant, seed: int, broken: Broken = broken_by) -> _Tried:
    """Run one seed with a bug planted. What a bug does to the run itself, such as an error, is a catch too."""
    with mutant.planted() as patcher:
        try:
            found = tuple(broken(seed))
        except Exception as error:
            found = (f"({type(error).__name__})",)
        return _Tried(seed, found, patcher.hits)


def _try_block(task: tuple[str, int, int]) -> list[_Tried]:
    name, first, last = task
    mutant = next(one for one in MUTANTS if one.name == name)
    tried = []
    for seed in range(first, last):
        tried.append(try_seed(mutant, seed))
        if tried[-1].invariants:
            break
    return tried


def hunt(
    mutants: Sequence[Mutant], *, seeds: int = SEEDS_MAX, jobs: int | None = None, tell: Callable[[str, int], None]
) -> Iterator[Catch]:
    """Yield how each bug fares, in order.

    Args:
        mutants: The bugs.
        seeds: How many seeds each is given, from 0.
        jobs: How many processes; as many as there are cores unless given.
        tell: Told of each bug's name and of how many seeds of it were run.
    """
    jobs = jobs or os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for mutant in mutants:
            yield _hunt_one(pool, mutant, seeds, jobs, tell)


def _hunt_one(
    pool: multiprocessing.pool.Pool, mutant: Mutant, seeds: int, jobs: int, tell: Callable[[str, int], None]
) -> Catch:
    begun, hits, width = time.monotonic(), 0, 1
    done = 0
    tell(mutant.name, 0)
    while done < seeds:
        # Rounds grow, so that a bug that is found at once costs little and one that hides keeps all cores at work.
        ends = [min(seeds, done + width * (job + 1)) for job in range(jobs)]
        blocks = [(mutant.name, first, last) for first, last in zip([done, *ends], ends, strict=False) if first < last]
        tried = [one for block in pool.map(_try_block, blocks, chunksize=1) for one in block]
        for one in tried:
            hits += one.hits
            if one.invariants:
                return Catch(mutant.name, one.invariants, one.seed, hits, time.monotonic() - begun)
        done = ends[-1]
        width = min(_BLOCK * 4, width * 2)
        tell(mutant.name, done)
    return Catch(mutant.name, (), None, hits, time.monotonic() - begun)
