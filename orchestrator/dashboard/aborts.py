"""What the page needs of whoever can abort a drill. The command line brings it; there is no other way to act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AbortDone:
    """An abort that was sent.

    Attributes:
        noted: Whether the orchestrator has it in its journal.
        sentences: What to tell the person who sent it.
    """

    noted: bool
    sentences: tuple[str, ...]


Aborter = Callable[[str, str], Awaitable[AbortDone]]
"""Takes a drill and a reason, and raises a HaltdrillError if nothing was sent."""

WHY_NOT = "this server was started without --fleet, so it can only show"
