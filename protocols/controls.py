"""The control catalogue: every kind of control that can be exercised, as data.

Adding a control means: a member of `Control`, a parameter model in `Params`, its row, and what it
means, here; what its witnesses must see, and its words, in `orchestrator.core.criteria`; the state
that it brings about in `agents.observation`. The type checker points at each place that is left to
fill (`assert_never`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.ids import Name, Nonce, Seconds, SiteId
from protocols.limits import AUDIENCE_MAX_SITES, CLASSES_MAX
from protocols.phrases import duration_text, list_text, number_text


class Control(StrEnum):
    """The kinds of control. The words travel in warrants, so they are never renamed."""

    STANDBY = "standby"
    REFUSAL = "refusal"
    CENSUS = "census"
    SLOWDOWN = "slowdown"
    RUN_CAP = "run_cap"
    SELECTIVE_PAUSE = "selective_pause"
    PAUSE = "pause"
    LEASE = "lease"
    ISOLATE = "isolate"
    SHUTDOWN = "shutdown"
    POWER_CUT = "power_cut"
    DECOMMISSION = "decommission"


class Actor(StrEnum):
    """Who acts on a control."""

    AGENT = "agent"
    ENFORCER = "enforcer"


class _Params(BaseModel):
    """What the parameters of every control have.

    Attributes:
        control: Which control they are of.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class StandbyParams(_Params):
    """Exercise the whole path up to the last call while work goes on, as a partial-stroke test does."""

    control: Literal["standby"] = "standby"


class RefusalParams(_Params):
    """Send a battery of orders that must do nothing. Obeyed anyway, this control halts nothing."""

    control: Literal["refusal"] = "refusal"


class CensusParams(_Params):
    """Have every registered accelerator answer a fresh nonce."""

    control: Literal["census"] = "census"


class SlowdownParams(_Params):
    """Cap the work to a fraction of steady state. A slowdown is not a pause.

    Attributes:
        fraction: The cap, as a fraction of the *least* rate of the site's load band: at or under it
            no site that was in its band before works faster than this fraction of what it did.
    """

    control: Literal["slowdown"] = "slowdown"
    fraction: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.5


class RunCapParams(_Params):
    """Refuse new runs above a size and accept those up to it.

    Attributes:
        unit: What `limit` counts.
        limit: The largest run that is still accepted.
    """

    control: Literal["run_cap"] = "run_cap"
    unit: Literal["accelerator_hours", "flop"] = "accelerator_hours"
    limit: Annotated[float, Field(gt=0, le=1e30, allow_inf_nan=False)] = 100.0


class SelectivePauseParams(_Params):
    """Pause everything but protected classes of work.

    Attributes:
        protected: The classes that go on, such as `evals` or `interpretability`.
    """

    control: Literal["selective_pause"] = "selective_pause"
    protected: Annotated[tuple[Name, ...], Field(min_length=1, max_length=CLASSES_MAX)]


class PauseParams(_Params):
    """Suspend the work and keep its state in memory. It has no parameters."""

    control: Literal["pause"] = "pause"


class LeaseParams(_Params):
    """Work goes on only while a short licence is renewed; then the drill stops renewing it.

    Attributes:
        licence_s: How long a licence lasts, counted from when the agent sent the nonce it quotes.
        renewed_s: How long after the order the drill goes on renewing it.
        partition: Whether the site then also leaves its connection until the hold's end, so that
            nothing can reach it.
    """

    control: Literal["lease"] = "lease"
    licence_s: Annotated[float, Field(ge=0.5, le=3600, allow_inf_nan=False)] = 5.0
    renewed_s: Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)] = 10.0
    partition: bool = False


class IsolateParams(_Params):
    """Cut the site's network egress, but not the path that orders and receipts take."""

    control: Literal["isolate"] = "isolate"


class ShutdownParams(_Params):
    """Let the work checkpoint and stop, and kill what has not stopped by then.

    Attributes:
        grace_s: Seconds between asking the work to stop and killing it.
    """

    control: Literal["shutdown"] = "shutdown"
    grace_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 10.0


class PowerCutParams(_Params):
    """Have the site's enforcer, which is outside of it, cut its power."""

    control: Literal["power_cut"] = "power_cut"


class ArmedSite(_Params):
    """A site and the nonce that its agent signed when it was armed.

    Attributes:
        site: The site.
        nonce: The nonce.
    """

    site: SiteId
    nonce: Nonce


class DecommissionParams(_Params):
    """Destroy a mock site's compute: armed under one warrant, fired under a second one.

    Attributes:
        phase: `arm` makes each agent sign a nonce and does nothing else; `fire` destroys.
        armed_for_s: With `arm`: how long the nonce is good for. Then it expires harmlessly.
        armed: With `fire`: the nonce of each site. Whoever approves it has seen the arming succeed.
    """

    control: Literal["decommission"] = "decommission"
    phase: Literal["arm", "fire"] = "arm"
    armed_for_s: Seconds | None = None
    armed: Annotated[tuple[ArmedSite, ...], Field(max_length=AUDIENCE_MAX_SITES)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> DecommissionParams:
        if (self.phase == "arm") != (self.armed_for_s is not None) or (self.phase == "fire") != bool(self.armed):
            raise ValueError("arm takes armed_for_s, and fire takes armed: the nonce of each site")
        if len({entry.site for entry in self.armed}) != len(self.armed):
            raise ValueError("armed names a site twice")
        return self

    def nonce_for(self, site: str) -> str | None:
        """Return the nonce that `fire` quotes for a site."""
        return next((entry.nonce for entry in self.armed if entry.site == site), None)


Params = (
    StandbyParams
    | RefusalParams
    | CensusParams
    | SlowdownParams
    | RunCapParams
    | SelectivePauseParams
    | PauseParams
    | LeaseParams
    | IsolateParams
    | ShutdownParams
    | PowerCutParams
    | DecommissionParams
)
"""The parameters of any control."""

ControlParams = Annotated[Params, Field(discriminator="control")]
"""The same as a field of a message: told apart by their `control` field."""


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """What the catalogue says about one control.

    Attributes:
        control: The kind.
        severity: Where it stands on a ladder, mild to harsh.
        default_threshold: Owners who must approve it when the policy names no number.
        summary: One clause for people, as in "the site is asked to ...".
        actor: Who acts on it.
        halts: Whether it stops work, all or some, so that it may be a rung of a ladder.
        irreversible: Whether nothing restores it; such a control is also never scheduled or used twice.
        mock_only: Whether only a site whose root-signed record says `mock` may be ordered so.
    """

    control: Control
    severity: int
    default_threshold: int
    summary: str
    actor: Actor = Actor.AGENT
    halts: bool = False
    irreversible: bool = False
    mock_only: bool = False


def _spec(control: Control) -> ControlSpec:  # noqa: PLR0911, PLR0912 - one row for each control
    match control:
        case Control.STANDBY:
            return ControlSpec(control, 0, 1, "prove that it could halt, up to the last call, while work goes on")
        case Control.REFUSAL:
            return ControlSpec(control, 5, 1, "refuse a battery of orders that nobody may obey, while work goes on")
        case Control.CENSUS:
            return ControlSpec(control, 10, 1, "have every registered accelerator answer a fresh nonce")
        case Control.SLOWDOWN:
            return ControlSpec(control, 20, 2, "cap all work to a fraction of steady state", halts=True)
        case Control.RUN_CAP:
            return ControlSpec(control, 25, 2, "refuse new runs above a size, and go on with everything else")
        case Control.SELECTIVE_PAUSE:
            return ControlSpec(control, 30, 2, "suspend all work but the protected classes", halts=True)
        case Control.PAUSE:
            return ControlSpec(control, 40, 2, "suspend all work and keep its state in memory", halts=True)
        case Control.LEASE:
            return ControlSpec(control, 45, 2, "work only while a short licence is renewed, and halt when it is not")
        case Control.ISOLATE:
            return ControlSpec(control, 50, 2, "cut its network egress, but not the path of orders and receipts")
        case Control.SHUTDOWN:
            return ControlSpec(control, 60, 2, "checkpoint all work, stop it, and keep its state on disk", halts=True)
        case Control.POWER_CUT:
            cut = "be cut off from power by an enforcer outside of it, whatever its agent does"
            return ControlSpec(control, 80, 3, cut, actor=Actor.ENFORCER, halts=True)
        case Control.DECOMMISSION:
            destroy = "have its compute destroyed for good (a mock site's)"
            return ControlSpec(control, 100, 3, destroy, irreversible=True, mock_only=True)
        case _:
            assert_never(control)


CATALOGUE: dict[Control, ControlSpec] = {control: _spec(control) for control in Control}
"""The row of every control."""


def control_of(params: Params) -> Control:
    """Return the kind of control that `params` belong to."""
    return Control(params.control)


def comes_back(params: Params) -> bool:
    """Tell whether there is anything that a site must be seen back from."""
    return acts(params) and not CATALOGUE[control_of(params)].irreversible


def acts(params: Params) -> bool:
    """Tell whether anything at the site is changed by it, so that there is something to restore."""
    match params:
        case StandbyParams() | RefusalParams() | CensusParams():
            return False
        case DecommissionParams(phase=phase):
            return phase == "fire"
        case (
            SlowdownParams()
            | RunCapParams()
            | SelectivePauseParams()
            | PauseParams()
            | LeaseParams()
            | IsolateParams()
            | ShutdownParams()
            | PowerCutParams()
        ):
            return True
        case _:
            assert_never(params)


def words(params: Params) -> str:  # noqa: PLR0911 - one for each control
    """Say what the parameters of a control mean, each of them, as a clause after its summary; empty without any."""
    match params:
        case SlowdownParams(fraction=fraction):
            return f"the cap is {number_text(fraction)} of the least rate of each site's load band"
        case RunCapParams(unit=unit, limit=limit):
            counted = "FLOP" if unit == "flop" else "accelerator-hours"
            return f"the largest run that still starts is {number_text(limit)} {counted}"
        case SelectivePauseParams(protected=protected):
            return f"these go on: {list_text(protected)}"
        case LeaseParams(licence_s=licence_s, renewed_s=renewed_s, partition=partition):
            gone = "; then the site also leaves its connection until the hold has ended" if partition else ""
            return (
                f"a licence lasts {duration_text(licence_s)}, and the drill renews it for "
                f"{duration_text(renewed_s)} after the order{gone}"
            )
        case ShutdownParams(grace_s=grace_s):
            return f"what has not stopped after {duration_text(grace_s)} is killed"
        case DecommissionParams(phase="arm", armed_for_s=armed_for_s):
            return (
                f"this only arms it, for {duration_text(armed_for_s or 0)}: each agent signs a nonce and destroys "
                "nothing; to fire takes a second warrant, approved afterwards, that quotes each nonce"
            )
        case DecommissionParams():
            return "this fires: every armed site loses its compute"
        case StandbyParams() | RefusalParams() | CensusParams() | PauseParams() | IsolateParams() | PowerCutParams():
            return ""
        case _:
            assert_never(params)
