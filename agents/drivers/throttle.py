"""Holding a workload to a rate of CPU time by suspending and resuming it in short turns.

For hosts whose kernel caps nothing itself. What counts is CPU time by the kernel's accounts, not the
share of time spent resumed: a workload of many threads is held to the same rate as one of few.
"""

from __future__ import annotations

import os
import threading

from agents.acting import SiteState
from agents.drivers.enclosure import Enclosure
from protocols.clock import Clock
from protocols.errors import DriverError

_NS_PER_S = 1_000_000_000
_US_PER_S = 1_000_000
_TURN_S = 0.1
_DEBT_MAX_S = 0.5
_LOOK_MIN_S = 0.001
_LOOK_MAX_S = 0.02
_COST_SHARE_MAX = 0.1
_TURN_MAX_S = 0.2
_SUSPEND_TRIES_MAX = 5
_STALE_S = 3.0
_JOIN_LIMIT_S = 10.0


class Allowance:
    """How much CPU time may be used now, when it accrues at a steady rate. Pure.

    Neither savings nor debts grow without end: an idle workload saves up no burst, and one that ran
    away while nobody looked is not starved for it later.

    Args:
        rate_per_s: Microseconds of CPU time for each second.
        now_ns: When it begins, with nothing allowed yet.
        used_us: What had been used by then.
        turn_s: The longest time that it saves for, seconds.
    """

    def __init__(self, rate_per_s: float, *, now_ns: int, used_us: int, turn_s: float = _TURN_S) -> None:
        self.rate_per_s = rate_per_s
        self.turn_s = turn_s
        self._now_ns = now_ns
        self._used_us = used_us
        self._left_us = 0.0

    @property
    def slice_us(self) -> float:
        """What is worth resuming for: half of what is saved at most."""
        return self.rate_per_s * self.turn_s / 2

    def account(self, now_ns: int, used_us: int) -> float:
        """Take in what has been used by now, and return the microseconds that are left, or owed."""
        accrued_us = self.rate_per_s * (now_ns - self._now_ns) / _NS_PER_S
        left_us = self._left_us + accrued_us - max(0, used_us - self._used_us)
        most_us, least_us = self.rate_per_s * self.turn_s, -self.rate_per_s * _DEBT_MAX_S
        self._left_us = min(most_us, max(least_us, left_us))
        self._now_ns, self._used_us = now_ns, used_us
        return self._left_us


class Throttler:
    """A thread that holds an enclosure to a rate; it dies with the process, perhaps in mid-turn.

    Args:
        enclosure: What to suspend and resume.
        rate_per_s: Microseconds of CPU time for each second.
        clock: Measures the time.
    """

    def __init__(self, enclosure: Enclosure, rate_per_s: float, clock: Clock) -> None:
        self._enclosure = enclosure
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._cpus = os.cpu_count() or 1
        self._stop = threading.Event()
        self._looked_ns = clock.boot_ns()
        self._thread = threading.Thread(target=self._run, name="haltdrill-throttle", daemon=True)
        self.failure: str | None = None
        self.engaged = False

    @property
    def holds(self) -> bool:
        """Whether it has begun to hold, and has looked a moment ago."""
        age_ns = self._clock.boot_ns() - self._looked_ns
        return self.engaged and self._thread.is_alive() and age_ns < _STALE_S * _NS_PER_S

    def start(self) -> None:
        """Begin; `engaged` is set once the first suspension is done."""
        self._thread.start()

    def stop(self) -> None:
        """End, and leave the enclosure as it is: suspended or not.

        Raises:
            DriverError: The thread does not end.
        """
        self._stop.set()
        self._thread.join(_JOIN_LIMIT_S)
        if self._thread.is_alive():
            raise DriverError("the throttler does not end")

    def _run(self) -> None:
        try:
            self._enclosure.suspend()  # which also meets all that is in it
            allowance = Allowance(self._rate_per_s, now_ns=self._clock.boot_ns(), used_us=self._enclosure.cpu_us())
            while not self._stop.is_set():
                self._suspend_until_affordable(allowance)
                self._let_run_until_used(allowance)
        except (DriverError, OSError) as error:
            self.failure = str(error)

    def _suspend_until_affordable(self, allowance: Allowance) -> None:
        began_ns = self._clock.boot_ns()
        for _ in range(_SUSPEND_TRIES_MAX):
            self._enclosure.suspend()
            if self._enclosure.state() is not SiteState.MIXED:
                break  # else somebody was forked while the signals went round
        # Looking through a machine of many processes takes its time: then turns are longer.
        cost_s = (self._clock.boot_ns() - began_ns) / _NS_PER_S
        allowance.turn_s = min(_TURN_MAX_S, max(_TURN_S, cost_s / _COST_SHARE_MAX))
        self.engaged = True
        while not self._stop.is_set():
            lacking_us = allowance.slice_us - self._account(allowance)
            if lacking_us <= 0:
                return
            self._wait(lacking_us / allowance.rate_per_s)

    def _let_run_until_used(self, allowance: Allowance) -> None:
        if self._stop.is_set():
            return
        self._enclosure.resume()
        turn_ends_ns = self._clock.boot_ns() + round(allowance.turn_s * _NS_PER_S)
        while not self._stop.is_set():
            left_us = self._account(allowance)
            if left_us <= 0:
                return
            if self._clock.boot_ns() >= turn_ends_ns:
                self._enclosure.resume()  # also learns of processes that came meanwhile
                turn_ends_ns = self._clock.boot_ns() + round(allowance.turn_s * _NS_PER_S)
            # With every CPU at work it could be used up this soon.
            self._wait(left_us / self._cpus / _US_PER_S)

    def _account(self, allowance: Allowance) -> float:
        self._looked_ns = self._clock.boot_ns()
        return allowance.account(self._looked_ns, self._enclosure.cpu_us())

    def _wait(self, duration_s: float) -> None:
        self._stop.wait(min(_LOOK_MAX_S, max(_LOOK_MIN_S, duration_s)))
