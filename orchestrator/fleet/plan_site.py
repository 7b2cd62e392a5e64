"""What stands in the way of one control at one site: one sentence each, before anybody approves it.

`control` and a control's own parameters are the keys at which an obstacle is found; `quorum` is the step's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core.covering import impossible
from protocols.controls import (
    CATALOGUE,
    CensusParams,
    DecommissionParams,
    Params,
    PowerCutParams,
    SelectivePauseParams,
    SlowdownParams,
    control_of,
)
from protocols.messages import SiteRecord


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a site cannot be exercised so.

    Attributes:
        key: The key of the step or rung that asks for it.
        what: What is wrong, as a clause that names the site.
        remedy: What would help.
    """

    key: str
    what: str
    remedy: str = ""


def obstacle(params: Params, record: SiteRecord, quorum: int) -> Obstacle | None:
    """Return the first thing that stands in the way of a control at a site; None when nothing does.

    Args:
        params: The control of a step, or of a rung of its ladder.
        record: The site's record.
        quorum: How many witness owners must agree.
    """
    return next(_obstacles(params, record, quorum), None)


def _obstacles(params: Params, record: SiteRecord, quorum: int) -> Iterator[Obstacle]:
    control, site = control_of(params), record.site
    if CATALOGUE[control].mock_only and not record.mock:
        yield Obstacle("control", f"{control} is for mock sites only, and site {site} is none")
    if control not in record.controls:
        can = ", ".join(record.controls)
        yield Obstacle("control", f"site {site} does not support {control}", f"it supports: {can}")
    match params:
        case SlowdownParams():
            yield from _slowdown(params, record)
        case SelectivePauseParams():
            yield from _selective_pause(params, record)
        case PowerCutParams():
            yield from _power_cut(record)
        case CensusParams():
            yield from _census(control.value, record)
        case DecommissionParams():
            yield from _decommission(params, record)
        case _:
            pass  # the others ask nothing of a record but that it lists them
    why = impossible(record, params, quorum)
    if why is not None:
        yield Obstacle(
            "quorum",
            f"{control} could not be proved at site {site}: {why}",
            "lower the quorum, or add witnesses to the site's record",
        )


def _slowdown(params: SlowdownParams, record: SiteRecord) -> Iterator[Obstacle]:
    for rate in record.work:
        cap_per_s = int(params.fraction * rate.band_min_per_s)
        if cap_per_s <= rate.quiet_per_s:
            least = rate.quiet_per_s / rate.band_min_per_s
            yield Obstacle(
                "fraction",
                f"at site {record.site} it caps {rate.signal} at {cap_per_s} a second, which counts as quiet there "
                f"({rate.quiet_per_s}): a slowdown is not a pause",
                f"make it more than {least:.3g}" if least < 1 else "have a record signed with another load band",
            )


def _selective_pause(params: SelectivePauseParams, record: SiteRecord) -> Iterator[Obstacle]:
    classes = {rate.workload for rate in record.work if rate.workload is not None}
    known = f"its classes are: {', '.join(sorted(classes))}" if classes else "its record tells no classes of work apart"
    strange = [name for name in params.protected if name not in classes]
    if strange:
        yield Obstacle("protected", f"site {record.site} has no class of work {strange[0]}", known)
    elif classes <= set(params.protected):
        yield Obstacle("protected", f"site {record.site} has no other class: nothing would be paused", known)


def _power_cut(record: SiteRecord) -> Iterator[Obstacle]:
    if not record.enforcers:
        yield Obstacle("control", f"site {record.site} has no enforcer that could cut its power")
    if not record.off_levels:
        yield Obstacle("control", f"the record of site {record.site} does not say at which level it is switched off")


def _census(control: str, record: SiteRecord) -> Iterator[Obstacle]:
    if record.registry is None:
        yield Obstacle(
            "control", f"site {record.site} has no register of accelerators, which {control} is taken against"
        )


def _decommission(params: DecommissionParams, record: SiteRecord) -> Iterator[Obstacle]:
    if params.phase == "fire":
        yield from _census("decommission", record)
        if params.nonce_for(record.site) is None:
            yield Obstacle("armed", f"site {record.site} is in the audience, and its nonce is missing")
