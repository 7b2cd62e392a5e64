"""Times of log lines as Prometheus has them."""

from __future__ import annotations

from protocols.ids import parse_utc

NS_PER_S = 1_000_000_000


def wall_ns(stamp: str) -> int | None:
    """Return a line's time in nanoseconds since 1970; None if it is none, since only its form was checked."""
    try:
        return parse_utc(stamp)
    except ValueError:
        return None


def seconds(ns: int | None) -> float | None:
    """Return nanoseconds as seconds."""
    return None if ns is None else ns / NS_PER_S
