"""systemd's notification protocol, on a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.host.systemd import Notifications


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket that listens as systemd does, and its address."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(5.0)
        yield listening, address


def test_it_says_what_systemd_understands(supervisor: tuple[socket.socket, str]) -> None:
    """Readiness, reload, watchdog and end arrive in the words of sd_notify, each in one datagram."""
    listening, address = supervisor
    said = Notifications({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())})
    assert said.watchdog_s == 4.0
    said.ready("3 plans\nand a line that would be a field of its own=1")
    assert listening.recv(500).decode() == "READY=1\nSTATUS=3 plans and a line that would be a field of its own=1"
    said.watchdog()
    assert listening.recv(500) == b"WATCHDOG=1"
    said.reloading()
    first, second = listening.recv(500).decode().split("\n")
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")
    said.stopping()
    assert listening.recv(500) == b"STOPPING=1"


def test_an_abstract_address_is_understood() -> None:
    """Containers and user sessions may use the abstract namespace."""
    name = f"haltdrill-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.settimeout(5.0)
        Notifications({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert listening.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "relative"},
        {"NOTIFY_SOCKET": "/nowhere/at/all"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"},
    ],
)
def test_nobody_who_listens_is_no_trouble(environment: dict[str, str]) -> None:
    """Without a supervisor, or with one that went away, a program runs as if there were none."""
    said = Notifications(environment)
    assert said.watchdog_s is None
    said.ready()
    said.watchdog()
    said.stopping("x" * 10_000)


def test_a_supervisor_that_does_not_read_blocks_nobody(supervisor: tuple[socket.socket, str]) -> None:
    """However full its queue is, saying something takes no time."""
    _, address = supervisor
    said = Notifications({"NOTIFY_SOCKET": address})
    for _ in range(2_000):
        said.status("x" * 200)
