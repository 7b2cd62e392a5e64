"""Runs many seeds, on all cores, and adds up what came of them."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.simulation.invariants import check
from tests.simulation.invariants.verdicts import claims
from tests.simulation.playing import Playing, fingerprint, play
from tests.simulation.plot import Plot, draw
from tests.simulation.remembered import remembered
from tests.simulation.truth import Violation

_BLOCK = 4
_SEEDS_PER_PROCESS = 2_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed.

    Attributes:
        violations: The invariants that it broke.
        verdicts: How many sites of how many steps were given each verdict.
        troubles: The kinds of trouble that it had.
        simulated_s: How long it lasted on the virtual clock.
        cpu_s: How long that took.
        fingerprint: Of everything in it.
    """

    seed: int
    violations: tuple[Violation, ...]
    verdicts: Counter[str]
    troubles: frozenset[str]
    simulated_s: float = 0.0
    cpu_s: float = 0.0
    fingerprint: str = ""


@dataclass
class Figures:
    """What came of all seeds together."""

    seeds: int = 0
    simulated_s: float = 0.0
    verdicts: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.seeds += 1
        self.simulated_s += outcome.simulated_s
        self.verdicts += outcome.verdicts
        self.troubles.update(outcome.troubles or {"none"})
        if outcome.violations:
            self.failed.append(outcome)


def violations_of(plot: Plot) -> tuple[Playing | None, tuple[Violation, ...]]:
    """Play a plot, and return what it left and broke. What the run itself cannot bear is a violation too."""
    try:
        with remembered():
            playing = play(plot)
            return playing, tuple(check(playing.ran))
    except Exception as error:
        where = traceback.format_exception(error)[-3:]
        return None, (Violation(f"run.{type(error).__name__}", "".join(where).strip()),)


def try_seed(seed: int) -> Outcome:
    """Run one seed."""
    begun_s, plot = time.process_time(), draw(seed)
    playing, violations = violations_of(plot)
    troubles = plot.troubles - {"fault"} if plot.fault is None else plot.troubles | {f"fault {plot.fault.fault}"}
    if playing is None:
        return Outcome(seed, violations, Counter(), frozenset(troubles))
    return Outcome(
        seed,
        violations,
        Counter(str(claim.result["verdict"]) for claim in claims(playing.ran)),
        frozenset(troubles),
        playing.ran.truth.ended_ns / 1e9,
        time.process_time() - begun_s,
        fingerprint(playing.ran),
    )


def campaign(seeds: Sequence[int], *, jobs: int | None = None) -> Iterator[Outcome]:
    """Yield what comes of each seed, as they end.

    Args:
        seeds: Which.
        jobs: How many processes; as many as there are cores unless given.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(seeds))
    if jobs <= 1:
        yield from map(try_seed, seeds)
        return
    # A process that runs for long keeps what pydantic and asyncio cache; a new one now and again does not.
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=_SEEDS_PER_PROCESS // _BLOCK) as pool:
        yield from pool.imap_unordered(try_seed, seeds, chunksize=_BLOCK)
