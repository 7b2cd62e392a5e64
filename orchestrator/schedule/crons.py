"""Cron expressions, read by cronsim: the wall times that they name, in no zone yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

FIELDS = 5


def check_cron(text: str) -> str:
    """Return a cron expression with single spaces.

    Raises:
        ValueError: It is none, names seconds, or never happens.
    """
    fields = text.split()
    if len(fields) != FIELDS or not text.isascii():
        raise ValueError("must have five fields: minute, hour, day of month, month, day of week, like '30 2 * * TUE'")
    try:
        next(CronSim(text, datetime(2000, 1, 1)))  # noqa: DTZ001 - a wall time in no zone
    except CronSimError as error:
        raise ValueError(f"is no cron expression: {str(error)[:1].lower()}{str(error)[1:]}") from None
    except StopIteration:
        raise ValueError("is a cron expression that never happens") from None
    return " ".join(fields)


def wildcard(text: str) -> bool:
    """Tell whether minute or hour is a wildcard: then cron counts every minute that clocks show."""
    minute, hour, *_ = text.split()
    return minute.startswith("*") or hour.startswith("*")


def cron_walls(text: str, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the wall times of a checked expression from `begin` until before `end`, in order."""
    for wall in CronSim(text, begin - timedelta(seconds=1)):
        if wall >= end:
            return
        yield wall
