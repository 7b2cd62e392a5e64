"""What the witnesses of a site must see for each control, as data: one criterion for each.

A criterion says three things: what is seen while the control is exercised, what is seen before it
and again afterwards, and what the report of who acts must hold. A witness *covers* a criterion if
the site record says that it covers every signal needed. What is needed and not covered is unknown,
and known to be so before anything is ordered (`uncovered_signals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from orchestrator.core.causes import Cause
from protocols import signals as s
from protocols.controls import (
    CensusParams,
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
)
from protocols.messages import SiteRecord, WitnessEntry, WorkRate
from protocols.signals import LIVE_PROCESSES

AUTHORITY, PERMISSIONS, REPLAY_RECORD, RESTORE_PATH = "authority", "permissions", "replay-record", "restore-path"
"""The proofs that the report of a standby must hold: of the agent the first and third, of its driver the others."""


@dataclass(frozen=True, slots=True)
class WantedFact:
    """What a fact must say.

    Attributes:
        right: The values that are as wanted; None takes any.
        wrong: The values that are not; None takes every value that is not right. A value that is
            neither, such as a run that still waits, is unknown.
        digest: The digest that must come with it; another one makes it unknown.
        cause: What it means when it is wrong.
    """

    name: str
    right: frozenset[str] | None
    wrong: frozenset[str] | None = None
    digest: str | None = None
    cause: Cause = Cause.DISSENT

    def says(self, value: str | None, digest: str | None) -> bool | None:
        """Return whether a value is as wanted; None when it is unknown."""
        if value is None or (self.digest is not None and digest != self.digest):
            return None
        if self.right is None or value in self.right:
            return True
        return False if self.wrong is None or value in self.wrong else None


@dataclass(frozen=True, slots=True)
class Band:
    """A counter's rate, averaged over every window of at least the dwell.

    Attributes:
        least: Units per second that it must surely not fall under.
        most: Units per second that it must surely not rise over; None sets no limit.
        low: What it means when it surely falls under.
        high: What it means when it surely rises over.
    """

    name: str
    least: int
    most: int | None
    low: Cause
    high: Cause


@dataclass(frozen=True, slots=True)
class Criterion:
    """When a site counts as being as ordered under one control.

    Attributes:
        quiet: Counters and the rate (epsilon, units per second) that each must not exceed, in any interval.
        at_most: Peak signals and the level that each must not exceed.
        caps: Counters and the rate that each must not exceed on average since the halt began.
        bands: Counters whose rate must stay in a band.
        facts: What facts must say.
        watched: Counters that must not be seen active, but need not be seen (a dark site counts nothing).
        work: The counters whose load band shows steady state, before the order and after the release.
        needs_work: Whether a witness must cover those to count; else it is judged by those it covers.
        before: What facts must say before the order, and again after the release.
        draws: Peak signals, and the level that each must exceed then.
        goes_on: Whether all work is to go on: judged is then whether steady state never broke.
        returns: Whether it must be seen back after the release; else it must never come back.
        lags: Whether its effect may follow the report of the act, within the response limit.
        report: Whether the report of who acts is part of the proof.
        answers: Whether that report must have come before the release: who acts is to be heard meanwhile.
        proofs: The proofs that it must hold.
        checkpoint: Whether it must name a checkpoint.
        armed: Whether it must hold the nonce of an arming.
        battery: Whether it is judged by how orders are refused, and no order is accepted.
        strangers: Owners whose witnesses do not count, beside the site's own.
        lacks: What the site record lacks, so that nobody could ever judge it.
    """

    quiet: tuple[tuple[str, int], ...] = ()
    at_most: tuple[tuple[str, int], ...] = ()
    caps: tuple[tuple[str, int], ...] = ()
    bands: tuple[Band, ...] = ()
    facts: tuple[WantedFact, ...] = ()
    watched: tuple[tuple[str, int], ...] = ()
    work: tuple[WorkRate, ...] = ()
    needs_work: bool = True
    before: tuple[WantedFact, ...] = ()
    draws: tuple[tuple[str, int], ...] = ()
    goes_on: bool = False
    returns: bool = True
    lags: bool = False
    report: bool = False
    answers: bool = False
    proofs: tuple[str, ...] = ()
    checkpoint: bool = False
    armed: bool = False
    battery: bool = False
    strangers: frozenset[str] = frozenset()
    lacks: tuple[str, ...] = ()

    @property
    def ceilings(self) -> tuple[tuple[str, int], ...]:
        """The counters, with their rates, of which every prefix of a run must stay at or under."""
        return self.quiet + self.caps

    @property
    def needs(self) -> frozenset[str]:
        """The names of all signals that it is judged by."""
        counted = [name for name, _ in self.quiet + self.at_most + self.caps + self.draws]
        named = [wanted.name for wanted in self.facts + self.before] + [band.name for band in self.bands]
        return frozenset(counted + named + ([rate.signal for rate in self.work] if self.needs_work else []))


def criterion(params: Params, record: SiteRecord) -> Criterion:  # noqa: PLR0911, PLR0912 - one arm each
    """Return what must be seen at the site of `record` under the control of `params`."""
    quiet = tuple((rate.signal, rate.quiet_per_s) for rate in record.work)
    work = record.work
    match params:
        case StandbyParams():
            proofs = (AUTHORITY, PERMISSIONS, REPLAY_RECORD, RESTORE_PATH)
            return Criterion(bands=_steady(work), work=work, goes_on=True, report=True, proofs=proofs)
        case RefusalParams():
            return Criterion(bands=_steady(work), work=work, goes_on=True, battery=True)
        case CensusParams():
            return _census(record)
        case SlowdownParams():
            return _slowdown(params, record)
        case RunCapParams():
            return Criterion(facts=_CAPPED, bands=_steady(work), work=work, before=_UNCAPPED)
        case SelectivePauseParams():
            return _selective(params, record)
        case PauseParams() | LeaseParams():
            return Criterion(quiet=quiet, work=work)
        case IsolateParams():
            return Criterion(facts=_CUT_OFF, work=work, before=_CONNECTED, report=True, answers=True)
        case ShutdownParams():
            return Criterion(quiet=quiet, at_most=((LIVE_PROCESSES, 0),), work=work, report=True, checkpoint=True)
        case PowerCutParams():
            return _power_cut(record)
        case DecommissionParams(phase="arm"):
            return Criterion(bands=_steady(work), work=work, goes_on=True, report=True, armed=True)
        case DecommissionParams():
            return Criterion(quiet=quiet, at_most=((s.DEVICES, 0),), work=work, returns=False)
        case _:
            assert_never(params)


def _steady(work: tuple[WorkRate, ...]) -> tuple[Band, ...]:
    broken = Cause.STEADY_BROKEN
    return tuple(Band(rate.signal, rate.band_min_per_s, rate.band_max_per_s, broken, broken) for rate in work)


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
        facts=(_fact(s.LABEL_CANARY, right=s.CANARY_CAUGHT, wrong=s.CANARY_RUNS, cause=Cause.CANARY_RUNS),),
        work=classes,
        lacks=lacks if paused else (*lacks, "a counter of a class that is not protected"),
    )


def _power_cut(record: SiteRecord) -> Criterion:
    """Return that of a power cut: dark on the meter, and the controller agrees. A dark site counts no work."""
    levels = tuple((level.signal, level.at_most) for level in record.off_levels)
    lacks = (() if levels else ("off_levels",)) + (() if record.enforcers else ("enforcers",))
    return Criterion(
        at_most=levels,
        facts=(_fact(s.FEED, right=s.FEED_OFF, wrong=s.FEED_ON, cause=Cause.FEED_ON),),
        watched=tuple((rate.signal, rate.quiet_per_s) for rate in record.work),
        work=record.work,
        needs_work=False,
        lags=True,
        before=(_fact(s.FEED, right=s.FEED_ON, wrong=s.FEED_OFF, cause=Cause.NO_LOAD),),
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


def _fact(name: str, *, right: str, wrong: str, cause: Cause) -> WantedFact:
    return WantedFact(name, frozenset({right}), frozenset({wrong}), cause=cause)


_CAPPED = (
    _fact(s.RUN_ABOVE, right=s.RUN_REFUSED, wrong=s.RUN_STARTED, cause=Cause.RUN_ADMITTED),
    _fact(s.RUN_BELOW, right=s.RUN_STARTED, wrong=s.RUN_REFUSED, cause=Cause.RUN_TURNED_AWAY),
    WantedFact(s.RUNS_OVER, None),
)
_UNCAPPED = (
    _fact(s.RUN_ABOVE, right=s.RUN_STARTED, wrong=s.RUN_REFUSED, cause=Cause.NO_LOAD),
    _fact(s.RUN_BELOW, right=s.RUN_STARTED, wrong=s.RUN_REFUSED, cause=Cause.NO_LOAD),
)
_CUT_OFF = (
    _fact(s.EGRESS_INSIDE, right=s.EGRESS_BLOCKED, wrong=s.EGRESS_REACHED, cause=Cause.EGRESS_OPEN),
    _fact(s.EGRESS_OUTSIDE, right=s.EGRESS_SILENT, wrong=s.EGRESS_SEEN, cause=Cause.EGRESS_OPEN),
)
_CONNECTED = (
    _fact(s.EGRESS_INSIDE, right=s.EGRESS_REACHED, wrong=s.EGRESS_BLOCKED, cause=Cause.NO_LOAD),
    _fact(s.EGRESS_OUTSIDE, right=s.EGRESS_SEEN, wrong=s.EGRESS_SILENT, cause=Cause.NO_LOAD),
)


def covering_witnesses(record: SiteRecord, wanted: Criterion) -> tuple[WitnessEntry, ...]:
    """Return the witnesses that count: they cover all that is needed, and are nobody's who acts there."""
    if wanted.lacks:
        return ()
    return tuple(entry for entry in _independent(record, wanted) if wanted.needs <= frozenset(entry.covers))


def uncovered_signals(record: SiteRecord, params: Params, quorum: int) -> tuple[str, ...]:
    """Return what is needed and no quorum of owners covers; empty when the site can be judged.

    What the record itself lacks, such as its register, is named first. A witness must cover all
    signals to count, so when each is covered by enough owners but too few cover them together, all
    are returned.
    """
    wanted = criterion(params, record)
    if wanted.lacks:
        return wanted.lacks
    if len({entry.owner for entry in covering_witnesses(record, wanted)}) >= quorum:
        return ()
    short = tuple(sorted(name for name in wanted.needs if len(_owners_seeing(record, wanted, name)) < quorum))
    return short or tuple(sorted(wanted.needs))


def impossible(record: SiteRecord, params: Params, quorum: int) -> str | None:
    """Return in a clause why nobody could prove this control at this site, or None when somebody could."""
    wanted = criterion(params, record)
    if wanted.lacks:
        return f"its record lacks what {params.control} is judged by: {', '.join(wanted.lacks)}"
    missing = uncovered_signals(record, params, quorum)
    if missing:
        whose = "the site's own and its enforcers'" if wanted.strangers else "its own"
        return f"fewer than {quorum} witness owners, other than {whose}, cover {', '.join(missing)}"
    return None


def _independent(record: SiteRecord, wanted: Criterion) -> tuple[WitnessEntry, ...]:
    out = wanted.strangers | {record.owner}
    return tuple(entry for entry in record.witnesses if entry.owner not in out)


def _owners_seeing(record: SiteRecord, wanted: Criterion, signal: str) -> set[str]:
    return {entry.owner for entry in _independent(record, wanted) if signal in entry.covers}


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many witness owners may misbehave before it matters.

    Attributes:
        owners: Owners whose witnesses count.
        false_quiet: Owners who may lie `as ordered` together without a site that is not being verified.
        absent: Owners who may say nothing without a halted site staying unproven.
        false_active: Owners who may lie `active` without a halted site staying unproven: none,
            since a single dissent counts.
    """

    owners: int
    false_quiet: int
    absent: int
    false_active: int = 0


def liars_tolerated(record: SiteRecord, quorum: int, params: Params) -> Tolerance:
    """Return how many liars a quorum of owners tolerates at this site under this control."""
    owners = len({entry.owner for entry in covering_witnesses(record, criterion(params, record))})
    return Tolerance(owners=owners, false_quiet=quorum - 1, absent=max(0, owners - quorum))
