"""`haltdrill timekeeper`: states every few seconds what still counts, under a key that the orchestrator has not."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.common import run_command
from orchestrator.cli.connecting import transport_to
from orchestrator.fleet.config import TimekeeperFile
from orchestrator.fleet.held_stops import HeldStops
from orchestrator.fleet.load import load_documents
from orchestrator.timekeeper.keeping import Counter, Timekeeper
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import read_private_key, read_toml
from protocols.host.logs import configure, get_logger
from protocols.host.systemd import Notifications
from protocols.keys import Signer
from protocols.topics import Topics
from protocols.trust import FleetTrust


def register(app: typer.Typer) -> None:
    """Add this module's command to `app`."""
    app.command("timekeeper", epilog="Example: haltdrill timekeeper --config timekeeper/timekeeper.toml")(timekeeper)


@run_command
def timekeeper(
    *,
    config: Annotated[Path, typer.Option(metavar="FILE", help="Its timekeeper.toml.", show_default=False)],
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="Where log lines go; else standard error.")] = None,
) -> None:
    """State every few seconds which policy, revocations and levers count, until told to end.

    Orders carry the newest statement. Where the policy asks for one, a site refuses orders whose statement is missing,
    stale or older than one it has seen: so nobody who holds a revocation back gains more than that time.
    Run it on another machine than the orchestrator's, with a key that the orchestrator has never had.
    """
    clock = SystemClock()
    found = read_toml(config, TimekeeperFile).under(config.absolute().parent)
    trust = load_documents(Path(found.fleet), clock.wall_ns()).trust
    signer = _signer(Path(found.key), trust)
    configure("timekeeper", path=log, level="info")
    state = _folder(Path(found.state))
    asyncio.run(_keep(found, state, trust, signer, clock))


def _folder(state: Path) -> Path:
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot be made: {error.strerror}", where=str(state)) from error
    return state


def _signer(path: Path, trust: FleetTrust) -> Signer:
    signer = read_private_key(path)
    if signer.public_key.keyid not in trust.timekeepers.keys:
        raise ConfigError(
            "this key is no timekeeper's of the policy", where=str(path), remedy="have a policy signed that names it"
        )
    return signer


async def _keep(found: TimekeeperFile, state: Path, trust: FleetTrust, signer: Signer, clock: SystemClock) -> None:
    supervisor, log = Notifications(), get_logger()
    async with transport_to(found.broker, [Topics(trust.fleet).stops], clock, role="timekeeper") as transport:
        keeper = Timekeeper(
            trust,
            signer,
            HeldStops.read(state / "stops", trust),
            Counter(state / "seq"),
            transport,
            clock,
            log,
            found.every_s,
            supervisor.watchdog,
        )
        log.info("timekeeper.started", every_s=found.every_s)
        supervisor.ready(f"states every {found.every_s:g} s")
        running = asyncio.current_task()
        assert running is not None  # noqa: S101 - asyncio runs us
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, running.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await keeper.run()
        supervisor.stopping()
