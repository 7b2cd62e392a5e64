"""MQTT 3.1.1 through `aiomqtt`: the only module that knows it.

QoS 0 and clean sessions, because correctness never leans on the broker; TCP_NODELAY, because a
command and its answer take 88 ms without and a few with it. Messages are stamped and stored in the
very callback that reads the socket, not by a task that may run later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, cast

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from protocols.clock import Clock
from protocols.config import BrokerConfig
from protocols.errors import TransportError
from protocols.host.logs import get_logger
from protocols.limits import FRAME_MAX_BYTES, INBOX_MAX_MESSAGES
from protocols.transport.base import Inbound
from protocols.transport.inbox import Inbox

_NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_KEEPALIVE_S = 15
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MAX_S = 5.0
_STEADY_S = 5.0
"""A connection that lasted this long was a good one: the next backoff starts small again."""
_PUBLISH_TIMEOUT_S = 5.0
_SUBSCRIBE_TIMEOUT_S = 5.0
_GOODBYE_S = 1.0
_SUBSCRIPTION_FAILED = 0x80
_NS_PER_S = 1_000_000_000

# What the library would say is said here, in our words; its own warnings and tracebacks help nobody.
_SILENT = logging.getLogger("haltdrill.aiomqtt")
_SILENT.disabled = True
_SILENT.propagate = False


class _Refused(TransportError):
    """The broker is there and said no: trying again at once would not help."""


class MqttTransport:
    """A client of an MQTT broker; a `protocols.transport.base.Transport`.

    Args:
        broker: Where the broker is.
        filters: What it subscribes to.
        clock: Where arrival times come from, and what the pauses between reconnects wait on.
        client_id: Its name at the broker; two clients of one name disconnect each other.
        connect_timeout_s: How long entering keeps trying to connect, seconds.
        inbox_max: Most messages that wait to be received.
    """

    def __init__(
        self,
        broker: BrokerConfig,
        filters: Sequence[str],
        *,
        clock: Clock,
        client_id: str,
        connect_timeout_s: float = 10.0,
        inbox_max: int = INBOX_MAX_MESSAGES,
    ) -> None:
        self._broker = broker
        self._filters = tuple(filters)
        self._clock = clock
        self._client_id = client_id
        self._connect_timeout_s = connect_timeout_s
        self._inbox = Inbox(inbox_max)
        self._client: aiomqtt.Client | None = None
        self._up = False
        self._keeper: asyncio.Task[None] | None = None
        self._log = get_logger(broker=self._where, client=client_id)

    @property
    def _where(self) -> str:
        return f"{self._broker.host}:{self._broker.port}"

    async def __aenter__(self) -> Self:
        """Connect and subscribe.

        Raises:
            TransportError: The broker isn't there in time, or refuses us.
        """
        await self._connect_in_time()
        self._keeper = asyncio.create_task(self._keep(), name=f"mqtt {self._client_id}")
        self._keeper.add_done_callback(self._kept)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        await self._release()
        self._inbox.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection at this moment."""
        return self._up

    @property
    def dropped(self) -> int:
        """How many messages were dropped, oldest first, because the inbox was full."""
        return self._inbox.dropped

    @property
    def oversized(self) -> int:
        """How many messages were dropped because they were over the size limit."""
        return self._inbox.oversized

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Hand one message to the broker at QoS 0.

        Raises:
            TransportError: There is no connection, the broker took too long, or the frame is over
                the limit.
        """
        if len(payload) > FRAME_MAX_BYTES:
            raise TransportError(f"a frame of {len(payload)} bytes is over the limit of {FRAME_MAX_BYTES}", where=topic)
        client = self._client
        if client is None or not self._up:
            raise TransportError(
                "there is no connection to the broker", where=self._where, remedy="it is being retried"
            )
        try:
            await client.publish(topic, payload, qos=0, retain=retain, timeout=_PUBLISH_TIMEOUT_S)
        except aiomqtt.MqttError as error:
            raise TransportError(f"the broker did not take a message: {error}", where=self._where) from error
        except ValueError as error:
            raise TransportError(f"not a topic to publish to: {error}", where=topic) from error

    async def receive(self, limit: int) -> list[Inbound]:
        """Wait for at least one message, then take all that wait, `limit` at most.

        Raises:
            TransportError: The transport was left.
        """
        return await self._inbox.take(limit)

    def _take(self, message: aiomqtt.Message) -> None:
        arrival_ns = self._clock.boot_ns()
        # Without a payload paho says None or b"" by version, and aiomqtt passes on what it says.
        payload = message.payload or b""
        self._inbox.put(Inbound(message.topic.value, payload, arrival_ns, bool(message.retain)))

    async def _connect_in_time(self) -> None:
        failure = TransportError("the broker did not answer in time", where=self._where)
        pause_s = _BACKOFF_FIRST_S
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                while True:
                    try:
                        return await self._attempt()
                    except _Refused:
                        raise
                    except TransportError as error:
                        failure = error
                    await self._clock.sleep(pause_s)
                    pause_s = min(2 * pause_s, 1.0)
        except TimeoutError:
            raise TransportError(
                f"no broker within {self._connect_timeout_s:g} s: {failure.what}",
                where=self._where,
                remedy="start the broker, or correct its address in the configuration",
            ) from failure

    async def _attempt(self) -> None:
        """Make one attempt to connect and subscribe, and leave nothing behind if it fails."""
        try:
            await self._connect()
        except BaseException:
            await self._release()
            raise
        self._up = True

    async def _connect(self) -> None:
        self._client = client = aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            identifier=self._client_id,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            timeout=self._connect_timeout_s,
            keepalive=_KEEPALIVE_S,
            socket_options=[_NODELAY],
            queue_type=cast("Any", _tap(self._take)),
            logger=_SILENT,
        )
        _watch_writes(client)
        try:
            await _enter(client, self._connect_timeout_s)
            if self._filters:
                wanted = [(topic_filter, 0) for topic_filter in self._filters]
                codes = await client.subscribe(wanted, timeout=_SUBSCRIBE_TIMEOUT_S)
                self._check_granted([code if isinstance(code, int) else code.value for code in codes])
        except MqttConnectError as error:
            raise _Refused(
                f"the broker refused the connection: {error}",
                where=self._where,
                remedy="check the client's name and credentials at the broker",
            ) from error
        except aiomqtt.MqttError as error:
            raise TransportError(f"cannot connect: {error}", where=self._where) from error

    async def _release(self) -> None:
        # The client is forgotten only after it was freed, so that a cancellation in between leaves
        # it to the next call.
        self._up = False
        if self._client is not None:
            await _discard(self._client)
            self._client = None

    def _check_granted(self, codes: Sequence[int]) -> None:
        refused = [name for name, code in zip(self._filters, codes, strict=True) if code >= _SUBSCRIPTION_FAILED]
        if refused:
            raise _Refused(
                f"the broker refused the subscription to {', '.join(refused)}",
                where=self._where,
                remedy="allow it in the broker's access rules",
            )

    async def _keep(self) -> None:
        """Watch the connection, and make a new one whenever it breaks, until cancelled."""
        pause_s = _BACKOFF_FIRST_S
        while True:
            since_ns = self._clock.boot_ns()
            if self._client is not None:
                await _until_disconnected(self._client)
            await self._release()
            if self._clock.boot_ns() - since_ns >= _STEADY_S * _NS_PER_S:
                pause_s = _BACKOFF_FIRST_S
            self._log.warning("transport.disconnected")
            pause_s = await self._reconnect(pause_s)
            self._log.info("transport.reconnected")

    async def _reconnect(self, pause_s: float) -> float:
        """Try until there is a connection; return the pause to make before the next try."""
        said = ""
        while True:
            # A broker that comes back meets its whole fleet: spread the first moment.
            await self._clock.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause_s = min(2 * pause_s, _BACKOFF_MAX_S)
            try:
                await self._attempt()
            except TransportError as error:
                if error.what != said:
                    said = error.what
                    self._log.warning("transport.unreachable", reason=said)
            else:
                return pause_s

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        # A bug in the keeper must not look like a quiet broker.
        failure = None if keeper.cancelled() else keeper.exception()
        self._inbox.close(failure)


def _tap(take: Callable[[aiomqtt.Message], None]) -> type[asyncio.Queue[aiomqtt.Message]]:
    """Make a queue class for aiomqtt that hands each message on in the callback that read it."""

    class Tap(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            take(item)

    return Tap


def _watch_writes(client: aiomqtt.Client) -> None:
    """Wait to write on a socket only while it is the client's.

    aiomqtt begins to wait a moment after it was asked to, and by its number alone: if the connection broke in
    between, that is no socket any more, or another one's.
    """
    loop, paho, disconnected = asyncio.get_running_loop(), client._client, client._disconnected  # noqa: SLF001 - as above

    def write() -> None:
        try:
            paho.loop_write()
        except Exception as error:
            if not disconnected.done():
                disconnected.set_exception(error)

    def watch(asked: Any) -> None:
        held = paho.socket()
        if held is not None and held is asked and held.fileno() >= 0:
            loop.add_writer(held.fileno(), write)

    def ask(_client: Any, _userdata: Any, asked: Any) -> None:
        loop.call_soon_threadsafe(watch, asked)  # paho asks from the thread that connects, too

    paho.on_socket_register_write = ask


async def _until_disconnected(client: aiomqtt.Client) -> None:
    # The tap keeps the queue empty, so that this ends only with the connection.
    with contextlib.suppress(aiomqtt.MqttError):
        async for _ in client.messages:
            pass


async def _enter(client: aiomqtt.Client, timeout_s: float) -> None:
    """Connect; when cancelled meanwhile, see the connecting thread out, so that no socket is left."""
    paho = client._client  # noqa: SLF001 - aiomqtt lends no other way to its socket
    paho.connect_timeout = timeout_s
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        if paho.socket() is not None:
            entering.cancel()
        await asyncio.wait([entering], timeout=timeout_s)
        if not entering.cancelled():
            entering.exception()
        raise


async def _discard(client: aiomqtt.Client) -> None:
    """Disconnect and free the socket, its callbacks and the library's task, whatever state it is in."""
    client.timeout = _GOODBYE_S
    connected = client._connected  # noqa: SLF001 - aiomqtt would wait in vain for one that never was
    if connected.done() and not connected.cancelled() and connected.exception() is None:
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)
    paho = client._client  # noqa: SLF001 - see `_enter`
    left = paho.socket()
    if left is not None:
        # aiomqtt would watch the descriptor a moment later, when it is closed or another socket's.
        paho.on_socket_register_write = lambda *_: None
        paho.disconnect()
        loop = asyncio.get_running_loop()
        if isinstance(left, socket.socket) and left.fileno() >= 0:
            loop.remove_reader(left)
            loop.remove_writer(left)
            left.close()
    await _settle(client._misc_task, client._disconnected)  # noqa: SLF001 - aiomqtt forgets them


async def _settle(task: asyncio.Task[None] | None, disconnected: asyncio.Future[None]) -> None:
    """End the library's task, and look at what its futures hold, lest asyncio complain later."""
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
    for future in (task, disconnected):
        if future is not None and future.done() and not future.cancelled():
            future.exception()
