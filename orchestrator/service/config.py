"""The service's own file, `service.yaml`, beside its plans: what holds for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from orchestrator.fleet.yaml_model import load_model
from orchestrator.schedule.radius import RadiusLimits
from orchestrator.schedule.spec import Zone
from protocols.config import PathText
from protocols.messages.base import Part

FILE_NAME = "service.yaml"
DAY_S = 86_400.0

Span = Annotated[float, Field(gt=0, le=366 * DAY_S, allow_inf_nan=False)]
"""A span of time in seconds."""


class ServiceConfig(Part):
    """What holds for all plans of a folder. Paths are from the file's own folder.

    Attributes:
        blackouts: iCalendar files: in none of their events is a drill begun, or one still going on.
        timezone: Where their days, and their times without a zone, are read.
        radius: How much of the fleet may be held at once.
        drills_at_once_max: Most drills that go on at one time.
        presence_s: How long a drill waits for absent agents and witnesses.
        drain_s: How long the service, told to end, lets drills go on before it aborts them.
        warn_ahead_s: How long before a warrant runs out that is said.
        overdue_after_s: Age at which a proof of a site and a control is told as overdue; none never.
        notify: A file with hooks that are told of drills; none tells nobody.
    """

    blackouts: Annotated[tuple[PathText, ...], Field(max_length=32)] = ()
    timezone: Zone = "UTC"
    radius: RadiusLimits = RadiusLimits()
    drills_at_once_max: Annotated[int, Field(ge=1, le=64)] = 8
    presence_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 10.0
    drain_s: Annotated[float, Field(ge=0, le=DAY_S, allow_inf_nan=False)] = 300.0
    warn_ahead_s: Span = 7 * DAY_S
    overdue_after_s: Span | None = None
    notify: PathText | None = None


def load_service(folder: Path) -> ServiceConfig:
    """Read a folder's `service.yaml`; where there is none, everything is as by default.

    Raises:
        ConfigError: It is there and wrong; the line is named.
    """
    path = folder / FILE_NAME
    return load_model(path, ServiceConfig) if path.exists() else ServiceConfig()
