"""The inbox every transport shares: bounded, first in first out, dropping the oldest when full."""

from __future__ import annotations

import asyncio
from collections import deque

from protocols.errors import TransportError
from protocols.limits import FRAME_MAX_BYTES
from protocols.transport.base import Inbound


class Inbox:
    """Messages that wait to be taken. Belongs to one event loop.

    Args:
        max_messages: Most messages that wait; one more drops the oldest.

    Attributes:
        dropped: Messages dropped, oldest first, because the inbox was full.
        oversized: Messages dropped because they were over `FRAME_MAX_BYTES`.
    """

    def __init__(self, max_messages: int) -> None:
        self._waiting: deque[Inbound] = deque()
        self._max_messages = max_messages
        self._filled = asyncio.Event()
        self._failure: BaseException | None = None
        self.dropped = 0
        self.oversized = 0

    def put(self, message: Inbound) -> None:
        """Add a message; drop and count it if it is too large, or the oldest if there are too many."""
        if len(message.payload) > FRAME_MAX_BYTES:
            self.oversized += 1
            return
        if len(self._waiting) >= self._max_messages:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(message)
        self._filled.set()

    async def take(self, limit: int) -> list[Inbound]:
        """Wait for at least one message, then take `limit` at most. Cancelling it loses none.

        Raises:
            TransportError: The transport was left, and nothing waits any more.
        """
        # Between the last await and the return nothing is awaited, so a cancellation cannot come
        # between taking messages out and handing them over.
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            self._filled.clear()
            await self._filled.wait()
        return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]

    def close(self, failure: BaseException | None = None) -> None:
        """Let whoever waits for more fail instead of waiting for ever.

        Args:
            failure: What to raise there; a `TransportError` that says so if not given.
        """
        if self._failure is None:
            self._failure = failure or TransportError("the transport was left")
        self._filled.set()
