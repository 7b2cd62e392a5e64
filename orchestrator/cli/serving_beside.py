"""What goes on beside the service: its notifier, in a process of its own, and its look at overdue proofs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.notify.sending import read_hooks
from orchestrator.runtime.leash import Leash
from orchestrator.service.folder import FolderProgramme
from orchestrator.service.overdue import OverdueTeller, overdue_cells
from orchestrator.service.serving import Service
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


async def unending(
    name: str, what: Callable[[Service], Coroutine[Any, Any, None]], service: Service, log: FilteringBoundLogger
) -> None:
    """Do something beside the service until cancelled. Whatever befalls it, drills go on, and it is tried again."""
    wait_s = RESTART_FIRST_S
    while True:
        try:
            await what(service)
            return
        except HaltdrillError as error:
            log.error("service.beside_failed", what=name, detail=str(error))  # noqa: TRY400 - foreseen
        except Exception as error:
            detail = f"a bug in haltdrill: {type(error).__name__}: {error}"
            log.error("service.beside_failed", what=name, detail=detail)  # noqa: TRY400 - told in a line
        await asyncio.sleep(wait_s)
        wait_s = min(RESTART_MAX_S, 2 * wait_s)


@dataclass(slots=True)
class Notifying:
    """Runs the notifier, and runs it again when it dies or when its hooks may have changed.

    It is a process of its own, so that a slow mail server and ten thousand lines hold up no drill.

    Attributes:
        programme: Whose configuration names the hooks.
        folder: Where its paths start.
        followed: The log.
        leash: What the process is put on.
        log: Where log lines go.
        clock: The one clock.
        begins_at: Where the log ended before the service said anything: what it says at once is told, too.
    """

    programme: FolderProgramme
    folder: Path
    followed: Path
    leash: Leash
    log: FilteringBoundLogger
    clock: Clock
    begins_at: int = field(init=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.begins_at = self.followed.stat().st_size if self.followed.exists() else 0

    @property
    def hooks(self) -> Path | None:
        """The file of hooks, if the configuration names one."""
        named = self.programme.now.config.notify
        return None if named is None else self.folder / named

    def check(self) -> None:
        """Check the file of hooks.

        Raises:
            ConfigError: It, or something secret that it names, is missing or wrong.
        """
        if self.hooks is not None:
            read_hooks(self.hooks, self.clock)

    def reload(self) -> None:
        """Take the hooks as they are now; wrong ones are said, and the old notifier goes on."""
        try:
            self.check()
        except HaltdrillError as error:
            self.log.error("plan.wrong", file=str(self.hooks), detail=str(error))  # noqa: TRY400 - foreseen
        else:
            self._changed.set()

    async def run(self) -> None:
        """Keep it running until cancelled, when it may deliver what waits.

        Raises:
            ChildError: It cannot be started.
        """
        wait_s = RESTART_FIRST_S
        while True:
            self._changed.clear()
            if self.hooks is None:
                await self._changed.wait()
                continue
            child = await self.leash.spawn(self._argv(self.hooks), env=_environment())
            if await self._outlived(child):
                self.log.error("service.notifier_lost", status=child.returncode)
                await asyncio.sleep(wait_s)
                wait_s = min(RESTART_MAX_S, 2 * wait_s)
            else:
                wait_s = RESTART_FIRST_S

    async def _outlived(self, child: asyncio.subprocess.Process) -> bool:
        """Wait until the notifier died by itself, or had to end because its hooks may have changed; tell which."""
        dying, changing = asyncio.ensure_future(child.wait()), asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({dying, changing}, return_when=asyncio.FIRST_COMPLETED)
            if dying.done():
                return True
            await _see_out(child)
            return False
        except asyncio.CancelledError:
            await _see_out(child)
            raise
        finally:
            dying.cancel()
            changing.cancel()

    def _argv(self, hooks: Path) -> list[str]:
        program = [sys.executable, "-m", "orchestrator.entry", "notify", "run", str(hooks), str(self.followed)]
        return [*program, "--log", str(self.followed), "--begin-at", str(self.begins_at)]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN}


async def _see_out(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            await child.wait()
