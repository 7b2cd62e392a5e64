"""Ages and times as people give them to `haltdrill coverage`: `90`, `90d`, `12h`, `2026-11-01`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from protocols.errors import ConfigError
from protocols.ids import seconds_to_ns

_UNIT_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_AGE = re.compile(r"^([0-9]{1,6}(?:\.[0-9]{1,3})?)\s?([mhdw]?)$", re.ASCII)
_REMEDY = "give days (90) or a number with a unit: 30m, 12h, 90d, 2w"


def parse_age(given: str, *, option: str) -> int:
    """Read an age: days, or a number with one of the units m, h, d, w.

    Returns:
        Nanoseconds.

    Raises:
        ConfigError: It is no age; the option is named.
    """
    match = _AGE.match(given.strip().lower())
    if match is None:
        raise ConfigError(f"{given!r} is no age", where=option, remedy=_REMEDY)
    return seconds_to_ns(float(match[1]) * _UNIT_S[match[2] or "d"])


def parse_since(given: str, *, option: str, now_ns: int) -> int:
    """Read a moment: a UTC date, or how long ago.

    Returns:
        Wall time, nanoseconds.

    Raises:
        ConfigError: It is neither; the option is named.
    """
    text = given.strip()
    try:
        day = date.fromisoformat(text) if "-" in text else None
    except ValueError:
        raise ConfigError(f"{given!r} is no date", where=option, remedy="write it as 2026-11-01") from None
    if day is None:
        return max(0, now_ns - parse_age(text, option=option))
    return max(0, round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())) * 1_000_000_000
