"""A driver that lies, for demos and tests: it reports halts that it never makes."""

from __future__ import annotations

from collections.abc import Callable

from agents.acting import Driver
from agents.observation import Observation, SiteState, states_under
from protocols.controls import Control, Params
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
        self._claims = states_under(params)[0]
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
