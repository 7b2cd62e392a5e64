"""How soon a workload that keeps dying is started again."""

from __future__ import annotations

from protocols.clock import Clock
from protocols.errors import DriverError

_NS_PER_S = 1_000_000_000
_QUICK_DEATH_S = 10.0
_FIRST_S = 0.5
_LONGEST_S = 30.0
_QUICK_DEATHS_COUNTED_MAX = 10


class Backoff:
    """Waits longer after each quick death, and never gives up.

    Args:
        clock: Measures how long the workload lived.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_ns: int | None = None
        self._quick_deaths = 0

    def started(self) -> None:
        """Note a start."""
        self._started_ns = self._clock.boot_ns()

    def check(self, *, died_by_itself: bool) -> None:
        """Check that the next start is due.

        Raises:
            DriverError: It is not due yet; the message says when.
        """
        if not died_by_itself:
            self._quick_deaths = 0
            return
        left_s = 0.0 if self._started_ns is None else self._least_s() - self._uptime_s()
        if left_s > 0:
            deaths = self._quick_deaths + 1
            raise DriverError(f"the workload keeps dying ({deaths} times in a row), restarting in {left_s:.1f} s")
        quick = self._started_ns is not None and self._uptime_s() < _QUICK_DEATH_S + self._least_s()
        self._quick_deaths = min(self._quick_deaths + 1, _QUICK_DEATHS_COUNTED_MAX) if quick else 0

    def _uptime_s(self) -> float:
        """Return the seconds since the last start."""
        return 0.0 if self._started_ns is None else (self._clock.boot_ns() - self._started_ns) / _NS_PER_S

    def _least_s(self) -> float:
        """Return the least seconds between the last start and the next."""
        return min(_FIRST_S * 2.0**self._quick_deaths, _LONGEST_S)
