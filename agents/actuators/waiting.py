"""Waiting for a controller, with a bound and a way out."""

from __future__ import annotations

import threading
from collections.abc import Callable

from protocols.clock import Clock

_NS_PER_S = 1_000_000_000
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5


def wait_for(
    condition: Callable[[], bool], *, limit_s: float, clock: Clock, cancelled: Callable[[], bool] | None = None
) -> bool:
    """Wait until `condition` holds, `limit_s` seconds are over, or `cancelled` says so.

    Args:
        condition: Asked at once, and then at growing intervals of at most half a second.
        limit_s: The longest wait, in seconds.
        clock: Measures it.
        cancelled: Ends the wait early.

    Returns:
        Whether the condition held at last.
    """
    deadline_ns = clock.boot_ns() + round(limit_s * _NS_PER_S)
    pause_s = _FIRST_PAUSE_S
    sleeper = threading.Event()  # never set
    while not condition():
        left_s = (deadline_ns - clock.boot_ns()) / _NS_PER_S
        if left_s <= 0 or (cancelled is not None and cancelled()):
            return False
        sleeper.wait(min(pause_s, left_s))
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
    return True
