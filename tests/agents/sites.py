"""A site on disk, as an operator would have it: configuration, documents, keys; and its processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from protocols.config import BrokerConfig
from protocols.envelope import split_frame
from protocols.host.clock import SystemClock
from protocols.ids import format_utc, seconds_to_ns
from protocols.messages import Order, Outcome, Receipt
from protocols.transport.base import Inbound
from protocols.transport.mqtt import MqttTransport
from tests import kit
from tests.agents.doubles import receipt_of, until

REPOSITORY = Path(__file__).resolve().parents[2]
CLOCK = SystemClock()
WITNESS = "w1"


class SiteFolder:
    """Writes and runs one site's agent and witness.

    Args:
        folder: Where its files go.
        site: The site's id; its workload carries `HALTDRILL_WORKLOAD=<site>`.
        broker: The broker.
        lie: Whether the agent lies.
        fleet: What `kit.make_fleet` is to make otherwise.
    """

    def __init__(self, folder: Path, site: str, broker: BrokerConfig, *, lie: bool = False, **fleet: Any) -> None:
        self.folder = folder
        self.site = site
        self.fleet = kit.make_fleet((site,), now_ns=CLOCK.wall_ns(), **fleet)
        self.broker = broker
        self.processes: list[asyncio.subprocess.Process] = []
        folder.mkdir(exist_ok=True)
        (folder / "root.json").write_bytes(self.fleet.raw_root + b"\n")
        (folder / "policy.json").write_bytes(self.fleet.raw_policy)
        (folder / "record.json").write_bytes(self.fleet.raw_records[site])
        self._write_key("agent.key", kit.agent_label(site))
        self._write_key("witness.key", kit.witness_label(site, WITNESS))
        common = """\
root = "root.json"
policy = "policy.json"
record = "record.json"
"""
        self.agent_config.write_text(f"""\
site = "{site}"
key = "agent.key"
state = "state"
veto = "veto"
lie = {str(lie).lower()}
{common}
[broker]
host = "{broker.host}"
port = {broker.port}

[driver]
argv = ["{sys.executable}", "-m", "agents.worker", "--checkpoint", "checkpoint"]
checkpoint = "checkpoint"
[driver.environment]
PYTHONPATH = "{REPOSITORY}"
""")
        self.witness_config.write_text(f"""\
site = "{site}"
name = "{WITNESS}"
key = "witness.key"
state = "witness-state"
{common}
[broker]
host = "{broker.host}"
port = {broker.port}

[probe]
environ = "HALTDRILL_WORKLOAD={site}"
""")

    @property
    def agent_config(self) -> Path:
        """The agent's configuration file."""
        return self.folder / "agent.toml"

    @property
    def witness_config(self) -> Path:
        """The witness's configuration file."""
        return self.folder / "witness.toml"

    def _write_key(self, name: str, label: str) -> None:
        path = self.folder / name
        path.write_bytes(kit.private_pem_of(label))
        path.chmod(0o600)

    async def run(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start `haltdrill` with these arguments, its output in pipes."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "orchestrator.entry",
            *arguments,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    async def agent(self) -> asyncio.subprocess.Process:
        """Start the agent."""
        return await self.run("agent", "--config", str(self.agent_config), "--log", str(self.folder / "agent.log"))

    async def witness(self) -> asyncio.subprocess.Process:
        """Start the witness."""
        return await self.run(
            "witness", "--config", str(self.witness_config), "--log", str(self.folder / "witness.log")
        )

    async def end(self) -> None:
        """Kill every process that was started here and still runs."""
        for process in self.processes:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.communicate()


class Dispatcher:
    """Orders and listens over a real broker."""

    def __init__(self, site: SiteFolder) -> None:
        self.site = site
        self.heard: list[Inbound] = []
        self._transport = MqttTransport(
            site.broker, [f"{site.fleet.topics.base}/#"], clock=CLOCK, client_id=f"dispatcher-{site.site}"
        )
        self._ears: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        self._ears = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._ears is not None:
            self._ears.cancel()
            await asyncio.gather(self._ears, return_exceptions=True)
        await self._transport.__aexit__(exc_type, exc, traceback)

    async def _listen(self) -> None:
        while True:
            self.heard += await self._transport.receive(100)

    @property
    def receipts(self) -> list[Receipt]:
        """Every receipt that came, each chained message once."""
        topic = self.site.fleet.topics.agent(self.site.site)
        frames = [message.payload for message in self.heard if message.topic == topic]
        envelopes = [envelope for frame in frames for envelope in split_frame(frame)]
        heard = [envelope for envelope in envelopes if envelope.payload_type == Receipt.payload_type()]
        found = [receipt_of(envelope, self.site.site) for envelope in heard]
        return sorted({receipt.link.seq: receipt for receipt in found}.values(), key=lambda one: one.link.seq)

    @property
    def outcomes(self) -> list[Outcome]:
        """What the receipts report, in the order of the agent's chain."""
        return [receipt.outcome for receipt in self.receipts]

    async def present(self, who: str) -> None:
        """Wait until an agent (`agent`) or a witness is there."""
        topic = self.site.fleet.topics.presence(self.site.site, who)
        await until(lambda: any(message.topic == topic and not message.retained for message in self.heard))

    async def publish(self, topic: str, frame: bytes) -> None:
        """Publish a frame."""
        await self._transport.publish(topic, frame)

    async def order(self, **changes: object) -> Order:
        """Approve a warrant and order its only step now."""
        fleet = self.site.fleet
        warrant = fleet.warrant(**changes)
        now_ns = CLOCK.wall_ns()
        order = fleet.order(warrant, issued_at=format_utc(now_ns), expires_at=format_utc(now_ns + seconds_to_ns(60)))
        await self.publish(fleet.topics.orders, fleet.order_frame(order, fleet.approve(warrant)))
        return order
