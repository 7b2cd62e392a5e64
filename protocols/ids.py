"""Identifiers and the other small constrained types that messages are made of."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from protocols.limits import NAME_MAX_CHARS, TEXT_MAX_CHARS

_NAME = rf"^[a-z0-9]([a-z0-9-]{{0,{NAME_MAX_CHARS - 2}}}[a-z0-9])?$"
_HEX_DIGEST = r"^[0-9a-f]{64}$"
_DRILL = r"^[0-9]{8}t[0-9]{6}z-[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?-[0-9a-f]{6}$"
_UTC = re.compile(r"^(\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}:\d{2})\.(\d{9})Z\Z", re.ASCII)
_NS_PER_S = 1_000_000_000
_UTC_MAX_NS = 253_402_300_800 * _NS_PER_S  # year 10000

Name = Annotated[str, StringConstraints(pattern=_NAME)]
"""A lower-case DNS label: sites, owners, witnesses, attributes. Safe in topics, paths and logs."""

SiteId = Name
Owner = Name

SignalName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Signals end in their unit: `cpu_time_s`, `power_w`, `live_processes`."""

Digest = Annotated[str, StringConstraints(pattern=_HEX_DIGEST)]
"""SHA-256, lower-case hex."""

KeyId = Digest
"""SHA-256 over the scheme's name, a NUL and the raw public key: nobody chooses a key's id."""

Nonce = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""128 unpredictable bits, lower-case hex."""

DrillId = Annotated[str, StringConstraints(pattern=_DRILL)]
"""Readable and sorting by time: `20261124t140501z-monthly-pause-3fa9c1`."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_MAX_CHARS)]

Int63 = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""A non-negative integer that any JSON reader and any database column can hold."""

Seconds = Annotated[float, Field(gt=0, le=30 * 86_400, allow_inf_nan=False)]
"""A positive duration of at most thirty days."""


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of `data` in lower-case hex: the identity of anything signed."""
    return hashlib.sha256(data).hexdigest()


def format_utc(wall_ns: int) -> str:
    """Write nanoseconds since the Unix epoch as RFC 3339 UTC with nine decimals.

    Args:
        wall_ns: Nanoseconds since 1970-01-01T00:00:00Z, 0 up to year 10000.

    Raises:
        ValueError: The time is outside that range.
    """
    if not 0 <= wall_ns < _UTC_MAX_NS:
        raise ValueError(f"time out of range: {wall_ns} ns")
    seconds, nanoseconds = divmod(wall_ns, _NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{nanoseconds:09d}Z"


def parse_utc(text: str) -> int:
    """Read an RFC 3339 UTC time with exactly nine decimals back to nanoseconds.

    Raises:
        ValueError: The text is not such a time, or lies before 1970.
    """
    match = _UTC.match(text)
    if match is None:
        raise ValueError("not an RFC 3339 UTC time with nine decimals, like 2026-11-24T13:43:58.000000000Z")
    moment = datetime.fromisoformat(match[1] + "+00:00")
    seconds = round(moment.timestamp())
    if seconds < 0:
        raise ValueError("times before 1970 are not accepted")
    return seconds * _NS_PER_S + int(match[2])


def _check_utc(text: str) -> str:
    parse_utc(text)
    return text


UtcTime = Annotated[str, StringConstraints(max_length=30), AfterValidator(_check_utc)]
"""RFC 3339 UTC with nine decimals: one text for one instant, so that digests are stable."""


def seconds_to_ns(seconds: float) -> int:
    """Convert a duration in seconds to whole nanoseconds."""
    return round(seconds * _NS_PER_S)


def drill_id(wall_ns: int, plan: str, nonce_hex: str) -> str:
    """Make the id of a drill from its start, its plan's name and six hex digits of chance.

    Args:
        wall_ns: When the drill was opened, nanoseconds since the Unix epoch.
        plan: The plan's name.
        nonce_hex: Unpredictable hex digits; the first six are used.
    """
    moment = datetime.fromtimestamp(wall_ns // _NS_PER_S, UTC)
    return f"{moment:%Y%m%dt%H%M%Sz}-{plan_in_id(plan)}-{nonce_hex[:6]}"


def plan_in_id(plan: str) -> str:
    """Return how a plan is called in the ids of its drills: a long name is cut off."""
    return plan[:42].strip("-")


def plan_of_drill(drill: str) -> str:
    """Return what an id of a drill says of its plan, as `plan_in_id` does."""
    return drill.partition("-")[2].rpartition("-")[0]
