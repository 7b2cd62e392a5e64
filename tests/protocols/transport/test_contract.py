"""The transport contract: what every transport does, over memory and two real brokers."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from protocols.config import BrokerConfig
from protocols.errors import TransportError
from protocols.host.clock import SystemClock
from protocols.limits import FRAME_MAX_BYTES
from protocols.transport.base import Inbound, Transport
from protocols.transport.memory import MemoryBroker, MemoryTransport, topic_matches
from protocols.transport.mqtt import MqttTransport
from tests.brokers import Mosquitto, Nats
from tests.components import require

PATIENCE_S = 10.0


class MemoryGround:
    """The in-memory broker."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()

    def transport(self, *filters: str, client_id: str = "subject", **more: Any) -> MemoryTransport:
        return MemoryTransport(self.broker, filters, clock=SystemClock(), client_id=client_id, **more)

    async def publish_raw(self, topic: str, payload: bytes) -> None:
        self.broker.route(topic, payload)

    async def kill(self) -> None:
        self.broker.stop()

    async def restart(self) -> None:
        self.broker.start()


class MqttGround:
    """A real broker."""

    def __init__(self, broker: Nats | Mosquitto) -> None:
        self.broker = broker

    def transport(self, *filters: str, client_id: str = "subject", **more: Any) -> MqttTransport:
        return MqttTransport(self.broker.config, filters, clock=SystemClock(), client_id=client_id, **more)

    async def publish_raw(self, topic: str, payload: bytes) -> None:
        """Publish as a client that knows no limits."""
        async with aiomqtt.Client(self.broker.config.host, self.broker.config.port) as client:
            await client.publish(topic, payload)

    async def kill(self) -> None:
        await self.broker.kill()

    async def restart(self) -> None:
        await self.broker.restart()


Ground = MemoryGround | MqttGround


@pytest.fixture(params=["memory", "nats", "mosquitto"])
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    """Each broker in turn."""
    match request.param:
        case "memory":
            yield MemoryGround()
        case "nats":
            async with Nats() as nats:
                yield MqttGround(nats)
        case _:
            async with Mosquitto(require("mosquitto", package="mosquitto")) as mosquitto:
                yield MqttGround(mosquitto)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, for a bounded time."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - some conditions are the kernel's
            await asyncio.sleep(0.005)


async def within(waiting: Awaitable[Any]) -> Any:
    """Wait for a result, for a bounded time."""
    return await asyncio.wait_for(waiting, PATIENCE_S)


async def collect(transport: Transport, count: int) -> list[Inbound]:
    """Receive until there are `count` messages."""
    found: list[Inbound] = []
    while len(found) < count:
        found += await within(transport.receive(count - len(found)))
    return found


async def test_a_message_comes_back_as_it_was_sent(ground: Ground) -> None:
    """Bytes are carried unchanged, stamped with the receiver's boot clock, and not called retained."""
    clock = SystemClock()
    payload = bytes(range(256))
    async with ground.transport("t/one") as subject:
        before = clock.boot_ns()
        await subject.publish("t/one", payload)
        [message] = await collect(subject, 1)
    assert (message.topic, message.payload, message.retained) == ("t/one", payload, False)
    assert before < message.arrival_ns < clock.boot_ns()


async def test_filters_choose_what_arrives(ground: Ground) -> None:
    """`+` takes one level and `#` the rest, and nothing else arrives, nor anything twice."""
    topics = ["s/a/agent", "s/a/witness/w1", "s/b/agent", "s/a", "s/a/agent/x", "deep/1/2/3", "deep", "other", "fence"]
    async with ground.transport("s/+/agent", "s/+/witness/+", "deep/#", "fence") as subject:
        for topic in topics:
            await subject.publish(topic, b"x")
        found: list[str] = []
        while not found or found[-1] != "fence":
            found += [message.topic for message in await within(subject.receive(100))]
    assert found == ["s/a/agent", "s/a/witness/w1", "s/b/agent", "deep/1/2/3", "deep", "fence"]


async def test_presence_is_kept_and_says_so(ground: Ground) -> None:
    """A late subscriber gets the last retained message, flagged; a cleared one is gone; a live one is not flagged."""
    async with ground.transport(client_id="site") as site:
        await site.publish("p/a", b"old", retain=True)
        await site.publish("p/a", b"new", retain=True)
        await site.publish("p/b", b"gone", retain=True)
        await site.publish("p/b", b"", retain=True)
        # A broker may take its time to keep and to hand over what it keeps; then ask it again.
        async with asyncio.timeout(PATIENCE_S):
            while (kept := await _kept(ground, site)) != [("p/a", b"new", True)]:
                assert {topic for topic, _, _ in kept} <= {"p/a", "p/b"}
        async with ground.transport("p/+") as live:
            await site.publish("p/a", b"live", retain=True)
            async with asyncio.timeout(PATIENCE_S):
                while (message := (await collect(live, 1))[0]).payload != b"live":
                    assert message.retained
        assert not message.retained


async def _kept(ground: Ground, site: Transport) -> list[tuple[str, bytes, bool]]:
    """Return what a new subscriber of `p/+` gets before what is published afterwards."""
    found: list[tuple[str, bytes, bool]] = []
    async with ground.transport("p/+", "fence", client_id="late") as late:
        await site.publish("fence", b"")
        while True:
            [message] = await collect(late, 1)
            if message.topic == "fence":
                return found
            found.append((message.topic, message.payload, message.retained))


async def test_one_publisher_is_heard_in_order(ground: Ground) -> None:
    """Messages of one publisher arrive in the order they were sent, each once."""
    async with ground.transport("t") as subject, ground.transport(client_id="talker") as talker:
        for number in range(500):
            await talker.publish("t", str(number).encode())
        found = await collect(subject, 500)
    assert [int(message.payload) for message in found] == list(range(500))


async def test_the_largest_frame_passes_whole(ground: Ground) -> None:
    """A frame of exactly the limit is carried; the limit is ours, not the broker's."""
    frame = os.urandom(FRAME_MAX_BYTES)
    async with ground.transport("t") as subject:
        await subject.publish("t", frame)
        [message] = await collect(subject, 1)
    assert message.payload == frame


async def test_an_oversized_frame_is_dropped_and_counted(ground: Ground) -> None:
    """A hostile publisher's oversized frame never reaches the inbox, and what follows does."""
    async with ground.transport("t") as subject:
        await ground.publish_raw("t", bytes(FRAME_MAX_BYTES + 1))
        await until(lambda: subject.oversized == 1)
        await subject.publish("t", b"after")
        [message] = await collect(subject, 1)
    assert message.payload == b"after"
    assert subject.dropped == 0


async def test_we_send_no_oversized_frame(ground: Ground) -> None:
    """Publishing over the limit fails at the sender, where the mistake is."""
    async with ground.transport("t") as subject:
        with pytest.raises(TransportError, match="over the limit"):
            await subject.publish("t", bytes(FRAME_MAX_BYTES + 1))


async def test_a_full_inbox_drops_the_oldest(ground: Ground) -> None:
    """An inbox that nobody empties stays bounded, keeps the newest and counts the rest."""
    async with ground.transport("t", inbox_max=10) as subject, ground.transport(client_id="talker") as talker:
        for number in range(25):
            await talker.publish("t", str(number).encode())
        await until(lambda: subject.dropped == 15)
        found = await within(subject.receive(100))
    assert [int(message.payload) for message in found] == list(range(15, 25))


async def test_receive_takes_what_waits_up_to_its_limit(ground: Ground) -> None:
    """A batch is as large as what waits, and never larger than asked."""
    async with ground.transport("t", "u") as subject:
        for number in range(7):
            await subject.publish("t", str(number).encode())
        first = await within(subject.receive(1))
        rest = await collect(subject, 6)
    assert [int(message.payload) for message in first + rest] == list(range(7))
    assert len(first) == 1


async def test_cancelling_a_receive_loses_nothing(ground: Ground) -> None:
    """Receives that time out again and again while messages stream in lose none of them."""
    async with ground.transport("t") as subject, ground.transport(client_id="talker") as talker:
        found: list[Inbound] = []

        async def talk() -> None:
            for number in range(300):
                await talker.publish("t", str(number).encode())
                await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            group.create_task(talk())
            while len(found) < 300:
                waiting = asyncio.ensure_future(subject.receive(3))
                await asyncio.sleep(0)
                waiting.cancel()
                try:
                    found += await waiting
                except asyncio.CancelledError:
                    await asyncio.sleep(0)
    assert [int(message.payload) for message in found] == list(range(300))


async def test_a_broker_that_dies_and_returns_is_found_again(ground: Ground) -> None:
    """After kill -9 and a restart the transport reconnects and subscribes by itself, mid-receive."""
    async with ground.transport("t") as subject:
        waiting = asyncio.ensure_future(subject.receive(10))
        await ground.kill()
        await until(lambda: not subject.connected)
        await ground.restart()
        await until(lambda: subject.connected)
        await subject.publish("t", b"again")
        [message] = await within(waiting)
    assert message.payload == b"again"


async def test_publishing_while_down_fails_at_once(ground: Ground) -> None:
    """Without a connection a publish raises instead of waiting or pretending."""
    async with ground.transport("t") as subject:
        await ground.kill()
        await until(lambda: not subject.connected)
        with pytest.raises(TransportError, match="no connection"):
            await asyncio.wait_for(subject.publish("t", b"x"), 0.5)
        await ground.restart()


async def test_a_transport_that_was_left_says_so(ground: Ground) -> None:
    """Receiving or publishing after leaving raises; nobody waits for ever on a closed transport."""
    async with ground.transport("t") as subject:
        waiting = asyncio.ensure_future(subject.receive(1))
        await asyncio.sleep(0)
    with pytest.raises(TransportError):
        await within(waiting)
    with pytest.raises(TransportError):
        await subject.publish("t", b"x")
    assert not subject.connected


async def test_the_same_client_id_takes_over(ground: Ground) -> None:
    """The broker disconnects the older of two clients of one name; no two are connected as one."""
    async with ground.transport("t") as older, ground.transport("t"):
        await until(lambda: not older.connected)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_leaving_frees_everything(ground: Ground) -> None:
    """Connections that came and went leave no task and no file descriptor, also after a broker's death."""
    tasks = len(asyncio.all_tasks())
    async with ground.transport("t"):
        pass
    # What the loop opens once for all (its thread pool) is open now.
    assert len(asyncio.all_tasks()) == tasks
    files = _open_files()
    for _ in range(3):
        async with ground.transport("t") as subject:
            await subject.publish("t", b"x")
    async with ground.transport("t") as subject:
        await ground.kill()
        await until(lambda: not subject.connected)
    await until(lambda: len(asyncio.all_tasks()) == tasks)
    await ground.restart()
    # The broker's own process came anew; its descriptors are counted in neither number.
    await until(lambda: _open_files() <= files)


async def test_no_broker_gives_one_clear_line(ground: Ground) -> None:
    """Entering without a broker raises within its time, says where, and leaves nothing open."""
    await ground.kill()
    files, tasks = _open_files(), len(asyncio.all_tasks())
    more = {"connect_timeout_s": 0.3} if isinstance(ground, MqttGround) else {}
    with pytest.raises(TransportError) as caught:
        await within(ground.transport("t", **more).__aenter__())
    if isinstance(ground, MqttGround):
        assert f"127.0.0.1:{ground.broker.config.port}" in str(caught.value)
        assert "start the broker" in str(caught.value)
    assert (_open_files(), len(asyncio.all_tasks())) == (files, tasks)


@pytest.fixture
async def mute() -> AsyncIterator[BrokerConfig]:
    """A port that takes connections and never says a word."""

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
        yield BrokerConfig(host="127.0.0.1", port=server.sockets[0].getsockname()[1])


async def test_a_mute_broker_is_given_up(mute: BrokerConfig) -> None:
    """Something that accepts connections and answers nothing costs the timeout, not more, and no socket."""
    files = _open_files()
    subject = MqttTransport(mute, ["t"], clock=SystemClock(), client_id="subject", connect_timeout_s=0.3)
    with pytest.raises(TransportError):
        await asyncio.wait_for(subject.__aenter__(), 3)
    await until(lambda: _open_files() <= files)


async def test_giving_up_leaves_no_socket_watched(mute: BrokerConfig) -> None:
    """What is no broker is given up without a word from asyncio about a descriptor that is closed by now."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    subject = MqttTransport(mute, ["t"], clock=SystemClock(), client_id="subject", connect_timeout_s=0.5)
    with pytest.raises(TransportError, match="did not answer in time"):
        await subject.__aenter__()
    await asyncio.sleep(0.1)
    assert complaints == []


async def test_cancelling_a_connect_leaves_nothing(mute: BrokerConfig) -> None:
    """Ctrl-C while connecting frees the socket and the tasks."""
    files, tasks = _open_files(), len(asyncio.all_tasks())
    subject = MqttTransport(mute, ["t"], clock=SystemClock(), client_id="subject", connect_timeout_s=2)
    entering = asyncio.ensure_future(subject.__aenter__())
    await until(lambda: _open_files() > files)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    await until(lambda: _open_files() <= files and len(asyncio.all_tasks()) == tasks)


async def _connack(code: int) -> asyncio.Server:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(bytes([0x20, 2, 0, code]))
        await reader.read()
        writer.close()

    return await asyncio.start_server(refuse, "127.0.0.1", 0)


async def test_a_refusal_is_told_at_once() -> None:
    """Bad credentials are not retried until the timeout: the broker was asked and said no."""
    async with await _connack(5) as server:
        config = BrokerConfig(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        subject = MqttTransport(config, ["t"], clock=SystemClock(), client_id="subject", connect_timeout_s=30)
        with pytest.raises(TransportError, match="refused the connection"):
            await asyncio.wait_for(subject.__aenter__(), 3)


async def test_a_denied_subscription_is_told_at_once() -> None:
    """A SUBACK that refuses a filter raises and names the filter."""

    async def deny(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(bytes([0x20, 2, 0, 0]))
        packet = await reader.read(64)
        writer.write(bytes([0x90, 3, packet[2], packet[3], 0x80]))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(deny, "127.0.0.1", 0) as server:
        config = BrokerConfig(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        subject = MqttTransport(config, ["secret/t"], clock=SystemClock(), client_id="subject")
        with pytest.raises(TransportError, match="subscription to secret/t"):
            await asyncio.wait_for(subject.__aenter__(), 3)


async def test_every_socket_sends_at_once(nats: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP_NODELAY is set: without it a command and its answer take 88 ms instead of a few."""
    made: list[socket.socket] = []
    real = socket.create_connection

    def remember(*arguments: Any, **options: Any) -> socket.socket:
        made.append(real(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(socket, "create_connection", remember)
    async with MqttTransport(nats.config, ["t"], clock=SystemClock(), client_id="subject"):
        assert made[-1].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/", True),
        ("a/+", "a", False),
        ("+/+", "/a", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
    ],
)
def test_memory_matches_as_mqtt_does(topic_filter: str, topic: str, matches: bool) -> None:
    """The examples of MQTT 3.1.1, section 4.7, hold for the in-memory broker."""
    assert topic_matches(topic_filter, topic) is matches


async def test_memory_can_cut_one_client() -> None:
    """A client that is cut misses what others get; healed, it hears retained messages again."""
    ground = MemoryGround()
    async with ground.transport("t") as subject, ground.transport("t", client_id="other") as other:
        ground.broker.cut("subject")
        assert (subject.connected, other.connected) == (False, True)
        await other.publish("t", b"kept", retain=True)
        with pytest.raises(TransportError, match="no connection"):
            await subject.publish("t", b"x")
        ground.broker.heal("subject")
        [message] = await collect(subject, 1)
        assert (message.payload, message.retained) == (b"kept", True)
        assert subject.connected
