"""What any transport must do: at-most-once publish, subscribe by filter, an inbox with a bound.

Correctness never leans on a transport: messages may be lost, doubled, late and out of order. Signed
envelopes, our own repeats and the senders' chains carry the guarantees.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message as it came off the wire.

    Attributes:
        topic: Where it was published. A hint for routing, never a proof of the sender.
        payload: The frame's bytes.
        arrival_ns: The receiver's boot-time clock when the message was taken off the wire.
        retained: Whether the broker had kept it from before (only presence ever is).
    """

    topic: str
    payload: bytes
    arrival_ns: int
    retained: bool = False


class Transport(Protocol):
    """A connection to one broker, which reconnects and subscribes again by itself.

    Entering it connects (raising `TransportError` if the broker isn't there in time); leaving it
    disconnects and frees everything. Filters are MQTT 3.1.1 topic filters, fixed at construction.
    """

    async def __aenter__(self) -> Self:
        """Connect and subscribe."""
        ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect."""
        ...

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        ...

    @property
    def dropped(self) -> int:
        """How many messages were dropped, oldest first, because the inbox was full."""
        ...

    @property
    def oversized(self) -> int:
        """How many messages were dropped because they were over the size limit."""
        ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand one message to the broker at QoS 0.

        Raises:
            TransportError: There is no connection, or the broker took too long.
        """
        ...

    async def receive(self, limit: int) -> list[Inbound]:
        """Wait for at least one message, then take all that wait, `limit` at most.

        It keeps waiting while the connection is down. Cancelling it loses no message.
        """
        ...
