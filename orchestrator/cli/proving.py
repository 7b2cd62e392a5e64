"""Sees sites back after a stop: by the orchestrator that runs the drill, or, where none does, by ourselves.

Only witnesses prove that a site is at work again; what its agent says stands beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.live_view import interval
from orchestrator.cli.running import Desk, desk
from orchestrator.evidence.bundle import result_of
from orchestrator.evidence.result import DrillResult
from orchestrator.fleet.load import LoadedFleet
from orchestrator.journal.base import BUSY
from orchestrator.journal.places import open_store, there_is
from protocols.errors import JournalError
from protocols.host.clock import SystemClock

LOOK_S = 0.25
LIMIT_S = 180.0
"""How long the orchestrator may take to see everybody back; it says itself who was not."""


@dataclass(frozen=True, slots=True)
class Back:
    """One site after a stop.

    Attributes:
        site: The site.
        word_ns: When its agent said that it had restored, nanoseconds after the stop; none if it did not.
        seen_ns: When witnesses saw it back in steady state: at the earliest and the latest; none if they did not.
        held: Whether anything was ordered there at all.
    """

    site: str
    word_ns: int | None
    seen_ns: tuple[int, int] | None
    held: bool

    @property
    def proved(self) -> bool:
        """Whether it is known to be at work: seen back, or never halted."""
        return self.seen_ns is not None or not self.held


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of one drill after a stop.

    Attributes:
        drill: The drill.
        sites: Its sites; none while the drill has not come to its end.
        ended: Whether it came to its end in time.
    """

    drill: str
    sites: tuple[Back, ...]
    ended: bool

    @property
    def proved(self) -> bool:
        """Whether every site was witnessed back."""
        return self.ended and all(site.proved for site in self.sites)


def open_drills(loaded: LoadedFleet) -> list[str]:
    """Return the drills that have not come to their end."""
    if not there_is(loaded.config.journal):
        return []
    with closing(open_store(loaded.config.journal)) as store:
        return [drill.drill for drill in store.drills() if not drill.closed and drill.opened]


def prove(loaded: LoadedFleet, drills: Sequence[str], reason: str, console: Console) -> list[Proof]:
    """Wait until drills that were stopped came to their end, and say of each site whether it was seen back.

    Where no orchestrator runs them, they are taken up and ended from here, with the dispatcher's key of the fleet.

    Args:
        loaded: The fleet.
        drills: The drills, which were open when the stop was sent.
        reason: Why they are stopped.
        console: Where people read what goes on.

    Raises:
        HaltdrillError: They cannot be taken up.
    """
    until_s = time.monotonic() + LIMIT_S
    for drill in drills:
        while not _closed(loaded, drill) and time.monotonic() < until_s:
            if not _take_up(loaded, drill, reason, console):
                time.sleep(LOOK_S)
    return [_proof(loaded, drill) for drill in drills]


def _closed(loaded: LoadedFleet, drill: str) -> bool:
    with closing(open_store(loaded.config.journal)) as store:
        return any(one.drill == drill and one.closed for one in store.drills())


def _take_up(loaded: LoadedFleet, drill: str, reason: str, console: Console) -> bool:
    """End a drill that nobody runs; false if somebody does."""
    try:
        with desk(loaded, SystemClock(), console) as at:
            if not _closed(loaded, drill):
                console.print(
                    f"unfinished  {drill}: no orchestrator runs it, so it is ended from here", highlight=False
                )
                asyncio.run(_end(at, drill, reason))
            return True
    except JournalError as error:
        if BUSY not in error.what:
            raise
        return False


async def _end(at: Desk, drill: str, reason: str) -> None:
    async with at.conductor(0.0) as conductor:
        done = await conductor.resume(drill, started=lambda runtime: runtime.abort(reason))
    if done is not None:
        at.files(drill)


def _proof(loaded: LoadedFleet, drill: str) -> Proof:
    if not _closed(loaded, drill):
        return Proof(drill, (), ended=False)
    with closing(open_store(loaded.config.journal)) as store:
        return Proof(drill, _back(result_of(store.lines(drill))), ended=True)


def _back(result: DrillResult) -> tuple[Back, ...]:
    """Return how each site came back from the last step in which anything was ordered."""
    ordered = [step for step in result.steps if step.ordered]
    found = []
    for site in ordered[-1].sites if ordered else ():
        lower, upper = site.result.restore_lower_ns, site.result.restore_upper_ns
        seen = (lower, upper) if lower is not None and upper is not None else None
        receipts = site.result.receipts
        held = receipts.accepted_ns is not None or receipts.halted_ns is not None
        found.append(Back(site.site, receipts.restored_ns, seen, held))
    return tuple(found)


def table_of(proof: Proof) -> Table:
    """Draw a drill's sites after a stop, those that were not seen back first."""
    table = Table(box=None, pad_edge=False)
    for column in ("site", "seen back by witnesses", "restored, its agent says"):
        table.add_column(column, no_wrap=True)
    for site in sorted(proof.sites, key=lambda one: (one.proved, one.site)):
        seen = Text(f"{interval(*site.seen_ns)} after the stop", "green") if site.seen_ns else _unseen(site)
        table.add_row(site.site, seen, "yes" if site.word_ns is not None else "no")
    return table


def _unseen(site: Back) -> Text:
    return Text("NOT SEEN BACK", "bold red") if site.held else Text("was never halted", "dim")


def tell(proofs: Sequence[Proof], console: Console) -> None:
    """Tell a person whether every site is back."""
    with contextlib.suppress(BrokenPipeError):
        for proof in proofs:
            console.print(Text(proof.drill, "bold"))
            if not proof.ended:
                console.print(Text("has not come to its end yet: see it with haltdrill watch", "bold red"))
            elif proof.sites:
                console.print(table_of(proof))
            else:
                console.print("Nothing was ordered in it, so no site was halted.")


def document_of(proofs: Sequence[Proof]) -> list[dict[str, object]]:
    """Return the same for scripts."""
    return [
        {
            "drill": proof.drill,
            "ended": proof.ended,
            "proved": proof.proved,
            "sites": [
                {
                    "site": site.site,
                    "halted": site.held,
                    "seen_back_after_ns": list(site.seen_ns) if site.seen_ns else None,
                    "agent_restored": site.word_ns is not None,
                }
                for site in proof.sites
            ],
        }
        for proof in proofs
    ]
