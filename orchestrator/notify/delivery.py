"""What every way to tell somebody has in common."""

from __future__ import annotations

import os
import ssl
from typing import Protocol

from orchestrator.notify.notices import Notice


class UndeliveredError(Exception):
    """Somebody was not told. The message says why, and holds nothing secret.

    Attributes:
        final: Whether another try would change nothing.
        after_s: How long the other side asks to be left alone, seconds.
    """

    def __init__(self, why: str, *, final: bool = False, after_s: float | None = None) -> None:
        super().__init__(why)
        self.final = final
        self.after_s = after_s


class Sender(Protocol):
    """A way to tell somebody."""

    async def send(self, notice: Notice) -> None:
        """Tell them once.

        Raises:
            UndeliveredError: It did not work.
        """
        ...


def network_reason(error: BaseException, said: str) -> str:
    """Return why a connection failed, from the system's own error if there is one underneath.

    Args:
        error: What was raised.
        said: What is said if nothing better is known: errors themselves may hold a URL, which may be secret.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate does not hold: {cause.verify_message}"
        if isinstance(cause, OSError) and cause.strerror:
            return f"{said}: {os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror}"
        cause = cause.__cause__ or cause.__context__
    return said
