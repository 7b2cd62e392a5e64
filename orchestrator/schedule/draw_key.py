"""The drawing key: RSA, because a signature by it is unique and leaves whoever holds the key no choice.

The one module that knows the signature scheme. Keep the private half as other private keys are kept, 0600: who
reads it can compute every unannounced instant of the plans that are committed or approved.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from protocols.errors import ConfigError

KEY_BITS = 3072
EXPONENT = 65_537

_REMEDY = "put the drawing key back, or move the file away: then a new one is made, and announced"


class DrawKey:
    """A private drawing key.

    Args:
        private: The RSA key.
    """

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self._private = private
        self._public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._seed = lru_cache(maxsize=1_024)(self._sign)  # the same few are asked for at every decision

    @classmethod
    def create(cls) -> DrawKey:
        """Make a new key; takes up to a second or so."""
        return cls(rsa.generate_private_key(public_exponent=EXPONENT, key_size=KEY_BITS))

    @classmethod
    def from_pem(cls, data: bytes, name: str) -> DrawKey:
        """Read a key.

        Args:
            data: What `to_pem` wrote.
            name: What to call it in messages.

        Raises:
            ConfigError: It is no drawing key.
        """
        try:
            private = serialization.load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigError("is no private key in PEM", where=name, remedy=_REMEDY) from None
        if not isinstance(private, rsa.RSAPrivateKey) or private.key_size < KEY_BITS:
            raise ConfigError(f"is no RSA key of {KEY_BITS} bits", where=name, remedy=_REMEDY)
        return cls(private)

    def to_pem(self) -> bytes:
        """Write the key in PEM (PKCS #8), unencrypted."""
        return self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public(self) -> bytes:
        """The public key: DER (SubjectPublicKeyInfo)."""
        return self._public

    def seed(self, statement: bytes) -> bytes:
        """Return the seed of a statement: always the same."""
        return self._seed(statement)

    def _sign(self, statement: bytes) -> bytes:
        return self._private.sign(statement, padding.PKCS1v15(), hashes.SHA256())


def seed_is_right(public: bytes, statement: bytes, seed: bytes) -> bool:
    """Tell whether a seed is the one that a drawing key gives to a statement.

    Args:
        public: The public key: DER.
        statement: The statement.
        seed: The seed that was revealed.
    """
    try:
        key = serialization.load_der_public_key(public)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    # With another exponent or a small modulus more than one signature, or anybody's, could be right.
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS or key.public_numbers().e != EXPONENT:
        return False
    try:
        key.verify(seed, statement, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
