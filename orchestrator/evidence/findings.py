"""What a verification found: every failure names the exact item that fails."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import Field

from orchestrator.evidence.result import DrillResult
from protocols.messages.base import Part

FINDINGS_MAX = 50
"""Most findings in a report; the first in the file's order. A file can be wrong in every line."""

_TEXT_MAX = 400


class Finding(Part):
    """One thing that is wrong.

    Attributes:
        line: The line of the file, from 1; null when it is about none in particular.
        item: The item that fails, such as `record 17, reading.received, site alpha, witness w1`.
        what: What is wrong with it.
        detail: What was expected and what is there.
    """

    line: int | None
    item: Annotated[str, Field(max_length=_TEXT_MAX)]
    what: Annotated[str, Field(max_length=_TEXT_MAX)]
    detail: Annotated[str, Field(max_length=_TEXT_MAX)]

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line is not None else ""
        more = f" ({self.detail})" if self.detail else ""
        return f"{place}{self.item}: {self.what}{more}"


class Counts(Part):
    """How much was checked.

    Attributes:
        records: Journal records.
        events: Records of each kind, by the event's name.
        envelopes: Signed envelopes.
        verdicts: Verdicts recomputed.
    """

    lines: int
    records: int
    events: dict[str, int]
    envelopes: int
    verdicts: int


class VerifyReport(Part):
    """The outcome of a verification.

    Attributes:
        verified: Whether everything holds together, up to the root.
        fleet: The fleet's id as computed from root version 1; empty when there is none.
        findings: What fails, in the file's order, the first fifty.
        more: How many findings were left out.
        notes: What the reader should know and is no failure, such as a document that expired since.
        result: The result as recomputed; null when it could not be.
    """

    verified: bool
    fleet: str
    drill: str
    findings: tuple[Finding, ...]
    more: int
    notes: tuple[str, ...]
    counts: Counts
    result: DrillResult | None


class Findings:
    """Collects findings while a bundle is read."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self.total = 0
        self.notes: list[str] = []
        self.events: Counter[str] = Counter()
        self.envelopes = 0
        self.verdicts = 0

    def add(self, line: int | None, item: str, what: str, detail: str = "") -> None:
        """Note a failure."""
        self.total += 1
        # Reading goes forward, so what is found late in the file can be let go once there is plenty.
        if len(self._kept) < 4 * FINDINGS_MAX:
            found = Finding(line=line, item=_clip(item), what=_clip(what), detail=_clip(detail))
            self._kept.append(found)

    def in_order(self) -> tuple[Finding, ...]:
        """Return the first findings in the file's order; those about no line come last."""
        ordered = sorted(self._kept, key=lambda found: (found.line is None, found.line or 0))
        return tuple(ordered[:FINDINGS_MAX])


def _clip(text: str) -> str:
    shown = text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
    return shown[:_TEXT_MAX]
