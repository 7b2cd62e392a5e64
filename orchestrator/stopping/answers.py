"""What is known of a stop condition, and when that is reason to stop. Pure.

An answer is fine, a breach, or unknown. Unknown is for a while what it says, and then a breach: silence is
never taken for good news. What was never asked, or was asked too long ago, is unknown too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from protocols.ids import seconds_to_ns
from protocols.phrases import duration_text

DETAIL_MAX_CHARS = 240


class State(StrEnum):
    """What an answer says."""

    FINE = "fine"
    BREACH = "breach"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        state: What it says.
        detail: The same in words, for people: `it answered 503, not 200`.
    """

    state: State
    detail: str = ""


def fine(detail: str = "") -> Answer:
    """Say that all is well."""
    return Answer(State.FINE, clipped(detail))


def breach(detail: str) -> Answer:
    """Say that the drill must stop."""
    return Answer(State.BREACH, clipped(detail))


def unknown(detail: str) -> Answer:
    """Say that nobody can tell."""
    return Answer(State.UNKNOWN, clipped(detail))


def clipped(text: str) -> str:
    """Make text fit for a line of a log: short, and printable whatever a server put into it."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:DETAIL_MAX_CHARS])
    return shown if len(shown) <= DETAIL_MAX_CHARS else f"{shown[: DETAIL_MAX_CHARS - 1]}…"


NOTHING_YET = unknown("no answer yet")


@dataclass(slots=True)
class Watched:
    """One condition, answer by answer. Times are of a clock that never goes back.

    Attributes:
        grace_s: For how long it may be unknown.
        due_s: How long after an answer the next one must be there.
        since_ns: When it began to be watched.
        last: The newest answer.
        last_ns: When that came.
        unknown_from_ns: From when on it was unknown; None while it is not.
    """

    grace_s: float
    due_s: float
    since_ns: int
    last: Answer = NOTHING_YET
    last_ns: int = field(init=False)
    unknown_from_ns: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.last_ns = self.since_ns
        self.unknown_from_ns = self.since_ns

    def take(self, answer: Answer, now_ns: int) -> None:
        """Take a new answer. A breach is never taken back."""
        if self.last.state is State.BREACH:
            return
        self._overdue(now_ns)
        self.last, self.last_ns = answer, now_ns
        if answer.state is State.FINE:
            self.unknown_from_ns = None
        elif self.unknown_from_ns is None:
            self.unknown_from_ns = now_ns

    def finding(self, now_ns: int) -> Answer:
        """Return what is to be made of it now: with its grace over, what is unknown is a breach."""
        if self.last.state is State.BREACH:
            return self.last
        self._overdue(now_ns)
        if self.unknown_from_ns is None:
            return self.last
        detail = self.last.detail if self.last.state is State.UNKNOWN else "the next answer is overdue"
        if now_ns - self.unknown_from_ns < seconds_to_ns(self.grace_s):
            return unknown(detail)
        waited_s = round((now_ns - self.unknown_from_ns) / 1e9, 1)
        return breach(f"unknown for {duration_text(waited_s)}, which counts as a breach: {detail}")

    def _overdue(self, now_ns: int) -> None:
        due_ns = self.last_ns + seconds_to_ns(self.due_s)
        if self.unknown_from_ns is None and now_ns > due_ns:
            self.unknown_from_ns = due_ns
