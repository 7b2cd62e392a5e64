"""What was signed by whom, worked out anew from bytes: no code of the product's trust rules is asked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Verifies = Callable[[bytes, bytes, bytes], bool]
"""Tells whether a signature (second) by a raw public key (first) is one over a message (third)."""


@dataclass(frozen=True)
class Signed:
    """An envelope, taken apart.

    Attributes:
        kind: What the payload type says it is, such as `order`.
        signatures: Key id and signature.
        digest: SHA-256 of the payload.
        fields: The payload's fields.
    """

    kind: str
    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]
    digest: str
    fields: Mapping[str, Any]

    @property
    def pae(self) -> bytes:
        """The bytes that DSSE v1.0.2 has signed."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


@lru_cache(maxsize=20_000)
def take_apart(raw: bytes) -> Signed | None:
    """Return what an envelope holds, or None if it is none."""
    try:
        outer = json.loads(raw)
        payload = base64.b64decode(outer["payload"], validate=True)
        listed = tuple((str(one["keyid"]), base64.b64decode(one["sig"], validate=True)) for one in outer["signatures"])
        payload_type = str(outer["payloadType"])
        fields = json.loads(payload)
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    kind = payload_type.removeprefix("application/vnd.haltdrill.").partition(".")[0]
    return Signed(kind, payload_type, payload, listed, hashlib.sha256(payload).hexdigest(), fields)


@lru_cache(maxsize=4_000)
def frame(payload: bytes) -> tuple[Signed, ...]:
    """Return the envelopes of a transport message; what is none is left out."""
    return tuple(one for one in map(take_apart, payload.split(b"\n")) if one is not None)


@lru_cache(maxsize=50_000)
def ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether an Ed25519 signature is right."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id(public: bytes) -> str:
    """Return the id of an Ed25519 key, which follows from its bytes."""
    return hashlib.sha256(b"ed25519\0" + public).hexdigest()


class Keys:
    """Public keys with their owners.

    Args:
        entries: Owner and raw public key in hex, for each key.
        verifies: How a signature is checked.
    """

    def __init__(self, entries: list[tuple[str, str]], verifies: Verifies) -> None:
        self._keys = {key_id(bytes.fromhex(public)): (owner, bytes.fromhex(public)) for owner, public in entries}
        self._verifies = verifies

    def ids(self, signed: Signed) -> frozenset[str]:
        """Return those of these keys that signed; none, if one of them did not sign what it claims to."""
        mine = [(name, signature) for name, signature in signed.signatures if name in self._keys]
        if all(self._verifies(self._keys[name][1], signature, signed.pae) for name, signature in mine):
            return frozenset(name for name, _ in mine)
        return frozenset()

    def owners(self, signed: Signed) -> frozenset[str]:
        """Return the distinct owners who signed."""
        return frozenset(self._keys[name][0] for name in self.ids(signed))
