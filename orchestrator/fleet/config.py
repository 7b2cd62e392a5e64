"""Configuration files as strict models: the orchestrator's `haltdrill.toml`, the timekeeper's `timekeeper.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
        journal: The journal: an SQLite file, or the URL of a PostgreSQL database (postgresql://USER@HOST/DATABASE).
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
                "journal": self.journal if "://" in self.journal else str(folder / self.journal),
                "drills": str(folder / self.drills),
                "log": None if self.log is None else str(folder / self.log),
            }
        )


class TimekeeperFile(Part):
    """What the timekeeper needs to know. Relative paths are from the file's own folder.

    Attributes:
        broker: Where the MQTT broker is.
        fleet: The folder with the fleet's root-signed documents: a copy of its own.
        key: The timekeeper's private key.
        state: The folder in which it remembers what it heard and how far it has counted.
        every_s: Time between two statements.
    """

    broker: BrokerConfig
    fleet: PathText = "fleet"
    key: PathText = "timekeeper.key"
    state: PathText = "state"
    every_s: Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)] = 5.0

    def under(self, folder: Path) -> TimekeeperFile:
        """Return the same with every path made absolute, from `folder`."""
        paths = {name: str(folder / getattr(self, name)) for name in ("fleet", "key", "state")}
        return self.model_copy(update=paths)
