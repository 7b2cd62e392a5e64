"""Actuator `command`: programs of the operator's own switch the feed and say what it is.

No shell reads their arguments. A run that fails, takes too long or prints too much is an error of one
line; what a program prints is never trusted to be short, or to be text.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from protocols.clock import Clock
from protocols.config import CommandActuatorConfig
from protocols.errors import DriverError
from protocols.signals import FEED_OFF, FEED_ON

_OUTPUT_MAX_BYTES = 4096
_CHUNK_BYTES = 1 << 16
_SAID_MAX_CHARS = 120
_LOOK_S = 0.01
_NS_PER_S = 1_000_000_000


class CommandSwitch:
    """Switches a feed by running programs.

    Args:
        config: The programs.
        base: The folder that relative programs start from, and that they run in.
        search_path: The `PATH` to find programs in, and to give them.
        clock: Measures their time.
    """

    def __init__(self, config: CommandActuatorConfig, *, base: Path, search_path: str, clock: Clock) -> None:
        self._config = config
        self._base = base
        self._environment: Mapping[str, str] = {"PATH": search_path, "LANG": "C.UTF-8", **config.environment}
        self._clock = clock
        self.settle_s = config.settle_s

    def state(self) -> bool:
        """Ask the controller whether the feed is on.

        Raises:
            DriverError: It does not say exactly `on` or `off`.
        """
        said = self._run("state", self._config.state).strip()
        if said == FEED_ON.encode():
            return True
        if said == FEED_OFF.encode():
            return False
        raise DriverError(f"`state` must print on or off, not {_printable(said)!r}", where=self._config.state[0])

    def switch(self, *, on: bool) -> None:
        """Tell the controller to switch; only `state` says whether it did.

        Raises:
            DriverError: The program failed, or took too long.
        """
        if on:
            self._run("on", self._config.on)
        else:
            self._run("off", self._config.off)

    def check_off(self) -> str:
        """Check that the program for `off` is there.

        Raises:
            DriverError: It is not.
        """
        return f"{self._found('off', self._config.off)} may be run"

    def check_on(self) -> str:
        """Check that the program for `on` is there, and run the operator's own check if there is one.

        Raises:
            DriverError: It is not, or the check failed.
        """
        program = self._found("on", self._config.on)
        if self._config.check is None:
            return f"{program} may be run"
        self._run("check", self._config.check)
        return f"{program} may be run, and the operator's check passed"

    def _found(self, name: str, argv: tuple[str, ...]) -> str:
        program = argv[0]
        path = str(self._base / program) if "/" in program else program
        found = shutil.which(path, path=self._environment["PATH"])
        if found is None:
            remedy = f"set `{name}` of the actuator to a program that this user may run"
            raise DriverError(f"the program for `{name}` cannot be found or run", where=program, remedy=remedy)
        return found

    def _run(self, name: str, argv: tuple[str, ...]) -> bytes:
        """Run a program, and return the beginning of what it printed.

        Raises:
            DriverError: It cannot be run, failed, or took too long.
        """
        found = self._found(name, argv)
        try:
            process = subprocess.Popen(
                [found, *argv[1:]],
                cwd=self._base,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise DriverError(f"`{name}` cannot be run: {error.strerror}", where=found) from error
        with process:
            printed, complained = self._collect(process)
            if process.poll() is None:
                _end(process)
                raise DriverError(f"`{name}` did not end within {self._config.limit_s:g} s", where=found)
        if process.returncode != 0:
            how = f"exit status {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
            said = _printable(complained.strip().rpartition(b"\n")[2])
            raise DriverError(f"`{name}` failed with {how}{': ' if said else ''}{said}", where=found)
        return printed

    def _collect(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Read what a program prints and complains of until it ends or its time is over."""
        deadline_ns = self._clock.boot_ns() + round(self._config.limit_s * _NS_PER_S)
        kept = {process.stdout: bytearray(), process.stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            for stream in kept:
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    selector.register(stream, selectors.EVENT_READ)
            ended = False
            while not ended and self._clock.boot_ns() < deadline_ns:
                # Looked at before the reading, so that the last words of one that ended are read too.
                ended = process.poll() is not None
                for key, _ in selector.select(0 if ended else _LOOK_S):
                    if not _read_into(kept[key.fileobj], key.fd):  # type: ignore[index]  # one of the two
                        selector.unregister(key.fileobj)
        return bytes(kept[process.stdout]), bytes(kept[process.stderr])


def _read_into(kept: bytearray, descriptor: int) -> bool:
    """Read what is there, keep the beginning of it all, and tell whether more may come."""
    try:
        chunk = os.read(descriptor, _CHUNK_BYTES)
    except BlockingIOError:
        return True
    kept += chunk[: max(0, _OUTPUT_MAX_BYTES - len(kept))]
    return bool(chunk)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and what it started in its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _printable(said: bytes) -> str:
    text = said.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_SAID_MAX_CHARS]
