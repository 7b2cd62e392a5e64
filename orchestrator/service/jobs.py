"""Drills that the service runs: each a task, noted down before it is opened and when it is over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.events import DrillOpened
from orchestrator.core.grades import Verdict
from orchestrator.evidence.bundle import result_of
from orchestrator.journal.base import JournalStore
from orchestrator.journal.chain import ChainReader
from orchestrator.runtime.loop import Runtime
from orchestrator.runtime.notes import AnyNote
from orchestrator.schedule import notes as n
from orchestrator.schedule.moves import Start
from orchestrator.schedule.names import Occurrence
from orchestrator.schedule.series import Going
from orchestrator.service.drilling import Beside, Means, Running, conduct, resume
from protocols.errors import HaltdrillError

RETRY_FIRST_S, RETRY_MAX_S = 1.0, 60.0

REASON_MAX_CHARS = 500

_RANKS = {verdict: rank for rank, verdict in enumerate(Verdict)}


@dataclass(slots=True)
class Job:
    """One drill that goes on, from before it is opened until what came of it is noted.

    Attributes:
        name: How people know it: an occurrence, or a drill.
        going: The sites that it is at, and the occurrence that it is, if it is one.
        drill: The drill, once it is known.
        running: How it is stopped.
        task: What runs it.
    """

    name: str
    going: Going
    drill: str | None
    running: Running
    task: asyncio.Task[None] | None = None


def audience_in(store: JournalStore, drill: str) -> tuple[str, ...]:
    """Return the sites that a drill was opened for, as its journal has them; none if it was never opened.

    Raises:
        JournalError: The journal cannot be read, or its chain is broken.
    """
    reader = ChainReader(drill)
    for line in store.lines(drill):
        event = reader.read(line).event
        if isinstance(event, DrillOpened):
            return event.audience
    return ()


def summary_of(store: JournalStore, drill: str) -> tuple[dict[Verdict, int], tuple[str, ...]]:
    """Return how many sites of a closed drill have which verdict, the worst over all steps; and the sites.

    Raises:
        JournalError: It is not closed, or the journal cannot be read.
    """
    worst: dict[str, Verdict] = {}
    for step in result_of(store.lines(drill)).steps:
        for site in step.sites:
            known = worst.get(site.site, Verdict.VERIFIED)
            worst[site.site] = max(known, site.result.verdict, key=_RANKS.__getitem__)
    return dict(sorted(Counter(worst.values()).items())), tuple(sorted(worst))


@dataclass(slots=True)
class Jobs:
    """All drills that go on in this process.

    Attributes:
        write: Writes a note down before what it says is acted upon.
        woken: Called whenever one is over.
        going: Those that go on.
        tries: How often each drill was taken up that did not come to its end since.
    """

    write: Callable[[AnyNote], None]
    woken: Callable[[], None]
    going: list[Job] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)

    def start(self, means: Means, move: Start, warrant: bytes, beside: Beside | None) -> Job:
        """Open a drill and run it. That it is about to be must have been noted."""
        of = move.note.of
        job = Job(str(of), Going(move.sites, of), None, Running(move.note.warrant))
        return self._run(job, means, self._started(job, means, of, warrant, beside))

    def resume(
        self, means: Means, drill: str, of: Occurrence | None, sites: tuple[str, ...], beside: Beside | None
    ) -> Job:
        """Take up a drill that was left unfinished; after a failure a little later each time."""
        job = Job(drill, Going(sites, of), drill, Running(""))
        return self._run(job, means, self._resumed(job, means, drill, of, beside))

    def settle(self, means: Means, of: Occurrence, drill: str) -> Job:
        """Note the end of a drill that is closed."""
        job = Job(str(of), Going((), of), drill, Running(""))
        return self._run(job, means, self._settled_later(means, of, drill))

    def abort(self, reason: str) -> None:
        """Stop them all: every site is released."""
        for job in self.going:
            job.running.abort(reason)

    def drills(self) -> set[str]:
        """Return the drills that somebody is at work on."""
        return {job.drill for job in self.going if job.drill is not None}

    async def leave(self) -> None:
        """Leave them all as they are: what is left is in the journal, and sites end their holds by themselves."""
        tasks = [job.task for job in self.going if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, job: Job, means: Means, work: Coroutine[Any, Any, None]) -> Job:
        job.task = asyncio.create_task(self._guarded(job, means, work), name=f"drill {job.name}")
        self.going.append(job)
        return job

    async def _guarded(self, job: Job, means: Means, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except HaltdrillError as error:
            means.log.error("service.drill_failed", name=job.name, drill=job.drill, detail=str(error))  # noqa: TRY400 - foreseen
        except Exception as error:
            # One drill's bug ends no other drill; this one is taken up again, ever more rarely.
            detail = f"a bug in haltdrill: {type(error).__name__}: {error}"
            means.log.error("service.drill_failed", name=job.name, drill=job.drill, detail=detail)  # noqa: TRY400
        finally:
            self.going.remove(job)
            self.woken()

    async def _started(self, job: Job, means: Means, of: Occurrence, warrant: bytes, beside: Beside | None) -> None:
        def opened(runtime: Runtime) -> None:
            job.drill = runtime.drill_id
            self.write(n.Started(of=of, drill=job.drill))

        try:
            drill = await conduct(means, job.running, warrant, beside=beside, opened=opened)
        except HaltdrillError as error:
            if job.drill is None:
                self.write(n.NotStarted(of=of, reason=str(error)[:REASON_MAX_CHARS]))
            raise
        await self._settled(means, of, drill.drill)

    async def _resumed(self, job: Job, means: Means, drill: str, of: Occurrence | None, beside: Beside | None) -> None:
        await self._later(means, drill)
        ended = await resume(means, job.running, drill, beside=beside)
        del self.tries[drill]
        if of is not None and ended is not None:
            await self._settled(means, of, drill)

    async def _settled_later(self, means: Means, of: Occurrence, drill: str) -> None:
        await self._later(means, drill)
        if means.finished is not None:  # the crash may have taken its files
            await means.finished(drill)
        await self._settled(means, of, drill)
        del self.tries[drill]

    async def _settled(self, means: Means, of: Occurrence, drill: str) -> None:
        with means.journal() as store:
            # A large drill's journal takes a while to read, and other drills go on.
            verdicts, sites = (
                await asyncio.to_thread(lambda: summary_of(store, drill)) if means.threads else summary_of(store, drill)
            )
        self.write(n.Ended(of=of, drill=drill, verdicts=verdicts, sites=sites))
        counted = [{"verdict": verdict, "count": count} for verdict, count in verdicts.items()]
        means.log.info("service.drill_ended", name=str(of), drill=drill, verdicts=counted)

    async def _later(self, means: Means, drill: str) -> None:
        """Wait a little longer each time that the same drill is tried again."""
        tries = self.tries[drill]
        self.tries[drill] += 1
        if tries:
            await means.clock.sleep(min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** min(tries, 10)))
