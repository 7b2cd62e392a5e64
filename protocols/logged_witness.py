"""The lines of a witness."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from protocols.ids import DrillId, Int63
from protocols.logged import AT_DEBUG, AT_ERROR, AT_INFO, AT_WARNING
from protocols.logged_party import PartyLine
from protocols.reasons import Reason


class WitnessReading(PartyLine):
    """It answered a challenge with a reading.

    Attributes:
        drill: The drill.
        challenge: The challenge's number in the drill.
        seq: Sequence number of the reading in the witness's chain.
    """

    LEVELS = AT_DEBUG

    action: Literal["witness.reading"] = Field(alias="event.action")
    drill: DrillId
    challenge: Int63
    seq: Int63


class WitnessClosing(PartyLine):
    """It said its last word in a drill.

    Attributes:
        drill: The drill.
        first: Sequence number of its first message in the drill.
        last: Sequence number of its last one.
    """

    LEVELS = AT_INFO

    action: Literal["witness.closing"] = Field(alias="event.action")
    drill: DrillId
    first: Int63
    last: Int63


class WitnessRecall(PartyLine):
    """It was asked to send messages again, and does.

    Attributes:
        drill: The drill.
        first: Sequence number of the first that was asked for.
        last: Sequence number of the last one.
    """

    LEVELS = AT_INFO

    action: Literal["witness.recall"] = Field(alias="event.action")
    drill: DrillId
    first: Int63
    last: Int63


class WitnessRejected(PartyLine):
    """A challenge or a recall arrived that is not to be believed; a flood of them is told in part.

    Attributes:
        detail: What is wrong with it.
        reason: The same as a word, if the authority behind it does not suffice.
    """

    LEVELS = AT_WARNING

    action: Literal["witness.challenge.rejected", "witness.recall.rejected"] = Field(alias="event.action")
    detail: str
    reason: Reason | None = None


class WitnessStoreFailed(PartyLine):
    """Its store cannot be written or read. What is not written down is not said.

    Attributes:
        drill: The drill, if it is about one.
        detail: What went wrong.
    """

    LEVELS = AT_ERROR

    action: Literal["witness.store.failed"] = Field(alias="event.action")
    drill: DrillId | None = None
    detail: str


class ProbeFailed(PartyLine):
    """What it observes the site by failed: the reading holds no signals, which counts as unknown.

    Attributes:
        detail: What went wrong.
    """

    LEVELS = AT_ERROR

    action: Literal["witness.probe.failed"] = Field(alias="event.action")
    detail: str


AnyWitnessLine = WitnessReading | WitnessClosing | WitnessRecall | WitnessRejected | WitnessStoreFailed | ProbeFailed
