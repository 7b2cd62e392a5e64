"""What a service says to systemd (sd_notify(3)): that it is ready, reloads, ends, and is alive.

Where nobody supervises us, nothing is said. A supervisor that does not listen never disturbs a program.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

STATUS_MAX_CHARS = 200


class Notifications:
    """Speaks to the supervisor that the environment names.

    Args:
        environment: Variables; those of this process if None.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._address = _address(given.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(given) if self._address else None

    @property
    def supervised(self) -> bool:
        """Whether somebody listens."""
        return self._address is not None

    def ready(self, status: str = "") -> None:
        """Say that the service is up, or up again after a reload."""
        self._say("READY=1", *_status(status))

    def reloading(self) -> None:
        """Say that configuration is read anew; `ready` says when that is over."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000}")

    def stopping(self, status: str = "") -> None:
        """Say that the service is ending."""
        self._say("STOPPING=1", *_status(status))

    def status(self, text: str) -> None:
        """Say in a line how it stands."""
        self._say(*_status(text))

    def watchdog(self) -> None:
        """Say that the service is alive; to be said from its main loop, and at least twice in `watchdog_s`."""
        if self.watchdog_s is not None:
            self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(0)
            sender.connect(self._address)
            sender.send("\n".join(lines).encode())


def _address(given: str) -> str | None:
    if given.startswith("@"):
        return "\0" + given[1:]  # of the abstract namespace
    return given if given.startswith("/") else None


def _watchdog_s(given: Mapping[str, str]) -> float | None:
    usec, pid = given.get("WATCHDOG_USEC", ""), given.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) <= 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6


def _status(text: str) -> list[str]:
    line = " ".join(text.split())[:STATUS_MAX_CHARS]
    return [f"STATUS={line}"] if line else []
