"""Levers and revocations as the service has them: those that it hears, and those that lie in the fleet's folder."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.fleet.held_stops import Heard, HeldStops
from protocols.errors import ConfigError
from protocols.host.logs import FilteringBoundLogger
from protocols.messages import Lever
from protocols.trust import FleetTrust


@dataclass(slots=True)
class ServiceStops:
    """What is stopped. Looked at anew before each decision, since a command may have written it without a broker.

    Attributes:
        held: What is known.
        trust: The fleet, as it stands now.
        log: Where log lines go.
    """

    held: HeldStops
    trust: FleetTrust
    log: FilteringBoundLogger
    _trouble: str = ""

    def refresh(self) -> None:
        """Look into the folder. Where that cannot be done nothing may start: it might hold a stop."""
        try:
            new = self.held.refresh(self.trust)
        except ConfigError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self.log.error("service.stops_unreadable", detail=self._trouble)  # noqa: TRY400 - foreseen
            return
        self._trouble = ""
        for heard in new:
            self.tell(heard)

    def hear(self, raw: bytes) -> bool:
        """Take a message from the network; tell whether it is a stop that is new."""
        heard = self.held.hear(raw, self.trust)
        if heard is not None:
            self.tell(heard)
        return heard is not None

    def tell(self, heard: Heard) -> None:
        """Say that a stop is known from now on."""
        what = "lever" if isinstance(heard.said, Lever) else "revocation"
        self.log.warning("service.stop_heard", what=what, digest=heard.digest, detail=heard.said.reason)
        if heard.unkept:
            self.log.error("service.stop_unkept", what=what, digest=heard.digest, detail=heard.unkept)

    def held_off(self) -> str:
        """Return why nothing may start, in words; empty if it may."""
        if self._trouble:
            return f"whether the safety lever is engaged cannot be read: {self._trouble}"
        return self.held.held_off()

    def revoked(self, warrant: str) -> str | None:
        """Return why a warrant was revoked; None if it was not."""
        return self.held.revoked(warrant)

    def stopped(self, warrant: str) -> str:
        """Return why a drill that goes on is to be ended; empty if it is not."""
        why = self.held.held_off()
        if why:
            return why
        revoked = self.held.revoked(warrant)
        return "" if revoked is None else f"its warrant was revoked: {revoked}"
