"""Asks a server one question over HTTP, bounded in every way: time, headers, body, and where the answer may come from.

A plain client over asyncio: what the standard library has cannot be stopped at a deadline, and a look-up of httpx that
hangs takes one of the few threads that the whole program shares. It goes
straight to the server that is named: no proxy of the environment, no redirect, no connection kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import re
import socket
import ssl
import threading
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from orchestrator.stopping.spec import split_url

HEAD_MAX_BYTES = 16 * 1024
BODY_MAX_BYTES = 64 * 1024

_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n", re.ASCII)
_SCHEME_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}", re.ASCII)


class UnansweredError(Exception):
    """There is no answer that could be used; the message says why, and holds nothing secret."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered.

    Attributes:
        status: The status.
        body: The whole body; empty if it was not asked for.
    """

    status: int
    body: bytes


class _Held:
    """Bytes that `http.client` reads a response's head from, as from a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


@dataclass(slots=True)
class Fetcher:
    """Asks one server, one question at a time.

    Attributes:
        url: What is asked for.
        tls: How a server proves who it is; by default by the certificates that this machine trusts.
    """

    url: str
    tls: ssl.SSLContext | None = None
    _parts: SplitResult = field(init=False)
    _looking_up: bool = False

    def __post_init__(self) -> None:
        self._parts = split_url(self.url)
        if self._parts.scheme == "https" and self.tls is None:
            self.tls = ssl.create_default_context()

    async def get(self, *, timeout_s: float, accept: str = "*/*", token: str = "", body: bool = True) -> Reply:
        """Ask once.

        Args:
            timeout_s: How long all of it may take.
            accept: The kind of answer that is wanted.
            token: Sent as a bearer token; empty sends none.
            body: Whether the body is wanted.

        Raises:
            UnansweredError: No answer that could be used came in time.
        """
        request = self._request(accept, token)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(request, wants_body=body)
        except TimeoutError:
            raise UnansweredError(f"no answer within {timeout_s:g} s") from None

    def _request(self, accept: str, token: str) -> bytes:
        if token and _TOKEN.fullmatch(token) is None:
            raise UnansweredError("the token file holds no token: one line of printable characters without spaces")
        parts = self._parts
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "User-Agent: haltdrill",
            f"Accept: {accept}",
            "Accept-Encoding: identity",
            "Cache-Control: no-cache",
            "Connection: close",
            *([f"Authorization: Bearer {token}"] if token else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    async def _ask(self, request: bytes, *, wants_body: bool) -> Reply:
        reader, writer = await self._connect()
        try:
            writer.write(request)
            await writer.drain()
            response = _response(await reader.readuntil(b"\r\n\r\n"))
            return Reply(response.status, await _body(reader, response) if wants_body else b"")
        except asyncio.LimitOverrunError:
            raise UnansweredError(f"its headers are over {HEAD_MAX_BYTES // 1024} KiB") from None
        except asyncio.IncompleteReadError:
            raise UnansweredError("it closed the connection before its answer was whole") from None
        except OSError as error:
            raise UnansweredError(f"the connection broke: {_why(error)}") from None
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, tls = self._parts.hostname or "", self.tls
        port = self._parts.port or _SCHEME_PORTS[self._parts.scheme]
        failed = "it has no address"
        for address in await self._addresses(host, port):
            try:
                return await asyncio.open_connection(
                    address, port, limit=HEAD_MAX_BYTES, ssl=tls, server_hostname=host if tls else None
                )
            except ssl.SSLCertVerificationError as error:
                raise UnansweredError(f"its certificate is not to be trusted: {error.verify_message}") from None
            except OSError as error:
                failed = f"no connection: {_why(error)}"
        raise UnansweredError(failed)

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Look a name up in a thread of its own: the look-up cannot be stopped, and must hold nothing else up."""
        if self._looking_up:
            raise UnansweredError("its name is still being looked up")
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def deliver(addresses: list[str], error: OSError | None) -> None:
            self._looking_up = False
            if found.done():
                return
            if error is None:
                found.set_result(addresses)
            else:
                found.set_exception(UnansweredError(f"its name is not found: {_why(error)}"))

        def look_up() -> None:
            addresses: list[str] = []
            failed: OSError | None = None
            try:
                listed = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                addresses = list(dict.fromkeys(str(entry[4][0]) for entry in listed))
            except (OSError, UnicodeError) as error:
                failed = error if isinstance(error, OSError) else OSError(0, "it is no name of a host")
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(deliver, addresses, failed)

        self._looking_up = True
        threading.Thread(target=look_up, daemon=True, name="look-up").start()
        return await found


def _response(head: bytes) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(_Held(head))  # type: ignore[arg-type]
    try:
        response.begin()
    except (http.client.HTTPException, ValueError, OSError):
        raise UnansweredError("its answer is no HTTP") from None
    return response


async def _body(reader: asyncio.StreamReader, response: http.client.HTTPResponse) -> bytes:
    if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
        raise UnansweredError("its body is compressed, though that was not asked for")
    if response.chunked:
        return await _chunks(reader)
    if response.length is not None:
        _check_size(response.length)
        return await reader.readexactly(response.length)
    body = b""
    while piece := await reader.read(BODY_MAX_BYTES):
        body += piece
        _check_size(len(body))
    return body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = _CHUNK_SIZE.fullmatch(await reader.readuntil(b"\r\n"))
        if line is None:
            raise UnansweredError("its answer is no HTTP")
        size = int(line[1], 16)
        if not size:
            return body
        _check_size(len(body) + size)
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise UnansweredError("its answer is no HTTP")


def _check_size(size: int) -> None:
    if size > BODY_MAX_BYTES:
        raise UnansweredError(f"its body is over {BODY_MAX_BYTES // 1024} KiB")


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
