"""A storm in which the orchestrator dies, too, and each time takes its drill up again from the journal."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.core.drill import Drill
from orchestrator.journal.base import DrillSummary
from orchestrator.journal.chain import Line
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.loop import Runtime
from orchestrator.runtime.opening import Opened, open_drill
from orchestrator.runtime.resuming import resume_drill
from protocols.messages import Warrant
from tests import kit
from tests.orchestrator.runtime.scripted import documents_of
from tests.simulation.mortal import Crash, Life
from tests.simulation.storm import Storm
from tests.simulation.weather import MachineClock

ORCHESTRATOR = "orchestrator"
TICK_S = 0.15
"""How long the orchestrator waits at most before it looks at the clock: it has a second between challenges."""

RESUMES_MAX = 12
"""A drill that was taken up so often is left to come to its end."""


class MortalStore:
    """The journal as one life of the orchestrator has it: an append is there whole, or not at all."""

    def __init__(self, life: Life, real: SqliteJournal) -> None:
        self._life, self._real = life, real

    def open_drill(self, drill: str, warrant: str) -> int:
        return self._real.open_drill(drill, warrant)

    def append(self, drill: str, lines: Sequence[Line]) -> None:
        self._life.cross("disk.before")
        self._real.append(drill, lines)
        self._life.cross("disk.after")

    def mark_closed(self, drill: str) -> None:
        self._life.cross("disk.before")
        self._real.mark_closed(drill)

    def remember_party(self, site: str, who: str, store: str, last_seq: int) -> int | None:
        self._life.cross("disk.before")
        return self._real.remember_party(site, who, store, last_seq)

    def lines(self, drill: str) -> Iterator[bytes]:
        return self._real.lines(drill)

    def drills(self) -> list[DrillSummary]:
        return self._real.drills()


class ResumedStorm(Storm):
    """A storm whose orchestrator can be killed with `life(ORCHESTRATOR).end()`.

    Attributes:
        down_s: How long it stays down when it dies.
        resumable: Whether it may be killed now.
    """

    down_s = 0.5
    resumable = True

    async def journal_of(self, warrant: Warrant, store: SqliteJournal) -> tuple[str, tuple[bytes, ...]]:
        # Sealing and verifying it offline is left to an invariant: `journal.reads_the_same_again`.
        signer = kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))
        documents, nonce = documents_of(self.fleet), self.fleet.nonce
        await self._reachable()
        opened: Opened | None = open_drill(
            documents,
            self.fleet.approve(warrant, kit.APPROVERS),
            signer,
            store,
            nonce=nonce,
            wall_ns=self.clock.wall_ns(),
        )
        assert opened is not None
        drill, resumes = opened.issuer.drill, 0
        while opened is not None and not await self._conduct(opened, store, mortal=resumes < RESUMES_MAX):
            await self.clock.sleep(self.down_s)
            await self._reachable()
            self.struck("restart", ORCHESTRATOR)
            opened = resume_drill(documents, drill, signer, store, nonce=nonce, wall_ns=self.clock.wall_ns())
            resumes += 1
        return drill, tuple(store.lines(drill))

    async def _reachable(self) -> None:
        """Nobody begins, or goes on with, a drill without a connection."""
        while self.unreachable:
            await self.clock.sleep(0.1)

    async def _conduct(self, opened: Opened, store: SqliteJournal, *, mortal: bool) -> bool:
        """Run a drill for one life of the orchestrator, and tell whether it came to its end in it."""
        life = self.lives[ORCHESTRATOR] = Life()
        self.resumable = mortal
        self._boots += 1
        clock = MachineClock(self.clock, self._boots)
        last = deque(store.lines(opened.issuer.drill), maxlen=1)
        if not last or json.loads(last[0])["epoch"] != opened.epoch:
            # Of a drill that died when all but its mark was written there is nothing more to say: no epoch begins.
            self.noted.epochs[opened.issuer.drill, opened.epoch] = self.clock.boot_ns()
        opened = replace(opened, issuer=replace(opened.issuer, stranger=lambda: kit.key_of("stranger")))
        connection: Any = self.transport(ORCHESTRATOR, self.fleet.topics.orchestrator_filters())
        connection._real._real._clock = clock  # what arrives is stamped by this start's clock

        async def run() -> Drill:
            async with connection as transport:
                runtime = Runtime(
                    opened, MortalStore(life, store), transport, clock, gather_s=0.0, threads=0, tick_s=TICK_S
                )
                async with asyncio.timeout(3600):
                    return await runtime.run()

        task = asyncio.create_task(run(), name=ORCHESTRATOR)

        def on_death() -> None:
            self.struck("crash", ORCHESTRATOR)
            asyncio.get_running_loop().call_soon(task.cancel)

        life.on_death = on_death
        try:
            await task
        except (Crash, asyncio.CancelledError):
            if life.alive:
                task.cancel()
                raise
            return False
        life.on_death = lambda: None
        life.end()
        return True
