"""What goes on beside the service: its notifier, in a process of its own, and its look at overdue proofs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from orchestrator.runtime.leash import Leash
from orchestrator.service.folder import FolderProgramme
from orchestrator.service.overdue import OverdueTeller, overdue_cells
from protocols.clock import Clock
from protocols.errors import HaltdrillError
from protocols.host.logs import FilteringBoundLogger

OVERDUE_LOOK_S = 3_600.0
"""How often proofs are looked at; more often where they may be young."""

RESTART_FIRST_S, RESTART_MAX_S = 1.0, 60.0
GOODBYE_S = 15.0

_NOT_FOR_CHILDREN = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}


async def look_for_overdue(programme: FolderProgramme, journal: str, clock: Clock, log: FilteringBoundLogger) -> None:
    """Say from time to time which proofs are older than the service's file allows; until cancelled."""
    teller = OverdueTeller(log)
    while True:
        read = programme.now
        age_s = read.config.overdue_after_s
        if age_s is not None:
            now_ns = clock.wall_ns()
            try:
                cells = await asyncio.to_thread(overdue_cells, read.documents.trust, journal, now_ns, age_s)
            except HaltdrillError as error:
                log.error("service.overdue_failed", detail=str(error))  # noqa: TRY400 - foreseen
            else:
                teller.tell(cells, now_ns, age_s)
        await asyncio.sleep(OVERDUE_LOOK_S if age_s is None else min(OVERDUE_LOOK_S, max(1.0, age_s / 4)))


async def keep_notifying(hooks: Path, followed: Path, leash: Leash, log: FilteringBoundLogger) -> None:
    """Run the notifier, and run it again when it dies; until cancelled, when it may deliver what waits.

    It is a process of its own, so that a slow mail server and ten thousand lines hold up no drill.
    """
    argv = [sys.executable, "-m", "orchestrator.entry", "notify", "run", str(hooks), str(followed)]
    env = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN}
    wait_s = RESTART_FIRST_S
    while True:
        child = await leash.spawn([*argv, "--log", str(followed)], env=env)
        try:
            status = await child.wait()
        except asyncio.CancelledError:
            await _see_out(child)
            raise
        log.error("service.notifier_lost", status=status)
        await asyncio.sleep(wait_s)
        wait_s = min(RESTART_MAX_S, 2 * wait_s)


async def _see_out(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            await child.wait()
