"""Two network namespaces of a test's own, joined by a cable that the test can pull and make slow."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.components import require
from tests.e2e.processes import until

CENTRE, SITES = "192.0.2.1", "192.0.2.2"
"""Addresses for documentation (RFC 5737): nobody else has them."""

BROKER_PORT = 1883


@dataclass(frozen=True, slots=True)
class Cable:
    """A cable between the orchestrator's namespace and that of the sites.

    Attributes:
        centre: The namespace of orchestrator and broker.
        sites: That of the sites.
        ip: The program that makes them.
    """

    centre: str
    sites: str
    ip: str

    def inside(self, namespace: str) -> tuple[str, ...]:
        """Return what starts a command in a namespace."""
        return (self.ip, "netns", "exec", namespace)

    def cut(self) -> None:
        """Pull it."""
        self._run("netns", "exec", self.sites, self.ip, "link", "set", "uplink", "down")

    def heal(self) -> None:
        """Plug it in."""
        self._run("netns", "exec", self.sites, self.ip, "link", "set", "uplink", "up")

    def slow_down(self, delay_ms: int, jitter_ms: int, loss_percent: float) -> bool:
        """Delay and lose packets to and from the sites; false where the kernel has no netem."""
        netem = ["netem", "delay", f"{delay_ms}ms", f"{jitter_ms}ms", "loss", f"{loss_percent}%"]
        tc = require("tc", package="iproute2")
        for namespace, device in ((self.centre, "downlink"), (self.sites, "uplink")):
            argv = [*self.inside(namespace), tc, "qdisc", "add", "dev", device, "root", *netem]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode and "unknown" in done.stderr:
                return False
            assert done.returncode == 0, done.stderr
        return True

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([self.ip, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"

    def lay(self) -> None:
        """Make the namespaces and the cable."""
        for namespace in (self.centre, self.sites):
            self._run("netns", "add", namespace)
            self._run("-n", namespace, "link", "set", "lo", "up")
        self._run("-n", self.centre, "link", "add", "downlink", "type", "veth", "peer", "name", "uplink")
        self._run("-n", self.centre, "link", "set", "uplink", "netns", self.sites)
        for namespace, device, address in ((self.centre, "downlink", CENTRE), (self.sites, "uplink", SITES)):
            self._run("-n", namespace, "address", "add", f"{address}/30", "dev", device)
            self._run("-n", namespace, "link", "set", device, "up")

    def remove(self) -> None:
        """Remove the namespaces, and with them the cable."""
        for namespace in (self.centre, self.sites):
            subprocess.run([self.ip, "netns", "delete", namespace], capture_output=True, check=False)


@contextmanager
def cable() -> Iterator[Cable]:
    """Have a cable; the test is skipped, aloud, where no namespace may be made."""
    if os.geteuid() != 0:
        pytest.skip("only root can make network namespaces")
    name = f"hd-{os.getpid()}-{secrets.token_hex(2)}"
    laid = Cable(f"{name}-c", f"{name}-s", require("ip", package="iproute2"))
    try:
        laid.lay()
        yield laid
    finally:
        laid.remove()


@contextmanager
def broker_at_the_centre(laid: Cable, folder: Path) -> Iterator[None]:
    """Run a mosquitto in the orchestrator's namespace."""
    program = require("mosquitto", package="mosquitto")
    config, log = folder / "mosquitto.conf", folder / "mosquitto.out"
    config.write_text(f"listener {BROKER_PORT} {CENTRE}\nallow_anonymous true\nset_tcp_nodelay true\nuser root\n")
    with log.open("wb") as out:
        argv = [*laid.inside(laid.centre), program, "-c", str(config)]
        process = subprocess.Popen(argv, stdout=out, stderr=out, start_new_session=True)
    try:
        until(lambda: b"Opening ipv4 listen socket" in log.read_bytes(), "the broker listens")
        yield
    finally:
        process.kill()  # `ip netns exec` becomes the program itself
        process.wait()
