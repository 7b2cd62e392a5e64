"""Unannounced instants: drawn so that nobody can predict them, and anyone can check that they were drawn fairly.

How it goes:

1. The service makes a drawing key (RSA) once, and notes its public half. The signature of a statement by such a
   key (PKCS #1 v1.5, RFC 8017) is unique: whoever holds the key has no choice, as with RFC 9381's RSA-FDH-VRF.
2. The seed of an occurrence is the signature of a statement that names plan, window and *warrant*. A warrant
   holds a nonce that the first approver's program drew. Days before the window, the service notes SHA-256(seed).
3. The instant follows from the seed by HMAC-SHA-256, without bias.
4. When the window is over, the seed is noted, and everything can be computed again offline.

What that prevents: choosing an instant after the commitment; trying seeds until one suits (the key was noted
before the warrant's nonce existed, so there is nothing left to try); predicting an instant without the key.
What it does not: whoever reads the service's key or memory knows the instants, and can tip a site off. A key that is
younger than the warrant could have been chosen to suit it, unless an approver helped: the check says which it was.
A service can still not run a drill, and blame a crash; that is noted, and cannot be hidden by drawing again,
since the same occurrence always has the same seed. And the notes bind only towards those who saw the commitment
in time: a hook, a log collector. Otherwise a service could write all of its notes anew.
"""

from __future__ import annotations

import hashlib
import hmac

from orchestrator.schedule.names import NS_PER_S, Occurrence
from protocols.ids import Digest, digest_of
from protocols.messages.base import Part

NS_PER_MS = NS_PER_S // 1_000
_DRAW_BYTES = 16


class DrawStatement(Part):
    """What a seed is the signature of.

    Attributes:
        of: The occurrence; its window begins at `nominal`.
        within_ms: How long the window is.
        warrant: Digest of the warrant as it stood at the commitment.
    """

    haltdrill: str = "draw-1"
    of: Occurrence
    within_ms: int
    warrant: Digest

    def encode(self) -> bytes:
        """Return the bytes that are signed."""
        return self.model_dump_json().encode()


def within_ms_of(within_s: float) -> int:
    """Return the length of a window in whole milliseconds."""
    return max(1, round(within_s * 1_000))


def commitment_of(seed: bytes) -> str:
    """Return what is noted of a seed beforehand: its SHA-256, in hex."""
    return digest_of(seed)


def offset_ms(seed: bytes, within_ms: int) -> int:
    """Draw a number from 0 until before `within_ms`, each with the same probability.

    It is the first of a row of 128-bit numbers, HMAC-SHA-256(seed, "haltdrill-draw-" + counter), that lies under
    the largest multiple of `within_ms`, modulo `within_ms`.
    """
    span = 1 << (8 * _DRAW_BYTES)
    fair = span - span % within_ms
    counter = 0
    while True:
        block = hmac.new(seed, b"haltdrill-draw-%d" % counter, hashlib.sha256).digest()
        number = int.from_bytes(block[:_DRAW_BYTES])
        if number < fair:
            return number % within_ms
        counter += 1


def instant_ns(seed: bytes, nominal_ns: int, within_ms: int) -> int:
    """Return the instant that a seed gives, wall time."""
    return nominal_ns + offset_ms(seed, within_ms) * NS_PER_MS
