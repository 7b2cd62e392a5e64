"""Servers on loopback that answer as a test says: byte by byte, with none of the code under test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\n"


class Server:
    """A server that runs.

    Attributes:
        port: Where it listens.
        requests: The heads of the requests that it got.
    """

    def __init__(self, speak: Speak) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self._speak = speak

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await self._speak(writer)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        finally:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(speak: Speak | bytes) -> AsyncIterator[Server]:
    """Run a server that says always the same, or speaks as it likes."""

    async def say(writer: asyncio.StreamWriter) -> None:
        assert isinstance(speak, bytes)
        writer.write(speak)

    server = Server(say if isinstance(speak, bytes) else speak)
    answering: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.ensure_future(server.answer(reader, writer)))

    running = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        running.close()
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


async def drip(writer: asyncio.StreamWriter, piece: bytes, pause_s: float = 0.01) -> None:
    """Say the same again and again, for as long as somebody listens."""
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause_s)
