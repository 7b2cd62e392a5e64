"""Real brokers for tests and benchmarks: mosquitto, and the embedded one, both with a way to die."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from orchestrator.runtime.broker import EmbeddedBroker
from orchestrator.runtime.leash import Leash
from protocols.config import BrokerConfig

_LOOPBACK = "127.0.0.1"
_READY_S = 10.0

_MOSQUITTO = """\
listener {port} {host}
allow_anonymous true
set_tcp_nodelay true
persistence false
max_queued_messages 0
log_dest file {log}
pid_file {folder}/pid
"""


class RealBroker(Protocol):
    """What a test does with a broker process."""

    @property
    def config(self) -> BrokerConfig:
        """Where it listens."""
        ...

    async def kill(self) -> None:
        """Kill it with SIGKILL and wait until it is gone."""
        ...

    async def restart(self) -> None:
        """Start it again on the same port."""
        ...


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


class Nats:
    """The embedded broker on a leash of its own."""

    def __init__(self) -> None:
        self._leash = Leash()
        self.embedded = EmbeddedBroker(leash=self._leash)

    async def __aenter__(self) -> Self:
        self._leash.__enter__()
        try:
            await self.embedded.__aenter__()
        except BaseException:
            self._leash.__exit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.embedded.__aexit__(exc_type, exc, traceback)
        self._leash.__exit__(exc_type, exc, traceback)

    @property
    def config(self) -> BrokerConfig:
        return self.embedded.config

    async def kill(self) -> None:
        pid = self.embedded.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        await self.embedded.wait()

    async def restart(self) -> None:
        await self.embedded.restart()


class Mosquitto:
    """Debian's mosquitto on a free loopback port, in a folder of its own.

    Args:
        program: Where the executable is.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._folder = Path()
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="haltdrill-mosquitto-"))
        for attempts_left in range(4, -1, -1):
            # Another process may take the port between the look and the start: then look again.
            self._port = free_port()
            try:
                await self.restart()
            except RuntimeError:
                if not attempts_left:
                    raise
            else:
                break
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def config(self) -> BrokerConfig:
        return BrokerConfig(host=_LOOPBACK, port=self._port)

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def restart(self) -> None:
        await self.kill()
        text = _MOSQUITTO.format(host=_LOOPBACK, port=self._port, folder=self._folder, log=self._folder / "log")
        if os.geteuid() == 0:
            text += "user root\n"
        config = self._folder / "mosquitto.conf"
        config.write_text(text)
        self._process = await asyncio.create_subprocess_exec(
            self._program, "-c", str(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with asyncio.timeout(_READY_S):
            while not await self._answers():
                if self._process.returncode is not None:
                    raise RuntimeError(f"mosquitto died: {(self._folder / 'log').read_text()[-300:]}")
                await asyncio.sleep(0.01)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(_LOOPBACK, self._port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True
