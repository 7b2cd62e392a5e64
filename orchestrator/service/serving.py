"""The service's one loop: see what is due, note it down, do it, wait.

What it may do is decided by `orchestrator.schedule.deciding`, which is pure; what it did is in the journal's
notes before it is done. So it can be killed between any two steps, and goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.journal.base import JournalStore
from orchestrator.journal.notebook import Took
from orchestrator.runtime.notes import AnyNote, open_notebook
from orchestrator.schedule.notes import SCHEDULE_KINDS
from orchestrator.schedule.state import ScheduleState
from orchestrator.service.doing import Doer
from orchestrator.service.jobs import Jobs
from orchestrator.service.programme import Programme
from protocols.errors import JournalError
from protocols.ids import seconds_to_ns

LOOK_S = 30.0
"""The longest wait: a clock that was set, or a warrant that was approved, is seen by then."""

RETRY_S = 5.0
"""The wait after the journal could not be written or read."""

WARN_S = 60.0
"""The least time between two looks at what runs out."""

_WHY = {False: "the service ends, and its time to drain is over", True: "the service was told twice to end"}


@dataclass(slots=True)
class Service:
    """Runs drills as they are due, until it is told to end.

    Attributes:
        programme: What there is to do.
        turned: Called in each turn, for a watchdog.
        look_s: The longest wait between two turns.
        took: Told of every note, beside the schedule's own state.
    """

    programme: Programme
    turned: Callable[[], None] = lambda: None
    look_s: float = LOOK_S
    took: tuple[Took[AnyNote], ...] = ()
    state: ScheduleState = field(default_factory=ScheduleState)
    jobs: Jobs | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _warned: set[tuple[str | None, str, str]] = field(default_factory=set)
    _warn_ns: int = 0
    _ending_ns: int | None = None
    _twice: bool = False
    _reload: bool = False
    _lost: str = ""
    _trouble: str = ""

    def end(self) -> None:
        """Start no more drills, and end once those that go on are over; said again, abort them now."""
        means = self.programme.means
        if self._ending_ns is None:
            self._ending_ns = means.clock.boot_ns()
            means.log.info("service.draining", drain_s=self.programme.drain_s)
        else:
            self._twice = True
        self._wake.set()

    def reload(self) -> None:
        """Read plans, warrants, fleet and configuration anew, before anything else is decided."""
        self._reload = True
        self._wake.set()

    def wake(self) -> None:
        """Decide anew: something that is decided on has changed."""
        self._wake.set()

    def lose(self, why: str) -> None:
        """Say and write nothing more, and end at once: another process leads now."""
        self._lost = why
        self._wake.set()

    async def run(self) -> None:
        """Serve until told to end.

        Raises:
            JournalError: Another process leads, or what the journal holds is not to be believed.
        """
        with self.programme.means.journal() as store:
            notebook = open_notebook(store, self.programme.means.clock, self._take, *self.took)
            self.jobs = Jobs(notebook.write, self.wake)
            doer = Doer(self.programme, self.state, notebook.write, self.jobs, store)
            try:
                while not self._over(self.jobs):
                    await self._until(self._turn(doer, store))
            finally:
                await self.jobs.leave()

    def _take(self, note: AnyNote, at_ns: int) -> None:
        if isinstance(note, SCHEDULE_KINDS):
            self.state.apply(note, at_ns)

    def _over(self, jobs: Jobs) -> bool:
        """Tell whether it has ended; once its time is over, drills are aborted."""
        if self._lost:
            raise JournalError(self._lost)
        if self._ending_ns is None:
            return False
        if self._twice or self._drained_ns() <= self.programme.means.clock.boot_ns():
            jobs.abort(_WHY[self._twice])
        return not jobs.going

    def _drained_ns(self) -> int:
        return (self._ending_ns or 0) + seconds_to_ns(self.programme.drain_s)

    def _turn(self, doer: Doer, store: JournalStore) -> float:
        """Do what is to be done now; return after how long to look again, seconds."""
        if self._reload:
            self._reload = False
            self.programme.reload()
        self.turned()
        self._stop_what_is_stopped()
        now_ns = self.programme.means.clock.wall_ns()
        try:
            wake_ns = doer.do(ending=self._ending_ns is not None)
            self._warn(store, now_ns)
        except JournalError as error:
            # On a full disk what goes on may go on, and nothing new begins. It is tried often, and said once.
            if str(error) != self._trouble:
                self._trouble = str(error)
                self.programme.means.log.error("service.journal_failed", detail=self._trouble)  # noqa: TRY400 - foreseen
            return min(RETRY_S, self.look_s)
        self._trouble = ""
        left_s = self.look_s if wake_ns is None else (wake_ns - now_ns) / 1e9
        if self._ending_ns is not None:
            left_s = min(left_s, (self._drained_ns() - self.programme.means.clock.boot_ns()) / 1e9)
        return min(self.look_s, max(0.0, left_s))

    def _stop_what_is_stopped(self) -> None:
        """Abort what a lever or a revocation ends, also one that nobody could send."""
        for job in self.jobs.going if self.jobs is not None else ():
            why = self.programme.stopped(job.running.warrant)
            if why:
                job.running.abort(why)

    def _warn(self, store: JournalStore, now_ns: int) -> None:
        """Say what runs out, once for each state of it."""
        if abs(now_ns - self._warn_ns) < seconds_to_ns(WARN_S):
            return
        self._warn_ns = now_ns
        found = self.programme.runs_out(now_ns, store.drills())
        for one in found:
            if (one.digest, one.plan, one.key) not in self._warned:
                self.programme.means.log.warning("warrant.runs_out", plan=one.plan, warrant=one.digest, detail=one.text)
        self._warned = {(one.digest, one.plan, one.key) for one in found}

    async def _until(self, left_s: float) -> None:
        try:
            async with asyncio.timeout(left_s):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
