"""Bugs that are planted one at a time, to see that the simulation finds each of them.

A simulation that finds nothing proves something only if it would have found something. So each bug
here is a change of the real code that somebody might make, and the same seeds that are run without it
must break an invariant with it::

    python -m tests.simulation.mutants             # all of them; exit 1 if one escapes
    python -m tests.simulation.mutants veto        # those with `veto` in their names
"""

from __future__ import annotations

from tests.simulation.mutants import at_the_gate, in_the_drill, in_the_evidence, in_the_hold
from tests.simulation.mutants.patching import Mutant, Patcher

MUTANTS: tuple[Mutant, ...] = tuple(
    mutant for module in (at_the_gate, in_the_hold, in_the_evidence, in_the_drill) for mutant in module.MUTANTS.listed
)

__all__ = ["MUTANTS", "Mutant", "Patcher"]
