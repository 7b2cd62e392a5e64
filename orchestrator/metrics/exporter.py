"""The metrics in Prometheus' text format, once or served over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import ProcessCollector, generate_latest, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from orchestrator.metrics.source import LogSource
from protocols.errors import WorldError

POLL_S = 1.0
"""How often the log is read when nobody asks: a rotated file is gone once its successor is there."""


class _LogCollector(Collector):
    """Computes the metrics anew whenever they are asked for."""

    def __init__(self, source: LogSource) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        """Read what is new, and return all metrics."""
        self._source.poll()
        return iter(self._source.expose())

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering reads no log."""
        return ()


def exposition(source: LogSource) -> str:
    """Return the metrics as text, after reading what is new."""
    registry = CollectorRegistry()
    registry.register(_LogCollector(source))
    return generate_latest(registry).decode()


@contextmanager
def served(source: LogSource, host: str, port: int) -> Iterator[int]:
    """Serve the metrics at any path, with those of this process, until the context is left.

    Args:
        source: What they are computed from.
        host: The address to listen on.
        port: The port; 0 for a free one.

    Yields:
        The port.

    Raises:
        WorldError: The address cannot be listened on.
    """
    registry = CollectorRegistry()
    registry.register(_LogCollector(source))
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise WorldError(
            f"cannot be listened on: {error.strerror or error}",
            where=f"{host}:{port}",
            remedy="choose another with --host and --port",
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def follow(source: LogSource, stop: threading.Event, told: Callable[[str], None]) -> None:
    """Read the log until `stop` is set, and tell once when it cannot be read, and when it can again.

    Args:
        source: What is read.
        stop: Ends it.
        told: Takes one line for the person who started it.
    """
    trouble = ""
    while not stop.is_set():
        source.poll()
        now = str(source.problem) if source.problem is not None else ""
        if now != trouble:
            told(f"{now}; trying again" if now else "the log can be read again")
            trouble = now
        stop.wait(POLL_S)
