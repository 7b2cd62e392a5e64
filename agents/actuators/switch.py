"""The seam between an actuator and the controller that it switches."""

from __future__ import annotations

import os
from typing import Protocol

from agents.feed import Feed, FeedFile
from protocols.errors import DriverError


class Switch(Feed, Protocol):
    """A feed that can also say, without being switched, whether it could be."""

    @property
    def settle_s(self) -> float:
        """How long after a switch its state may take to agree, seconds."""
        ...

    def check_off(self) -> str:
        """Check what can be checked of switching it off; return a clause on what was seen.

        Raises:
            DriverError: It could not be switched off.
        """
        ...

    def check_on(self) -> str:
        """Check what can be checked of switching it on; return a clause on what was seen.

        Raises:
            DriverError: It could not be switched on.
        """
        ...


class FeedSwitch:
    """Switches a simulated feed, which obeys at once.

    Args:
        feed: The feed.
    """

    settle_s = 0.0

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def state(self) -> bool:
        """Tell whether it is on.

        Raises:
            DriverError: That cannot be told.
        """
        return self._feed.state()

    def switch(self, *, on: bool) -> None:
        """Switch it.

        Raises:
            DriverError: It cannot be switched.
        """
        self._feed.switch(on=on)

    def check_off(self) -> str:
        """Check that the feed could be written.

        Raises:
            DriverError: It could not.
        """
        return self._writable()

    def check_on(self) -> str:
        """Check that the feed could be written.

        Raises:
            DriverError: It could not.
        """
        return self._writable()

    def _writable(self) -> str:
        feed = self._feed
        if not isinstance(feed, FeedFile):
            return "the feed obeys"
        if not os.access(feed.path.parent, os.W_OK | os.X_OK):
            raise DriverError("this user may not replace the feed's file", where=str(feed.path))
        return "the feed's file may be replaced"
