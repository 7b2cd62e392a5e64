"""Public keys that verify, and signers that sign. Nothing here reads a file.

Signing goes through `securesystemslib.signer.Signer`, so that an HSM or a cloud KMS can fill it.
Verification is the hot path: each public key is turned into a `cryptography` object once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from securesystemslib.signer import CryptoSigner, Signer, SSlibKey

from protocols.messages.fleet import KeyRecord

__all__ = ["PublicKey", "Signer", "generate_signer", "record_of", "signer_from_private"]

SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A loaded Ed25519 public key.

    Attributes:
        key_id: Derived from the key's bytes.
    """

    key_id: str
    _key: Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def load(cls, record: KeyRecord) -> PublicKey:
        """Load the key that `record` describes."""
        return cls(record.key_id, Ed25519PublicKey.from_public_bytes(bytes.fromhex(record.public)))

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` is this key's Ed25519 signature of `message` (RFC 8032)."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def record_of(signer: Signer) -> KeyRecord:
    """Return the public key record of a signer."""
    public = signer.public_key.keyval["public"]
    return KeyRecord(public=public)


def signer_from_private(private: Ed25519PrivateKey) -> CryptoSigner:
    """Wrap a private key as a signer whose key id is derived by our rule."""
    public_hex = private.public_key().public_bytes_raw().hex()
    record = KeyRecord(public=public_hex)
    key = SSlibKey(record.key_id, "ed25519", "ed25519", {"public": public_hex})
    return CryptoSigner(private, key)


def generate_signer() -> CryptoSigner:
    """Make a new Ed25519 key pair from the operating system's randomness."""
    return signer_from_private(Ed25519PrivateKey.generate())
