"""The refusal battery: orders that must do nothing, and the reason with which each must be refused."""

from __future__ import annotations

from enum import StrEnum

from protocols.messages.base import Part
from protocols.reasons import Reason


class BatteryCase(StrEnum):
    """An order of a refusal battery: what is wrong with it.

    Each names the refusal step itself, which halts nothing if it is obeyed. `SPENT` and `REPLAYED`
    are sent only after the step was released: the first is a fresh order for the step that is over,
    the second the very bytes of an order that was obeyed before.
    """

    FORGED = "forged"
    TAMPERED = "tampered"
    EXPIRED = "expired"
    UNDER_THRESHOLD = "under_threshold"
    OTHER_AUDIENCE = "other_audience"
    NOT_AN_EXERCISE = "not_an_exercise"
    SPENT = "spent"
    REPLAYED = "replayed"


EXPECTED: dict[BatteryCase, Reason] = {
    BatteryCase.FORGED: Reason.UNKNOWN_KEY,
    BatteryCase.TAMPERED: Reason.BAD_SIGNATURE,
    BatteryCase.EXPIRED: Reason.EXPIRED,
    BatteryCase.UNDER_THRESHOLD: Reason.UNDER_THRESHOLD,
    BatteryCase.OTHER_AUDIENCE: Reason.NOT_IN_AUDIENCE,
    BatteryCase.NOT_AN_EXERCISE: Reason.NOT_AN_EXERCISE,
    BatteryCase.SPENT: Reason.RELEASED,
    BatteryCase.REPLAYED: Reason.RELEASED,
}
"""The right reason for each."""


class CaseAnswer(Part):
    """How a site answered one order of the battery.

    Attributes:
        case: What was wrong with the order.
        refused: The reason of its refusal; null when it gave none.
        obeyed: Whether it accepted it, which is the worst there is.
    """

    case: BatteryCase
    refused: Reason | None = None
    obeyed: bool = False

    @property
    def right(self) -> bool:
        """Whether it was refused with the right reason, and not obeyed."""
        return not self.obeyed and self.refused is EXPECTED[self.case]
