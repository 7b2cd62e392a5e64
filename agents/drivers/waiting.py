"""Waiting for the world, with a bound and a way out."""

from __future__ import annotations

import threading
from collections.abc import Callable

from protocols.clock import Clock

_NS_PER_S = 1_000_000_000
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.04


def never() -> bool:
    """Cancel nothing."""
    return False


def wait_until(
    condition: Callable[[], bool], *, limit_s: float, clock: Clock, cancelled: Callable[[], bool] = never
) -> bool:
    """Wait until `condition` holds, `limit_s` seconds are over, or `cancelled` says so.

    Args:
        condition: Asked at once and then at growing intervals of at most 40 ms.
        limit_s: The longest wait, in seconds.
        clock: Measures it, by boot time: a suspended machine does not prolong the wait.
        cancelled: Ends the wait early.

    Returns:
        Whether the condition held at last.
    """
    deadline_ns = clock.boot_ns() + round(limit_s * _NS_PER_S)
    pause_s = _FIRST_PAUSE_S
    sleeper = threading.Event()  # never set: a sleep that asks no clock
    while not condition():
        left_s = (deadline_ns - clock.boot_ns()) / _NS_PER_S
        if left_s <= 0 or cancelled():
            return False
        sleeper.wait(min(pause_s, left_s))
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
    return True
