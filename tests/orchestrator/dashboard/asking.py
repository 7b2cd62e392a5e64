"""Asks an ASGI application as a browser would, without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message

HOST = "127.0.0.1:8740"
ORIGIN = f"http://{HOST}"


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return a header, or nothing."""
        return next((value for known, value in self.headers if known == name), "")

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """The cookie that it sets, as a browser sends it back."""
        return self.header("set-cookie").partition(";")[0]


def _scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    bare, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in {"host": HOST, **headers}.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8740),
    }


async def ask(app: ASGIApp, path: str, *, method: str = "GET", body: Any = None, **headers: str) -> Answer:
    """Send one request and take the whole answer."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    if body is not None:
        sent.setdefault("content-type", "application/json")
    waiting: list[Message] = [{"type": "http.request", "body": data, "more_body": False}]
    answer = Answer()

    async def receive() -> Message:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(name.decode(), value.decode()) for name, value in message["headers"]]
        else:
            answer.body += message.get("body", b"")

    await app(_scope(method, path, sent), receive, send)
    return answer


async def post(app: ASGIApp, path: str, body: Any, **headers: str) -> Answer:
    """Send what a page of this server sends."""
    return await ask(
        app, path, method="POST", body=body, **{"origin": ORIGIN, "sec_fetch_site": "same-origin", **headers}
    )


@asynccontextmanager
async def streamed(app: ASGIApp, path: str, **headers: str) -> AsyncIterator[asyncio.Queue[bytes]]:
    """Open a stream, and give what comes of it; leaving closes it, as a page that goes does."""
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            chunks.put_nowait(message["body"])

    running = asyncio.create_task(app(_scope("GET", path, headers), receive, send))
    try:
        yield chunks
    finally:
        gone.set()
        await asyncio.wait_for(running, 10)
