"""Which faults a simulated site has now: from its configuration, and switched by whoever tests."""

from __future__ import annotations

from collections.abc import Iterable

from protocols.mock_config import Fault, FaultConfig

EVERYBODY = None
"""In place of a witness's name: the fault is the site's own, or every witness's."""


class Faults:
    """The faults of one site. All others ask it at the moment they act, so a fault may come and go.

    Args:
        configured: The faults that are there from the start.
    """

    def __init__(self, configured: Iterable[FaultConfig] = ()) -> None:
        self._on: set[tuple[Fault, str | None]] = {(fault.kind, fault.witness) for fault in configured}

    def switch(self, fault: Fault, *, on: bool, witness: str | None = EVERYBODY) -> None:
        """Switch a fault on or off.

        Args:
            fault: The fault.
            on: Whether it is to be there from now on.
            witness: The one witness that has it, or everybody's.
        """
        if on:
            self._on.add((fault, witness))
        else:
            self._on.discard((fault, witness))

    def has(self, fault: Fault) -> bool:
        """Tell whether the site itself has a fault."""
        return (fault, EVERYBODY) in self._on

    def instrument_has(self, fault: Fault, witness: str) -> bool:
        """Tell whether the instruments of a witness have a fault: its own, or everybody's."""
        return (fault, witness) in self._on or (fault, EVERYBODY) in self._on

    def clock_has(self, witness: str) -> bool:
        """Tell whether the clock of one witness drifts; the agent's own is the site's (`has`)."""
        return (Fault.DRIFTING_CLOCK, witness) in self._on
