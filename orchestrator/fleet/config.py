"""The orchestrator's configuration file, `haltdrill.toml`, as a strict model."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from protocols.config import BrokerConfig, PathText
from protocols.messages.base import Part


class OrchestratorConfig(Part):
    """What `haltdrill run` needs to know. Relative paths are from the file's own folder.

    Attributes:
        broker: Where the MQTT broker is, or is to be.
        embedded: Start a broker of our own there, which ends with us.
        fleet: The folder with the fleet's root-signed documents.
        dispatcher_key: The private key that signs orders and challenges.
        journal: The journal's SQLite file.
        drills: The folder into which each drill's report and evidence go.
        log: The file that log lines are appended to; none means standard error.
    """

    broker: BrokerConfig
    embedded: bool = True
    fleet: PathText = "fleet"
    dispatcher_key: PathText = "keys/dispatcher.key"
    journal: PathText = "journal.sqlite"
    drills: PathText = "drills"
    log: PathText | None = Field(default=None)

    def under(self, folder: Path) -> OrchestratorConfig:
        """Return the same with every path made absolute, from `folder`."""
        return self.model_copy(
            update={
                "fleet": str(folder / self.fleet),
                "dispatcher_key": str(folder / self.dispatcher_key),
                "journal": str(folder / self.journal),
                "drills": str(folder / self.drills),
                "log": None if self.log is None else str(folder / self.log),
            }
        )
