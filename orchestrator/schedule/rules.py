"""Recurrence rules of RFC 5545, read by dateutil: the wall times that they name, in no zone yet.

What a rule may say is bounded before dateutil sees it: some rules would keep it busy for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from dateutil.rrule import rrule, rrulestr

FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")
"""How often a rule may happen; every minute is no drill."""

YEAR_MIN, YEAR_MAX = 1970, 2200
TIMES_PER_DAY_MAX = 96

_KEYS = (
    "FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY", "BYHOUR",
    "BYMINUTE", "BYSECOND", "BYSETPOS",
)  # fmt: skip
_PART = re.compile(r"([A-Z]+)=([A-Z0-9,+-]+)", re.ASCII)
_UNTIL = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_NUMBERS = re.compile(r"[+-]?\d{1,4}(,[+-]?\d{1,4})*", re.ASCII)
_DAYS = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)(,([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU))*", re.ASCII)
_COUNT_MAX = 100_000
_LIVES_WITHIN = timedelta(days=366 * 10)
"""By then a rule must have happened once: the longest honest wait is eight years without a 29 February."""

_ANY_START = datetime(2001, 1, 1)  # noqa: DTZ001 - a wall time in no zone


def check_rule(text: str) -> str:
    """Return a rule in capitals.

    Raises:
        ValueError: It is none, or one that is not allowed here.
    """
    parts = parts_of(text)
    until = parts.get("UNTIL")
    if until is not None:
        if _UNTIL.fullmatch(until) is None:
            raise ValueError("UNTIL must be in UTC, like 20271231T000000Z")
        _until_of(until)
    _dateutil(parts, _ANY_START)
    return ";".join(f"{key}={value}" for key, value in parts.items())


def parts_of(text: str) -> dict[str, str]:
    """Take a rule apart and check that dateutil can follow it in bounded time.

    Raises:
        ValueError: It is no rule, or one that is not allowed here.
    """
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix("RRULE:").split(";"):
        match = _PART.fullmatch(part.strip())
        if match is None or match[1] not in _KEYS:
            raise ValueError(
                f"is no recurrence rule at {part[:30]!a}; it looks like FREQ=MONTHLY;BYDAY=1TU, with {', '.join(_KEYS)}"
            )
        if match[1] in parts:
            raise ValueError(f"names {match[1]} twice")
        _check_part(match[1], match[2])
        parts[match[1]] = match[2]
    if parts.get("FREQ") not in FREQUENCIES:
        raise ValueError(f"must begin with FREQ={', FREQ='.join(FREQUENCIES[:-1])} or FREQ={FREQUENCIES[-1]}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("has COUNT and UNTIL, and RFC 5545 allows one of them")
    per_day = 24 if parts["FREQ"] == "HOURLY" else 1
    for key in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        per_day *= len(parts.get(key, "0").split(","))
    if per_day > TIMES_PER_DAY_MAX:
        raise ValueError(f"could happen {per_day} times a day, over the limit of {TIMES_PER_DAY_MAX}")
    return parts


def _check_part(key: str, value: str) -> None:
    if key in {"FREQ", "UNTIL", "WKST"}:
        return
    pattern = _DAYS if key == "BYDAY" else _NUMBERS
    if key in {"INTERVAL", "COUNT"}:
        if not value.isdigit() or not 1 <= int(value) <= _COUNT_MAX:
            raise ValueError(f"has a {key} that is no number from 1 to {_COUNT_MAX}")
    elif pattern.fullmatch(value) is None:
        raise ValueError(f"has a {key} that is no list of {'weekdays' if key == 'BYDAY' else 'numbers'}")


def _until_of(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(f"there is no such time as {text}") from None


def rule_until(text: str) -> datetime | None:
    """Return the instant after which a checked rule no longer happens; None where it states none."""
    until = parts_of(text).get("UNTIL")
    return None if until is None else _until_of(until)


def _dateutil(parts: Mapping[str, str], start: datetime, until: datetime | None = None) -> rrule:
    """Make dateutil's rule, with our own end: dateutil cannot have one in UTC without a zone of its own.

    Raises:
        ValueError: It is out of range somewhere.
    """
    text = ";".join(f"{key}={value}" for key, value in parts.items() if key != "UNTIL")
    try:
        rule = rrulestr(text, dtstart=start)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        said = " ".join(str(error).split())[:100]
        raise ValueError(f"is no recurrence rule: {said}") from None
    if not isinstance(rule, rrule):
        raise ValueError("is a set of rules, and one is meant")  # noqa: TRY004 - pydantic takes only this
    return rule if until is None else rule.replace(until=until)


def rule_walls(text: str, start: datetime, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the wall times of a checked rule from `begin` until before `end`, in order.

    Args:
        text: The rule; its UNTIL is not looked at.
        start: Its first moment.
        begin: From when on.
        end: Until when.
    """
    parts = parts_of(text)
    if end <= start:
        return
    for wall in _dateutil(parts, start, None if "COUNT" in parts else end):
        if wall >= end:
            return
        if wall >= begin:
            yield wall


def first_of_rule(text: str, start: str) -> str | None:
    """Return the first moment of a checked rule at or after `start`; None if it has none for ten years."""
    begin = datetime.fromisoformat(start)
    if not YEAR_MIN <= begin.year <= YEAR_MAX:
        raise ValueError(f"start must lie in the years {YEAR_MIN} to {YEAR_MAX}")
    # Without its COUNT, so that a rule that never happens ends too.
    endless = ";".join(f"{key}={value}" for key, value in parts_of(text).items() if key != "COUNT")
    first = next(rule_walls(endless, begin, begin, begin + _LIVES_WITHIN), None)
    return None if first is None else first.isoformat()
