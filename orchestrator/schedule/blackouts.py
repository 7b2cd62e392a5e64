"""Times in which no drill may go on, from iCalendar files (RFC 5545): blackouts, freezes, holidays.

icalendar reads them and recurring_ical_events repeats them; what would keep either busy for long is refused before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from orchestrator.schedule.names import NS_PER_S
from orchestrator.schedule.rules import YEAR_MAX, YEAR_MIN, parts_of
from orchestrator.schedule.series import Closure
from orchestrator.schedule.zones import to_ns, zone_of
from protocols.errors import ConfigError

CALENDAR_MAX_BYTES = 1_048_576
EVENTS_MAX = 5_000
DATES_MAX = 5_000
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY")
_CHUNK_S = 32 * 86_400
_CHUNK_NS = _CHUNK_S * NS_PER_S
_CHUNKS_KEPT = 64
_NAME_MAX_CHARS = 120
_REMEDY = "write it as RFC 5545 says, as calendar programs export it (.ics)"


@dataclass(frozen=True, slots=True)
class NoBlackouts:
    """No calendar at all."""

    def first_in(self, begin_ns: int, end_ns: int) -> Closure | None:  # noqa: ARG002 - there never is one
        """Return None."""
        return None


class Blackouts:
    """The events of some calendars.

    Args:
        calendars: The calendars, as `read_calendar` gives them.
        timezone: Where days and times without a zone are read.
    """

    def __init__(self, calendars: Sequence[icalendar.Calendar], timezone: str) -> None:
        self._queries = [recurring_ical_events.of(calendar) for calendar in calendars]
        self._zone = zone_of(timezone)
        self._chunk = lru_cache(maxsize=_CHUNKS_KEPT)(self._closures)

    def first_in(self, begin_ns: int, end_ns: int) -> Closure | None:
        """Return the closure that overlaps a span of wall time and begins first, if any does."""
        for number in range(max(begin_ns, 0) // _CHUNK_NS, max(end_ns - 1, 0) // _CHUNK_NS + 1):
            for closure in self._chunk(number):
                if closure.begin_ns < end_ns and closure.end_ns > begin_ns:
                    return closure
        return None

    def _closures(self, number: int) -> tuple[Closure, ...]:
        """Return what overlaps one chunk of time, counted from the Unix epoch, by its beginning."""
        begin = datetime.fromtimestamp(number * _CHUNK_S, UTC)
        end = begin + timedelta(seconds=_CHUNK_S)
        around = begin - timedelta(days=1), end + timedelta(days=1)  # days begin elsewhere at other times
        found = [
            closure
            for query in self._queries
            for event in query.between(*around)
            if (closure := _closure(event, self._zone)) is not None
        ]
        return tuple(sorted(found, key=lambda one: (one.begin_ns, one.end_ns, one.name)))


def _closure(event: Any, zone: ZoneInfo) -> Closure | None:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return None
    begin, end = event["DTSTART"].dt, event["DTEND"].dt
    begin_ns, end_ns = _instant_ns(begin, zone), _instant_ns(end, zone)
    if isinstance(begin, datetime):
        # Where clocks change amid an event, people mean its end by the clock, and RFC 5545 (3.8.5.3) its exact
        # duration: both are closed.
        end_ns = max(end_ns, begin_ns + (end - begin) // timedelta(microseconds=1) * 1_000)
    name = " ".join(str(event.get("SUMMARY", "")).split())
    shown = "".join(char for char in name if char.isprintable())[:_NAME_MAX_CHARS]
    return Closure(begin_ns, end_ns, shown or "a blackout") if begin_ns < end_ns else None


def _instant_ns(moment: date | datetime, zone: ZoneInfo) -> int:
    """Return the instant of a date or a time; what has no zone of its own is read in ours."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - its zone is put in below
    return to_ns(moment if moment.tzinfo is not None else moment.replace(tzinfo=zone))


def read_calendar(data: bytes, name: str) -> icalendar.Calendar:
    """Read a calendar and check that it can be followed.

    Args:
        data: The file.
        name: What to call it in messages.

    Raises:
        ConfigError: It is no calendar, it is too large, or one of its events is wrong or happens too often.
    """
    if len(data) > CALENDAR_MAX_BYTES:
        raise ConfigError(f"is {len(data)} bytes, over the limit of {CALENDAR_MAX_BYTES}", where=name)
    try:
        calendar = icalendar.Calendar.from_ical(data.decode())
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        said = " ".join(str(error).split())[:120]
        raise ConfigError(f"is no iCalendar file: {said}", where=name, remedy=_REMEDY) from None
    if not isinstance(calendar, icalendar.Calendar):
        raise ConfigError("is no iCalendar file: it must begin with BEGIN:VCALENDAR", where=name, remedy=_REMEDY)
    events = list(calendar.walk("VEVENT"))
    if len(events) > EVENTS_MAX:
        raise ConfigError(f"has {len(events)} events, over the limit of {EVENTS_MAX}", where=name)
    for number, event in enumerate(events, start=1):
        _check_event(event, f"{name}: event {number} ({_title(event)})")
    _try(calendar, name)
    return calendar


def _title(event: Any) -> str:
    return ascii(str(event.get("SUMMARY", "without a name"))[:60])


def _check_event(event: Any, where: str) -> None:
    if event.errors:
        field_name, said = event.errors[0]
        raise ConfigError(f"{field_name} cannot be read: {str(said)[:120]}", where=where, remedy=_REMEDY)
    start = getattr(event.get("DTSTART"), "dt", None)
    if not isinstance(start, date):
        raise ConfigError("has no DTSTART", where=where, remedy=_REMEDY)
    if not YEAR_MIN <= start.year < YEAR_MAX:
        raise ConfigError(f"begins in the year {start.year}", where=where, remedy=f"from {YEAR_MIN} to {YEAR_MAX}")
    if "EXRULE" in event:
        raise ConfigError("EXRULE is no part of RFC 5545 any more", where=where, remedy="use EXDATE")
    rules = event.get("RRULE")
    for rule in rules if isinstance(rules, list) else [rules] if rules is not None else []:
        try:
            frequency = parts_of(rule.to_ical().decode()).get("FREQ")
        except ValueError as error:
            raise ConfigError(f"its RRULE {error}", where=where) from None
        if frequency not in _FREQUENCIES:
            raise ConfigError(f"repeats {frequency}", where=where, remedy=f"FREQ is one of {', '.join(_FREQUENCIES)}")
    if sum(len(dates.dts) for key in ("RDATE", "EXDATE") for dates in _listed(event.get(key))) > DATES_MAX:
        raise ConfigError(f"has more than {DATES_MAX} dates of its own", where=where)


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _try(calendar: icalendar.Calendar, name: str) -> None:
    """Ask for some events once, so that what only then turns out to be wrong is said when the file is read."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    try:
        for event in recurring_ical_events.of(calendar).between(begin, begin + timedelta(days=400)):
            _closure(event, zone_of("UTC"))
    except Exception as error:
        said = " ".join(str(error).split())[:120]
        raise ConfigError(f"cannot be followed: {type(error).__name__}: {said}", where=name, remedy=_REMEDY) from None


def closures_of(files: Iterable[tuple[bytes, str]], timezone: str) -> Blackouts:
    """Return the closures of some calendar files.

    Args:
        files: Each file, and what to call it.
        timezone: Where days and times without a zone are read.

    Raises:
        ConfigError: One is wrong.
    """
    return Blackouts([read_calendar(data, name) for data, name in files], timezone)
