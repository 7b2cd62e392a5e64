"""Runs drills on a fleet's journal, one process at a time; what a crash left unfinished comes first."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from orchestrator.cli.common import placed
from orchestrator.cli.conducting import conduct_in_view, resume_in_view
from orchestrator.cli.connecting import broker_for, transport_to
from orchestrator.cli.finishing import Finished, tell, write_files
from orchestrator.cli.stopping import held_stops
from orchestrator.fleet.layout import DocumentsLayout, FleetLayout
from orchestrator.fleet.load import LoadedFleet
from orchestrator.fleet.plan_book import conditions_of
from orchestrator.journal.base import DrillSummary, JournalStore
from orchestrator.journal.places import writing
from orchestrator.journal.urls import shown
from orchestrator.logbook.writer import logbook
from orchestrator.runtime.conduct import Conductor
from orchestrator.runtime.leash import Leash
from orchestrator.runtime.opening import check_may_open
from orchestrator.runtime.resuming import unfinished
from orchestrator.stopping.guard import Guard, guarding
from orchestrator.stopping.spec import StopCondition
from protocols.envelope import parse_envelope
from protocols.errors import ConfigError, JournalError
from protocols.host.clock import SystemClock
from protocols.host.files import read_private_key
from protocols.host.logs import get_logger
from protocols.keys import Signer
from protocols.topics import Topics


@dataclass(frozen=True, slots=True)
class Desk:
    """What drills of a fleet are run with.

    Attributes:
        loaded: The fleet.
        signer: The dispatcher's signer.
        store: The journal, which nobody else writes.
        clock: The one clock.
        console: Where people read how it goes.
    """

    loaded: LoadedFleet
    signer: Signer
    store: JournalStore
    clock: SystemClock
    console: Console

    @contextlib.asynccontextmanager
    async def conductor(self, wait_s: float) -> AsyncIterator[Conductor]:
        """Connect to the sites."""
        config, filters = self.loaded.config, Topics(self.loaded.trust.fleet).orchestrator_filters()
        with Leash() as leash:
            async with (
                broker_for(config.broker, embedded=config.embedded, leash=leash) as broker,
                transport_to(broker, filters, self.clock, role="orchestrator") as transport,
            ):
                yield Conductor(
                    self.loaded.documents,
                    self.signer,
                    self.store,
                    transport,
                    self.clock,
                    get_logger(),
                    presence_s=wait_s,
                    watched=[logbook(get_logger(), self.store)],
                )

    async def finish(
        self, conductor: Conductor, drill: str, conditions: Sequence[StopCondition] | None = None
    ) -> Finished | None:
        """Run an unfinished drill to its end; None if it was never opened.

        Args:
            conductor: What it is conducted with.
            drill: The drill.
            conditions: What ends it early; None: what its plan says, if that is still in the fleet's folder.
        """
        self.console.print(f"unfinished  {drill}: taken up from its journal", soft_wrap=True, highlight=False)
        if conditions is None:
            conditions = conditions_of(FleetLayout(self.loaded.folder).plans, drill)
        done = await resume_in_view(conductor, drill, self.console, guard=self.guard(conditions))
        return None if done is None else self.files(drill)

    def guard(self, conditions: Sequence[StopCondition]) -> Guard | None:
        """Return what looks after stop conditions, and say which; None if there are none."""
        if not conditions:
            return None
        names = ", ".join(condition.name for condition in conditions)
        self.console.print(f"stops when  {names}", soft_wrap=True, highlight=False)
        return guarding(conditions, self.clock, get_logger())

    def files(self, drill: str) -> Finished:
        """Write what a drill leaves behind."""
        return write_files(self.store, drill, self.signer, Path(self.loaded.config.drills))

    def tell(self, finished: Finished) -> None:
        """Tell a person how a drill ended."""
        root = DocumentsLayout(Path(self.loaded.config.fleet)).root
        tell(finished, self.console, root=root, fleet=self.loaded.folder)


@contextlib.contextmanager
def desk(loaded: LoadedFleet, clock: SystemClock, console: Console) -> Iterator[Desk]:
    """Open a fleet's journal to write, alone.

    Raises:
        ConfigError: The dispatcher's key is missing or wrong.
        JournalError: Another process runs a drill on it, or it cannot be written.
    """
    signer = read_private_key(Path(loaded.config.dispatcher_key))
    with writing(loaded.config.journal, loaded.trust.fleet) as store:
        yield Desk(loaded, signer, store, clock, console)


def never_opened(drill: str) -> JournalError:
    """Say that a drill was closed though it never began."""
    return JournalError(
        "it was never opened, so nothing was said to any site; it is closed, and its use of the warrant stays spent",
        where=f"drill {drill}",
        remedy="run the plan again for its next use",
    )


async def run_warrant(
    at: Desk, path: Path, warrant: bytes, wait_s: float, conditions: Sequence[StopCondition] = ()
) -> Finished:
    """Run one use of a warrant, after finishing what was left unfinished.

    An unfinished drill of this very warrant is the run that is asked for.

    Args:
        at: What it is run with.
        path: The warrant's file, for errors.
        warrant: The warrant's envelope.
        wait_s: How long to wait for absent parties.
        conditions: What ends it early.

    Raises:
        HaltdrillError: A drill cannot be opened, taken up, or go on.
    """
    left, digest = unfinished(at.store), parse_envelope(warrant).digest
    if all(drill.warrant != digest or not drill.opened for drill in left):
        # Before anybody is waited for: what is wrong with the warrant is said at once.
        with placed("warrant", path):
            check_may_open(at.loaded.documents, warrant, at.signer, at.store, wall_ns=at.clock.wall_ns())
        held_stops(at.loaded).check(digest)
    ours: Finished | None = None
    async with at.conductor(wait_s) as conductor:
        for drill in left:
            finished = await at.finish(conductor, drill.drill, conditions if drill.warrant == digest else None)
            if finished is None:
                at.console.print(str(never_opened(drill.drill)), soft_wrap=True, highlight=False)
            elif drill.warrant == digest:
                ours = finished
            else:
                at.tell(finished)
        if ours is not None:
            return ours
        done = await conduct_in_view(conductor, warrant, at.console, guard=at.guard(conditions))
    return at.files(done.drill)


async def resume_one(at: Desk, drill: str) -> Finished:
    """Run an unfinished drill to its end.

    Raises:
        HaltdrillError: It was never opened, cannot be taken up, or cannot go on.
    """
    async with at.conductor(0.0) as conductor:
        finished = await at.finish(conductor, drill)
    if finished is None:
        raise never_opened(drill)
    return finished


def choose_unfinished(known: Sequence[DrillSummary], wanted: str | None, journal: str) -> str | None:
    """Return the drill to resume: the one that is named, or the only unfinished one; None if there is none.

    Raises:
        ConfigError: There is no such drill, it has come to its end, or there are several.
    """
    if wanted is not None:
        entry = next((entry for entry in known if entry.drill == wanted), None)
        if entry is None or entry.closed:
            what = f"there is no drill {wanted}" if entry is None else f"drill {wanted} has come to its end"
            raise ConfigError(what, where=shown(journal), remedy="list them with: haltdrill drills")
        return wanted
    left = [entry.drill for entry in known if not entry.closed]
    if len(left) > 1:
        raise ConfigError(
            f"{len(left)} drills are unfinished: {', '.join(left)}",
            where=shown(journal),
            remedy="name one: haltdrill resume DRILL",
        )
    return left[0] if left else None
