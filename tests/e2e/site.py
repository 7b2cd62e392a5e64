"""One site of `tests.kit`'s making as an operator has it, its agent a real process, and who orders it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from orchestrator.fleet.toml_text import toml_text
from protocols.config import AgentConfig, BrokerConfig, ProcessDriverConfig
from protocols.envelope import open_envelope, parse_envelope, split_frame
from protocols.errors import TransportError
from protocols.host.clock import SystemClock
from protocols.ids import digest_of
from protocols.keys import PublicKey
from protocols.messages import Order, Outcome, Receipt
from protocols.transport.base import Inbound
from protocols.transport.mqtt import MqttTransport
from tests import kit
from tests.e2e.processes import LIMIT_S, REPOSITORY, Processes, Running, eventually, log_lines, works

CLOCK = SystemClock()


def unique_site() -> str:
    """Return a site name that no other test uses at the same time."""
    return f"site-{secrets.token_hex(4)}"


def frame_digest(frame: bytes) -> str:
    """Return the digest by which a receipt names the order at the head of a frame."""
    return parse_envelope(frame.split(b"\n")[0]).digest


class Site:
    """A site's files, its agent as a process, and the workload that it supervises.

    Args:
        folder: Where its files go.
        processes: What starts its agent.
        broker: Where its broker is.
        policy: Fields of the kit's policy to change.
        record: Fields of the kit's site record to change.
    """

    def __init__(
        self,
        folder: Path,
        processes: Processes,
        broker: BrokerConfig,
        *,
        policy: Mapping[str, Any] | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = unique_site()
        self.folder = folder
        self.broker = broker
        self.processes = processes
        self.fleet = kit.make_fleet((self.name, "elsewhere"), now_ns=CLOCK.wall_ns(), policy=policy, record=record)
        self._agent: Running | None = None
        self._write()

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "root.json").write_bytes(self.fleet.raw_root + b"\n")
        (self.folder / "policy.json").write_bytes(self.fleet.raw_policy)
        (self.folder / "record.json").write_bytes(self.fleet.raw_records[self.name])
        key = self.folder / "agent.key"
        key.touch(0o600)
        key.write_bytes(kit.private_pem_of(kit.agent_label(self.name)))
        self.work.mkdir()
        checkpoint = str(self.work / "checkpoint")
        config = AgentConfig(
            site=self.name,
            broker=self.broker,
            root="root.json",
            policy="policy.json",
            record="record.json",
            key=key.name,
            state="state",
            veto="veto",
            driver=ProcessDriverConfig(
                argv=(sys.executable, "-m", "agents.worker", "--checkpoint", checkpoint),
                environment={"PYTHONPATH": str(REPOSITORY)},
                checkpoint=checkpoint,
            ),
        )
        self.config.write_text(toml_text(config, "an agent under test"))

    @property
    def config(self) -> Path:
        """The agent's configuration."""
        return self.folder / "agent.toml"

    @property
    def work(self) -> Path:
        """Where the workload saves its own; not on the agent's disk, which a test may fill."""
        return self.folder.with_name(f"{self.folder.name}-work")

    @property
    def log(self) -> Path:
        """The agent's log."""
        return self.folder / "agent.log"

    @property
    def veto(self) -> Path:
        """The file with which the operator refuses everything."""
        return self.folder / "veto"

    @property
    def agent(self) -> Running:
        """The agent's process."""
        assert self._agent is not None
        return self._agent

    def start(self) -> None:
        """Start the agent."""
        self._agent = self.processes.start("agent", "--config", self.config, "--log", self.log, "--log-level", "debug")

    def kill(self) -> None:
        """Kill the agent with SIGKILL; the workload, of another session, lives on."""
        self.agent.kill()

    def stop(self) -> int:
        """Ask the agent to stop, and return its exit code."""
        self.agent.signal(signal.SIGTERM)
        return self.agent.end().code

    @property
    def workload(self) -> int | None:
        """The workload's process id."""
        return self.processes.worker(self.work)

    def logged(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the log's lines of one event with these fields."""
        return [
            line
            for line in log_lines(self.log)
            if line["event.action"] == event and all(line.get(name) == value for name, value in fields.items())
        ]


class ControlRoom:
    """Orders over a real broker, and hears what the site's agent really signed.

    Args:
        site: The site.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.receipts: dict[int, Receipt] = {}
        self.present = 0
        """How often the agent said that it is there."""

        trust = site.fleet.site_trust(site.name)
        self._keys = {key.key_id: PublicKey.load(key) for key in trust.record.agent_keys}
        self._topics = site.fleet.topics
        self._transport = MqttTransport(
            site.broker,
            [self._topics.agent(site.name), self._topics.presence(site.name, "agent")],
            clock=CLOCK,
            client_id=f"control-room-{secrets.token_hex(8)}",
        )
        self._ear: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        self._ear = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._ear is not None:
            self._ear.cancel()
            await asyncio.wait([self._ear])
        await self._transport.__aexit__(exc_type, exc, traceback)

    async def _listen(self) -> None:
        while True:
            for message in await self._transport.receive(100):
                self._hear(message)

    def _hear(self, message: Inbound) -> None:
        if message.topic != self._topics.agent(self.site.name):
            self.present += not message.retained
            return
        for envelope in split_frame(message.payload):
            # Verified with the agent's own key: only what it signed is its answer.
            receipt, _ = open_envelope(envelope, Receipt, self._keys)
            assert receipt.fleet == self.site.fleet.fleet
            assert receipt.site == self.site.name
            known = self.receipts.setdefault(receipt.link.seq, receipt)
            assert known == receipt, "one number of the chain, two receipts"

    # -- what it says --------------------------------------------------------------------------

    async def say(self, topic: str, frame: bytes, *, retain: bool = False) -> None:
        """Publish a frame."""
        await self._transport.publish(topic, frame, retain=retain)

    async def send_order(self, frame: bytes) -> str:
        """Publish an order's frame, and return the digest that receipts will name."""
        await self.say(self._topics.orders, frame)
        return frame_digest(frame)

    async def send_stop(self, envelope: bytes, *, logged: str, **fields: Any) -> None:
        """Publish something on the topic of stops, and wait for the line that the agent logs about it."""
        before = len(self.site.logged(logged, **fields))
        await self.say(self._topics.stops, envelope)
        await eventually(lambda: len(self.site.logged(logged, **fields)) > before, f"{logged} {fields}")

    async def send_large(self, frame: bytes) -> None:
        """Publish an order's frame of any size; our own transport would send none over the limit."""
        client = self._transport._client
        assert client is not None
        await client.publish(self._topics.orders, frame, qos=0)

    def now(self) -> kit.Fleet:
        """Return the fleet with its clock set: what it makes is issued now."""
        self.site.fleet.now_ns = CLOCK.wall_ns()
        return self.site.fleet

    def honest(self, **changes: Any) -> tuple[Order, bytes]:
        """Return an order that any agent obeys, under a warrant of its own, and its frame."""
        fleet = self.now()
        warrant = fleet.warrant(**changes)
        order = fleet.order(warrant)
        return order, fleet.order_frame(order, fleet.approve(warrant))

    # -- what it hears -------------------------------------------------------------------------

    def answers(self, order: str, outcome: Outcome) -> list[Receipt]:
        """Return what the agent signed about an order, oldest first."""
        return [said for _, said in sorted(self.receipts.items()) if (said.order, said.outcome) == (order, outcome)]

    async def answer(self, order: str, outcome: Outcome, limit_s: float = LIMIT_S) -> Receipt:
        """Wait for the agent's receipt with that outcome."""
        await eventually(lambda: bool(self.answers(order, outcome)), f"{outcome} of {order[:12]}", limit_s)
        return self.answers(order, outcome)[-1]

    async def answer_asked_again(self, order: Order, outcome: Outcome) -> Receipt:
        """Wait for a receipt that may have been lost with the broker: a release sent twice brings it again."""
        release = self.now().dispatch(self.site.fleet.release(order))
        deadline_s = time.monotonic() + LIMIT_S
        while not (found := self.answers(order.digest(), outcome)):
            assert time.monotonic() < deadline_s, f"not {outcome} of {order.digest()[:12]}"
            with contextlib.suppress(TransportError):
                await self.say(self._topics.stops, release)
            await asyncio.sleep(0.2)
        return found[-1]

    async def start_agent(self) -> None:
        """Start the agent, and wait until it is there and has subscribed."""
        seen = self.present
        self.site.start()
        await eventually(lambda: self.present > seen, "the agent's presence")

    async def until_working(self) -> None:
        """Wait until the workload is at work."""
        await eventually(lambda: works(self.site.workload), "the workload at work")


def junk(size_bytes: int) -> bytes:
    """Return bytes that are no envelope, the same ones each time."""
    return (digest_of(b"junk").encode() * (size_bytes // 64 + 1))[:size_bytes]
