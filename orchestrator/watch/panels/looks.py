"""How a standing is shown: a letter, a word and a role, so that colour only repeats what can be read.

Of the letters, a capital means that a quorum of witnesses proves it or that it is final; a small one
or a sign, that somebody only says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.logbook.standing import Standing
from orchestrator.watch.panels.paint import Role


@dataclass(frozen=True, slots=True)
class Look:
    """How one standing is shown.

    Attributes:
        letter: One cell.
        word: In a word or two.
        rank: How much it asks to be looked at: of several sites in one cell the one that asks most is shown.
    """

    letter: str
    word: str
    role: Role
    rank: int

    @property
    def bad(self) -> bool:
        """Whether it is in trouble, or has failed."""
        return self.role in {Role.BAD, Role.LOUD}


_ORDER: tuple[tuple[Standing, str, str, Role], ...] = (
    (Standing.VERIFIED, "V", "verified", Role.GOOD),
    (Standing.BACK, "R", "back", Role.GOOD),
    (Standing.HELD, "H", "held", Role.HALTED),
    (Standing.WITNESSED, "W", "witnessed", Role.HALTED),
    (Standing.AT_WORK, "A", "at work", Role.GOOD),
    (Standing.CORROBORATED, "c", "corroborated", Role.GOING),
    (Standing.SELF_REPORTED, "s", "self-reported", Role.GOING),
    (Standing.ACCEPTED, "+", "accepted", Role.GOING),
    (Standing.COMING_BACK, "r", "coming back", Role.GOING),
    (Standing.ORDERED, "o", "ordered", Role.GOING),
    (Standing.WAITING, ".", "waiting", Role.IDLE),
    (Standing.LATE, "L", "late", Role.BAD),
    (Standing.UNPROVEN, "?", "unproven", Role.BAD),
    (Standing.REFUSED, "F", "refused", Role.LOUD),
    (Standing.NOT_RESTORED, "N", "not restored", Role.LOUD),
    (Standing.BROKEN, "B", "broken", Role.LOUD),
    (Standing.CONTRADICTED, "X", "contradicted", Role.LOUD),
)

LOOKS: dict[Standing, Look] = {
    standing: Look(letter, word, role, rank) for rank, (standing, letter, word, role) in enumerate(_ORDER)
}
"""From what asks for nothing to the loudest; a test holds it complete, and the letters apart."""
