"""What the decider wants done next, and the note that says so."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.schedule import notes as n
from orchestrator.schedule.names import Occurrence


@dataclass(frozen=True, slots=True)
class Note:
    """Write this down; nothing else is to be done."""

    note: n.PlanAdopted | n.PlanDropped | n.DrawKeyed | n.DrawCommitted | n.DrawRevealed | n.Waiting | n.Started


@dataclass(frozen=True, slots=True)
class Start:
    """Write the note down, then open a drill.

    If it was opened, write `Started`; if that failed, write `NotStarted`; when it ends, `Ended`.

    Attributes:
        note: The note.
        name: The name of the plan, or of the wave of it, whose warrant it is.
        sites: The sites that it is at.
    """

    note: n.Starting
    name: str
    sites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    """Write the note down, and say it loudly."""

    note: n.Skipped


@dataclass(frozen=True, slots=True)
class Forget:
    """Write the note down: what was about to be opened was not, as the journal shows."""

    note: n.NotStarted


@dataclass(frozen=True, slots=True)
class Resume:
    """A drill of an occurrence is unfinished and nobody runs it: take it up."""

    of: Occurrence
    drill: str


@dataclass(frozen=True, slots=True)
class Settle:
    """A drill of an occurrence is closed in the journal and was not noted as ended: write `Ended` with its verdicts."""

    of: Occurrence
    drill: str


Move = Note | Start | Skip | Forget | Resume | Settle
"""Moves are done in the order in which they are given."""
