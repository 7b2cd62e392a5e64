"""Asks the world outside a drill: Prometheus, a health check, a command. What does not answer in time is unknown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

from orchestrator.stopping.answers import Answer, unknown
from orchestrator.stopping.commands import environment, exit_status
from orchestrator.stopping.fetching import Fetcher, UnansweredError
from orchestrator.stopping.reading import read_exit, read_prometheus, read_status
from orchestrator.stopping.spec import Asked, CommandCheck, HttpCheck, PrometheusQuery, Subject
from protocols.errors import ConfigError
from protocols.host.files import read_private

Ask = Callable[[], Awaitable[Answer]]
"""Asks once. It never raises, and ends in the time that its condition gives."""

INSTANT_QUERY = "/api/v1/query"


def asker(subject: Subject, drill: str) -> Ask | None:
    """Return what asks about a condition; None if the drill itself shows it.

    Args:
        subject: What the condition looks at.
        drill: The drill, which commands are told of.
    """
    match subject:
        case PrometheusQuery():
            return _prometheus(subject)
        case HttpCheck():
            return _http(subject)
        case CommandCheck():
            return _command(subject, drill)
        case _:
            return None


def query_url(query: PrometheusQuery) -> str:
    """Return where an instant query is asked."""
    asked = urlencode({"query": query.query, "timeout": f"{query.timeout_s:g}s"})
    return f"{query.url.rstrip('/')}{INSTANT_QUERY}?{asked}"


def _prometheus(query: PrometheusQuery) -> Ask:
    fetcher = Fetcher(query_url(query))

    async def ask() -> Answer:
        reply = await fetcher.get(timeout_s=query.timeout_s, accept="application/json", token=_token(query))
        return read_prometheus(query, reply.status, reply.body)

    return _answered(ask)


def _http(check: HttpCheck) -> Ask:
    fetcher = Fetcher(check.url)

    async def ask() -> Answer:
        reply = await fetcher.get(timeout_s=check.timeout_s, token=_token(check), body=False)
        return read_status(check, reply.status)

    return _answered(ask)


def _command(check: CommandCheck, drill: str) -> Ask:
    env = environment(drill)

    async def ask() -> Answer:
        return read_exit(check, await exit_status(check.argv, timeout_s=check.timeout_s, env=env))

    return _answered(ask)


def _answered(ask: Ask) -> Ask:
    async def answered() -> Answer:
        try:
            return await ask()
        except UnansweredError as error:
            return unknown(str(error))

    return answered


def _token(asked: Asked) -> str:
    """Return the token to send, read anew each time so that it can be changed; empty if there is none."""
    if asked.token_file is None:
        return ""
    try:
        return read_private(Path(asked.token_file)).decode("ascii", "replace").strip()
    except ConfigError as error:
        raise UnansweredError(f"no token: {error}") from None
