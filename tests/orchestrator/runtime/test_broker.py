"""The embedded broker: up when entered, bound to loopback, and gone without a trace."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from orchestrator.runtime import broker as module
from orchestrator.runtime.broker import EmbeddedBroker, find_server
from protocols.errors import ChildError
from protocols.host.clock import SystemClock
from protocols.transport.mqtt import MqttTransport
from tests.brokers import free_port


def _listening(pid: int) -> set[str]:
    """Return the local addresses (hex, as the kernel writes them) on which a process listens."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].partition(":")[0])
    return found


async def test_it_listens_on_loopback_only() -> None:
    """Neither the MQTT port nor the native one is open to the network."""
    async with EmbeddedBroker() as broker:
        assert broker.pid is not None
        assert _listening(broker.pid) == {"0100007F"}


async def test_it_leaves_nothing_behind() -> None:
    """After leaving, the process and its store folder are gone."""
    async with EmbeddedBroker() as broker:
        pid, folder = broker.pid, broker._home
        assert pid is not None
        assert (folder / "store").is_dir()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_it_takes_the_port_it_is_given() -> None:
    """A given port is used, so that agents can be configured before it starts."""
    port = free_port()
    async with EmbeddedBroker(port=port) as broker:
        assert broker.config.port == port
        async with MqttTransport(broker.config, [], clock=SystemClock(), client_id="x") as client:
            assert client.connected


async def test_a_taken_port_is_told_with_its_last_line() -> None:
    """When it dies at once, the error carries what it said last."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ChildError, match="address already in use"):
            await EmbeddedBroker(port=port).__aenter__()


async def test_its_death_is_noticed_and_it_can_return() -> None:
    """After kill -9, waiting ends with its last line, and a restart serves on the same port."""
    async with EmbeddedBroker() as broker:
        config = broker.config
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        assert await asyncio.wait_for(broker.wait(), 5)
        assert broker.pid is None
        await broker.restart()
        assert broker.config == config
        async with MqttTransport(config, [], clock=SystemClock(), client_id="x") as client:
            assert client.connected


async def test_a_missing_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nats-server there is one clear line that says what to install."""
    monkeypatch.setattr(module.sys, "executable", "/nowhere/python")
    monkeypatch.setattr(module, "_PACKAGE", "no-such-package")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ChildError, match="pip install"):
        find_server()


async def test_the_server_is_found_through_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's own program is found also when it does not lie beside the interpreter."""
    monkeypatch.setattr(module.sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    assert os.access(find_server(), os.X_OK)
