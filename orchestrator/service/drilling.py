"""Runs one drill of the service: with a connection and a handle on the journal of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.core.drill import Drill
from orchestrator.fleet.load import FleetDocuments
from orchestrator.journal.base import JournalStore
from orchestrator.logbook.writer import logbook
from orchestrator.runtime.conduct import Conductor
from orchestrator.runtime.loop import Runtime
from protocols.clock import Clock
from protocols.host.logs import FilteringBoundLogger
from protocols.keys import Signer
from protocols.transport.base import Transport

Ended = TypeVar("Ended", bound=Drill | None)

Began = Callable[[Runtime], Awaitable[None]]

Beside = Callable[[Runtime], AbstractAsyncContextManager[None]]
"""Something that goes on while a drill runs, such as looking after its stop conditions."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the service runs its drills with.

    Attributes:
        documents: The fleet, as it stands now; a drill keeps what it began with.
        signer: The dispatcher's signer.
        clock: The one clock.
        log: Where log lines go.
        connect: Makes a connection to the sites, for a client of the name that is given.
        journal: Opens the journal. A drill writes from threads of its own, so each has its own handle.
        presence_s: How long a drill waits for absent agents and witnesses.
        watched: Called with each runtime before it runs.
        finished: Called with a closed drill, to write its report and its evidence.
        threads: Threads a drill verifies signatures with; 0 verifies inline, for a simulation.
    """

    documents: FleetDocuments
    signer: Signer
    clock: Clock
    log: FilteringBoundLogger
    connect: Callable[[str], AbstractAsyncContextManager[Transport]]
    journal: Callable[[], AbstractContextManager[JournalStore]]
    presence_s: float
    watched: Sequence[Callable[[Runtime], None]] = ()
    finished: Callable[[str], Awaitable[None]] | None = None
    threads: int = 2


@dataclass
class Running:
    """A drill that the service runs.

    Attributes:
        warrant: Digest of its warrant.
        runtime: What runs it; none until its sites were waited for.
        stopped: Why it was told to stop, which may be before it has a runtime.
    """

    warrant: str
    runtime: Runtime | None = None
    stopped: str | None = None

    def began(self, runtime: Runtime) -> None:
        """Take the runtime, and stop it at once if it was told so before."""
        self.runtime = runtime
        if self.stopped is not None:
            runtime.abort(self.stopped)

    def abort(self, reason: str) -> None:
        """Stop the drill: every site is released."""
        self.stopped = self.stopped or reason
        if self.runtime is not None:
            self.runtime.abort(reason)


async def conduct(
    means: Means,
    running: Running,
    warrant: bytes,
    *,
    beside: Beside | None = None,
    opened: Callable[[Runtime], None] = lambda _runtime: None,
) -> Drill:
    """Run one use of a warrant to its end, and write what it leaves behind.

    Args:
        means: What it is run with.
        running: Told of the runtime as soon as there is one.
        warrant: The warrant's envelope.
        beside: Goes on while the drill does.
        opened: Called once its use is reserved in the journal, before anything is said to a site.

    Raises:
        HaltdrillError: It could not be opened, or could not go on.
    """
    return await _run(means, running, lambda at, began: at.conduct(warrant, started=began), beside, opened)


async def resume(means: Means, running: Running, drill: str, *, beside: Beside | None = None) -> Drill | None:
    """Run a drill that was left unfinished to its end; None if it had never begun.

    Raises:
        HaltdrillError: It cannot be taken up, or could not go on.
    """
    return await _run(means, running, lambda at, began: at.resume(drill, started=began), beside, lambda _runtime: None)


async def _run(
    means: Means,
    running: Running,
    go: Callable[[Conductor, Began], Awaitable[Ended]],
    beside: Beside | None,
    opened: Callable[[Runtime], None],
) -> Ended:
    async with AsyncExitStack() as stack:
        store = stack.enter_context(means.journal())
        transport = await stack.enter_async_context(means.connect("orchestrator"))

        async def began(runtime: Runtime) -> None:
            opened(runtime)
            running.began(runtime)
            if beside is not None:
                await stack.enter_async_context(beside(runtime))

        conductor = Conductor(
            means.documents,
            means.signer,
            store,
            transport,
            means.clock,
            means.log,
            presence_s=means.presence_s,
            watched=[logbook(means.log, store), *means.watched],
            threads=means.threads,
        )
        ended = await go(conductor, began)
        if ended is not None and means.finished is not None:
            await means.finished(ended.drill)
        return ended
