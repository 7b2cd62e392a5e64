"""One real site: the files of its agent and its witness, and both programs as processes on the leash."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from pathlib import Path

from orchestrator.fleet.toml_text import toml_text
from orchestrator.runtime.leash import Leash
from protocols.config import AgentConfig, BrokerConfig, ProcessDriverConfig, ProcessProbeConfig, WitnessConfig
from protocols.host.clock import SystemClock
from protocols.transport.mqtt import MqttTransport
from tests import kit
from tests.benchmarks.measure import LIMIT_S, REPOSITORY

_WITNESS = "w1"
_IDLE = ("/bin/sleep", "3600")


class RealSite:
    """A site of the kit's making, its programs started as an operator starts them.

    Args:
        folder: Where its files go.
        broker: Where its broker is.
        now_ns: Wall time that the fleet's documents are made around.
    """

    def __init__(self, folder: Path, broker: BrokerConfig, now_ns: int) -> None:
        self.name = f"bench-{secrets.token_hex(4)}"
        self.fleet = kit.make_fleet((self.name,), now_ns=now_ns, witnesses=1)
        self._folder = folder
        self._broker = broker
        self._write()

    def _write(self) -> None:
        documents = {
            "root.json": self.fleet.raw_root,
            "policy.json": self.fleet.raw_policy,
            "record.json": self.fleet.raw_records[self.name],
        }
        for name, raw in documents.items():
            (self._folder / name).write_bytes(raw + b"\n")
        labels = {"agent": kit.agent_label(self.name), "witness": kit.witness_label(self.name, _WITNESS)}
        for role, label in labels.items():
            key = self._folder / f"{role}.key"
            key.touch(0o600)
            key.write_bytes(kit.private_pem_of(label))
        common = {
            "site": self.name,
            "broker": self._broker,
            "root": "root.json",
            "policy": "policy.json",
            "record": "record.json",
        }
        agent = AgentConfig(
            **common, key="agent.key", state="agent", veto="veto", driver=ProcessDriverConfig(argv=_IDLE)
        )
        witness = WitnessConfig(
            **common,
            name=_WITNESS,
            key="witness.key",
            state="witness",
            probe=ProcessProbeConfig(environ=f"HALTDRILL_WORKLOAD={self.name}"),
        )
        for role, config in (("agent", agent), ("witness", witness)):
            self.config(role).write_text(toml_text(config, "written by a benchmark"))

    def config(self, role: str) -> Path:
        """Return the configuration file of the agent or the witness."""
        return self._folder / f"{role}.toml"

    def log(self, role: str) -> str:
        """Return what the agent or the witness logged."""
        return (self._folder / f"{role}.log").read_text()

    async def start(self, leash: Leash, role: str) -> tuple[asyncio.subprocess.Process, float]:
        """Start a program; return its process and the seconds until it said that it is there.

        The broker hands its presence on to us, so the time includes one hop that the program does
        not spend.
        """
        who = "agent" if role == "agent" else _WITNESS
        topic = self.fleet.topics.presence(self.name, who)
        argv = [sys.executable, "-m", "orchestrator.entry", role, "--config", str(self.config(role))]
        client_id = f"bench-{secrets.token_hex(8)}"
        async with MqttTransport(self._broker, [topic], clock=SystemClock(), client_id=client_id) as transport:
            began_s = time.monotonic()
            process = await leash.spawn(
                [*argv, "--log", str(self._folder / f"{role}.log")], cwd=REPOSITORY, stderr=asyncio.subprocess.DEVNULL
            )
            async with asyncio.timeout(LIMIT_S):
                while True:
                    if any(not message.retained for message in await transport.receive(8)):
                        return process, time.monotonic() - began_s


async def stop(process: asyncio.subprocess.Process) -> None:
    """Ask a program to stop, and see it end."""
    if process.returncode is None:
        process.terminate()
        async with asyncio.timeout(LIMIT_S):
            await process.wait()
