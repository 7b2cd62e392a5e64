"""A site's simulated power feed: what an enforcer switches, and what a mock site and its meter hang on.

A feed is on or off, and says who switched it last and when. It knows neither orders nor holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field, ValidationError

from protocols.clock import Clock
from protocols.errors import ConfigError, DriverError
from protocols.host.files import read_bytes, write_atomic
from protocols.ids import UtcTime, format_utc
from protocols.limits import NAME_MAX_CHARS
from protocols.messages.base import Part
from protocols.signals import FEED_ON

_MAX_BYTES = 4096
_READABLE_BY_ALL = 0o644


class Switching(Part):
    """One switching of a feed: all that its file holds.

    Attributes:
        feed: What it was switched to, in the words of the signal `feed_state`.
        by: Who switched it.
        at: When, for people.
    """

    version: Literal[1] = 1
    feed: Literal["on", "off"]
    by: Annotated[str, Field(min_length=1, max_length=NAME_MAX_CHARS)]
    at: UtcTime


class Feed(Protocol):
    """A power feed. Calls may block for a moment, and act at once."""

    def state(self) -> bool:
        """Tell whether it is on.

        Raises:
            DriverError: That cannot be told.
        """
        ...

    def switch(self, *, on: bool) -> None:
        """Switch it; switching to what it already is changes nothing.

        Raises:
            DriverError: It cannot be switched.
        """
        ...


@dataclass(slots=True)
class MemoryFeed:
    """A feed in this process, for virtual time.

    Attributes:
        on: Whether it is on.
    """

    on: bool = True

    def state(self) -> bool:
        """Tell whether it is on."""
        return self.on

    def switch(self, *, on: bool) -> None:
        """Switch it."""
        self.on = on


class FeedFile:
    """A feed that is a small file, which others may read: one process switches, others hang on it.

    A feed that nobody has switched yet has no file, and is on.

    Args:
        path: The file. It is replaced as a whole, so that nobody reads half of it.
        by: Who switches it here.
        clock: Says when.
    """

    def __init__(self, path: Path, *, by: str, clock: Clock) -> None:
        self.path = path
        self._by = by
        self._clock = clock

    def state(self) -> bool:
        """Tell whether it is on.

        Raises:
            DriverError: The file cannot be read, or is no feed.
        """
        last = self.last()
        return last is None or last.feed == FEED_ON

    def last(self) -> Switching | None:
        """Return who switched it last and when, or None when nobody did.

        Raises:
            DriverError: The file cannot be read, or is no feed.
        """
        if not self.path.parent.is_dir():
            raise DriverError("the feed's folder does not exist", where=str(self.path.parent))
        try:
            self.path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DriverError(f"the feed cannot be read: {error.strerror}", where=str(self.path)) from error
        try:
            return Switching.model_validate_json(read_bytes(self.path, max_bytes=_MAX_BYTES))
        except ConfigError as error:
            raise DriverError(f"the feed {error.what}", where=error.where) from error
        except ValidationError as error:
            raise DriverError("is no feed", where=str(self.path), remedy="remove it: the feed is then on") from error

    def switch(self, *, on: bool) -> None:
        """Switch it; switching to what it already is changes nothing.

        Raises:
            DriverError: The file cannot be written.
        """
        if self.path.exists() and self.state() == on:
            return
        switching = Switching(feed="on" if on else "off", by=self._by, at=format_utc(self._clock.wall_ns()))
        try:
            write_atomic(self.path, switching.model_dump_json().encode() + b"\n", mode=_READABLE_BY_ALL)
        except ConfigError as error:
            raise DriverError(f"the feed {error.what}", where=error.where) from error
