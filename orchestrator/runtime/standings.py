"""What a timekeeper said last: kept as it was signed, to be stapled to every order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from protocols.errors import TrustError
from protocols.messages import Policy, Standing
from protocols.trust import check_fresh, check_stands


@dataclass(slots=True)
class Standings:
    """The newest statement that was heard; its signature was checked before.

    Attributes:
        newest: The statement; none before the first was heard.
        envelope: Its envelope.
    """

    newest: Standing | None = None
    envelope: str | None = None

    def hear(self, said: Standing, envelope: str) -> None:
        """Take a statement if it is newer than the one that is there."""
        if self.newest is None or said.seq > self.newest.seq:
            self.newest, self.envelope = said, envelope

    def text(self) -> str | None:
        """Return the envelope to staple; None if there is none."""
        return self.envelope

    def fresh(self, policy: Policy, now_ns: int) -> bool:
        """Tell whether sites under a policy would take it now, or need none."""
        try:
            check_fresh(self.newest, policy, now_ns=now_ns, seen_seq=0)
        except TrustError:
            return False
        return True

    def check(self, policy: Policy, warrant: str, sites: Collection[str], now_ns: int) -> None:
        """Check that nothing in it stands against a drill, and that it is there if the policy asks for it.

        Raises:
            TrustError: Something does, or it is missing or stale.
        """
        try:
            check_fresh(self.newest, policy, now_ns=now_ns, seen_seq=0)
        except TrustError as error:
            if policy.standing_max_age_s is None:
                return  # an old statement that nobody asked for is not stapled, and stands in nobody's way
            error.remedy = "see that the timekeeper runs and reaches this broker: haltdrill timekeeper"
            raise
        check_stands(self.newest, warrant, sites)
