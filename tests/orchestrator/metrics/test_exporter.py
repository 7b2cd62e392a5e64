"""The metrics over HTTP."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.metrics.exporter import follow, served
from protocols.errors import WorldError
from tests.logs import Growing, Scenario, simulate, write_log
from tests.orchestrator.metrics.exposed import Exposed, parsed, source_of

LINES = simulate(Scenario(sites=6, faults=0))


def _scrape(port: int, path: str = "/metrics") -> Exposed:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        return parsed(answer.read().decode())


def test_a_scrape_reads_what_is_new(tmp_path: Path) -> None:
    """A scrape is as new as its log, without anybody polling in between; the exporter's own memory is in it."""
    growing = Growing(tmp_path / "haltdrill.log", LINES)
    growing.until(40.0)
    with served(source_of(growing.path), "127.0.0.1", 0) as port:
        first = _scrape(port)
        assert first.value("drill_running") == 1
        assert first.samples["process_resident_memory_bytes", frozenset()] > 0
        growing.rest()
        assert _scrape(port).value("drill_running") == 0


def test_scrapes_may_come_at_once(tmp_path: Path) -> None:
    """Two Prometheus servers, as a pair that is always up has, get the same answer."""
    path = tmp_path / "haltdrill.log"
    write_log(path, LINES)
    found: list[Exposed] = []
    with served(source_of(path), "127.0.0.1", 0) as port:
        scrapers = [threading.Thread(target=lambda: found.append(_scrape(port))) for _ in range(8)]
        for scraper in scrapers:
            scraper.start()
        for scraper in scrapers:
            scraper.join()
    ours = [{key: value for key, value in one.samples.items() if key[0].startswith("haltdrill_")} for one in found]
    assert len(ours) == 8
    assert all(one == ours[0] for one in ours)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """Whoever starts it twice is told where, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(WorldError, match="cannot be listened on") as raised,
            served(source_of(tmp_path / "log"), "127.0.0.1", port),
        ):
            pass
    assert "--port" in str(raised.value)


def test_trouble_is_told_once(tmp_path: Path) -> None:
    """Whoever started it reads one line when the log cannot be read, and one when it can again."""
    path, stop, said = tmp_path / "haltdrill.log", threading.Event(), list[str]()

    def told(line: str) -> None:
        said.append(line)
        if len(said) == 1:
            write_log(path, LINES)
        else:
            stop.set()

    reading = threading.Thread(target=follow, args=(source_of(path), stop, told))
    reading.start()
    reading.join(20)
    assert not reading.is_alive()
    assert "cannot be read" in said[0]
    assert said[1:] == ["the log can be read again"]
