"""The simulation finds bugs: a few planted ones here, all of them with `make mutants`."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant, Patcher
from tests.simulation.mutants.hunt import try_seed

NAMED = {mutant.name: mutant for mutant in MUTANTS}
QUICK = ("one-owner-is-enough", "restores-nothing", "sample-before-latching", "no-hold-end")
SEEDS = 60


def test_there_are_enough_bugs_and_no_two_of_one_name() -> None:
    """At least twenty bugs are planted, one at a time."""
    assert len(NAMED) == len(MUTANTS) >= 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_bug_can_still_be_planted(mutant: Mutant) -> None:
    """What a bug replaces is still there, and is put back afterwards."""
    with mutant.planted() as patcher:
        places = [(owner, name, before, vars(owner).get(name)) for owner, name, before in patcher._before]
        assert places
        assert all(now is not before for _, _, before, now in places)
    assert isinstance(patcher, Patcher)
    assert all(vars(owner).get(name) is before for owner, name, before, _ in places)


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_found(name: str) -> None:
    """A bug that does its harm in most drills breaks an invariant within a few."""
    for seed in range(SEEDS):
        tried = try_seed(NAMED[name], seed)
        if tried.invariants:
            assert tried.hits > 0
            assert not any(invariant.startswith("(") for invariant in tried.invariants), "an invariant, not an error"
            return
    pytest.fail(f"{name} escaped {SEEDS} seeds")
