"""`haltdrill mocksite`: simulated sites, with the real agent, witnesses and enforcers of each, on one event loop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.actuators.marks import MarkFile
from agents.feed import FeedFile
from agents.held import take_documents
from agents.mocksite.assembly import EnforcerKit, MockSite, Surroundings, WitnessKit, assemble
from agents.mocksite.folder import PartyFolder, SiteFolder, find_sites, read_site
from agents.run_acting import veto_file
from agents.startup import connector, software, until_signal
from agents.store import Disk, FileDisk
from protocols.clock import Clock
from protocols.errors import ConfigError, DriverError, HaltdrillError
from protocols.host.clock import SystemClock
from protocols.host.files import write_atomic
from protocols.host.logs import FilteringBoundLogger, configure, get_logger
from protocols.messages import AGENT
from protocols.transport.base import Transport


@dataclass(frozen=True, slots=True)
class _Options:
    """What was given on the command line.

    Attributes:
        folders: The sites' folders.
        enforcers: Whether their enforcers run here too.
        check: Whether to check everything and exit.
    """

    folders: tuple[Path, ...]
    enforcers: bool
    check: bool


def run_mocksite(argv: Sequence[str]) -> int:
    """Run `haltdrill mocksite`.

    Args:
        argv: The arguments after `mocksite`.

    Returns:
        The exit code.

    Raises:
        HaltdrillError: It could not run, or left a site unrestored; the message says why.
    """
    options = _options(argv)
    clock, log = SystemClock(), get_logger()
    folders = [read_site(folder, clock, with_enforcers=options.enforcers) for folder in options.folders]
    _check_distinct(folders)
    if options.check:
        for folder in folders:
            sys.stdout.write(f"simulated site {folder.config.site}: configuration, documents and keys are in order\n")
        return 0
    with contextlib.ExitStack() as opened:
        sites = {folder.config.site: _open(folder, clock, log, opened) for folder in folders}
        asyncio.run(until_signal(lambda stop: _run(sites, stop, log)))
    return 0


def _options(argv: Sequence[str]) -> _Options:
    parser = argparse.ArgumentParser(prog="haltdrill mocksite", description="Run simulated sites.")
    parser.add_argument("--site", type=Path, action="append", default=[], metavar="DIR", help="a site's folder")
    parser.add_argument("--sites", type=Path, metavar="DIR", help="every folder in DIR that holds a mock.toml")
    parser.add_argument("--no-enforcers", action="store_true", help="leave them to haltdrill enforcer")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append the log to FILE instead of stderr")
    parser.add_argument("--log-level", default="info", metavar="LEVEL", help="debug, info, warning or error")
    parser.add_argument("--json-log", action="store_true", help="log JSON lines, on a terminal too")
    parser.add_argument("--check", action="store_true", help="check configurations, documents and keys, and exit")
    given = parser.parse_args(argv)
    if not given.site and given.sites is None:
        parser.error("--site or --sites is needed")
    configure(
        "mocksite",
        path=given.log,
        level=given.log_level,
        json=True if given.json_log or given.log is not None else None,
    )
    found = () if given.sites is None else find_sites(given.sites)
    return _Options((*given.site, *found), enforcers=not given.no_enforcers, check=given.check)


def _check_distinct(folders: Sequence[SiteFolder]) -> None:
    names = [folder.config.site for folder in folders]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise ConfigError(f"site {doubled} is given twice", where="--site")


def _open(folder: SiteFolder, clock: Clock, log: FilteringBoundLogger, opened: contextlib.ExitStack) -> MockSite:
    """Open a site's disks and put it together; whatever was opened is closed with `opened`."""
    disks: dict[str, Disk] = {}
    connects = {name: _Connects(name, party, clock) for name, party in folder.parties.items()}
    for name, party in folder.parties.items():
        disk = FileDisk(party.state / party.store)  # locked: nobody else speaks with this key now
        opened.callback(disk.close)
        take_documents(party.state, party.trust)
        disks[name] = disk
    surroundings = Surroundings(
        clock=clock,
        connect=lambda name, filters: connects[name](filters),
        disk=disks.__getitem__,
        log=log,
        feed=None if folder.feed is None else FeedFile(folder.feed, by="mocksite", clock=clock),
        software=software(),
        on_destroyed=lambda: _remember_destroyed(folder.destroyed, log.bind(site=folder.config.site)),
    )
    return assemble(
        folder.config,
        folder.agent.trust,
        surroundings,
        agent=folder.agent.signer,
        witnesses={
            name: WitnessKit(entry.party.signer, entry.probe.looks, entry.register, entry.party.trust)
            for name, entry in folder.witnesses.items()
        },
        enforcers={
            name: EnforcerKit(party.signer, MarkFile(party.state / "actuator"), veto_file(party.veto), party.trust)
            for name, party in folder.enforcers.items()
        },
        veto=veto_file(folder.agent.veto),
        destroyed=folder.destroyed.exists(),
    )


class _Connects:
    """Makes the transports of one party, always under one name at the broker."""

    def __init__(self, name: str, party: PartyFolder, clock: Clock) -> None:
        self._program = AGENT if name == AGENT else party.store.partition(".")[0]
        self._party = party
        self._clock = clock
        self._made: Callable[[], Transport] | None = None

    def __call__(self, filters: Sequence[str]) -> Transport:
        if self._made is None:
            self._made = connector(self._party.broker, filters, self._clock, self._program)
        return self._made()


def _remember_destroyed(path: Path, log: FilteringBoundLogger) -> None:
    try:
        write_atomic(path, b"destroyed by a decommissioning\n")
    except ConfigError as error:
        # They are destroyed all the same; only this program's next start would not know it.
        log.error("mocksite.destroyed.unsaved", detail=str(error))  # noqa: TRY400 - one line, no traceback
    log.warning("mocksite.destroyed")


async def _run(sites: dict[str, MockSite], stop: asyncio.Event, log: FilteringBoundLogger) -> None:
    """Run all sites until `stop`; a site that cannot be restored keeps no other from it.

    Raises:
        DriverError: Some sites were left unrestored.
    """
    log.info("mocksite.started", sites=len(sites))
    outcomes = await asyncio.gather(*(_run_one(site, stop, log) for site in sites.values()))
    failed = [name for name, well in zip(sites, outcomes, strict=True) if not well]
    log.info("mocksite.stopped", sites=len(sites), failed=failed)
    if failed:
        raise DriverError("simulated sites were left unrestored", where=", ".join(failed), remedy="start it again")


async def _run_one(site: MockSite, stop: asyncio.Event, log: FilteringBoundLogger) -> bool:
    try:
        await site.run(stop)
    except HaltdrillError as error:
        log.error("mocksite.site.failed", site=site.world.config.site, detail=str(error))  # noqa: TRY400 - one line
        return False
    return True
