"""What the witnesses of a site must see for each control: one criterion for each.

A witness *covers* a criterion if the site record says that it covers every signal needed. What is
needed and not covered is unknown, and known to be so before anything is ordered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from protocols.controls import PauseParams, ShutdownParams
from protocols.messages import SiteRecord, WitnessEntry
from protocols.signals import LIVE_PROCESSES


@dataclass(frozen=True, slots=True)
class Criterion:
    """When a site counts as quiet under one control.

    Attributes:
        quiet: Counters and the rate (epsilon, units per second) that each must not exceed.
        at_most: Peak signals and the level that each must not exceed.
    """

    quiet: tuple[tuple[str, int], ...]
    at_most: tuple[tuple[str, int], ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """The names of all signals that it is judged by."""
        return frozenset(name for name, _ in self.quiet + self.at_most)


def criterion(params: PauseParams | ShutdownParams, record: SiteRecord) -> Criterion:
    """Return what must be seen at the site of `record` under the control of `params`."""
    quiet = tuple((rate.signal, rate.quiet_per_s) for rate in record.work)
    match params:
        case PauseParams():
            return Criterion(quiet=quiet)
        case ShutdownParams():
            return Criterion(quiet=quiet, at_most=((LIVE_PROCESSES, 0),))
        case _:
            assert_never(params)


def covering_witnesses(record: SiteRecord, wanted: Criterion) -> tuple[WitnessEntry, ...]:
    """Return the witnesses that count: they cover all that is needed and the site does not own them."""
    return tuple(
        entry for entry in record.witnesses if entry.owner != record.owner and wanted.needs <= frozenset(entry.covers)
    )


def uncovered_signals(record: SiteRecord, params: PauseParams | ShutdownParams, quorum: int) -> tuple[str, ...]:
    """Return the needed signals that no quorum of owners covers; empty when the site can be judged.

    A witness must cover all of them to count, so when each is covered by enough owners but too few
    cover them together, all are returned.
    """
    wanted = criterion(params, record)
    if len({entry.owner for entry in covering_witnesses(record, wanted)}) >= quorum:
        return ()
    short = tuple(sorted(name for name in wanted.needs if len(_owners_seeing(record, name)) < quorum))
    return short or tuple(sorted(wanted.needs))


def _owners_seeing(record: SiteRecord, signal: str) -> set[str]:
    return {entry.owner for entry in record.witnesses if entry.owner != record.owner and signal in entry.covers}


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many witness owners may misbehave before it matters.

    Attributes:
        owners: Owners whose witnesses count.
        false_quiet: Owners who may lie `quiet` together without a working site being verified.
        absent: Owners who may say nothing without a halted site staying unproven.
        false_active: Owners who may lie `active` without a halted site staying unproven: none,
            since a single dissent counts.
    """

    owners: int
    false_quiet: int
    absent: int
    false_active: int = 0


def liars_tolerated(record: SiteRecord, quorum: int, params: PauseParams | ShutdownParams) -> Tolerance:
    """Return how many liars a quorum of owners tolerates at this site under this control."""
    owners = len({entry.owner for entry in covering_witnesses(record, criterion(params, record))})
    return Tolerance(owners=owners, false_quiet=quorum - 1, absent=max(0, owners - quorum))
