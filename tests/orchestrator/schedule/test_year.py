"""A year of schedules, against an independent implementation's occurrences, over every change of the clocks.

What should happen is worked out minute by minute with dateutil's time zones for cron, and by dateutil's rules put
into dateutil's time zones for recurrence rules; what did happen is what the service noted, though it was killed
hundreds of times on the way.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from dateutil import rrule as rr
from dateutil import tz

from orchestrator.schedule import notes as n
from orchestrator.schedule.blackouts import Blackouts, read_calendar
from orchestrator.schedule.spec import Schedule
from tests.orchestrator.schedule.machine import NS, Machine, series_of, wave_of

BEGIN, END = datetime(2026, 1, 15, 12, 0, 30, tzinfo=UTC), datetime(2027, 1, 15, 12, 0, 30, tzinfo=UTC)
FIRST_SUNDAY, LAST = datetime(2026, 3, 1, 1, 30), datetime(2027, 2, 1)  # noqa: DTZ001 - wall times

CALENDAR = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//haltdrill//tests//EN
BEGIN:VEVENT
UID:year-end
DTSTART;VALUE=DATE:20251220
DTEND;VALUE=DATE:20260107
RRULE:FREQ=YEARLY
SUMMARY:Year-end freeze
END:VEVENT
BEGIN:VEVENT
UID:release
DTSTART;TZID=Europe/Berlin:20260301T013000
DTEND;TZID=Europe/Berlin:20260301T031500
RRULE:FREQ=MONTHLY;BYDAY=-1SU
SUMMARY:Monthly release
END:VEVENT
END:VCALENDAR
"""


@cache
def walls(zone: str) -> list[tuple[datetime, datetime]]:
    """Return every fifth minute of the year, and what clocks in a zone show then: enough for these schedules."""
    there, first = tz.gettz(zone), BEGIN.replace(second=0)
    every = (first + timedelta(minutes=5 * number) for number in range(1, (END - BEGIN) // timedelta(minutes=5) + 1))
    return [(at, at.astimezone(there)) for at in every]


def each_minute(zone: str, matches: Callable[[datetime], bool]) -> list[datetime]:
    """Return every minute whose wall time matches: what a cron with wildcards does."""
    return [at for at, wall in walls(zone) if matches(wall)]


def once_a_day(zone: str, hour: int, minute: int, matches: Callable[[datetime], bool]) -> list[datetime]:
    """Return the first minute of each day that is not before a wall time: what a cron with a fixed time does."""
    found, done = [], set()
    for at, wall in walls(zone):
        if wall.date() not in done and (wall.hour, wall.minute) >= (hour, minute):
            done.add(wall.date())
            if matches(wall) and (at > BEGIN + timedelta(days=1) or (wall.hour, wall.minute) == (hour, minute)):
                found.append(at)
    return found


def by_dateutil(zone: str, rule: rr.rrule) -> list[datetime]:
    """Return a rule's moments in a zone: dateutil's own way over gaps, and the first of two."""
    there = tz.gettz(zone)
    moments = (tz.resolve_imaginary(wall.replace(tzinfo=there)).astimezone(UTC) for wall in rule)
    return [at for at in moments if BEGIN < at < END]


def any_day(_: datetime) -> bool:
    """Match every day."""
    return True


def rule(text: str, start: str) -> rr.rrule:
    """Return dateutil's rule, ended after the year."""
    made = rr.rrulestr(text, dtstart=datetime.fromisoformat(start))
    assert isinstance(made, rr.rrule)
    return made.replace(until=LAST)


PLANS: dict[str, tuple[Schedule, Callable[[], list[datetime]]]] = {
    "berlin-nightly": (
        Schedule(cron="30 2 * * *", timezone="Europe/Berlin"),
        lambda: once_a_day("Europe/Berlin", 2, 30, any_day),
    ),
    "new-york-nightly": (
        Schedule(cron="30 1 * * *", timezone="America/New_York"),
        lambda: once_a_day("America/New_York", 1, 30, any_day),
    ),
    "new-york-gap": (
        Schedule(cron="15 2 * * SUN", timezone="America/New_York"),
        lambda: once_a_day("America/New_York", 2, 15, lambda wall: wall.weekday() == 6),
    ),
    "berlin-sundays": (
        Schedule(cron="0 */3 * * SUN", timezone="Europe/Berlin"),
        lambda: each_minute(
            "Europe/Berlin", lambda wall: wall.weekday() == 6 and wall.minute == 0 and wall.hour % 3 == 0
        ),
    ),
    "lord-howe": (
        Schedule(cron="*/20 1,2 * 4,10 SUN", timezone="Australia/Lord_Howe"),
        lambda: each_minute(
            "Australia/Lord_Howe",
            lambda wall: (
                wall.weekday() == 6 and wall.minute % 20 == 0 and wall.hour in {1, 2} and wall.month in {4, 10}
            ),
        ),
    ),
    "berlin-weekly": (
        Schedule(
            rrule="FREQ=WEEKLY;BYDAY=SU,WE;BYHOUR=2;BYMINUTE=45", start="2026-01-21T02:45:00", timezone="Europe/Berlin"
        ),
        lambda: by_dateutil(
            "Europe/Berlin", rule("FREQ=WEEKLY;BYDAY=SU,WE;BYHOUR=2;BYMINUTE=45", "2026-01-21T02:45:00")
        ),
    ),
    "new-york-first-tuesday": (
        Schedule(rrule="FREQ=MONTHLY;BYDAY=1TU", start="2026-02-03T09:00:00", timezone="America/New_York"),
        lambda: by_dateutil("America/New_York", rule("FREQ=MONTHLY;BYDAY=1TU", "2026-02-03T09:00:00")),
    ),
    "new-york-sunday-rule": (
        Schedule(rrule="FREQ=DAILY;INTERVAL=1", start="2026-01-20T01:10:00", timezone="America/New_York"),
        lambda: by_dateutil("America/New_York", rule("FREQ=DAILY;INTERVAL=1", "2026-01-20T01:10:00")),
    ),
}


def closed_spans() -> list[tuple[datetime, datetime]]:
    """Return the blackouts of the calendar, written out by dateutil."""
    berlin = tz.gettz("Europe/Berlin")
    spans = [(datetime(year, 12, 20, tzinfo=berlin), datetime(year + 1, 1, 7, tzinfo=berlin)) for year in (2025, 2026)]
    sundays = rr.rrule(rr.MONTHLY, byweekday=rr.SU(-1), dtstart=FIRST_SUNDAY, until=LAST)
    for at in [FIRST_SUNDAY, *sundays]:
        begin = at.replace(tzinfo=berlin)
        # Closed until 03:15 by the clock, and as long as on the first day (RFC 5545, section 3.8.5.3).
        by_clock = at.replace(hour=3, minute=15, tzinfo=berlin).astimezone(UTC)
        spans.append((begin, max(by_clock, begin.astimezone(UTC) + timedelta(hours=1, minutes=45))))
    return spans


def test_a_year_of_schedules_runs_nothing_twice_misses_nothing_and_keeps_blackouts() -> None:
    """Every run that should be is begun exactly once and on time, and none of those that fall into a blackout."""
    expected = {name: [round(at.timestamp()) * NS for at in made()] for name, (_, made) in PLANS.items()}
    spans = [(round(begin.timestamp()) * NS, round(end.timestamp()) * NS) for begin, end in closed_spans()]
    begin_ns, end_ns = (round(at.timestamp() * NS) for at in (BEGIN, END))
    machine = Machine(
        begin_ns,
        [
            series_of(name, schedule, wave_of(name, [f"site-{name}"], end_ns=end_ns * 2))
            for name, (schedule, _) in PLANS.items()
        ],
        Blackouts([read_calendar(CALENDAR, "freeze.ics")], "Europe/Berlin"),
        lasts_s=45.0,
        chance=random.Random(7),
        kill_each=120,
    )
    machine.run_until(end_ns)
    assert machine.kills > 50
    for name, moments in expected.items():
        closed = [at for at in moments if any(at < end and at + 120 * NS > begin for begin, end in spans)]
        assert machine.started(name) == [at for at in moments if at not in set(closed)], name
        assert machine.skipped(name) == [(at, n.Hindrance.BLACKOUT) for at in closed], name
        assert closed or name in {"lord-howe", "new-york-first-tuesday"}, name
    late = [at_ns - note.of.nominal_ns for note, at_ns in machine.notes if isinstance(note, n.Started)]
    assert sorted(late)[len(late) * 9 // 10] == 0
    assert max(late) <= 30 * NS  # one that was about to be opened when the process died is tried again a little later


@pytest.mark.parametrize("name", PLANS)
def test_the_years_schedules_cover_a_change_of_the_clocks(name: str) -> None:
    """The oracle is worth something: each schedule has runs in both halves of the year."""
    moments = PLANS[name][1]()
    assert {at.month for at in moments} >= {4, 10}
