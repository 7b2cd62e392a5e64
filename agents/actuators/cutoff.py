"""The power cut: switches a feed off and on again, believes its state and never its answer.

Who cuts restores: a mark is on disk before the feed is switched off, and is taken off only when the
feed has said that it is on. A feed that somebody else switched off carries no mark of ours. It is
theirs to switch on, and is left alone.
"""

from __future__ import annotations

from collections.abc import Callable

from agents.acting import Log
from agents.actuators.marks import CutMark, Marks
from agents.actuators.switch import Switch
from agents.actuators.waiting import wait_for
from agents.observation import Observation, SiteState
from protocols.clock import Clock
from protocols.controls import Control, Params, PowerCutParams
from protocols.errors import DriverError
from protocols.messages import Proof

_DETAIL_MAX_CHARS = 200


class Cutoff:
    """Cuts one site off from its feed.

    Args:
        switch: The feed's controller.
        marks: Where its own doing is kept.
        log: Where it is recorded.
        clock: Measures how long the controller takes.
    """

    actions = frozenset({Control.POWER_CUT})

    def __init__(self, switch: Switch, marks: Marks, *, log: Log, clock: Clock) -> None:
        self._switch = switch
        self._marks = marks
        self._log = log
        self._clock = clock

    def start(self) -> None:
        """Look at the feed and at the mark; nothing is switched.

        Raises:
            DriverError: One of them cannot be read.
        """
        seen = self.observe()
        self._log.info("feed.attached", detail=seen.detail)

    def observe(self) -> Observation:
        """Look at the feed now.

        Raises:
            DriverError: Its state or the mark cannot be read.
        """
        mark, is_on = self._marks.load(), self._switch.state()
        if is_on:
            return Observation(SiteState.RUNNING, ours=mark is not None, detail="the feed is on")
        if mark is None or not mark.cut:
            detail = "the feed is off, and this enforcer did not cut it"
            return Observation(SiteState.DARK, ours=mark is not None, detail=detail)
        return Observation(SiteState.DARK, ours=True, detail="the feed is off, cut by this enforcer")

    def rehearse(self, params: Params) -> tuple[Proof, ...]:
        """Look whether the feed could be cut and switched on again; it is not switched.

        Returns:
            Proofs of `feed-state` (it says that it is on), `permissions` (it could be switched off) and
            `restore-path` (it could be switched on again).

        Raises:
            DriverError: It is asked for something else than a power cut.
        """
        _check(params)
        return (
            _prove("feed-state", self._says_on),
            _prove("permissions", self._switch.check_off),
            _prove("restore-path", self._switch.check_on),
        )

    def apply(self, params: Params, cancelled: Callable[[], bool]) -> str:
        """Switch the feed off, and return once its state says so.

        Raises:
            DriverError: It does not say so in time, or `cancelled` did.
        """
        _check(params)
        mark = self._marks.load()
        if not self._switch.state() and (mark is None or not mark.cut):
            self._marks.save(CutMark(cut=False))
            return "the feed was off already, and stays so"
        self._marks.save(CutMark(cut=True))
        self._switch.switch(on=False)
        if not self._wait_until(on=False, cancelled=cancelled):
            if cancelled():
                raise DriverError("the cut was called off before the feed said that it is off")
            raise DriverError(f"the controller answered, yet {self._switch.settle_s:g} s later the feed is on")
        self._marks.save(CutMark(cut=True, confirmed=True))
        self._log.info("feed.cut", control=params.control)
        return "the feed is off, by its controller's own account"

    def restore(self) -> str:
        """Switch on what we cut, and take the mark off once the feed says that it is on.

        A cut that was never confirmed may still be on its way. Then the feed is watched for as long as
        it may take to settle, and switched on again if it arrives.

        Raises:
            DriverError: It does not say so in time.
        """
        mark = self._marks.load()
        if mark is None:
            is_on = self._switch.state()
            return "the feed is on" if is_on else "the feed is off, and not by this enforcer: it is left alone"
        if not mark.cut:
            self._marks.clear()
            return "the feed was off before: it is left as it is"
        self._switch_on()
        if not mark.confirmed and wait_for(
            lambda: not self._switch.state(), limit_s=self._switch.settle_s, clock=self._clock
        ):
            self._switch_on()
        self._marks.clear()
        self._log.info("feed.restored")
        return "the feed is on again, by its controller's own account"

    def checkpoint_digest(self) -> str | None:
        """Return None: a feed has no checkpoint."""
        return None

    def close(self, *, stop_workload: bool) -> None:
        """Let go of the feed, whatever it is; the mark stays."""

    def _says_on(self) -> str:
        if not self._switch.state():
            raise DriverError("the feed is off: there is nothing to cut")
        return "the controller says on"

    def _switch_on(self) -> None:
        self._switch.switch(on=True)
        if not self._wait_until(on=True):
            raise DriverError(f"the controller answered, yet {self._switch.settle_s:g} s later the feed is off")

    def _wait_until(self, *, on: bool, cancelled: Callable[[], bool] | None = None) -> bool:
        return wait_for(
            lambda: self._switch.state() is on,
            limit_s=self._switch.settle_s,
            clock=self._clock,
            cancelled=cancelled,
        )


def _check(params: Params) -> None:
    if not isinstance(params, PowerCutParams):
        raise DriverError(f"an enforcer cuts power, and does nothing for {params.control}")


def _prove(step: str, attempt: Callable[[], str]) -> Proof:
    try:
        detail, ok = attempt(), True
    except DriverError as error:
        detail, ok = str(error), False
    return Proof(step=step, ok=ok, detail=detail[:_DETAIL_MAX_CHARS])
