"""Runs a command and says how it ended; at its deadline it is killed, with every process of its session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence

from orchestrator.stopping.fetching import UnansweredError

REAP_S = 2.0
"""How long a killed command is waited for: one that the kernel itself holds on to is left."""

_KEPT = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ")


def environment(drill: str) -> dict[str, str]:
    """Return what a command finds in its environment: little, so that no secret of the orchestrator's is there."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {"HALTDRILL_DRILL": drill}


async def exit_status(
    argv: Sequence[str], *, timeout_s: float, env: Mapping[str, str], given: bytes | None = None
) -> int:
    """Run a command to its end. What it prints goes nowhere.

    Args:
        argv: The program and its arguments.
        timeout_s: How long it may take.
        env: Its environment.
        given: What it finds on its standard input, if it reads that; nothing if not given.

    Raises:
        UnansweredError: It cannot be run, or did not end in time.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env=dict(env),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is no program"
        raise UnansweredError(f"it cannot be run: {why}") from None
    try:
        async with asyncio.timeout(timeout_s):
            # Also waits for its end; whether it reads what it is given is its own affair.
            await process.communicate(given)
            return await process.wait()
    except TimeoutError:
        raise UnansweredError(f"it did not end within {timeout_s:g} s, and was killed") from None
    finally:
        # Also after its own end: what it left behind in its session would pile up.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REAP_S):
                await process.wait()
