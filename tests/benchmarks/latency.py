"""The latency benchmark: from publishing an order to its agent's verified `accepted`, over loopback."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import aiomqtt

from orchestrator.core.intake import open_receipt
from orchestrator.runtime.leash import Leash
from protocols.config import BrokerConfig
from protocols.envelope import split_frame
from protocols.host.clock import SystemClock
from protocols.ids import seconds_to_ns
from protocols.messages import Order, Outcome, Receipt
from protocols.transport.mqtt import MqttTransport
from tests.benchmarks.measure import LIMIT_S, Table, quantile
from tests.benchmarks.site import RealSite, stop
from tests.brokers import Mosquitto, Nats
from tests.kit import DAY_S

_NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_FRAME_BYTES = 2_500
"""About what an order with its warrant has."""


class Room:
    """Orders one site and hears its agent."""

    def __init__(self, site: RealSite, broker: BrokerConfig, clock: SystemClock) -> None:
        self._fleet, self._site = site.fleet, site.name
        self._clock = clock
        self._trust = site.fleet.trust()
        self._transport = MqttTransport(
            broker, [site.fleet.topics.agent(site.name)], clock=clock, client_id=f"room-{secrets.token_hex(8)}"
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Stay connected."""
        async with self._transport:
            yield

    async def _receipt(self, order: str, outcome: Outcome) -> Receipt:
        async with asyncio.timeout(LIMIT_S):
            while True:
                for message in await self._transport.receive(16):
                    for envelope in split_frame(message.payload):
                        said = open_receipt(envelope, self._trust, self._site)
                        if said.order == order and said.outcome in {outcome, Outcome.REFUSED, Outcome.FAILED}:
                            if said.outcome is not outcome:
                                raise RuntimeError(f"the agent answered {said.outcome}: {said.reason} {said.detail}")
                            return said

    async def once(self) -> float:
        """Order, wait for the receipt, release, and wait until the site is back; return the seconds to the first."""
        self._fleet.now_ns = self._clock.wall_ns()
        warrant = self._fleet.warrant(
            hold_s=20.0,
            issued_at=self._fleet.at(-60),
            not_before=self._fleet.at(-60),
            not_after=self._fleet.at(DAY_S),
        )
        order: Order = self._fleet.order(warrant)
        frame = self._fleet.order_frame(order, self._fleet.approve(warrant))
        began_ns = time.perf_counter_ns()
        await self._transport.publish(self._fleet.topics.orders, frame)
        await self._receipt(order.digest(), Outcome.ACCEPTED)
        took_s = (time.perf_counter_ns() - began_ns) / 1e9
        await self._receipt(order.digest(), Outcome.HALTED)
        self._fleet.now_ns = self._clock.wall_ns()
        await self._transport.publish(self._fleet.topics.stops, self._fleet.dispatch(self._fleet.release(order)))
        await self._receipt(order.digest(), Outcome.RESTORED)
        return took_s


async def _orders(leash: Leash, broker: BrokerConfig, count: int) -> list[float]:
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="haltdrill-bench-") as folder:
        site = RealSite(Path(folder), broker, clock.wall_ns() - seconds_to_ns(1))
        process, _ = await site.start(leash, "agent")
        room = Room(site, broker, clock)
        async with room.open():
            found = [await room.once() for _ in range(count + 1)]
        await stop(process)
    return found[1:]  # the first one warms up


async def _echo(broker: BrokerConfig, count: int, *, no_delay: bool) -> list[float]:
    """Return round trips of bare aiomqtt: publish, and another client publishes it back."""
    options = [_NODELAY] if no_delay else []
    topic, found = f"echo/{secrets.token_hex(4)}", []
    payload = bytes(_FRAME_BYTES)

    def client(name: str) -> aiomqtt.Client:
        return aiomqtt.Client(
            broker.host, broker.port, identifier=f"{name}-{secrets.token_hex(4)}", socket_options=options
        )

    async with client("near") as near, client("far") as far:
        await far.subscribe(f"{topic}/there")
        await near.subscribe(f"{topic}/back")

        async def answer() -> None:
            async for message in far.messages:
                await far.publish(f"{topic}/back", message.payload)

        answering = asyncio.create_task(answer())
        back = aiter(near.messages)
        for _ in range(count):
            began_ns = time.perf_counter_ns()
            await near.publish(f"{topic}/there", payload)
            await anext(back)
            found.append((time.perf_counter_ns() - began_ns) / 1e9)
        answering.cancel()
        await asyncio.wait([answering])
    return found


def _fsync(count: int) -> list[float]:
    """Return the times of appending a line to a file and having it on the disk."""
    found = []
    with tempfile.NamedTemporaryFile(prefix="haltdrill-bench-") as file:
        for _ in range(count):
            began_ns = time.perf_counter_ns()
            os.write(file.fileno(), bytes(_FRAME_BYTES))
            os.fsync(file.fileno())
            found.append((time.perf_counter_ns() - began_ns) / 1e9)
    return found


async def run(mosquitto: str, *, count: int = 20) -> Table:
    """Run the benchmark.

    Args:
        mosquitto: Where mosquitto is.
        count: How many orders on each broker.
    """
    table = Table(
        f"latency ({count} orders on each broker)",
        "From publishing an order to its agent's signed `accepted`, received and verified. The agent is a\n"
        "process of its own and has written the order to its disk before it answers. Floor: bare aiomqtt with\n"
        "TCP_NODELAY publishes a frame as large and gets it back from another client, and one fsync. At QoS 0,\n"
        "as here, TCP_NODELAY matters little to an echo.",
    )
    disk_s = _fsync(4 * count)
    brokers: dict[str, Mosquitto | Nats] = {"mosquitto": Mosquitto(mosquitto), "embedded NATS": Nats()}
    for name, running in brokers.items():
        async with running as broker:
            with Leash() as leash:
                orders = await _orders(leash, broker.config, count)
            quick = await _echo(broker.config, 2 * count, no_delay=True)
            slow = await _echo(broker.config, count, no_delay=False)
        for word, share in (("median", 0.5), ("95th percentile", 0.95)):
            floor_s = quantile(quick, share) + quantile(disk_s, share)
            table.add(f"{name}: order to receipt, {word}", quantile(orders, share) * 1e3, "ms", floor_s * 1e3)
        table.add(f"{name}: bare echo, median", median(quick) * 1e3, "ms")
        table.add(f"{name}: bare echo without TCP_NODELAY, median", median(slow) * 1e3, "ms")
    table.add("fsync of one line, median", median(disk_s) * 1e3, "ms")
    return table
