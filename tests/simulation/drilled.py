"""A simulation in which messages take their time, as anywhere but in one process."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.transport.memory import MemoryTransport
from tests.agents.mocksite.stage import LatentTransport
from tests.simulation.harness import Simulation


class Site(Simulation):
    """Sites to and from which everything takes a few milliseconds, so that no two things happen at one instant."""

    def transport(self, client_id: str, filters: Sequence[str]) -> MemoryTransport:
        """Make a connection that is not entered yet."""
        return LatentTransport(self.broker, filters, clock=self.clock, client_id=client_id)
