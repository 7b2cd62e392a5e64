"""What any journal store must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.journal.chain import Line
from protocols.errors import JournalError

BUSY = "another haltdrill process is running a drill on this journal"
BUSY_REMEDY = "wait for its end, or stop it with: haltdrill abort"


class JournalUnreachable(JournalError):
    """The journal's server is away or too slow: what failed may do a moment later."""


@dataclass(frozen=True, slots=True)
class DrillSummary:
    """One drill of a store.

    Attributes:
        warrant: Digest of its warrant.
        use: Which use of the warrant it is.
        closed: Whether it came to its end.
        opened: Whether anything of it was ever written; if not, it said nothing to anybody.
    """

    drill: str
    warrant: str
    use: int
    closed: bool
    opened: bool = True

    @property
    def state(self) -> str:
        """Where it stands, in words."""
        if self.closed:
            return "closed" if self.opened else "never opened"
        return "unfinished"


class JournalStore(Protocol):
    """Keeps the lines of drills. Methods block and may be called from one thread at a time."""

    def open_drill(self, drill: str, warrant: str) -> int:
        """Register a drill and return the use of the warrant that it is: one more than the last.

        Raises:
            JournalError: The store cannot be written.
        """
        ...

    def append(self, drill: str, lines: Sequence[Line]) -> None:
        """Write lines durably, all or none, after those that are there.

        Raises:
            JournalError: The store cannot be written, or another writer was first.
        """
        ...

    def append_notes(self, lines: Sequence[Line]) -> None:
        """Write lines of the service's own chain, as `append` writes a drill's.

        Raises:
            JournalError: The store cannot be written, or another writer was first.
        """
        ...

    def notes(self) -> Iterator[bytes]:
        """Yield the lines of the service's own chain in order; a journal without any yields none.

        Raises:
            JournalError: The store cannot be read.
        """
        ...

    def mark_closed(self, drill: str) -> None:
        """Note that a drill came to its end.

        Raises:
            JournalError: The store cannot be written.
        """
        ...

    def remember_party(self, site: str, who: str, store: str, last_seq: int) -> int | None:
        """Note how far an agent or witness says its chain has come.

        Returns:
            The number that it had come to before, if the same disk now says less (it was rolled
            back); else None.

        Raises:
            JournalError: The store cannot be written.
        """
        ...

    def lines(self, drill: str) -> Iterator[bytes]:
        """Yield a drill's lines in order.

        Raises:
            JournalError: There is no such drill, or the store cannot be read.
        """
        ...

    def drills(self) -> list[DrillSummary]:
        """List the drills, oldest first.

        Raises:
            JournalError: The store cannot be read.
        """
        ...

    def close(self) -> None:
        """Close the store."""
        ...


class Leader(Protocol):
    """The one process that may write a journal, for as long as it is."""

    @property
    def store(self) -> JournalStore:
        """The journal. Once another leads, everything that writes to it raises JournalError."""
        ...

    def when_lost(self, told: Callable[[], None]) -> None:
        """Have `told` called, perhaps from another thread, when this process no longer leads for sure."""
        ...

    def release(self) -> None:
        """Close the journal and let others lead."""
        ...


class Candidate(Protocol):
    """A process that would lead."""

    def lead(self) -> Leader | None:
        """Lead from now on; None if another process does.

        Raises:
            JournalError: The journal cannot be used.
        """
        ...

    def holder(self) -> str:
        """Return who leads, in words; empty if nobody does, or nobody knows.

        Raises:
            JournalError: The journal cannot be used.
        """
        ...

    def oust(self) -> bool:
        """End the lead of a process that is paused or cut off; false if it is at work, or we may not.

        Raises:
            JournalError: The journal cannot be used.
        """
        ...

    def close(self) -> None:
        """Give up."""
        ...
