"""How the calls of a simulated driver or probe are run: in place, and with patience.

A simulated call never blocks, so it needs no thread; and what takes its time there takes the time of
the site's clock, which may be virtual. So a driver that has begun something and must wait says how
long (`NotYet`), and is asked again: each of its calls may be repeated without harm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from protocols.clock import Clock
from protocols.errors import DriverError

T = TypeVar("T")


class NotYet(DriverError):
    """What was asked for has begun and is not done.

    Args:
        what: What is still going on.
        after_s: When to ask again, seconds from now.
    """

    def __init__(self, what: str, *, after_s: float) -> None:
        super().__init__(what)
        self.after_s = after_s


class PatientOffload:
    """An `agents.offload.Offload` that asks again until it is done.

    Args:
        clock: The site's true clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(self, call: Callable[[], T], /) -> T:
        """Run `call` in place until it is done, and return what it returns."""
        while True:
            try:
                return call()
            except NotYet as wait:
                await self._clock.sleep(wait.after_s)
