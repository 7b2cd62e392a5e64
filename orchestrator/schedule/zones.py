"""Wall times and time zones: what clocks show, and the instant that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from orchestrator.schedule.names import NS_PER_S

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


@cache
def _known() -> frozenset[str]:
    return frozenset(name for name in available_timezones() if "/" in name or name == "UTC")


def check_zone(name: str) -> str:
    """Return the name of a time zone of the IANA database.

    Raises:
        ValueError: There is no such zone; the nearest is named.
    """
    if name not in _known():
        near = get_close_matches(name[:64], sorted(_known()), n=1, cutoff=0.6)
        guess = f"; did you mean {near[0]}?" if near else ", like Europe/Berlin or UTC"
        raise ValueError(f"is no time zone of the IANA database{guess}")
    return name


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of a checked name."""
    return ZoneInfo(name)


def to_ns(moment: datetime) -> int:
    """Return an aware time as whole nanoseconds since the Unix epoch, exact to the microsecond."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def to_local(wall_ns: int, zone: str) -> datetime:
    """Return what clocks in a zone show at an instant, to the second."""
    return (_EPOCH + timedelta(seconds=wall_ns // NS_PER_S)).astimezone(zone_of(zone))


def exists(wall: datetime, zone: ZoneInfo) -> bool:
    """Tell whether clocks in a zone ever show a wall time: not while they are put forward over it."""
    aware = wall.replace(tzinfo=zone, fold=0)
    return aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == wall


def twice(wall: datetime, zone: ZoneInfo) -> bool:
    """Tell whether clocks in a zone show a wall time two times, being put back over it."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first < second and exists(wall, zone)


def by_rule(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant of a wall time by RFC 5545 (section 3.3.5), in UTC.

    One that does not exist is read with the offset before the gap: 02:30 is 03:30. Of one that occurs twice
    the first is meant.
    """
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def by_cron(wall: datetime, zone: ZoneInfo, *, every: bool) -> Iterator[datetime]:
    """Yield the instants of a wall time as cron has them (Debian's `cron(8)`).

    A fixed time that does not exist is made up for as soon as clocks are past the gap (02:30 is 03:00), and one
    that occurs twice happens the first time. With wildcards each minute that clocks show counts, as they show it.

    Args:
        wall: The wall time.
        zone: The zone.
        every: Whether the minutes or hours of the expression are wildcards.
    """
    there = exists(wall, zone)
    if there:
        yield wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if every and twice(wall, zone):
            yield wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    elif not every:
        while not exists(wall, zone):
            wall += _MINUTE
        yield wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
