"""The control catalogue: every kind of control that can be exercised, as data.

Adding a control means: a member of `Control`, a parameter model in `ControlParams` and a row in
`CATALOGUE` here; a criterion in `orchestrator.core.criteria`; an action in the drivers. The type
checker points at each place that is left to fill (`assert_never`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Control(StrEnum):
    """The kinds of control. The words travel in warrants, so they are never renamed."""

    PAUSE = "pause"
    SHUTDOWN = "shutdown"


class _Params(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class PauseParams(_Params):
    """Suspend the work and keep its state in memory. It has no parameters."""

    control: Literal["pause"] = "pause"


class ShutdownParams(_Params):
    """Let the work checkpoint and stop, and kill what has not stopped by then.

    Attributes:
        grace_s: Seconds between asking the work to stop and killing it.
    """

    control: Literal["shutdown"] = "shutdown"
    grace_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 10.0


ControlParams = Annotated[PauseParams | ShutdownParams, Field(discriminator="control")]
"""The parameters of any control, told apart by their `control` field."""


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """What the catalogue says about one control.

    Attributes:
        control: The kind.
        severity: Where it stands on a ladder, mild to harsh.
        default_threshold: Owners who must approve it when the policy names no number.
        irreversible: Whether nothing restores it.
        mock_only: Whether only a site whose root-signed record says `mock` may be ordered so.
        summary: One clause for people, as in "the site is asked to ...".
    """

    control: Control
    severity: int
    default_threshold: int
    irreversible: bool
    mock_only: bool
    summary: str


CATALOGUE: dict[Control, ControlSpec] = {
    Control.PAUSE: ControlSpec(
        control=Control.PAUSE,
        severity=40,
        default_threshold=2,
        irreversible=False,
        mock_only=False,
        summary="suspend all work and keep its state in memory",
    ),
    Control.SHUTDOWN: ControlSpec(
        control=Control.SHUTDOWN,
        severity=60,
        default_threshold=2,
        irreversible=False,
        mock_only=False,
        summary="checkpoint all work, stop it, and keep its state on disk",
    ),
}


def control_of(params: PauseParams | ShutdownParams) -> Control:
    """Return the kind of control that `params` belong to."""
    return Control(params.control)
