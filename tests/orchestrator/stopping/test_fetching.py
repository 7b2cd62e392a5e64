"""One question to a server: right answers are read, and no server can hold, flood, redirect or fool who asks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.stopping.fetching import BODY_MAX_BYTES, Fetcher, Reply, UnansweredError
from tests.orchestrator.stopping.servers import OK, Server, Speak, drip, serving

LIMIT_S = 0.3


async def ask(server: Server, *, path: str = "/", token: str = "", body: bool = True, limit_s: float = 5.0) -> Reply:
    """Ask a server once."""
    return await Fetcher(server.url + path).get(timeout_s=limit_s, token=token, body=body)


async def unanswered(speak: Speak | bytes, *, limit_s: float = 5.0, body: bool = True) -> str:
    """Return why there is no answer."""
    async with serving(speak) as server:
        with pytest.raises(UnansweredError) as error:
            await ask(server, limit_s=limit_s, body=body)
        return str(error.value)


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"Content-Length: 5\r\n\r\nhello and more",
        OK + b"\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello",
    ],
    ids=["length", "to the end", "chunked", "old"],
)
async def test_a_body_is_read_however_it_is_framed(raw: bytes) -> None:
    """All three ways of HTTP to end a body are understood."""
    async with serving(raw) as server:
        assert await ask(server) == Reply(200, b"hello")


async def test_what_is_asked_is_exactly_what_the_url_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes to the server itself whatever proxy the environment names, with the token and nothing more."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(OK + b"Content-Length: 0\r\n\r\n") as server:
        await ask(server, path="/a/b?c=d&e=%20", token="secret-1")
    (request,) = server.requests
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /a/b?c=d&e=%20 HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert "Authorization: Bearer secret-1" in lines
    assert "Connection: close" in lines


async def test_a_status_alone_does_not_wait_for_a_body_without_end() -> None:
    """A health check is its status: who sends a body for ever has answered all the same."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"\r\n")
        await drip(writer, b"x" * 10_000, 0)

    async with serving(endless) as server:
        assert (await ask(server, body=False)).status == 200


async def test_a_redirect_is_not_followed() -> None:
    """A redirect is an answer like any other, and the place that it names is never asked."""
    async with serving(OK + b"\r\n") as elsewhere:
        moved = b"HTTP/1.1 302 Found\r\nLocation: " + elsewhere.url.encode() + b"/\r\nContent-Length: 0\r\n\r\n"
        async with serving(moved) as server:
            assert (await ask(server)).status == 302
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed the connection"),
        (OK + b"Content-Length: 100\r\n\r\nshort", "closed the connection"),
        (OK + b"Content-Length: 99999999999999999999\r\n\r\n", "over 64 KiB"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", "over 64 KiB"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", "no HTTP"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", "no HTTP"),
        (OK + b"\r\n" + b"x" * (BODY_MAX_BYTES + 1), "over 64 KiB"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", "compressed"),
        (OK + b"X: " + b"y" * 20_000 + b"\r\n\r\n", "headers are over"),
        (OK + b"A: b\r\n" * 200 + b"\r\n", "no HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 " + b"9" * 5_000 + b" OK\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "no HTTP"),
    ],
)
async def test_what_is_no_whole_answer_is_none(raw: bytes, why: str) -> None:
    """Answers that are cut off, too large, compressed or no HTTP give one clear sentence, and no answer."""
    assert why in await unanswered(raw)


@pytest.mark.parametrize("piece", [b"", b"H", b"x" * 10_000], ids=["silent", "slow", "flood"])
async def test_no_server_holds_us_longer_than_the_limit(piece: bytes) -> None:
    """Silence, a byte at a time and a flood all end at the deadline or before, counted over everything."""
    began_s = time.monotonic()

    async def speak(writer: asyncio.StreamWriter) -> None:
        if piece:
            await drip(writer, piece)
        await asyncio.sleep(60)

    why = await unanswered(speak, limit_s=LIMIT_S)
    assert "no answer within" in why or "headers are over" in why
    assert time.monotonic() - began_s < LIMIT_S + 2.0


async def test_a_body_that_drips_is_cut_at_the_deadline() -> None:
    """A server that sends its body a byte at a time cannot stretch the time that it was given."""

    async def slowly(writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"\r\n")
        await drip(writer, b"x")

    assert "no answer within 0.3 s" in await unanswered(slowly, limit_s=LIMIT_S)


async def test_a_port_that_nobody_listens_at_and_a_name_that_is_none_are_said() -> None:
    """Where there is nobody, the sentence says so."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UnansweredError, match="no connection"):
        await Fetcher(f"http://127.0.0.1:{port}/").get(timeout_s=2.0)
    with pytest.raises(UnansweredError, match=r"name is not found|no answer within|no name of a host"):
        await Fetcher("http://no-such-host.invalid/").get(timeout_s=2.0)


async def test_a_look_up_that_hangs_holds_nothing_up_and_is_not_begun_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that does not answer costs the limit once, and one thread however often it is asked."""
    asked = 0

    def hang(*_args: object, **_more: object) -> list[object]:
        nonlocal asked
        asked += 1
        time.sleep(1.5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    fetcher = Fetcher("http://slow.example/")
    with pytest.raises(UnansweredError, match="no answer within"):
        await fetcher.get(timeout_s=0.1)
    with pytest.raises(UnansweredError, match="still being looked up"):
        await fetcher.get(timeout_s=0.1)
    assert asked == 1


async def test_tls_without_a_certificate_that_is_trusted_is_no_answer() -> None:
    """A server that speaks no TLS, where https was named, is never believed."""

    def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"\r\n")
        writer.close()

    listening = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(UnansweredError, match=r"no connection: .*SSL"):
            await Fetcher(f"https://127.0.0.1:{port}/").get(timeout_s=5.0)


@pytest.mark.parametrize("token", ["a b", "a\r\nX: y", "ä", "x" * 9_000])
async def test_only_a_token_is_sent_as_one(token: str) -> None:
    """What a token file holds can add no header; and the sentence about it does not hold what it held."""
    with pytest.raises(UnansweredError) as error:
        await Fetcher("http://127.0.0.1:1/").get(timeout_s=1.0, token=token)
    assert token not in str(error.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300)
    | st.builds(
        lambda head, more: b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + more,
        st.sampled_from([b"Content-Length: 3", b"Transfer-Encoding: chunked", b"A: b", b"Content-Length: x"]),
        st.binary(max_size=60),
    )
)
def test_any_bytes_end_in_an_answer_or_in_a_sentence(raw: bytes) -> None:
    """Whatever a server sends, nothing but an answer or the one error comes of it."""

    async def once() -> None:
        async with serving(raw) as server:
            with contextlib.suppress(UnansweredError):
                assert len((await ask(server, limit_s=2.0)).body) <= BODY_MAX_BYTES

    asyncio.run(once())
