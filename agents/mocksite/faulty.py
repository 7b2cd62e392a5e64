"""Faults of the agent and of clocks: wrappers around honest parts, whose own code stays as it is.

Each looks at the site's faults when it is used, so a fault may be switched at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from agents.acting import Driver
from agents.lying import LyingDriver
from agents.mocksite.faults import Faults
from agents.mocksite.offload import NotYet
from agents.observation import Observation
from protocols.clock import Clock
from protocols.controls import Control, LeaseParams, Params
from protocols.errors import DriverError
from protocols.messages import Proof
from protocols.mock_config import Fault
from protocols.transport.base import Inbound, Transport

_CACHE_LOOK_S = 0.5


class FaultyDriver:
    """The driver of an agent that may lie, or think that an old licence still holds.

    Args:
        honest: The real driver.
        faults: The site's faults.
    """

    def __init__(self, honest: Driver, faults: Faults) -> None:
        self._honest = honest
        self._liar = LyingDriver(honest)
        self._faults = faults

    @property
    def _now(self) -> Driver:
        return self._liar if self._faults.has(Fault.LYING_AGENT) else self._honest

    @property
    def actions(self) -> frozenset[Control]:
        """The controls of the honest driver."""
        return self._honest.actions

    def start(self) -> None:
        """Attach.

        Raises:
            DriverError: It cannot attach.
        """
        self._now.start()

    def observe(self) -> Observation:
        """Look, or claim.

        Raises:
            DriverError: Nothing can be seen.
        """
        return self._now.observe()

    def rehearse(self, params: Params) -> tuple[Proof, ...]:
        """Rehearse.

        Raises:
            DriverError: Not even that could be tried.
        """
        return self._now.rehearse(params)

    def apply(self, params: Params, cancelled: Callable[[], bool]) -> str:
        """Act, or claim to; under a lease that lapsed, work on with the licence that is kept.

        Raises:
            DriverError: It was not done (yet).
        """
        if isinstance(params, LeaseParams) and self._faults.has(Fault.CACHES_LICENCE):
            if cancelled():
                raise DriverError("given up: the order holds no longer")
            raise NotYet("there is a licence in the cache", after_s=_CACHE_LOOK_S)
        return self._now.apply(params, cancelled)

    def restore(self) -> str:
        """Restore.

        Raises:
            DriverError: It does not run (yet).
        """
        return self._now.restore()

    def checkpoint_digest(self) -> str | None:
        """Return the digest of the checkpoint.

        Raises:
            DriverError: It cannot be read.
        """
        return self._now.checkpoint_digest()

    def close(self, *, stop_workload: bool) -> None:
        """Let go.

        Raises:
            DriverError: What was to be ended still runs.
        """
        self._now.close(stop_workload=stop_workload)


class DeafTransport:
    """The transport of an agent that may hear nothing, while it still speaks.

    Args:
        real: The transport.
        faults: The site's faults.
    """

    def __init__(self, real: Transport, faults: Faults) -> None:
        self._real = real
        self._faults = faults

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._real.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._real.__aexit__(exc_type, exc, traceback)

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._real.connected

    @property
    def dropped(self) -> int:
        """How many messages the inbox dropped."""
        return self._real.dropped

    @property
    def oversized(self) -> int:
        """How many messages were too large."""
        return self._real.oversized

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish.

        Raises:
            TransportError: It could not be handed over.
        """
        await self._real.publish(topic, payload, retain=retain)

    async def receive(self, limit: int) -> list[Inbound]:
        """Wait for messages; those that come while it is deaf are lost.

        Raises:
            TransportError: The transport was left.
        """
        while True:
            messages = await self._real.receive(limit)
            if not self._faults.has(Fault.DEAF_AGENT):
                return messages


class DriftingClock:
    """A clock that may run fast.

    Args:
        true: The true clock.
        drift: How much faster it runs while it drifts, as a fraction.
        drifts: Tells whether it does now.
    """

    def __init__(self, true: Clock, *, drift: float, drifts: Callable[[], bool]) -> None:
        self._true = true
        self._drift = drift
        self._drifts = drifts
        self._seen_ns: int | None = None
        self._ahead_ns = 0

    @property
    def boot_id(self) -> str:
        """The boot of the true clock."""
        return self._true.boot_id

    def wall_ns(self) -> int:
        """Return the wall time, as far ahead as the boot clock is."""
        self._go_on()
        return self._true.wall_ns() + self._ahead_ns

    def boot_ns(self) -> int:
        """Return the boot time, with all that it gained."""
        return self._go_on() + self._ahead_ns

    async def sleep(self, duration_s: float) -> None:
        """Wait so long by this clock."""
        await self._true.sleep(duration_s / (1 + self._drift) if self._drifts() else duration_s)

    def _go_on(self) -> int:
        now_ns = self._true.boot_ns()
        if self._seen_ns is not None and self._drifts():
            self._ahead_ns += round((now_ns - self._seen_ns) * self._drift)
        self._seen_ns = now_ns
        return now_ns
