"""One turn of the loop: what it decided, and what is to be published once that is in the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.journal.chain import Line
from protocols.messages import Message


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A publish that a decided event asks for.

    Attributes:
        then: The event to append once the first publish has ended, if its end matters.
    """

    topic: str
    payload: bytes
    then: ev.Event | None = None


@dataclass(slots=True)
class Turn:
    """What one turn of the loop decided: lines to append, then things to publish."""

    lines: list[Line] = field(default_factory=list)
    told: list[tuple[ev.Stamped, Message | None]] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)


Decide = Callable[..., None]
"""Chains an event into a turn and folds it in: `decide(turn, event, said=None, digest=None)`."""
