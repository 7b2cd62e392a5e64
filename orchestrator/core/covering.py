"""Which witnesses can judge a control at a site, how many of them may lie, and what is missing when too few can.

A witness *covers* a criterion if the site record says that it covers every signal needed. What is
needed and not covered is unknown, and known to be so before anything is ordered.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.criteria import criterion
from orchestrator.core.criterion import Criterion
from protocols.controls import Params
from protocols.messages import SiteRecord, WitnessEntry


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
