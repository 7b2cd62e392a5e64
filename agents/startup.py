"""What agents, witnesses and enforcers do alike when they start: options, documents, key, broker, signals."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from protocols.clock import Clock
from protocols.config import AgentConfig, BrokerConfig, EnforcerConfig, WitnessConfig
from protocols.errors import ConfigError, UntrustedInput
from protocols.host.files import read_bytes, read_private_key
from protocols.host.logs import configure
from protocols.host.systemd import Notifications
from protocols.keys import Signer
from protocols.messages import KeyRecord
from protocols.transport.base import Transport
from protocols.transport.mqtt import MqttTransport
from protocols.trust import SiteTrust

_CLIENT_ID_HEX = 8


@dataclass(frozen=True, slots=True)
class Options:
    """What was given on the command line.

    Attributes:
        config: The configuration file; relative paths in it start from its folder.
        check: Whether to check everything and exit.
    """

    config: Path
    check: bool


def read_options(program: str, description: str, argv: Sequence[str]) -> Options:
    """Read the command line, and set up logging as it says.

    Raises:
        ConfigError: The log cannot be opened, or there is no such level.
    """
    parser = argparse.ArgumentParser(prog=f"haltdrill {program}", description=description)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="its configuration (TOML)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append the log to FILE instead of stderr")
    parser.add_argument("--log-level", default="info", metavar="LEVEL", help="debug, info, warning or error")
    parser.add_argument("--json-log", action="store_true", help="log JSON lines, on a terminal too")
    parser.add_argument("--check", action="store_true", help="check configuration, documents and key, and exit")
    given = parser.parse_args(argv)
    as_json = True if given.json_log or given.log is not None else None
    configure(program, path=given.log, level=given.log_level, json=as_json)
    return Options(given.config, given.check)


def say_checked(what: str) -> int:
    """Say that `what` is in order, and return the exit code of that."""
    sys.stdout.write(f"{what}: configuration, documents and key are in order\n")
    return 0


def open_trust(config: AgentConfig | WitnessConfig | EnforcerConfig, base: Path, clock: Clock) -> SiteTrust:
    """Open the three documents that a site holds.

    Raises:
        ConfigError: One of them cannot be read.
        UntrustedInput: One of them is not to be trusted; it says which folder they are in.
    """
    roots = [line for line in read_bytes(base / config.root).split(b"\n") if line.strip()]
    policy = read_bytes(base / config.policy).strip()
    record = read_bytes(base / config.record).strip()
    try:
        return SiteTrust.open(roots, policy, record, site=config.site, now_ns=clock.wall_ns())
    except UntrustedInput as error:
        error.remedy = error.remedy or "fetch the fleet's current documents"
        error.where = f"documents in {base}: {error.where}" if error.where else f"documents in {base}"
        raise


def open_signer(path: Path, listed: Sequence[KeyRecord], what: str) -> Signer:
    """Load a private key, which must be one of those that the site record lists.

    Raises:
        ConfigError: It cannot be read, others can read it, or the record lists another.
    """
    signer = read_private_key(path)
    if signer.public_key.keyid not in {key.key_id for key in listed}:
        raise ConfigError(
            f"the site record lists another key for the {what}",
            where=str(path),
            remedy="use the key that the record names, or have a new record signed",
        )
    return signer


def connector(broker: BrokerConfig, filters: Sequence[str], clock: Clock, program: str) -> Callable[[], Transport]:
    """Return what makes the transport to a broker, anew for each connection."""
    client_id = f"haltdrill-{program}-{secrets.token_hex(_CLIENT_ID_HEX)}"
    return lambda: MqttTransport(broker, filters, clock=clock, client_id=client_id)


def software() -> str:
    """Return the program's name and version."""
    try:
        return f"haltdrill {version('haltdrill')}"
    except PackageNotFoundError:
        return "haltdrill (not installed)"


async def until_signal(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run until SIGTERM or SIGINT; the event that `run` is given is set by either.

    A supervisor is told that we are ready, alive and ending. That we are alive is said by the loop that all else
    runs on: where that hangs, it is not said, and systemd starts us anew.
    """
    stop, supervisor = asyncio.Event(), Notifications()
    loop = asyncio.get_running_loop()

    def end() -> None:
        supervisor.stopping()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    alive = loop.create_task(_say_alive(supervisor))
    try:
        await run(stop)
    finally:
        alive.cancel()


async def _say_alive(supervisor: Notifications) -> None:
    supervisor.ready()
    while supervisor.watchdog_s is not None:
        supervisor.watchdog()
        await asyncio.sleep(supervisor.watchdog_s / 3)
