"""Every kind of note that a journal's chain of notes may hold: whoever writes one can read them all.

A new kind is added to `AnyNote`; old ones stay readable.
"""

from __future__ import annotations

from orchestrator.journal.base import JournalStore
from orchestrator.journal.note_chain import NoteRecord
from orchestrator.journal.notebook import Notebook, Took
from orchestrator.schedule.notes import ScheduleNote
from protocols.clock import Clock

AnyNote = ScheduleNote
"""Any of them, told apart by `kind`."""


def open_notebook(store: JournalStore, clock: Clock, *took: Took[AnyNote]) -> Notebook[AnyNote]:
    """Open the notes of a journal to write them: each of `took` is told of all that are there, then of new ones.

    Raises:
        JournalError: The journal cannot be read, or its chain of notes is broken.
    """
    return Notebook(store, NoteRecord[AnyNote], clock, *took)
