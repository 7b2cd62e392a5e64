"""The loop that brings the actuator to the wanted state, and keeps it there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import assert_never

from agents.acting import Driver
from agents.courier import wait_for_event
from agents.decision import ApplyFailed, Halted, Input, Restored, Tick
from agents.events import OrderAccepted
from agents.observation import Observation, SiteState
from agents.offload import Offload
from agents.reconcile import Action, next_action, wanted
from agents.state import AgentState, Moment
from protocols.clock import Clock
from protocols.controls import ShutdownParams
from protocols.errors import DriverError
from protocols.host.logs import FilteringBoundLogger, bound

APPLY_ATTEMPTS_MAX = 8
"""How often an order is tried before the agent gives it up and restores the site."""

_LOOK_S = 1.0
_RETRY_MIN_S = 0.25
_RETRY_MAX_S = 5.0


class Actuator:
    """Reconciles one driver.

    Args:
        driver: The driver.
        state: Returns what the agent remembers now; called from the driver's thread too.
        moment: Returns the present moment; likewise.
        report: Takes what happened here to be decided upon.
        clock: The clock.
        log: Where failures are told.
        offload: How blocking calls of the driver are run, one at a time.

    Attributes:
        wake: Set it when the wanted state may have changed.
        resting: Set while the site was last seen running, without our mark and with nothing to do.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        state: Callable[[], AgentState],
        moment: Callable[[], Moment],
        report: Callable[[Input], None],
        clock: Clock,
        log: FilteringBoundLogger,
        offload: Offload,
    ) -> None:
        self._driver = driver
        self._state = state
        self._moment = moment
        self._report = report
        self._clock = clock
        self._log = log
        self._offload = offload
        self._target: str | None = None
        self._reported: str | None = None
        self._failures = 0
        self.wake = asyncio.Event()
        self.resting = asyncio.Event()

    async def start(self) -> None:
        """Attach to the workload, or start it. A failure is told; the loop goes on trying."""
        try:
            await self._offload(self._driver.start)
        except DriverError as error:
            self._log.error("agent.driver.failed", detail=str(error))

    async def run(self) -> None:
        """Reconcile until cancelled."""
        while True:
            await wait_for_event(self._clock, self.wake, await self.step())

    async def step(self) -> float:
        """Look, do the one thing that is to be done, and return in how many seconds to look again."""
        order = self._wanted()
        target = None if order is None else order.order
        if target != self._target:
            self._target, self._failures = target, 0
        if order is None and self._state().live is not None:
            # Time alone may have ended the hold; the end is written down before it is acted upon.
            self._report(Tick())
        seen = await self._observe(order)
        action = next_action(order, seen)
        if action is not Action.REST:
            self.resting.clear()
        match action:
            case Action.REST:
                return self._rest(seen.detail)
            case Action.RESTORE:
                return await self._restore()
            case Action.HALTED if order is not None:
                return await self._halted(order, seen.detail)
            case Action.APPLY if order is not None:
                return await self._apply(order)
            case Action.HALTED | Action.APPLY:
                return _LOOK_S
            case _:
                assert_never(action)

    def _wanted(self) -> OrderAccepted | None:
        return wanted(self._state(), self._moment())

    def _about(self) -> dict[str, object]:
        """Return the fields by which the driver's own log lines are found again: the order at work."""
        live = self._state().live
        if live is None:
            return {}
        order = live.accepted
        return {
            "order": order.order,
            "drill": order.drill,
            "use": order.key.use,
            "step": order.key.step,
            "control": order.params.control,
        }

    async def _observe(self, order: OrderAccepted | None) -> Observation:
        try:
            return await self._offload(self._driver.observe)
        except DriverError as error:
            self._log.error("agent.driver.failed", detail=str(error))
            # What cannot be seen is neither halted nor running: act towards what is wanted.
            return Observation(SiteState.MIXED, ours=order is None, detail=str(error))

    def _rest(self, detail: str) -> float:
        self._failures = 0
        if self._state().live is not None:
            self._report(Restored(detail))
        self._reported = None
        if self._wanted() is None:
            self.resting.set()
            return _LOOK_S
        return 0.0

    async def _restore(self) -> float:
        try:
            with bound(**self._about()):
                detail = await self._offload(self._driver.restore)
            seen = await self._observe(None)
            _expect(Action.REST, None, seen)
        except DriverError as error:
            # The one thing that is never given up.
            return self._failed("agent.restore.failed", error)
        self._failures = 0
        self._reported = None
        if self._wanted() is None:
            self._report(Restored(detail))
            self.resting.set()
        return 0.0 if self._wanted() is not None else _LOOK_S

    async def _apply(self, order: OrderAccepted) -> float:
        def cancelled() -> bool:
            return self._wanted() != order

        try:
            with bound(**self._about()):
                detail = await self._offload(lambda: self._driver.apply(order.params, cancelled))
            seen = await self._observe(order)
            _expect(Action.HALTED, order, seen)
        except DriverError as error:
            if cancelled():
                return 0.0
            pause_s = self._failed("agent.apply.failed", error)
            give_up = self._failures >= APPLY_ATTEMPTS_MAX
            self._report(ApplyFailed(order.order, str(error), give_up))
            return 0.0 if give_up else pause_s
        self._failures = 0
        return await self._halted(order, detail)

    async def _halted(self, order: OrderAccepted, detail: str) -> float:
        if self._reported != order.order:
            checkpoint = await self._checkpoint() if isinstance(order.params, ShutdownParams) else None
            self._report(Halted(order.order, detail, checkpoint))
            self._reported = order.order
        return _LOOK_S

    async def _checkpoint(self) -> str | None:
        try:
            return await self._offload(self._driver.checkpoint_digest)
        except DriverError as error:
            self._log.error("agent.checkpoint.failed", detail=str(error))
            return None

    def _failed(self, event: str, error: DriverError) -> float:
        self._failures += 1
        pause_s = float(min(_RETRY_MAX_S, _RETRY_MIN_S * 2 ** min(self._failures - 1, 10)))
        self._log.error(event, detail=str(error), attempt=self._failures, retry_s=pause_s)
        return pause_s


def _expect(action: Action, order: OrderAccepted | None, seen: Observation) -> None:
    """Hold the driver to its word.

    Raises:
        DriverError: It says that it is done, and what is observed says otherwise.
    """
    if next_action(order, seen) is not action:
        raise DriverError(f"the driver is done, yet the workload is {seen.state}: {seen.detail}")
