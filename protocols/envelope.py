"""DSSE envelopes: signed bytes, capped in size, verified before they are parsed.

The format and its pre-authentication encoding are DSSE v1.0.2's, through `securesystemslib`.
Verification differs from the library's on purpose: key ids are derived from key bytes, and a
signature by a known key that does not verify spoils the envelope instead of being skipped.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from securesystemslib.dsse import Envelope as LibraryEnvelope
from securesystemslib.signer import Signature, Signer

from protocols.errors import EnvelopeError, TrustError
from protocols.ids import digest_of
from protocols.keys import PublicKey
from protocols.limits import ENVELOPE_MAX_BYTES, FRAME_MAX_BYTES, FRAME_MAX_ENVELOPES, SIGNATURES_MAX
from protocols.messages.base import Message
from protocols.reasons import TEXT, Reason

M = TypeVar("M", bound=Message)

_KEY_ID_CHARS = 64


@dataclass(frozen=True)
class Envelope:
    """A parsed, not yet verified envelope.

    Attributes:
        raw: The exact bytes received.
        payload_type: What the payload claims to be.
        payload: The exact bytes that were signed.
        signatures: Key id and signature, each key id once.
    """

    raw: bytes
    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the payload: what identifies it, whoever signs."""
        return digest_of(self.payload)

    def pae(self) -> bytes:
        """Return the pre-authentication encoding: the bytes that signatures cover."""
        return LibraryEnvelope(self.payload, self.payload_type, {}).pae()


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise EnvelopeError("a field stands in it twice")
    return fields


_READER = json.JSONDecoder(object_pairs_hook=_no_doubles)


def _exactly(fields: object, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(fields, dict) or fields.keys() != set(names):
        raise EnvelopeError(f"its fields must be exactly {', '.join(names)}")
    return fields


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise EnvelopeError(f"{name} must be text")
    return value


def _base64(value: object, name: str) -> bytes:
    text = _text(value, name)
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        raise EnvelopeError(f"{name} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise EnvelopeError(f"{name} is not in its one base64 form")
    return data


def parse_envelope(raw: bytes, *, max_bytes: int = ENVELOPE_MAX_BYTES) -> Envelope:
    """Read an envelope's outer form. Nothing in it is to be believed yet.

    Args:
        raw: The bytes as received.
        max_bytes: The size limit, checked before anything is parsed.

    Raises:
        EnvelopeError: They are too many, or no envelope.
    """
    if len(raw) > max_bytes:
        raise EnvelopeError(f"{len(raw)} bytes are over the limit of {max_bytes}")
    try:
        document = _READER.decode(raw.decode())
    except (ValueError, RecursionError):
        raise EnvelopeError("not JSON") from None
    fields = _exactly(document, ("payload", "payloadType", "signatures"))
    listed = fields["signatures"]
    if not isinstance(listed, list) or not 1 <= len(listed) <= SIGNATURES_MAX:
        raise EnvelopeError(f"it must have 1 to {SIGNATURES_MAX} signatures")
    signatures: list[tuple[str, bytes]] = []
    for entry in listed:
        pair = _exactly(entry, ("keyid", "sig"))
        key_id = _text(pair["keyid"], "keyid")
        if len(key_id) != _KEY_ID_CHARS:
            raise EnvelopeError("a keyid is not a SHA-256 in hex")
        signatures.append((key_id, _base64(pair["sig"], "sig")))
    if len({key_id for key_id, _ in signatures}) != len(signatures):
        raise EnvelopeError("one keyid signs twice")
    payload_type = _text(fields["payloadType"], "payloadType")
    if not payload_type.isascii():
        raise EnvelopeError("payloadType is not ASCII")
    return Envelope(bytes(raw), payload_type, _base64(fields["payload"], "payload"), tuple(signatures))


_WRITER = json.JSONEncoder(separators=(",", ":"))


def _write(library: LibraryEnvelope) -> bytes:
    return _WRITER.encode(library.to_dict()).encode()


def one_form(envelope: Envelope) -> bytes:
    """Return the bytes that `seal` writes for these contents: the one form of an envelope at rest."""
    listed = [
        {"keyid": key_id, "sig": base64.b64encode(signature).decode()} for key_id, signature in envelope.signatures
    ]
    payload = base64.b64encode(envelope.payload).decode()
    fields = {"payload": payload, "payloadType": envelope.payload_type, "signatures": listed}
    return _WRITER.encode(fields).encode()


def seal(message: Message, *signers: Signer) -> bytes:
    """Sign a message and return its envelope's bytes.

    Args:
        message: What to sign.
        signers: One or more signers, each of another key.
    """
    library = LibraryEnvelope(message.encode(), message.payload_type(), {})
    for signer in signers:
        library.sign(signer)
    return _write(library)


def add_signature(envelope: Envelope, signer: Signer) -> bytes:
    """Return the envelope's bytes with one signature more; the payload stays byte for byte."""
    kept = {key_id: Signature(key_id, signature.hex()) for key_id, signature in envelope.signatures}
    library = LibraryEnvelope(envelope.payload, envelope.payload_type, kept)
    library.sign(signer)
    return _write(library)


def valid_keys(envelope: Envelope, keys: Mapping[str, PublicKey]) -> frozenset[str]:
    """Return the ids of those of `keys` that signed the envelope.

    Signatures by keys that are not in `keys` are ignored; a signature by one of them that does not
    verify spoils the whole envelope.

    Raises:
        TrustError: `bad_signature`.
    """
    message = envelope.pae()
    valid = set()
    for key_id, signature in envelope.signatures:
        key = keys.get(key_id)
        if key is None:
            continue
        if not key.verifies(signature, message):
            raise TrustError(Reason.BAD_SIGNATURE, TEXT[Reason.BAD_SIGNATURE])
        valid.add(key_id)
    return frozenset(valid)


def open_envelope(envelope: Envelope, kind: type[M], keys: Mapping[str, PublicKey]) -> tuple[M, frozenset[str]]:
    """Verify, then parse. The caller says which type it expects and whose keys may speak.

    Args:
        envelope: What arrived.
        kind: The only message that is acceptable here.
        keys: The keys that may sign it here, by id.

    Returns:
        The message and the ids of the keys that signed it (at least one).

    Raises:
        TrustError: Another type, a wrong signature, or none by a key that may speak.
        MessageError: The payload is not that message.
    """
    if envelope.payload_type != kind.payload_type():
        raise TrustError(Reason.WRONG_TYPE, TEXT[Reason.WRONG_TYPE], where=kind.KIND)
    signed_by = valid_keys(envelope, keys)
    if not signed_by:
        raise TrustError(Reason.UNKNOWN_KEY, TEXT[Reason.UNKNOWN_KEY], where=kind.KIND)
    return kind.decode(envelope.payload), signed_by


def join_frame(envelopes: Iterable[bytes]) -> bytes:
    """Put several envelopes into one transport message, one a line."""
    return b"\n".join(envelopes)


def split_frame(frame: bytes) -> list[Envelope]:
    """Take a transport message apart.

    Raises:
        EnvelopeError: It is too large, holds too many, or one of them is no envelope.
    """
    if len(frame) > FRAME_MAX_BYTES:
        raise EnvelopeError(f"a frame of {len(frame)} bytes is over the limit of {FRAME_MAX_BYTES}")
    lines = frame.split(b"\n")
    if len(lines) > FRAME_MAX_ENVELOPES:
        raise EnvelopeError(f"a frame of {len(lines)} envelopes is over the limit of {FRAME_MAX_ENVELOPES}")
    return [parse_envelope(line) for line in lines]
