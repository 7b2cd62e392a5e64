"""Where the log of a fleet's drills lies: what `run` writes and every view reads."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.common import fleet_folder
from orchestrator.fleet.config import OrchestratorConfig
from orchestrator.fleet.load import load_config
from protocols.errors import ConfigError

LOG_NAME = "haltdrill.log"


def log_of(config: OrchestratorConfig, given: Path | None = None) -> Path:
    """Return the log's file: the one given, the configured one, or the one beside the drills."""
    return given or (Path(config.log) if config.log else Path(config.drills) / LOG_NAME)


def writable_log(config: OrchestratorConfig, given: Path | None) -> Path:
    """Return the log's file with its folder made.

    Raises:
        ConfigError: The folder cannot be made.
    """
    path = log_of(config, given)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the folder cannot be made: {error.strerror}", where=str(path.parent)) from error
    return path


def log_to_read(log: Path | None, fleet: Path | None) -> Path:
    """Return the log that a view is to read: the one given, or the fleet's.

    Raises:
        ConfigError: No log was given and there is no fleet here.
    """
    return log if log is not None else log_of(load_config(fleet_folder(fleet)))
