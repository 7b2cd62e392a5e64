"""What happened in an exercise, in a hash chain: every inject, decision, comment and effect, with who and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.journal.chain import Line
from orchestrator.journal.note_chain import NoteReader, NoteRecord, NoteWriter
from protocols.ids import Digest, DrillId, Name, UtcTime, format_utc, parse_utc
from protocols.messages.base import Part

FACILITATOR = "facilitator"
TIMEKEEPER = "clock"
"""Who let something happen that came by itself."""

Said = Annotated[str, Field(max_length=4_000)]
Who = Annotated[str, Field(min_length=1, max_length=100)]


class Began(Part):
    """The exercise began.

    Attributes:
        scenario: The scenario's name.
        digest: SHA-256 of the scenario.
        seed: The seed of this run.
        mode: How it is played.
    """

    kind: Literal["began"] = "began"
    scenario: Name
    digest: Digest
    seed: int
    mode: Literal["unattended", "facilitated"]


class Injected(Part):
    """An inject was given."""

    kind: Literal["injected"] = "injected"
    inject: Name
    by: Who


class Asked(Part):
    """A role was asked to decide."""

    kind: Literal["asked"] = "asked"
    decision: Name


class Chose(Part):
    """A decision was taken.

    Attributes:
        option: How.
        by: Who took it; `clock` if nobody did in time.
        why: What was said to it.
        after_s: How long it took, in the exercise's time.
    """

    kind: Literal["chose"] = "chose"
    decision: Name
    option: Name
    by: Who
    why: Said = ""
    after_s: float


class Commented(Part):
    """Somebody said something for the record."""

    kind: Literal["commented"] = "commented"
    by: Who
    text: Said


class Happened(Part):
    """Something happened to the mock world, or did not although it was meant to.

    Attributes:
        what: What, in words.
        cause: The inject or decision that brought it about.
        done: Whether it did.
    """

    kind: Literal["happened"] = "happened"
    what: Said
    cause: Said
    done: bool = True


class DrillBegan(Part):
    """A drill was opened."""

    kind: Literal["drill_began"] = "drill_began"
    name: Name
    drill: DrillId


class DrillEnded(Part):
    """A drill came to its end.

    Attributes:
        head: The head of its own journal's chain: whoever has this record can tell that one from another.
        aborted: Why it was aborted; none if it was not.
        verdicts: How many sites have which verdict: the worst of each over all steps.
    """

    kind: Literal["drill_ended"] = "drill_ended"
    name: Name
    drill: DrillId
    head: Digest
    aborted: Said | None
    verdicts: dict[str, int]


class Rated(Part):
    """The evaluator answered a question, or rated an objective.

    Attributes:
        about: The question's text, or the objective's name.
        answer: The answer, or the rating.
    """

    kind: Literal["rated"] = "rated"
    about: Said
    answer: Said
    by: Who


class Ended(Part):
    """The exercise ended."""

    kind: Literal["ended"] = "ended"
    by: Who


Entry = Annotated[
    Began | Injected | Asked | Chose | Commented | Happened | DrillBegan | DrillEnded | Rated | Ended,
    Field(discriminator="kind"),
]
"""Any entry."""

AnyEntry = Began | Injected | Asked | Chose | Commented | Happened | DrillBegan | DrillEnded | Rated | Ended


@dataclass(frozen=True, slots=True)
class Stamped:
    """An entry, with its time.

    Attributes:
        at_s: Time of the exercise.
    """

    at: UtcTime
    at_s: float
    entry: AnyEntry


@dataclass(slots=True)
class Record:
    """The record of an exercise.

    Attributes:
        start_ns: When it pretends to have begun, wall time.
        entries: What was entered.
        lines: The same as it is kept.
        told: Called with every entry.
    """

    start_ns: int
    entries: list[Stamped] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    told: list[Callable[[Stamped], None]] = field(default_factory=list)
    _writer: NoteWriter = field(default_factory=NoteWriter)

    def enter(self, entry: AnyEntry, wall_ns: int) -> None:
        """Enter something."""
        line: Line = self._writer.encode(entry, wall_ns=wall_ns)
        self.lines.append(line.raw)
        stamped = Stamped(format_utc(wall_ns), (wall_ns - self.start_ns) / 1e9, entry)
        self.entries.append(stamped)
        for told in self.told:
            told(stamped)

    @property
    def head(self) -> str:
        """The digest of everything so far."""
        return self._writer.head

    def encode(self) -> bytes:
        """Return the record as a file: one JSON object a line."""
        return b"".join(line + b"\n" for line in self.lines)


def read_record(lines: Sequence[bytes]) -> Record:
    """Read a record, and check its chain.

    Raises:
        JournalError: It is damaged, or no record of this version.
    """
    reader = NoteReader(NoteRecord[Entry])
    made: Record | None = None
    for raw in lines:
        noted = reader.read(raw)
        wall_ns = parse_utc(noted.at)
        made = made or Record(wall_ns)
        made.enter(noted.note, wall_ns)
    return made or Record(0)
