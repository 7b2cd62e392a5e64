"""The seam between a reconciler (an agent's or an enforcer's) and what it acts through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from agents.observation import Observation, SiteState
from protocols.controls import Control, Params
from protocols.messages import Proof

__all__ = ["Driver", "Observation", "SiteState"]


class Driver(Protocol):
    """Acts on one site: an agent's driver, or an enforcer's actuator.

    Every call is synchronous, may block, and may be repeated without harm. Calls come from one
    thread at a time. Each one works from the actuator's real state, so it makes no difference how
    often the agent crashed before.
    """

    @property
    def actions(self) -> frozenset[Control]:
        """The controls that this driver can do."""
        ...

    def start(self) -> None:
        """Attach to the running workload, or start it unless our mark says that we halted it.

        Raises:
            DriverError: It can be neither attached to nor started.
        """
        ...

    def observe(self) -> Observation:
        """Look at the actuator now.

        Raises:
            DriverError: Its state cannot be read.
        """
        ...

    def rehearse(self, params: Params) -> tuple[Proof, ...]:
        """Exercise the path to a halt, and the path back, up to the last call; change nothing.

        Args:
            params: What would be applied. A standby asks for the path to whatever this driver can do.

        Returns:
            A proof for each step: whether it would have worked, and how that was seen.

        Raises:
            DriverError: Not even that could be tried.
        """
        ...

    def apply(self, params: Params, cancelled: Callable[[], bool]) -> str:
        """Make it so, and return only when it is so.

        Of a control that acts on nothing here (standby, refusal, census, arming) it is never asked.

        Args:
            params: The control and its parameters.
            cancelled: Asked again and again while waiting; once true, the action is given up.

        Returns:
            A sentence for the receipt.

        Raises:
            DriverError: It could not be done, or was cancelled; `restore` brings back what was.
        """
        ...

    def restore(self) -> str:
        """Bring the workload back to running, whatever it is now, and take our mark off.

        Returns:
            A sentence for the receipt.

        Raises:
            DriverError: It does not run (yet); try again later.
        """
        ...

    def checkpoint_digest(self) -> str | None:
        """Return the SHA-256 of the workload's checkpoint, or None where there is none.

        Raises:
            DriverError: There is one, and it cannot be read.
        """
        ...

    def close(self, *, stop_workload: bool) -> None:
        """Let go of the workload, and end it too if `stop_workload`.

        Raises:
            DriverError: It was to be ended and still runs.
        """
        ...


class Log(Protocol):
    """What a driver logs to: an event's stable name and its fields (a structlog logger fits)."""

    def info(self, event: str, **fields: object) -> object:
        """Record something that went as it should."""
        ...

    def warning(self, event: str, **fields: object) -> object:
        """Record something that somebody should look at."""
        ...
