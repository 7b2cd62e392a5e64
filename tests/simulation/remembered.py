"""Work that is done once: in a simulation one process is everybody, and everybody reads the same few bytes.

What is remembered depends on bytes alone: that a key made a signature of a message, what an envelope's
outer form is, what a payload says, what time a text states. What follows from it (whose key that is,
whether it may speak, whether it is in time) is decided by the product at every call, so no planted bug
is hidden. Errors are not remembered; a wrong signature is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import CryptoSigner

import protocols.envelope
import protocols.keys
from protocols.ids import parse_utc
from protocols.messages.base import Message

_Answers = dict[tuple[bytes, bytes, bytes], bool]
"""By public key, signature and message: whether that is one."""

_PRODUCT = ("agents", "orchestrator", "protocols")


class _Keys:
    """Stands in for the class of public keys where `protocols.keys` looks it up."""

    def __init__(self, answers: _Answers) -> None:
        self._answers = answers

    def from_public_bytes(self, raw: bytes) -> _Key:
        return _Key(raw, self._answers)


class _Key:
    def __init__(self, raw: bytes, answers: _Answers) -> None:
        self._raw, self._answers = raw, answers
        self._real = Ed25519PublicKey.from_public_bytes(raw)

    def verify(self, signature: bytes, message: bytes) -> None:
        place = (self._raw, signature, message)
        right = self._answers.get(place)
        if right is None:
            right = self._answers[place] = self._ask(signature, message)
        if not right:
            raise InvalidSignature

    def _ask(self, signature: bytes, message: bytes) -> bool:
        try:
            self._real.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def _signing(answers: _Answers) -> Callable[[CryptoSigner, bytes], Any]:
    # What a private key signed here is a signature by it: nobody has to find that out again.
    real = CryptoSigner.sign

    def sign(self: CryptoSigner, payload: bytes) -> Any:
        signature = real(self, payload)
        public = bytes.fromhex(self.public_key.keyval["public"])
        answers[public, bytes.fromhex(signature.signature), payload] = True
        return signature

    return sign


def _parsing(real: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[bytes, Any] = {}

    def parse_envelope(raw: bytes, **limits: int) -> Any:
        if limits:
            return real(raw, **limits)
        envelope = known.get(raw)
        if envelope is None:
            envelope = known[raw] = real(raw)
        return envelope

    return parse_envelope


def _decoding(real: Callable[[Any, bytes], Any]) -> Callable[[Any, bytes], Any]:
    known: dict[tuple[Any, bytes], Any] = {}

    def decode(cls: Any, payload: bytes) -> Any:
        message = known.get((cls, payload))
        if message is None:
            message = known[cls, payload] = real(cls, payload)
        return message

    return decode


@cache
def _holders(name: str, value: Any) -> tuple[Any, ...]:
    """Return the product's modules that have this under that name."""
    modules = [module for place, module in sys.modules.items() if place.partition(".")[0] in _PRODUCT]
    return tuple(module for module in modules if getattr(module, name, None) is value)


@contextmanager
def remembered() -> Iterator[None]:
    """Do no such work twice for a while, then forget everything."""
    answers: _Answers = {}
    parse, decode = protocols.envelope.parse_envelope, Message.__dict__["decode"]
    changes: list[tuple[Any, str, Any]] = [
        (protocols.keys, "Ed25519PublicKey", _Keys(answers)),
        (CryptoSigner, "sign", _signing(answers)),
        (Message, "decode", classmethod(_decoding(decode.__func__))),
    ]
    parsing = _parsing(parse)
    changes += [(module, "parse_envelope", parsing) for module in _holders("parse_envelope", parse)]
    timing = lru_cache(maxsize=20_000)(parse_utc)
    changes += [(module, "parse_utc", timing) for module in _holders("parse_utc", parse_utc)]
    before = [(owner, name, owner.__dict__[name]) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
