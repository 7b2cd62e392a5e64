"""The licences of one lease order: which were asked for, and until when the site may work. Pure.

A licence counts from when its nonce was sent, so one that was delayed, kept or sent again prolongs
nothing.
"""

from __future__ import annotations

REQUESTS_MAX = 64
"""Requests whose licence may still come; past it the oldest is forgotten, and its licence with it."""


class LicenceKeeper:
    """Keeps the licences of one lease order, within one boot and one run of the agent.

    Args:
        order: Digest of the lease order.
        licence_ns: How long a licence lasts from when its nonce was sent.
        until_ns: Until when the site may work without any, by the boot clock.

    Attributes:
        until_ns: Until when the site may work, by the boot clock.
    """

    def __init__(self, order: str, *, licence_ns: int, until_ns: int) -> None:
        self.order = order
        self.until_ns = until_ns
        self._licence_ns = licence_ns
        self._sent: dict[str, int] = {}

    def ask(self, nonce: str, boot_ns: int) -> None:
        """Remember that a request with `nonce` is sent now."""
        self._sent[nonce] = boot_ns
        while len(self._sent) > REQUESTS_MAX:
            del self._sent[next(iter(self._sent))]

    def accept(self, nonce: str, boot_ns: int) -> bool:
        """Take the licence that quotes `nonce`, and tell whether it prolonged anything.

        A nonce is good for one licence. Once the site may work no longer, no licence changes that.
        """
        sent_ns = self._sent.pop(nonce, None)
        if sent_ns is None or not self.licensed(boot_ns) or sent_ns + self._licence_ns <= self.until_ns:
            return False
        self.until_ns = sent_ns + self._licence_ns
        return True

    def licensed(self, boot_ns: int) -> bool:
        """Tell whether the site may work now."""
        return boot_ns < self.until_ns
