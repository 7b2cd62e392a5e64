"""The moments that a schedule names: wall times by cron or rule, put into their zone. Pure.

A schedule is followed a month at a time, and a month once worked out is kept: the same question always has
the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from orchestrator.schedule.crons import cron_walls, wildcard
from orchestrator.schedule.names import NS_PER_S
from orchestrator.schedule.rules import YEAR_MAX, rule_until, rule_walls
from orchestrator.schedule.spec import Schedule
from orchestrator.schedule.zones import by_cron, by_rule, to_ns, zone_of

_CHUNK_S = 32 * 86_400
_CHUNK_NS = _CHUNK_S * NS_PER_S
_CHUNKS_KEPT = 512
_MARGIN = timedelta(days=2)
"""Further than any zone is from UTC, and than any clock was ever put forward (a day, on Samoa in 2011)."""

_END_NS = to_ns(datetime(YEAR_MAX, 1, 1, tzinfo=UTC))


def moments(schedule: Schedule, begin_ns: int, end_ns: int) -> Iterator[int]:
    """Yield the moments of a schedule from `begin_ns` until before `end_ns`, in order, each once.

    Args:
        schedule: The schedule. Where it is unannounced, these are where its windows begin.
        begin_ns: From when on, wall time.
        end_ns: Until when; past the year 2200 there is nothing.
    """
    end_ns = min(end_ns, _END_NS)
    number = max(begin_ns, 0) // _CHUNK_NS
    while number * _CHUNK_NS < end_ns:
        for at_ns in _chunk(schedule.cron, schedule.rrule, schedule.start, schedule.timezone, number):
            if at_ns >= end_ns:
                return
            if at_ns >= begin_ns:
                yield at_ns
        number += 1


def next_moment(schedule: Schedule, begin_ns: int, end_ns: int) -> int | None:
    """Return the first moment from `begin_ns` until before `end_ns`; None if there is none."""
    return next(moments(schedule, begin_ns, end_ns), None)


def least_distance_s(schedule: Schedule, begin_ns: int, end_ns: int, *, looked_at: int = 1_000) -> float | None:
    """Return the least time between two moments among the first `looked_at`, seconds; None if there are not two."""
    found = list(islice(moments(schedule, begin_ns, end_ns), looked_at))
    return min((later - one for one, later in pairwise(found)), default=0) / NS_PER_S or None


@lru_cache(maxsize=_CHUNKS_KEPT)
def _chunk(cron: str | None, rrule: str | None, start: str | None, timezone: str, number: int) -> tuple[int, ...]:
    """Return the moments of one chunk of time, counted from the Unix epoch."""
    begin = datetime.fromtimestamp(number * _CHUNK_S, UTC)
    end = begin + timedelta(seconds=_CHUNK_S)
    around = (begin - _MARGIN).replace(tzinfo=None), (end + _MARGIN).replace(tzinfo=None)
    zone = zone_of(timezone)
    found = set(_of_cron(cron, *around, zone) if cron is not None else _of_rule(rrule, start, *around, zone))
    return tuple(sorted(to_ns(moment) for moment in found if begin <= moment < end))


def _of_cron(cron: str, begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    every = wildcard(cron)
    for wall in cron_walls(cron, begin, end):
        yield from by_cron(wall, zone, every=every)


def _of_rule(
    rrule: str | None, start: str | None, begin: datetime, end: datetime, zone: ZoneInfo
) -> Iterator[datetime]:
    assert rrule is not None  # noqa: S101 - a schedule has one or the other
    assert start is not None  # noqa: S101 - and a rule its start
    until = rule_until(rrule)
    for wall in rule_walls(rrule, datetime.fromisoformat(start), begin, end):
        moment = by_rule(wall, zone)
        if until is None or moment <= until:
            yield moment
