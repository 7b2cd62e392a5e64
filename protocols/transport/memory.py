"""A broker inside one process, for tests and simulations: deterministic, and able to fail on demand.

It keeps MQTT 3.1.1's rules for QoS 0: filters, retained messages, one copy for each client. It has
no thread, task or timer of its own, so it runs on any event loop, one with virtual time too.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from protocols.clock import Clock
from protocols.errors import TransportError
from protocols.limits import FRAME_MAX_BYTES, INBOX_MAX_MESSAGES
from protocols.transport.base import Inbound
from protocols.transport.inbox import Inbox


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Tell whether an MQTT 3.1.1 topic filter (section 4.7) matches a topic."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if levels[0].startswith("$") and wanted[0] in {"+", "#"}:
        return False
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(levels) or level not in {"+", levels[position]}:
            return False
    return len(wanted) == len(levels)


class MemoryBroker:
    """Routes messages between the `MemoryTransport`s that joined it, at once and in order."""

    def __init__(self) -> None:
        self._joined: dict[str, MemoryTransport] = {}
        self._cut: set[str] = set()
        self._retained: dict[str, bytes] = {}
        self._subscribed: dict[str, list[str]] = {}  # who wants a topic, found once while nobody comes or goes
        self._running = True

    def cut(self, client_id: str) -> None:
        """Break one client's connection until `heal`; what is published meanwhile passes it by."""
        self._cut.add(client_id)

    def heal(self, client_id: str) -> None:
        """Let a client that was cut reconnect and subscribe again, as it would by itself."""
        self._cut.discard(client_id)
        if self.reaches(client_id):
            self._hand_retained(client_id)

    def stop(self) -> None:
        """Die: every client is disconnected, and retained messages are forgotten."""
        self._running = False
        self._retained.clear()

    def start(self) -> None:
        """Come back: every client that is not cut reconnects and subscribes again."""
        self._running = True
        for client_id in self._joined:
            if self.reaches(client_id):
                self._hand_retained(client_id)

    def reaches(self, client_id: str) -> bool:
        """Tell whether that client is connected at this moment."""
        return self._running and client_id in self._joined and client_id not in self._cut

    def join(self, client: MemoryTransport) -> None:
        """Connect and subscribe a client; one of the same id is disconnected, as MQTT wants it.

        Raises:
            TransportError: The broker does not run, or the client is cut off.
        """
        if not self._running or client.client_id in self._cut:
            raise TransportError("the broker cannot be reached", where="memory")
        self._joined[client.client_id] = client
        self._subscribed.clear()
        self._hand_retained(client.client_id)

    def leave(self, client: MemoryTransport) -> None:
        """Disconnect a client."""
        if self._joined.get(client.client_id) is client:
            del self._joined[client.client_id]
            self._subscribed.clear()

    def serves(self, client: MemoryTransport) -> bool:
        """Tell whether exactly this client is connected, and no other of its id."""
        return self._joined.get(client.client_id) is client and self.reaches(client.client_id)

    def route(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Deliver a message to every connected client with a matching filter, once to each.

        Args:
            topic: Where it goes, without wildcards.
            payload: What is delivered; an empty retained payload clears the topic.
            retain: Whether it is also kept for those who subscribe later.
        """
        if not self._running:
            return
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)
        for client_id in self._who_wants(topic):
            if self.reaches(client_id):
                self._joined[client_id].deliver(topic, payload, retained=False)

    def _who_wants(self, topic: str) -> list[str]:
        wanting = self._subscribed.get(topic)
        if wanting is None:
            wanting = [client_id for client_id, client in self._joined.items() if client.wants(topic)]
            self._subscribed[topic] = wanting
        return wanting

    def _hand_retained(self, client_id: str) -> None:
        client = self._joined[client_id]
        for topic, payload in sorted(self._retained.items()):
            if client.wants(topic):
                client.deliver(topic, payload, retained=True)


class MemoryTransport:
    """One client of a `MemoryBroker`; a `protocols.transport.base.Transport`.

    Args:
        broker: The broker it connects to.
        filters: What it subscribes to.
        clock: Where arrival times come from.
        client_id: Its name at the broker.
        inbox_max: Most messages that wait to be received.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        filters: Sequence[str],
        *,
        clock: Clock,
        client_id: str,
        inbox_max: int = INBOX_MAX_MESSAGES,
    ) -> None:
        self.client_id = client_id
        self._broker = broker
        self._topics = frozenset(one for one in filters if not {"+", "#"} & set(one))
        self._patterns = tuple(one for one in filters if one not in self._topics)
        self._clock = clock
        self._inbox = Inbox(inbox_max)

    async def __aenter__(self) -> Self:
        """Connect and subscribe.

        Raises:
            TransportError: The broker does not run, or this client is cut off.
        """
        self._broker.join(self)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect."""
        self._broker.leave(self)
        self._inbox.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._broker.serves(self)

    @property
    def dropped(self) -> int:
        """How many messages were dropped, oldest first, because the inbox was full."""
        return self._inbox.dropped

    @property
    def oversized(self) -> int:
        """How many messages were dropped because they were over the size limit."""
        return self._inbox.oversized

    def wants(self, topic: str) -> bool:
        """Tell whether a filter matches a topic."""
        # Of a thousand clients nearly all name each topic that they want.
        return topic in self._topics or any(topic_matches(pattern, topic) for pattern in self._patterns)

    def deliver(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Take a message of a topic that it wants from the broker."""
        self._inbox.put(Inbound(topic, payload, self._clock.boot_ns(), retained))

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand one message to the broker.

        Raises:
            TransportError: There is no connection, or the frame is over the limit.
        """
        if len(payload) > FRAME_MAX_BYTES:
            raise TransportError(f"a frame of {len(payload)} bytes is over the limit of {FRAME_MAX_BYTES}", where=topic)
        if not self.connected:
            raise TransportError("there is no connection to the broker", where="memory")
        self._broker.route(topic, payload, retain=retain)

    async def receive(self, limit: int) -> list[Inbound]:
        """Wait for at least one message, then take all that wait, `limit` at most.

        Raises:
            TransportError: The transport was left.
        """
        return await self._inbox.take(limit)
