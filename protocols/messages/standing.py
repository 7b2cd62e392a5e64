"""What ends a warrant for good, and the timekeeper's statement of what still counts: freshness for orders.

The statement does for orders what the timestamp role of The Update Framework does for packages (TUF specification,
section 2.1.4): whoever holds back what was revoked can no longer do so unnoticed.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from protocols.ids import Digest, Int63, Nonce, SiteId, Text, UtcTime
from protocols.messages.base import Message, Part
from protocols.messages.fleet import Version

REVOKED_MAX = 100
"""Most revocations in one statement."""

LEVERS_MAX = 16
"""Most engagements of the lever in one statement."""


class Revocation(Message):
    """Ends a warrant for good, with all its uses. Any single approver may sign it."""

    KIND: ClassVar[str] = "revocation"
    version: Literal[1] = 1
    fleet: Digest
    warrant: Digest
    nonce: Nonce
    issued_at: UtcTime
    reason: Text


class LeverInForce(Part):
    """An engagement of the safety lever that was not lifted.

    Attributes:
        engagement: Digest of the message that engaged it.
        site: The one site it is for; null for the whole fleet.
    """

    engagement: Digest
    site: SiteId | None


class Standing(Message):
    """What a timekeeper says still counts, every few seconds: policy, revocations, lever.

    Attributes:
        seq: Grows with each statement; a site takes none that is older than one it has seen.
        issued_at: When it was made: how old it may be is for the policy to say.
        policy_version: The newest policy's version.
        revoked: Digests of the warrants that were revoked, sorted.
        levers: The engagements in force.
    """

    KIND: ClassVar[str] = "standing"
    version: Literal[1] = 1
    fleet: Digest
    seq: Int63
    issued_at: UtcTime
    policy_version: Version
    revoked: Annotated[tuple[Digest, ...], Field(max_length=REVOKED_MAX)]
    levers: Annotated[tuple[LeverInForce, ...], Field(max_length=LEVERS_MAX)]
