"""What any journal store must do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.journal.chain import Line


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
