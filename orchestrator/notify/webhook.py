"""Tells somebody by a webhook: one POST, bounded in every way."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx

from orchestrator.notify.delivery import UndeliveredError, network_reason
from orchestrator.notify.notices import Notice
from orchestrator.notify.shapes import body_of
from orchestrator.notify.signing import signature_headers
from orchestrator.notify.spec import WebhookSpec
from orchestrator.stopping.spec import shown_url
from protocols.clock import Clock

_RETRIED = {408, 425, 429}
"""Statuses of a client's error that another try may cure; every status of 500 and more is another one."""

CONNECT_SHARE = 0.5
"""How much of its time a try may take to connect."""

_SERVER_ERROR, _SUCCESS_FROM, _SUCCESS_TO = 500, 200, 300


@dataclass(slots=True)
class Webhook:
    """POSTs a notice. It follows no redirect, uses no proxy of the environment, and reads no answer beyond its head.

    Attributes:
        spec: As configured.
        url: Where to.
        clock: The one clock, for the signature.
        secret: What signs each request; none signs nothing.
        token: A bearer token; empty sends none.
        routing_key: PagerDuty's.
        tls: How a server proves who it is; by default by the certificates that this machine trusts.
    """

    spec: WebhookSpec
    url: str = field(repr=False)
    clock: Clock
    secret: bytes | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)
    routing_key: str = field(default="", repr=False)
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)

    async def send(self, notice: Notice) -> None:
        """POST it once.

        Raises:
            UndeliveredError: There was no answer, or another than that it was taken.
        """
        body = body_of(notice, self.spec.format, routing_key=self.routing_key)
        headers = {"content-type": "application/json", "user-agent": "haltdrill", "idempotency-key": notice.id}
        if self.secret is not None:
            at_s = self.clock.wall_ns() // 1_000_000_000
            headers |= signature_headers(self.secret, f"msg_{notice.id}", at_s, body)
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        # Its own URL, if that came from a file, is a secret: it is in no error.
        place = shown_url(self.url) if self.spec.url is not None else "the URL of url_file"
        try:
            async with asyncio.timeout(self.spec.timeout_s):
                status, after_s = await self._post(body, headers)
        except (TimeoutError, httpx.TimeoutException):
            raise UndeliveredError(f"{place} did not answer within {self.spec.timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as error:
            raise UndeliveredError(f"{place} could not be reached: {network_reason(error, _said(error))}") from None
        if not _SUCCESS_FROM <= status < _SUCCESS_TO:
            final = status < _SERVER_ERROR and status not in _RETRIED
            raise UndeliveredError(f"{place} answered {status}", final=final, after_s=after_s)

    async def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, float | None]:
        async with (
            httpx.AsyncClient(
                verify=self.tls,
                trust_env=False,
                follow_redirects=False,
                # A handshake that is cancelled would leave its socket open (httpcore 1.0): it ends by itself before.
                timeout=httpx.Timeout(self.spec.timeout_s, connect=self.spec.timeout_s * CONNECT_SHARE),
            ) as client,
            client.stream("POST", self.url, content=body, headers=headers) as response,
        ):
            return response.status_code, _retry_after_s(response.headers.get("retry-after"), self.clock)


def _said(error: Exception) -> str:
    known: dict[type[Exception], str] = {
        httpx.ConnectError: "no connection",
        httpx.RemoteProtocolError: "it does not speak HTTP",
        httpx.ReadError: "the connection broke",
        httpx.WriteError: "the connection broke",
    }
    return next((words for kind, words in known.items() if isinstance(error, kind)), type(error).__name__)


def _retry_after_s(value: str | None, clock: Clock) -> float | None:
    """Read RFC 9110's Retry-After: seconds, or a date."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, at - clock.wall_ns() / 1e9)
