"""Webhooks against real servers on loopback that are slow, rude, or want us elsewhere."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from standardwebhooks.webhooks import Webhook as Receiver

from orchestrator.notify.delivery import UndeliveredError
from orchestrator.notify.signing import read_secret
from orchestrator.notify.spec import WebhookSpec
from orchestrator.notify.webhook import Webhook
from protocols.host.clock import SystemClock
from tests.orchestrator.notify.made import notice
from tests.orchestrator.stopping.servers import drip, serving

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def hook(url: str, timeout_s: float = 5.0, secret: str = "") -> Webhook:
    """Return a webhook to a URL."""
    key = read_secret(secret, "x") if secret else None
    return Webhook(WebhookSpec(url=url, timeout_s=timeout_s), url, SystemClock(), secret=key)


async def failure(url: str, timeout_s: float = 5.0) -> UndeliveredError:
    """Return what a webhook to a URL fails with."""
    with pytest.raises(UndeliveredError) as raised:
        await hook(url, timeout_s).send(notice())
    return raised.value


async def test_a_notice_arrives_whole_and_signed() -> None:
    """The receiver gets the documented JSON, and its library verifies where it comes from."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        got.append((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await hook(f"http://127.0.0.1:{port}/drills", secret=SECRET).send(notice())
    server.close()
    headers, body = got[0]
    assert Receiver(SECRET).verify(body.decode(), headers)["id"] == notice().id
    assert json.loads(body)["type"] == "haltdrill.notice"
    assert headers["idempotency-key"] == notice().id


@pytest.mark.parametrize(
    ("status", "final"), [(400, True), (404, True), (301, True), (408, False), (429, False), (500, False), (503, False)]
)
async def test_an_answer_is_tried_again_only_where_that_may_help(status: int, final: bool) -> None:
    """A client's error and a redirect are given up at once; busy and broken servers are tried again."""
    async with serving(f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\n\r\n".encode()) as server:
        error = await failure(server.url)
    assert error.final is final
    assert str(status) in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(("value", "expected"), [("7", 7.0), ("soon", None), ("-1", None), ("9" * 40, 999_999_999.0)])
async def test_what_a_server_asks_for_is_heard(value: str, expected: float | None) -> None:
    """Retry-After in seconds is read, and nonsense in its place is nothing."""
    async with serving(f"HTTP/1.1 503 X\r\nRetry-After: {value}\r\n\r\n".encode()) as server:
        assert (await failure(server.url)).after_s == expected


async def test_a_server_that_is_endless_silent_rude_or_gone_costs_its_time_and_no_more() -> None:
    """Whatever a server does, an error comes within the time, and it holds nothing of the URL's query."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await drip(writer, b"X-More: and more\r\n")

    async def silent(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    for speak in (endless, silent, b"SSH-2.0-OpenSSH\r\n", b""):
        async with serving(speak) as server:
            error = await failure(f"{server.url}/x?token=hush", timeout_s=0.3)
        assert "hush" not in str(error)
        assert not error.final
    gone = await failure("http://127.0.0.1:1/x?token=hush")
    assert "hush" not in str(gone)
    assert "refused" in str(gone)


async def test_the_end_of_a_long_answer_is_not_waited_for() -> None:
    """A receiver that took the notice and then talks without end has taken it."""

    async def talk(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await drip(writer, b"blah")

    async with serving(talk) as server:
        await hook(server.url, timeout_s=5.0).send(notice())


async def test_a_server_whose_certificate_does_not_hold_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP in place of TLS is no answer, and proxies of the environment are not asked."""
    async with serving(b"HTTP/1.1 200 OK\r\n\r\n") as server, serving(b"HTTP/1.1 200 OK\r\n\r\n") as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        await failure(server.url.replace("http:", "https:"), timeout_s=2.0)
        await hook(server.url).send(notice())
    assert proxy.requests == []
