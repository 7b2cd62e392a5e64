"""Who may look and who may act: tokens, sessions, the names this server goes by, and where a request comes from.

Pure: times are arguments. A session is a cookie that the server can check without remembering it, so that
it outlives a restart: its end, a nonce, and an HMAC-SHA-256 (RFC 2104) over both under a key that is made
from the token. Whoever does not have the token can make none; a new token ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass

SESSION_S = 12 * 3600
TOKEN_MIN_CHARS = 20
_TOKEN_BYTES = 24
_NONCE_BYTES = 12
_PARTS = 3


def new_token() -> str:
    """Return a token that nobody guesses: 192 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def same(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


class Sessions:
    """Makes and checks sessions.

    Args:
        token: What one has to know to get one.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._key = hashlib.sha256(b"haltdrill dashboard\0" + token.encode()).digest()

    def knows(self, token: str) -> bool:
        """Tell whether it is the token."""
        return same(token, self._token)

    def begin(self, now_s: int) -> str:
        """Return a new session."""
        body = f"{now_s + SESSION_S}.{secrets.token_hex(_NONCE_BYTES)}"
        return f"{body}.{self._mac('session', body)}"

    def holds(self, session: str, now_s: int) -> bool:
        """Tell whether a session was made here and is not over."""
        parts = session.split(".")
        if len(parts) != _PARTS or not (parts[0].isascii() and parts[0].isdigit() and len(parts[0]) <= _NONCE_BYTES):
            return False
        genuine = same(self._mac("session", f"{parts[0]}.{parts[1]}"), parts[2])
        return genuine and now_s < int(parts[0])

    def proof(self, session: str) -> str:
        """Return what a page of a session shows with everything that changes something.

        Another origin's page can make the browser send the cookie, but cannot read this.
        """
        return self._mac("act", session)

    def proves(self, session: str, proof: str) -> bool:
        """Tell whether that was shown."""
        return same(self.proof(session), proof)

    def _mac(self, use: str, text: str) -> str:
        return hmac.new(self._key, f"{use}\0{text}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Names:
    """The names that this server goes by.

    Against DNS rebinding: a page of another site that has its own name point here still sends that name. An
    address, or `localhost`, cannot be pointed anywhere; other names are believed only if a person gave them.

    Attributes:
        given: The names that a person gave.
    """

    given: frozenset[str] = frozenset()

    def has(self, host: str) -> bool:
        """Tell whether a request for this `Host` is meant for us."""
        name = _without_port(host).lower()
        if name == "localhost" or name in self.given:
            return True
        try:
            ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
        except ValueError:
            return False
        return True


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isascii() and port.isdigit() and (":" not in name or name.endswith("]")) else host


def from_own_page(scheme: str, host: str, origin: str | None, fetch_site: str | None) -> bool:
    """Tell whether a request that changes something comes from a page of ours.

    Args:
        scheme: `http` or `https`, as the request came.
        host: Its `Host`.
        origin: Its `Origin`, which browsers send with every POST.
        fetch_site: Its `Sec-Fetch-Site`, which newer ones send as well.
    """
    if origin is None or fetch_site not in {None, "same-origin"}:
        return False
    return origin.lower() == f"{scheme}://{host}".lower()
