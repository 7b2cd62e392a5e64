"""Capping a workload's CPU time: by its cgroup's `cpu.max` where there is one, else by a throttler.

Hosts of cgroup v1, and hybrid ones, whose cpu controller belongs to v1, have no `cpu.max`; nor has a
delegated subtree whose owner was not given the cpu controller.
"""

from __future__ import annotations

from agents.drivers.enclosure import Enclosure
from agents.drivers.throttle import Throttler
from agents.drivers.waiting import wait_until
from protocols.clock import Clock
from protocols.errors import DriverError

NO_QUOTA = "max"
"""What `cpu.max` begins with when it caps nothing."""

# Of the cap: turns and periods do not fit a window exactly, and no window of half a second may exceed it.
_QUOTA_AIM = 0.8
_TURNS_AIM = 0.75
_QUOTA_MIN_US = 1_000
_PERIODS_US = (50_000, 100_000, 1_000_000)
_US_PER_S = 1_000_000
_ENGAGE_LIMIT_S = 10.0


def quota_for(cap_per_s: int) -> str:
    """Return what `cpu.max` must hold, quota and period in microseconds, to stay under a cap.

    Args:
        cap_per_s: Microseconds of CPU time for each second.

    Raises:
        DriverError: The kernel takes no quota that small.
    """
    aim_per_s = cap_per_s * _QUOTA_AIM
    for period_us in _PERIODS_US:
        quota_us = int(aim_per_s * period_us / _US_PER_S)
        if quota_us >= _QUOTA_MIN_US:
            return f"{quota_us} {period_us}"
    raise DriverError(f"a cap of {cap_per_s} us of CPU time a second is less than the kernel can keep")


class Slowing:
    """Keeps one enclosure under a cap at a time.

    Args:
        clock: Measures the turns of the throttler.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._throttler: Throttler | None = None

    def begin(self, enclosure: Enclosure, cap_per_s: int) -> str:
        """Cap the enclosure, and return a clause on how once the cap holds.

        Args:
            enclosure: The workload.
            cap_per_s: Microseconds of CPU time for each second.

        Raises:
            DriverError: It could not be capped.
        """
        if enclosure.quota() is not None:
            enclosure.resume()
            enclosure.set_quota(quota_for(cap_per_s))
            return "by cpu.max"
        self._stop_throttler()
        throttler = Throttler(enclosure, cap_per_s * _TURNS_AIM, self._clock)
        self._throttler = throttler
        throttler.start()
        wait_until(
            lambda: throttler.engaged or throttler.failure is not None, limit_s=_ENGAGE_LIMIT_S, clock=self._clock
        )
        if not throttler.holds:
            raise DriverError(f"the workload could not be slowed: {throttler.failure or 'no answer in time'}")
        return "by suspending it in turns"

    def in_force(self, enclosure: Enclosure, cap_per_s: int) -> bool:
        """Tell whether the cap holds now."""
        quota = enclosure.quota()
        if quota is not None:
            return quota == quota_for(cap_per_s)
        return self._throttler is not None and self._throttler.holds

    def end(self, enclosure: Enclosure | None) -> None:
        """Lift the cap; a throttled workload may be left suspended.

        Raises:
            DriverError: It could not be lifted.
        """
        self._stop_throttler()
        quota = None if enclosure is None else enclosure.quota()
        if enclosure is not None and quota is not None and not quota.startswith(NO_QUOTA):
            enclosure.set_quota(NO_QUOTA)

    def _stop_throttler(self) -> None:
        if self._throttler is not None:
            self._throttler.stop()
            self._throttler = None
