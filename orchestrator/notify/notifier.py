"""Follows a log and tells people: one task reads and decides, one for each hook sends, one notice at a time.

A hook that cannot be reached holds up no other. What is decided is written down before it is sent, so that it is
told at least once; what is told twice has the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import tenacity

from orchestrator.logbook.reader import Chunk, LineFile
from orchestrator.notify.delivery import Sender, UndeliveredError
from orchestrator.notify.lookout import TELLING_LINES
from orchestrator.notify.notices import Notice
from orchestrator.notify.outbox import Outbox, write_outbox
from orchestrator.notify.spec import HooksFile, RetrySpec
from protocols.clock import Clock
from protocols.errors import ConfigError
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import seconds_to_ns

POLL_S = 0.5
"""How often the log is looked at."""

LOOK_UPS_MAX = 128

DRAIN_S = 10.0
"""How long a notifier that is told to end tries to deliver what waits; the rest waits in its file."""


@dataclass(slots=True)
class Notifier:
    """Tells people of what a log says.

    Attributes:
        hooks: Whom, and of what.
        senders: How, by the hook's name.
        log: The log that is followed.
        outbox: What is still to be told.
        state: Where that is kept.
        clock: The one clock.
        logger: Where its own lines go.
        turned: Called in each turn, for a watchdog.
    """

    hooks: HooksFile
    senders: Mapping[str, Sender]
    log: LineFile[TELLING_LINES]
    outbox: Outbox
    state: Path
    clock: Clock
    logger: FilteringBoundLogger
    turned: Callable[[], None] = lambda: None
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    _more: dict[str, asyncio.Event] = field(default_factory=dict)
    _told: asyncio.Event = field(default_factory=asyncio.Event)
    _problem: str = ""
    _reading: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "log"))

    def end(self) -> None:
        """Read what the log still says, try for a while to deliver what waits, and end."""
        self._ending.set()

    async def run(self) -> None:
        """Tell people until told to end."""
        # A name server that hangs costs a thread for each try; there are enough for every hook's.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(LOOK_UPS_MAX, "look-up"))
        self._more = {hook.name: asyncio.Event() for hook in self.hooks.hooks}
        for name, more in self._more.items():
            if self.outbox.first(name) is not None:
                more.set()
        async with asyncio.TaskGroup() as group:
            sending = [group.create_task(self._send_all(name), name=f"notify {name}") for name in self._more]
            await self._follow()
            await self._drain()
            for task in sending:
                task.cancel()
        self.keep()

    async def _follow(self) -> None:
        while True:
            ending = self._ending.is_set()
            await self.look()
            self.turned()
            if ending:
                return
            try:
                async with asyncio.timeout(POLL_S):
                    await self._ending.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        """Read what is new in the log, and have notices wait for whom they are for."""
        gather_ns = seconds_to_ns(self.hooks.gather_s)
        changed = False
        try:
            while lines := await self._read():
                changed = True
                for line in lines.taken:
                    for notice in self.outbox.lookout.take(line):
                        self._put(notice)
            self._problem = ""
        except ConfigError as error:
            # A log that is not there yet will be; one that cannot be read is said once.
            if str(error) != self._problem:
                self._problem = str(error)
                self.logger.warning("notify.log_unreadable", detail=self._problem)
        for notice in self.outbox.lookout.gathered(self.clock.boot_ns(), gather_ns):
            self._put(notice)
            changed = True
        if changed:
            self.outbox.mark = self.log.mark()
            self.keep()

    async def _read(self) -> Chunk[TELLING_LINES] | None:
        """Read on a thread of its own: others may be stuck in look-ups that cannot be stopped."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, self.log.read_some)

    def _put(self, notice: Notice) -> None:
        for hook in self.hooks.hooks:
            meant = notice.kind in hook.on and (
                hook.plans is None or notice.plan is None or any(_of(notice.plan, plan) for plan in hook.plans)
            )
            if not meant:
                continue
            for dropped in self.outbox.put(hook.name, notice):
                self._gave_up(hook.name, dropped, 0, "more wait for it than are kept")
            if hook.name in self._more:
                self._more[hook.name].set()

    async def _send_all(self, name: str) -> None:
        while True:
            await self._more[name].wait()
            notice = self.outbox.first(name)
            if notice is None:
                self._more[name].clear()
                continue
            await self._deliver(name, notice)
            self.outbox.done(name, notice)
            self._told.set()
            self.keep()

    async def _deliver(self, name: str, notice: Notice) -> None:
        tries = 0
        try:
            async for attempt in retrying(self.hooks.retry):
                with attempt:
                    tries += 1
                    await self._try(name, notice, tries)
        except UndeliveredError as error:
            self._gave_up(name, notice, tries, str(error))
        else:
            self.logger.info("notify.sent", hook=name, notice=notice.id, kind=notice.kind, tries=tries)

    async def _try(self, name: str, notice: Notice, tries: int) -> None:
        try:
            await self.senders[name].send(notice)
        except UndeliveredError as error:
            if not error.final and tries < self.hooks.retry.attempts:
                self.logger.warning(
                    "notify.retrying", hook=name, notice=notice.id, kind=notice.kind, tries=tries, detail=str(error)
                )
            raise

    def _gave_up(self, name: str, notice: Notice, tries: int, why: str) -> None:
        self.logger.error(
            "notify.failed",
            hook=name,
            notice=notice.id,
            kind=notice.kind,
            tries=tries,
            detail=why,
            summary=notice.summary,
        )

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._nothing_left()
        except TimeoutError:
            left = sum(len(self.outbox.waiting.get(name, ())) for name in self._more)
            self.logger.warning("notify.left", notices=left)

    async def _nothing_left(self) -> None:
        while any(self.outbox.first(name) is not None for name in self._more):
            self._told.clear()
            await self._told.wait()

    def keep(self) -> None:
        """Write down what is still to be told."""
        try:
            write_outbox(self.state, self.outbox)
        except OSError as error:
            # It goes on: told twice after a crash is better than not told.
            self.logger.error("notify.state_failed", detail=f"{self.state}: {error.strerror}")  # noqa: TRY400 - foreseen


def _of(plan: str, wanted: str) -> bool:
    """Tell whether a plan is the one that is wanted, or a wave of it."""
    head, dash, wave = plan.rpartition("-w")
    return plan == wanted or (bool(dash) and wave.isdigit() and head == wanted)


def retrying(spec: RetrySpec) -> tenacity.AsyncRetrying:
    """Return how somebody who was not told is tried again: the waits double, are spread, and have an end."""
    backoff = tenacity.wait_exponential(multiplier=spec.first_s, max=spec.max_s) + tenacity.wait_random(0, spec.first_s)

    def wait_s(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked_s = error.after_s if isinstance(error, UndeliveredError) else None
        return min(spec.max_s, max(backoff(state), asked_s or 0.0))

    return tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(spec.attempts),
        wait=wait_s,
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, UndeliveredError) and not error.final),
        reraise=True,
    )
