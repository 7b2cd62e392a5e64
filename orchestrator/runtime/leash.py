"""Children die with us, however we die.

A guard process in a session of its own holds the reading end of a pipe whose other end only we have.
When we exit, crash or are killed, the kernel closes our end, and the guard kills every process that
carries our marker in its environment: stopped ones, frozen ones, and those that left the session. A
child that cleans its environment before it starts another program lets that program off the leash.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from protocols.errors import ChildError

MARKER = "HALTDRILL_LEASH"
_GUARD = Path(__file__).with_name("leash_guard.py")
_GOODBYE_S = 15.0

Stream = int | IO[bytes] | IO[str] | None


class Leash:
    """Starts children that cannot outlive this process. Leaving it kills them all."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(16)
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the guard.

        Raises:
            ChildError: It cannot be started.
        """
        # Isolated and without site packages: it is up in 20 ms, and nothing beside it is imported.
        argv = [sys.executable, "-I", "-S", str(_GUARD), f"{MARKER}={self._nonce}"]
        clean = {name: value for name, value in os.environ.items() if name != MARKER}
        try:
            self._guard = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=clean,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise ChildError(f"the guard of our children did not start: {error.strerror}", where=argv[0]) from error
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill every child that is left, and see the guard out."""
        guard, self._guard = self._guard, None
        if guard is None or guard.stdin is None:
            return
        guard.stdin.close()
        try:
            guard.wait(_GOODBYE_S)
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.wait()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that put a child on the leash: merge them into its environment."""
        return {MARKER: self._nonce}

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = None,
        stderr: Stream = None,
        cwd: Path | None = None,
        new_session: bool = True,
    ) -> asyncio.subprocess.Process:
        """Start a child on the leash.

        Args:
            argv: Its command, no shell.
            env: Its whole environment, to which the marker is added; ours if not given.
            stdin: As for `subprocess.Popen`; nothing to read if not given.
            stdout: As for `subprocess.Popen`; ours if not given.
            stderr: As for `subprocess.Popen`; ours if not given.
            cwd: Where it starts; where we are if not given.
            new_session: Whether a Ctrl-C in our terminal passes it by.

        Raises:
            ChildError: It did not start, or the guard is gone.
        """
        if self._guard is None or self._guard.poll() is not None:
            raise ChildError("the guard of our children is gone", remedy="start again")
        whole = {**(os.environ if env is None else env), **self.environment}
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                env=whole,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                start_new_session=new_session,
            )
        except OSError as error:
            raise ChildError(f"did not start: {error.strerror}", where=argv[0]) from error
