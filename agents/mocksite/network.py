"""The site's egress: what is sent from inside, and what the outside sees of it."""

from __future__ import annotations

from collections import deque

from agents.mocksite.faults import Faults
from protocols.mock_config import Fault

_SEEN_MAX = 1024


class Network:
    """The path out of the site. Orders and receipts take another one.

    Args:
        faults: What is wrong with it.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._outside: deque[str] = deque(maxlen=_SEEN_MAX)

    def send(self, token: str, *, isolated: bool, powered: bool) -> bool:
        """Send a canary from inside; tell whether the sender got an answer."""
        if not powered:
            return False
        if not isolated or self._faults.has(Fault.LEAKY_EGRESS):
            self._outside.append(token)
        return not isolated

    def seen_outside(self, token: str) -> bool:
        """Tell, at the outer end, whether a canary arrived."""
        return token in self._outside
