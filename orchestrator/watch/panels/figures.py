"""Times and numbers as the view shows them."""

from __future__ import annotations

from functools import lru_cache

from protocols.ids import parse_utc

S_NS = 1_000_000_000
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_SECONDS = 19


def stamp_ns(timestamp: str) -> int:
    """Return the wall time of a line, nanoseconds since 1970; a date that there is not counts as 1970."""
    decimals = timestamp[_SECONDS + 1 : -1]
    return _second_ns(timestamp[:_SECONDS]) + (int(decimals) if decimals.isascii() and decimals.isdigit() else 0)


@lru_cache(4096)
def _second_ns(second: str) -> int:
    try:
        return parse_utc(f"{second}.000000000Z")
    except ValueError:
        return 0  # a line is checked for its form alone


def clock(timestamp: str) -> str:
    """Return the time of day of a line."""
    return timestamp[11:_SECONDS]


def number(count: int) -> str:
    """Return a count with its thousands apart."""
    return f"{count:,}"


def sites(count: int) -> str:
    """Return a count of sites."""
    return f"{number(count)} site{'s' if count != 1 else ''}"


def duration(span_ns: int) -> str:
    """Return a duration to the second: `42 s`, `3:07 min`, `1:02:33 h`, `2 d 3 h`."""
    whole_s = max(0, span_ns) // S_NS
    if whole_s < _MINUTE_S:
        return f"{whole_s} s"
    if whole_s < _HOUR_S:
        return f"{whole_s // _MINUTE_S}:{whole_s % _MINUTE_S:02d} min"
    if whole_s < _DAY_S:
        return f"{whole_s // _HOUR_S}:{whole_s % _HOUR_S // _MINUTE_S:02d}:{whole_s % _MINUTE_S:02d} h"
    return f"{whole_s // _DAY_S} d {whole_s % _DAY_S // _HOUR_S} h"


def left(span_ns: int) -> str:
    """Return the time that is left, rounded up, so that 0 s means that it is over."""
    return duration(-(-max(0, span_ns) // S_NS) * S_NS)


def seconds(span_ns: int) -> str:
    """Return a limit or a length: `4 s`, `2.5 s`, `90 s`, `2 min`, `1.5 h`."""
    value = span_ns / S_NS
    for size, unit in ((_HOUR_S, "h"), (_MINUTE_S, "min")):
        if value >= 2 * size and value % (size / 2) == 0:
            return f"{value / size:g} {unit}"
    return f"{value:g} s"


def interval(lower_ns: int | None, upper_ns: int | None) -> str:
    """Return a time as an interval in seconds, rounded outward; empty when it is not known."""
    if upper_ns is None:
        return ""
    low, high = (lower_ns or 0) // 10_000_000 / 100, -(-upper_ns // 10_000_000) / 100
    return f"{max(0.0, low):.2f}\N{EN DASH}{high:.2f} s"
