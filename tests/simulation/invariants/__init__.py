"""What must hold of every simulated run, whatever happened in it.

Each invariant is a pure function from what a run left behind to what is wrong with it. None of them
trusts the code under test: who approved, what was in time, what was quiet is worked out anew from
signed bytes and from the truth::

    violations = check(Ran(truth, fleet))

A violation is named after the module and the function that found it, such as `authority.was_once`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.simulation.invariants import authority, bounds, journal, ladder, restoring, sameness, verdicts
from tests.simulation.invariants.ran import Found, Ran
from tests.simulation.truth import Violation

Check = Callable[[Ran], Iterator[Found]]

CHECKS: tuple[Check, ...] = (
    *authority.CHECKS,
    *ladder.CHECKS,
    *verdicts.CHECKS,
    *restoring.CHECKS,
    *journal.CHECKS,
    *sameness.CHECKS,
    *bounds.CHECKS,
)


def name_of(check: Check) -> str:
    """Return an invariant's name: its module and function."""
    return f"{check.__module__.rpartition('.')[2]}.{check.__name__}"


def check(ran: Ran, checks: tuple[Check, ...] = CHECKS) -> list[Violation]:
    """Return everything that is wrong with a run."""
    return [Violation(name_of(one), found.what, found.at_ns) for one in checks for found in one(ran)]


__all__ = ["CHECKS", "Check", "Found", "Ran", "check", "name_of"]
