"""A driver that lies, for demos and tests: it reports halts that it never makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from agents.acting import Driver
from agents.observation import Observation, SiteState
from protocols.controls import (
    CensusParams,
    Control,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from protocols.messages import Proof


class LyingDriver:
    """Claims whatever was ordered, and leaves the workload of `honest` running.

    Args:
        honest: The driver that starts the workload and keeps it running.
    """

    def __init__(self, honest: Driver) -> None:
        self._honest = honest
        self._claims: SiteState | None = None

    @property
    def actions(self) -> frozenset[Control]:
        """The controls that it claims to do."""
        return self._honest.actions

    def start(self) -> None:
        """Start the workload.

        Raises:
            DriverError: It does not start.
        """
        self._honest.start()

    def observe(self) -> Observation:
        """Return what was ordered as if it were so.

        Raises:
            DriverError: The workload's state cannot be read, while nothing was ordered.
        """
        if self._claims is None:
            return self._honest.observe()
        return Observation(self._claims, ours=True, detail=f"the workload is {self._claims}")

    def rehearse(self, params: Params) -> tuple[Proof, ...]:
        """Try nothing, and claim that everything would have worked."""
        del params
        return tuple(
            Proof(step=step, ok=True, detail="in order") for step in ("enclosure", "permissions", "restore-path")
        )

    def apply(self, params: Params, cancelled: Callable[[], bool]) -> str:
        """Do nothing, and claim that it is done."""
        del cancelled
        self._claims = claimed(params)
        return f"the workload is {self._claims}"

    def restore(self) -> str:
        """End the claim; restart the workload only if it really does not run.

        Raises:
            DriverError: It does not run.
        """
        self._claims = None
        seen = self._honest.observe()
        if seen.state is SiteState.RUNNING and not seen.ours:
            return "the workload runs"
        return self._honest.restore()

    def checkpoint_digest(self) -> str | None:
        """Return None: there is no checkpoint of a halt that never was."""
        return None

    def close(self, *, stop_workload: bool) -> None:
        """Let go of the workload.

        Raises:
            DriverError: It was to be ended and still runs.
        """
        self._honest.close(stop_workload=stop_workload)


def claimed(params: Params) -> SiteState:  # noqa: PLR0911 - one for each control
    """Return the state that whoever has obeyed is in."""
    match params:
        case SlowdownParams():
            return SiteState.SLOWED
        case RunCapParams():
            return SiteState.CAPPED
        case SelectivePauseParams():
            return SiteState.SELECTIVE
        case PauseParams() | LeaseParams():
            return SiteState.PAUSED
        case IsolateParams():
            return SiteState.ISOLATED
        case ShutdownParams():
            return SiteState.STOPPED
        case PowerCutParams():
            return SiteState.DARK
        case DecommissionParams():
            return SiteState.GONE
        case StandbyParams() | RefusalParams() | CensusParams():
            return SiteState.RUNNING
        case _:
            assert_never(params)
