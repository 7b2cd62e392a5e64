"""An orchestrator with many lives: it dies around appends to its journal, and is started until its drill is over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.core.drill import Drill
from orchestrator.journal.chain import Line
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.loop import Runtime
from orchestrator.runtime.opening import Opened, open_drill
from orchestrator.runtime.resuming import resume_drill
from protocols.messages import Warrant
from protocols.transport.memory import MemoryBroker, MemoryTransport
from tests.kit import APPROVERS, DISPATCHERS, Fleet, dispatcher_label, key_of
from tests.orchestrator.runtime.scripted import Script, ScriptedSite, documents_of
from tests.virtual import LoopClock

LATENCY_S = 0.002
SIGNER = key_of(dispatcher_label(DISPATCHERS[0]))


class Crash(BaseException):
    """The orchestrator's process is gone."""


class FragileJournal(SqliteJournal):
    """A journal whose writer dies around one append.

    Args:
        at: The appends at which it dies, counted from 0 over all lives.
        before: Whether it dies before the lines are written, or after.
    """

    def __init__(self, at: Sequence[int] = (), *, before: bool = False) -> None:
        super().__init__(None)
        self.at, self.before, self.appends = set(at), before, 0
        self.kept: list[bytes] = []

    def append(self, drill: str, lines: Sequence[Line]) -> None:
        """Write, or die."""
        number, self.appends = self.appends, self.appends + 1
        dies = number in self.at
        if dies and self.before:
            raise Crash
        super().append(drill, lines)
        self.kept += [line.raw for line in lines]
        if dies:
            raise Crash


@dataclass
class Played:
    """How a drill with crashes ended."""

    drill: Drill
    store: FragileJournal
    sites: dict[str, ScriptedSite]
    resumes: int


class Lives:
    """Sites that stay, and an orchestrator that is started again until its drill is over."""

    def __init__(self, fleet: Fleet, store: FragileJournal, *, away_s: float = 3.0) -> None:
        self.fleet, self.store, self.away_s = fleet, store, away_s
        self.clock, self.broker = LoopClock(), MemoryBroker()
        self.sites: dict[str, ScriptedSite] = {}
        self.sent: list[bytes] = []
        self.watched: Callable[[Runtime], None] = lambda _runtime: None

    async def play(self, warrant: Warrant) -> Played:
        """Run one drill to its end, however often that takes."""
        fleet = self.fleet
        self.sites = {site: ScriptedSite(fleet, site, self.broker, self.clock, Script()) for site in fleet.sites}
        serving = [asyncio.ensure_future(site.run()) for site in self.sites.values()]
        raw = fleet.approve(warrant, APPROVERS)
        now_ns = self.clock.wall_ns()
        opened = open_drill(documents_of(fleet), raw, SIGNER, self.store, nonce=fleet.nonce, wall_ns=now_ns)
        name, resumes = opened.issuer.drill, 0
        try:
            async with asyncio.timeout(900):
                while True:
                    with suppress(Crash):
                        return Played(await self._live(opened), self.store, self.sites, resumes)
                    await self.clock.sleep(self.away_s)
                    again = resume_drill(
                        documents_of(fleet), name, SIGNER, self.store, nonce=fleet.nonce, wall_ns=self.clock.wall_ns()
                    )
                    if again is None:
                        return Played(opened.drill, self.store, self.sites, resumes)
                    opened, resumes = again, resumes + 1
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    async def _live(self, opened: Opened) -> Drill:
        filters = self.fleet.topics.orchestrator_filters()
        async with MemoryTransport(self.broker, filters, clock=self.clock, client_id="orchestrator") as transport:
            publish = transport.publish

            async def checked(topic: str, payload: bytes, *, retain: bool = False) -> None:
                first = json.dumps(payload.split(b"\n")[0].decode())[1:-1].encode()
                assert any(first in line for line in self.store.kept), "published, and never appended"
                await self.clock.sleep(LATENCY_S)
                await publish(topic, payload, retain=retain)

            transport.publish = checked  # type: ignore[method-assign]
            runtime = Runtime(opened, self.store, transport, self.clock, gather_s=0.0, threads=0)
            self.watched(runtime)
            return await runtime.run()
