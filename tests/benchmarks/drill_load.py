"""A process that plays all sites of a drill over a few connections, signing like real ones."""

from __future__ import annotations

import asyncio
import sys
import time

from protocols.envelope import open_envelope, split_frame
from protocols.host.clock import SystemClock
from protocols.keys import PublicKey
from protocols.messages import Abort, Challenge, Order, Recall, Release
from protocols.transport.base import Inbound
from protocols.transport.mqtt import MqttTransport
from tests.benchmarks.drill_parts import Scale, write_frames
from tests.benchmarks.measure import say, wait_for_word
from tests.kit import DISPATCHERS, Fleet, dispatcher_label, public_of
from tests.orchestrator.runtime.scripted import Script, ScriptedSite

_HEARD = {kind.payload_type(): kind for kind in (Order, Challenge, Recall, Release, Abort)}


class Recorder:
    """Publishes for the sites of one connection and keeps what was sent."""

    def __init__(self, transport: MqttTransport, sent: list[tuple[str, bytes]]) -> None:
        self._transport = transport
        self._sent = sent

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._sent.append((topic, payload))
        await self._transport.publish(topic, payload, retain=retain)


async def serve(
    fleet: Fleet, names: tuple[str, ...], transport: MqttTransport, sent: list[tuple[str, bytes]], clock: SystemClock
) -> None:
    """Answer for some sites. What is broadcast to all of them is verified once."""
    script = Script(delay_s=0.0)
    sites = [ScriptedSite(fleet, name, None, clock, script) for name in names]  # type: ignore[arg-type]
    dispatcher = PublicKey.load(public_of(dispatcher_label(DISPATCHERS[0])))
    keys = {dispatcher.key_id: dispatcher}
    out = Recorder(transport, sent)

    async def hear(inbound: Inbound) -> None:
        for envelope in split_frame(inbound.payload):
            kind = _HEARD.get(envelope.payload_type)
            if kind is not None:
                message, _ = open_envelope(envelope, kind, keys)
                for site in sites:
                    await site.hear(message, out)  # type: ignore[arg-type]

    while True:
        for inbound in await transport.receive(64):
            await hear(inbound)


async def main(scale: Scale) -> None:
    """Serve until the parent says to stop; then write the frames down and report."""
    fleet, clock = scale.fleet(), SystemClock()
    sent: list[tuple[str, bytes]] = []
    filters = (*fleet.topics.agent_filters(""), fleet.topics.challenges, fleet.topics.ask("+"))
    async with asyncio.TaskGroup() as tasks:
        serving = []
        transports = []
        for number in range(scale.connections):
            transport = MqttTransport(scale.broker, filters, clock=clock, client_id=f"load-{number}")
            await transport.__aenter__()
            transports.append(transport)
            names = fleet.sites[number :: scale.connections]
            serving.append(tasks.create_task(serve(fleet, names, transport, sent, clock)))
        before_ns = time.process_time_ns()
        say({"ready": True})
        await wait_for_word()
        spent_s = (time.process_time_ns() - before_ns) / 1e9
        for task in serving:
            task.cancel()
        for transport in transports:
            await transport.__aexit__(None, None, None)
    write_frames(scale.frames, sent)
    say({"sent": len(sent), "bytes": sum(len(payload) for _, payload in sent), "cpu_s": spent_s})


if __name__ == "__main__":
    asyncio.run(main(Scale.read(sys.argv[1])))
