"""The loop that brings the actuator to the wanted state, and keeps it there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import assert_never

from agents.acting import Driver
from agents.courier import wait_for_event
from agents.decision import ApplyFailed, Halted, Input, Rehearsed, Restored, Tick
from agents.events import OrderAccepted
from agents.observation import Observation, SiteState
from agents.offload import Offload
from agents.proofs import all_hold, proof
from agents.reconcile import Action, next_action, wanted
from agents.state import AgentState, Moment
from protocols.clock import Clock
from protocols.controls import Actor, DecommissionParams, Params, PowerCutParams, ShutdownParams, StandbyParams, acts
from protocols.errors import DriverError
from protocols.host.logs import FilteringBoundLogger, bound
from protocols.messages import Proof

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
        actor: Whose driver it is. An enforcer's is rehearsed for every rung that is seen.
        nonce: Makes a fresh nonce, to be signed when the site is armed.

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
        actor: Actor,
        nonce: Callable[[], str],
    ) -> None:
        self._driver = driver
        self._state = state
        self._moment = moment
        self._report = report
        self._clock = clock
        self._log = log
        self._offload = offload
        self._actor = actor
        self._nonce = nonce
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
            self._log.error(f"{self._actor}.driver.failed", detail=str(error))

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
                pause_s = self._rest(seen)
                await self._rehearse_seen()
                return pause_s
            case Action.RESTORE:
                return await self._restore()
            case Action.HALTED if order is not None:
                await self._halted(order, seen.detail)
                await self._rehearse_seen()
                return _LOOK_S
            case Action.APPLY if order is not None:
                return await self._apply(order, seen)
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
            "rung": order.rung,
            "control": order.params.control,
        }

    async def _observe(self, order: OrderAccepted | None) -> Observation:
        try:
            return await self._offload(self._driver.observe)
        except DriverError as error:
            self._log.error(f"{self._actor}.driver.failed", detail=str(error))
            # What cannot be seen is neither halted nor running: act towards what is wanted.
            return Observation(SiteState.MIXED, ours=order is None, detail=str(error))

    def _rest(self, seen: Observation) -> float:
        self._failures = 0
        if self._state().live is not None:
            self._report(Restored(seen.detail, gone=seen.state is SiteState.GONE))
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
            return self._failed("restore.failed", error)
        self._failures = 0
        self._reported = None
        if self._wanted() is None:
            self._report(Restored(detail))
            self.resting.set()
        return 0.0 if self._wanted() is not None else _LOOK_S

    async def _apply(self, order: OrderAccepted, before: Observation) -> float:
        def cancelled() -> bool:
            return self._wanted() != order

        proofs: tuple[Proof, ...] = ()
        try:
            if isinstance(order.params, PowerCutParams) and before.state is SiteState.RUNNING:
                # Who cuts restores, and proves before that it can.
                proofs = await self._rehearse(order.params)
                _expect_proved(proofs)
            with bound(**self._about()):
                detail = await self._offload(lambda: self._driver.apply(order.params, cancelled))
            seen = await self._observe(order)
            _expect(Action.HALTED, order, seen)
        except DriverError as error:
            if cancelled():
                return 0.0
            pause_s = self._failed("apply.failed", error)
            give_up = self._failures >= APPLY_ATTEMPTS_MAX
            self._report(ApplyFailed(order.order, str(error), give_up, proofs))
            return 0.0 if give_up else pause_s
        self._failures = 0
        await self._halted(order, detail, proofs)
        return _LOOK_S

    async def _halted(self, order: OrderAccepted, detail: str, proofs: tuple[Proof, ...] = ()) -> None:
        """Report once that what was ordered is done."""
        if self._reported == order.order:
            return
        match order.params:
            case StandbyParams():
                self._report(Rehearsed(order.order, await self._rehearse(order.params)))
            case ShutdownParams():
                self._report(Halted(order.order, detail, await self._checkpoint(), proofs))
            case DecommissionParams(phase="arm", armed_for_s=armed_for_s):
                nonce = self._nonce()
                self._report(Halted(order.order, f"armed for {armed_for_s:g} s, and nothing done", None, armed=nonce))
                armed = self._state().armed
                if armed is None or armed.nonce != nonce:
                    return  # it is not on the disk, so the site is not armed; try again
            case params if not acts(params):
                self._report(Halted(order.order, f"a {params.control} changes nothing here: {detail}", None))
            case _:
                self._report(Halted(order.order, detail, None, proofs))
        self._reported = order.order

    async def _rehearse_seen(self) -> None:
        """Rehearse what a later rung would take, for each rung that was seen and not answered yet."""
        if self._actor is not Actor.ENFORCER:
            return
        for entry in tuple(self._state().rungs.values()):
            if not entry.noted:
                self._report(Rehearsed(entry.seen.order, await self._rehearse(entry.seen.later)))

    async def _rehearse(self, params: Params) -> tuple[Proof, ...]:
        try:
            with bound(**self._about()):
                return await self._offload(lambda: self._driver.rehearse(params))
        except DriverError as error:
            self._log.error(f"{self._actor}.rehearsal.failed", detail=str(error))
            return (proof("restore-path", ok=False, detail=str(error)),)

    async def _checkpoint(self) -> str | None:
        try:
            return await self._offload(self._driver.checkpoint_digest)
        except DriverError as error:
            self._log.error(f"{self._actor}.checkpoint.failed", detail=str(error))
            return None

    def _failed(self, event: str, error: DriverError) -> float:
        self._failures += 1
        pause_s = float(min(_RETRY_MAX_S, _RETRY_MIN_S * 2 ** min(self._failures - 1, 10)))
        self._log.error(f"{self._actor}.{event}", detail=str(error), attempt=self._failures, retry_s=pause_s)
        return pause_s


def _expect(action: Action, order: OrderAccepted | None, seen: Observation) -> None:
    """Hold the driver to its word.

    Raises:
        DriverError: It says that it is done, and what is observed says otherwise.
    """
    if next_action(order, seen) is not action:
        raise DriverError(f"the driver is done, yet the workload is {seen.state}: {seen.detail}")


def _expect_proved(proofs: tuple[Proof, ...]) -> None:
    """Let nothing be cut that could not be restored.

    Raises:
        DriverError: A step of the way there or back does not hold.
    """
    if not all_hold(proofs):
        failed = ", ".join(one.step for one in proofs if not one.ok) or "nothing was exercised"
        raise DriverError(f"not cut, because the rehearsal does not hold: {failed}")
