"""Tests of `orchestrator.dashboard.hub`: pages that follow one log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from orchestrator.dashboard.feed import Feed
from orchestrator.dashboard.hub import Hub, parse_position
from protocols.host.clock import SystemClock
from tests.logs import Growing, Scenario, simulate
from tests.orchestrator.dashboard.pages import Shown, parse_event

LIMIT_S = 20.0


@asynccontextmanager
async def _running(path: Path, instance: str = "a", clients_max: int = 32) -> AsyncIterator[Hub]:
    hub = Hub(Feed(path, instance), SystemClock(), clients_max=clients_max)
    task = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        hub.close()
        await asyncio.wait_for(task, LIMIT_S)


async def _next(events: AsyncIterator[bytes], *wanted: str) -> tuple[str, bytes]:
    """Return the next event of some kinds, and its bytes."""
    while True:
        chunk = await asyncio.wait_for(anext(events), LIMIT_S)
        kind = parse_event(chunk)[0] if chunk.startswith((b"id", b"event")) else ""
        if kind in wanted:
            return kind, chunk


async def test_pages_that_have_the_same_share_one_message(tmp_path: Path) -> None:
    """However many look on, a message is made once: the very same bytes go to all."""
    growing = Growing(tmp_path / "x.log", simulate(Scenario(sites=20)))
    growing.until(5)
    async with _running(growing.path) as hub:
        pages = [hub.follow("", "") for _ in range(5)]
        first = [(await _next(page, "snapshot"))[1] for page in pages]
        growing.until(12)
        second = [(await _next(page, "delta"))[1] for page in pages]
        assert len({id(chunk) for chunk in first}) == 1
        assert len({id(chunk) for chunk in second}) == 1


async def test_a_page_that_was_slow_misses_nothing(tmp_path: Path) -> None:
    """What a page did not take in time is in its next message, and nobody queued anything for it."""
    lines = simulate(Scenario(sites=20, faults=0.3))
    growing = Growing(tmp_path / "x.log", lines)
    growing.until(5)
    async with _running(growing.path) as hub:
        slow, quick = hub.follow("", ""), hub.follow("", "")
        shown, other = Shown(), Shown()
        shown.take(parse_event((await _next(slow, "snapshot"))[1])[2])
        other.take(parse_event((await _next(quick, "snapshot"))[1])[2])
        while growing.written < len(lines):
            growing.more(60)
            while other.serial != growing.written:
                other.take(parse_event((await _next(quick, "delta", "snapshot"))[1])[2])
        kind, chunk = await _next(slow, "delta", "snapshot")
        shown.take(parse_event(chunk)[2])
        assert kind == "delta"
        assert shown.letters == other.letters
        assert shown.serial == len(lines)


async def test_a_page_goes_on_from_what_it_has(tmp_path: Path) -> None:
    """After a lost connection only what is new comes; after a restart of the server, everything."""
    growing = Growing(tmp_path / "x.log", simulate(Scenario(sites=20)))
    growing.until(5)
    async with _running(growing.path) as hub:
        _, chunk = await _next(hub.follow("", ""), "snapshot")
        position = parse_event(chunk)[1]
        growing.until(9)
        kind, chunk = await _next(hub.follow("", position), "snapshot", "delta")
        assert kind == "delta"
        assert parse_event(chunk)[2]["cells"]
    async with _running(growing.path, "b") as hub:
        kind, _ = await _next(hub.follow("", position), "snapshot", "delta")
        assert kind == "snapshot"


async def test_a_newer_drill_takes_the_place_of_the_newest(tmp_path: Path) -> None:
    """A page that shows the newest drill goes over to the next one; one that shows a certain drill stays."""
    first, second = simulate(Scenario(sites=3, seed=1)), simulate(Scenario(sites=4, seed=2))
    growing = Growing(tmp_path / "x.log", [*first, *second])
    growing.more(len(first))
    async with _running(growing.path) as hub:
        newest, certain = hub.follow("", ""), hub.follow(first[0].drill, "")
        await _next(newest, "snapshot")
        await _next(certain, "snapshot")
        growing.more(len(second))
        _, chunk = await _next(newest, "snapshot")
        assert parse_event(chunk)[2]["drill"] == second[0].drill
        kind, chunk = await _next(certain, "delta", "snapshot", "log")
        assert kind == "log"
        assert parse_event(chunk)[2]["log"]["drills"] == 2


async def test_silence_of_the_log_is_not_silence_of_the_server(tmp_path: Path) -> None:
    """While nothing happens a page still hears that the server lives, and what is wrong with the log."""
    growing = Growing(tmp_path / "x.log", simulate(Scenario(sites=3)))
    growing.until(5)
    async with _running(growing.path) as hub:
        page = hub.follow("", "")
        await _next(page, "snapshot")
        assert (await _next(page, "delta", "beat"))[0] == "beat"
        growing.path.unlink()
        _, chunk = await _next(page, "log")
        assert "there is no such file" in parse_event(chunk)[2]["log"]["trouble"]


async def test_a_drill_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    """A link to a drill of another log shows no other drill in its place."""
    growing = Growing(tmp_path / "x.log", simulate(Scenario(sites=3)))
    growing.until(5)
    async with _running(growing.path) as hub:
        wanted = "20260101t000000z-none-000000"
        _, chunk = await _next(hub.follow(wanted, ""), "log")
        assert parse_event(chunk)[2]["missing"] == wanted


async def test_closing_lets_every_page_go(tmp_path: Path) -> None:
    """A server that is stopped does not wait for pages to go by themselves."""
    growing = Growing(tmp_path / "x.log", simulate(Scenario(sites=3)))
    growing.until(5)
    async with _running(growing.path) as hub:
        page = hub.follow("", "")
        await _next(page, "snapshot")
        hub.close()
        async with asyncio.timeout(LIMIT_S):
            assert [chunk async for chunk in page] == []


def test_a_position_is_read_or_taken_for_none() -> None:
    """What a page says that it has is a claim from outside."""
    assert parse_position("a1.0:20260101t000000z-x-000000:17") == ("a1.0", "20260101t000000z-x-000000", 17)
    for text in ("", "a", "a:b", "a:b:", "a:b:-1", "a:b:1x", "a:b:٣", "::1", "a:b:" + "9" * 30):
        assert parse_position(text) is None
