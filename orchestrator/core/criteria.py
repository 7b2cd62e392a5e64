"""What each control is proved by: what the witnesses of a site must see, as data, and how people call it.

All that the orchestrator knows of one control apart from the others is here, one arm each in
`criterion` and in `words_of`; whatever else differs follows from its row in the catalogue. A criterion
says three things: what is seen while the control is exercised, what is seen before it and again
afterwards, and what the report of who acts must hold.
"""

from __future__ import annotations

from typing import assert_never

from orchestrator.core.causes import Cause
from orchestrator.core.criterion import Band, Criterion, WantedFact, Words, fact, steady
from protocols import signals as s
from protocols.controls import (
    CensusParams,
    Control,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
    control_of,
)
from protocols.messages import SiteRecord

AUTHORITY, PERMISSIONS, REPLAY_RECORD, RESTORE_PATH = "authority", "permissions", "replay-record", "restore-path"
"""The proofs that the report of a standby must hold: of the agent the first and third, of its driver the others."""


def criterion(params: Params, record: SiteRecord) -> Criterion:  # noqa: PLR0911, PLR0912 - one arm each
    """Return what must be seen at the site of `record` under the control of `params`."""
    quiet = tuple((rate.signal, rate.quiet_per_s) for rate in record.work)
    work = record.work
    match params:
        case StandbyParams():
            proofs = (AUTHORITY, PERMISSIONS, REPLAY_RECORD, RESTORE_PATH)
            return Criterion(bands=steady(work), work=work, goes_on=True, report=True, proofs=proofs)
        case RefusalParams():
            return Criterion(bands=steady(work), work=work, goes_on=True, battery=True)
        case CensusParams():
            return _census(record)
        case SlowdownParams():
            return _slowdown(params, record)
        case RunCapParams():
            return Criterion(facts=_CAPPED, bands=steady(work), work=work, before=_UNCAPPED)
        case SelectivePauseParams():
            return _selective(params, record)
        case PauseParams() | LeaseParams():
            return Criterion(quiet=quiet, work=work)
        case IsolateParams():
            return Criterion(facts=_CUT_OFF, work=work, before=_CONNECTED, report=True, answers=True)
        case ShutdownParams():
            return Criterion(quiet=quiet, at_most=((s.LIVE_PROCESSES, 0),), work=work, report=True, checkpoint=True)
        case PowerCutParams():
            return _power_cut(record)
        case DecommissionParams(phase="arm"):
            return Criterion(bands=steady(work), work=work, goes_on=True, report=True, armed=True)
        case DecommissionParams():
            return Criterion(quiet=quiet, at_most=((s.DEVICES, 0),), work=work, returns=False)
        case _:
            assert_never(params)


def words_of(control: Control, *, armed_only: bool = False) -> Words:  # noqa: PLR0911, PLR0912 - one arm each
    """Return the words of a control.

    Args:
        control: The control.
        armed_only: Of a decommission, whether it only arms.
    """
    match control:
        case Control.STANDBY:
            return Words(
                "steady",
                going="rehearsing",
                goal="its whole path proved",
                lasting="at work",
                seen="its steady state unbroken",
                proof="its agent has proved each part of the path (authority, permissions, replay record, restore "
                "path), and {seen} see steady state unbroken throughout",
                otherwise="out of its steady state",
                timed=False,
            )
        case Control.REFUSAL:
            return Words(
                "steady",
                going="answering",
                goal="each order refused",
                lasting="at work",
                seen="its steady state unbroken",
                proof="it has refused each order of the battery with the right reason, and {seen} see steady state "
                "unbroken throughout",
                otherwise="out of its steady state",
                timed=False,
            )
        case Control.CENSUS:
            return Words(
                "all counted",
                going="counting",
                goal="every accelerator accounted for",
                lasting="staying so",
                seen="every registered accelerator answer and no other",
                proof="{seen} find that every registered accelerator answers, with none missing, unregistered or "
                "doubled, and as many as are physically counted",
                back="at work",
                otherwise="otherwise",
            )
        case Control.SLOWDOWN:
            return Words(
                "slowed",
                going="slowing",
                goal="at or under the cap",
                lasting="working under it",
                seen="its work at or under the cap, and above zero",
                proof="and then for {dwell} {seen} see its work at or under the cap, and not quiet: a halt does not "
                "pass",
                otherwise="out of its cap",
            )
        case Control.RUN_CAP:
            return Words(
                "capped",
                going="capping",
                goal="refusing what is above the cap",
                lasting="staying so",
                seen="runs above the cap refused and runs below it started",
                proof="and then for {dwell} {seen} see a run above the cap refused and one below it start, both "
                "submitted by the witness, and list the running jobs that are above it",
                back="taking both again",
                back_briefly="uncapped",
                otherwise="otherwise",
            )
        case Control.SELECTIVE_PAUSE:
            return Words(
                "paused in part",
                going="pausing",
                goal="all but the protected classes halted",
                lasting="staying so",
                seen="all but the protected classes quiet, and those at work",
                proof="and then for {dwell} {seen} see each other class of work quiet, each protected class in its "
                "load band, and a job under a false label caught",
                back="wholly back at work",
                otherwise="otherwise",
            )
        case Control.PAUSE:
            quiet = "and then for {dwell} {seen} see it quiet"
            return Words("halted", going="halting", goal="halted", lasting="quiet", seen="it quiet", proof=quiet)
        case Control.LEASE:
            return Words(
                "halted",
                going="under lease",
                goal="halted once its licence had expired",
                lasting="quiet",
                seen="it quiet",
                proof="and then for {dwell} {seen} see it quiet, having seen it at work until the renewing stopped; "
                "a licence that is sent again prolongs nothing",
                zero="the end of its last licence",
            )
        case Control.ISOLATE:
            return Words(
                "cut off",
                going="being cut off",
                goal="its egress cut",
                lasting="staying so",
                seen="its egress cut, inside and outside",
                proof="and then for {dwell} {seen} see a canary fail from inside and not arrive outside, while its "
                "agent still answers",
                back="connected again",
                back_briefly="connected again",
                otherwise="connected",
            )
        case Control.SHUTDOWN:
            return Words(
                "halted",
                going="shutting down",
                goal="halted",
                lasting="quiet, with no process left",
                seen="it quiet and no process left",
                proof="and then for {dwell} {seen} see it quiet and no process of the work alive, and its receipt has "
                "the checkpoint's digest",
            )
        case Control.POWER_CUT:
            return Words(
                "power off",
                going="being cut off",
                goal="without power",
                lasting="staying so",
                seen="it without power",
                proof="and then for {dwell} {seen}, none of them the enforcer's owner, see its power at the off "
                "level, and the power controller itself says off",
                back="back under power again",
                back_briefly="power again",
                otherwise="under power or at work",
            )
        case Control.DECOMMISSION if armed_only:
            return Words(
                "armed",
                going="arming",
                goal="its armed nonce signed",
                lasting="at work",
                seen="its steady state unbroken",
                proof="its agent has signed the nonce, and {seen} see steady state unbroken throughout",
                otherwise="out of its steady state",
                timed=False,
            )
        case Control.DECOMMISSION:
            return Words(
                "gone",
                going="being destroyed",
                goal="its devices gone",
                lasting="staying so",
                seen="its devices gone",
                proof="and then for the rest of the drill {seen} find its accelerators gone from the census",
                otherwise="there",
            )
        case _:
            assert_never(control)


def told(params: Params) -> Words:
    """Return the words of a control; of a decommission, those of its phase."""
    armed_only = isinstance(params, DecommissionParams) and params.phase == "arm"
    return words_of(control_of(params), armed_only=armed_only)


def _slowdown(params: SlowdownParams, record: SiteRecord) -> Criterion:
    """Return that of a slowdown: on average at or under the cap, and surely over quiet."""
    caps = tuple((rate.signal, int(params.fraction * rate.band_min_per_s)) for rate in record.work)
    floors = tuple(Band(rate.signal, rate.quiet_per_s + 1, None, Cause.STARVED, Cause.STARVED) for rate in record.work)
    lacks = tuple(
        f"a cap over what counts as quiet ({band.name})"
        for band, (_, cap) in zip(floors, caps, strict=True)
        if cap < band.least
    )
    return Criterion(caps=caps, bands=floors, work=record.work, lacks=lacks)


def _selective(params: SelectivePauseParams, record: SiteRecord) -> Criterion:
    """Return that of a selective pause. Counters of all work together say nothing here."""
    classes = tuple(rate for rate in record.work if rate.workload is not None)
    kept = tuple(rate for rate in classes if rate.workload in params.protected)
    paused = tuple((rate.signal, rate.quiet_per_s) for rate in classes if rate.workload not in params.protected)
    known = {rate.workload for rate in classes}
    lacks = tuple(f"a counter of class {name}" for name in params.protected if name not in known)
    return Criterion(
        quiet=paused,
        bands=tuple(
            Band(rate.signal, rate.band_min_per_s, rate.band_max_per_s, Cause.STARVED, Cause.OVER_BAND) for rate in kept
        ),
        facts=(fact(s.LABEL_CANARY, right=s.CANARY_CAUGHT, wrong=s.CANARY_RUNS, cause=Cause.CANARY_RUNS),),
        work=classes,
        lacks=lacks if paused else (*lacks, "a counter of a class that is not protected"),
    )


def _power_cut(record: SiteRecord) -> Criterion:
    """Return that of a power cut: dark on the meter, and the controller agrees. A dark site counts no work."""
    levels = tuple((level.signal, level.at_most) for level in record.off_levels)
    lacks = (() if levels else ("off_levels",)) + (() if record.enforcers else ("enforcers",))
    return Criterion(
        at_most=levels,
        facts=(fact(s.FEED, right=s.FEED_OFF, wrong=s.FEED_ON, cause=Cause.FEED_ON),),
        watched=tuple((rate.signal, rate.quiet_per_s) for rate in record.work),
        work=record.work,
        needs_work=False,
        lags=True,
        before=(fact(s.FEED, right=s.FEED_ON, wrong=s.FEED_OFF, cause=Cause.NO_LOAD),),
        draws=levels,
        strangers=frozenset(entry.owner for entry in record.enforcers),
        lacks=lacks,
    )


def _census(record: SiteRecord) -> Criterion:
    named = tuple(
        WantedFact(name, frozenset({right}), cause=Cause.CENSUS_DISAGREES)
        for name, right in (
            (s.CENSUS_MISSING, s.NONE),
            (s.CENSUS_UNREGISTERED, s.NONE),
            (s.CENSUS_DOUBLED, s.NONE),
            (s.CENSUS_COUNT, s.AGREES),
        )
    )
    register = WantedFact(s.CENSUS_REGISTRY, None, digest=record.registry or "")
    return Criterion(facts=(*named, register), work=record.work, lacks=() if record.registry else ("registry",))


_CAPPED = (
    fact(s.RUN_ABOVE, right=s.RUN_REFUSED, wrong=s.RUN_STARTED, cause=Cause.RUN_ADMITTED),
    fact(s.RUN_BELOW, right=s.RUN_STARTED, wrong=s.RUN_REFUSED, cause=Cause.RUN_TURNED_AWAY),
    WantedFact(s.RUNS_OVER, None),
)
_UNCAPPED = (
    fact(s.RUN_ABOVE, right=s.RUN_STARTED, wrong=s.RUN_REFUSED, cause=Cause.NO_LOAD),
    fact(s.RUN_BELOW, right=s.RUN_STARTED, wrong=s.RUN_REFUSED, cause=Cause.NO_LOAD),
)
_CUT_OFF = (
    fact(s.EGRESS_INSIDE, right=s.EGRESS_BLOCKED, wrong=s.EGRESS_REACHED, cause=Cause.EGRESS_OPEN),
    fact(s.EGRESS_OUTSIDE, right=s.EGRESS_SILENT, wrong=s.EGRESS_SEEN, cause=Cause.EGRESS_OPEN),
)
_CONNECTED = (
    fact(s.EGRESS_INSIDE, right=s.EGRESS_REACHED, wrong=s.EGRESS_BLOCKED, cause=Cause.NO_LOAD),
    fact(s.EGRESS_OUTSIDE, right=s.EGRESS_SEEN, wrong=s.EGRESS_SILENT, cause=Cause.NO_LOAD),
)
