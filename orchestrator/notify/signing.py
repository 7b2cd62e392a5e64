"""Signs what a webhook sends, as the Standard Webhooks specification 1.0 has it (symmetric, `v1`).

Whoever receives it checks with any of that specification's libraries that it came from us, was not changed, and is
not old: the time is part of what is signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from protocols.errors import ConfigError

SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret begins
SECRET_MIN_BYTES, SECRET_MAX_BYTES = 24, 64
"""The specification's bounds."""


def read_secret(text: str, where: str) -> bytes:
    """Read the secret of a webhook.

    Raises:
        ConfigError: It is no secret of that specification; nothing of it is in the error.
    """
    try:
        secret = base64.b64decode(text.strip().removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not SECRET_MIN_BYTES <= len(secret) <= SECRET_MAX_BYTES:
        raise ConfigError(
            f"must hold {SECRET_PREFIX} and the base64 of {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} random bytes",
            where=where,
            remedy='make one: python3 -c "import base64, secrets;'
            " print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\"",
        )
    return secret


def signature_headers(secret: bytes, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove a body.

    Args:
        secret: The shared secret.
        message_id: The message's id, the same for each try.
        at_s: The time of this try, Unix time in seconds.
        body: The body, to the byte.
    """
    signed = f"{message_id}.{at_s}.".encode() + body
    code = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{code}"}
