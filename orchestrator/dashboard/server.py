"""Serves the page with uvicorn until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from orchestrator.dashboard.hub import Hub
from protocols.errors import WorldError

CONNECTIONS_MAX = 128
HEADER_MAX_BYTES = 16 * 1024
BACKLOG = 64
_END_S = 1


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate with its key, PEM."""

    certificate: Path
    key: Path


def listen(host: str, port: int) -> socket.socket:
    """Take a port.

    Raises:
        WorldError: It cannot be taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(BACKLOG)
    except OSError as error:
        taken.close()
        raise WorldError(
            f"cannot listen there: {error.strerror}", where=f"{host}:{port}", remedy="give another --port, or 0 for any"
        ) from error
    return taken


class _Server(uvicorn.Server):
    """Lets the pages go before it waits for their connections to end."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end, on a signal."""
        super().handle_exit(sig, frame)
        asyncio.get_running_loop().call_soon_threadsafe(self._hub.close)


async def serve(app: ASGIApp, hub: Hub, taken: socket.socket, *, tls: Tls | None, ready: Callable[[], None]) -> None:
    """Serve until a signal; if the log can no longer be followed at all, end with that error.

    Args:
        app: The web site.
        hub: What follows the log.
        taken: Where to listen.
        tls: What to prove who we are with; None for plain HTTP.
        ready: Called when requests are answered.

    Raises:
        WorldError: The certificate cannot be used.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        limit_concurrency=CONNECTIONS_MAX,
        h11_max_incomplete_event_size=HEADER_MAX_BYTES,
        timeout_graceful_shutdown=_END_S,
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
    )
    try:
        config.load()
    except OSError as error:  # an SSLError is one
        raise WorldError(
            f"the certificate or its key cannot be used: {error.strerror or error}",
            where=str(tls.certificate) if tls is not None else "TLS",
        ) from error
    server = _Server(config, hub)
    # What is read of a log stays, so that looking through it again and again for garbage frees nothing
    # and takes half of the time.
    gc.disable()

    def caught_up() -> None:
        gc.freeze()
        gc.enable()

    following = asyncio.create_task(hub.run(caught_up))
    serving = asyncio.create_task(server.serve(sockets=[taken]))
    ready()
    try:
        await asyncio.wait({following, serving}, return_when=asyncio.FIRST_COMPLETED)
        hub.close()
        server.should_exit = True
        await serving
        await following
    finally:
        gc.enable()
        hub.close()
