"""From an agent's configuration file to a running agent."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from agents.acting import Driver
from agents.agent import Agent, AgentParts
from agents.drivers.process import ProcessDriver
from agents.held import take_documents
from agents.ledger import Identity, Ledger
from agents.lying import LyingDriver
from agents.startup import (
    connector,
    open_signer,
    open_trust,
    read_options,
    say_checked,
    software,
    until_signal,
)
from agents.store import FileDisk
from protocols.clock import Clock
from protocols.config import MOCK_REMEDY, AgentConfig, MockDriverConfig, ProcessDriverConfig
from protocols.controls import Control
from protocols.errors import ConfigError, DriverError, HaltdrillError, StoreBusy
from protocols.host.clock import SystemClock
from protocols.host.files import read_toml
from protocols.host.logs import FilteringBoundLogger, bound, get_logger
from protocols.keys import Signer
from protocols.messages import SiteRecord
from protocols.topics import Topics
from protocols.trust import SiteTrust

AGENT_STORE = "agent.jsonl"


def run_agent(argv: Sequence[str]) -> int:
    """Run `haltdrill agent`.

    Args:
        argv: The arguments after `agent`.

    Returns:
        The exit code.

    Raises:
        HaltdrillError: It could not run; the message says why, `exit_code` how to exit.
    """
    options = read_options("agent", "Run the agent of one site.", argv)
    config = read_toml(options.config, AgentConfig)
    _settings(config)
    log = get_logger(site=config.site)
    clock = SystemClock()
    base = options.config.resolve().parent
    if options.check:
        _authority(config, base, clock, log)
        return say_checked(f"agent of site {config.site}")
    if config.lie:
        log.warning("agent.lying", detail="lie = true: this agent reports halts that it never makes")
    disk: FileDisk | None = None
    try:
        disk = FileDisk(base / config.state / AGENT_STORE)  # it is locked: nobody else acts for this site now
        trust, signer, driver = _authority(config, base, clock, log)
        take_documents(base / config.state, trust)
        identity = Identity(trust.fleet, config.site, signer)
        ledger = Ledger.open(disk, identity, new_id=secrets.token_hex(16), now_ns=clock.wall_ns())
    except StoreBusy:
        raise  # whoever has it looks after the site
    except HaltdrillError:
        # Without authority or memory an agent may obey nothing; but it must not leave its site halted either.
        _restore_anyway(_driver(config, base, log, None), log)
        if disk is not None:
            disk.close()
        raise
    try:
        parts = AgentParts(
            trust=trust,
            signer=signer,
            ledger=ledger,
            driver=driver,
            clock=clock,
            log=log,
            veto=_veto(base / config.veto),
            connect=connector(config.broker, Topics(trust.fleet).agent_filters(config.site), clock, "agent"),
            software=software(),
        )
        with bound(site=config.site):
            asyncio.run(until_signal(lambda stop: Agent(parts).run(stop)))
    finally:
        ledger.close()
    return 0


def _driver(config: AgentConfig, base: Path, log: FilteringBoundLogger, record: SiteRecord | None) -> Driver:
    """Make the driver; without a record it can restore, and slow nothing."""
    settings = _settings(config)
    honest = ProcessDriver(
        settings,
        site=config.site,
        state_dir=base / config.state / "driver",
        base_dir=base,
        environment=dict(os.environ),
        log=log,
        cpu_floor_per_s=None if record is None else _floor(record, settings.cpu_signal),
    )
    return LyingDriver(honest) if config.lie else honest


def _settings(config: AgentConfig) -> ProcessDriverConfig:
    if isinstance(config.driver, MockDriverConfig):
        raise ConfigError("a simulated site has no agent program of its own", remedy=MOCK_REMEDY)
    return config.driver


def _floor(record: SiteRecord, signal: str) -> int | None:
    """Return the least rate of a counter of all work in steady state, if the record has it."""
    found = (rate.band_min_per_s for rate in record.work if rate.signal == signal and rate.workload is None)
    return next(found, None)


def _check_controls(driver: Driver, listed: Sequence[Control]) -> None:
    missing = sorted(set(listed) - driver.actions)
    if missing:
        raise ConfigError(
            f"the site record lists the control {missing[0]}, which this driver cannot do",
            remedy="have a record signed that lists what the site can do",
        )


def _authority(
    config: AgentConfig, base: Path, clock: Clock, log: FilteringBoundLogger
) -> tuple[SiteTrust, Signer, Driver]:
    """Open the documents and the key, make the driver, and check that they all fit each other."""
    trust = open_trust(config, base, clock)
    signer = open_signer(base / config.key, trust.record.agent_keys, f"agent of site {config.site}")
    driver = _driver(config, base, log, trust.record)
    _check_controls(driver, trust.record.controls)
    return trust, signer, driver


def _restore_anyway(driver: Driver, log: FilteringBoundLogger) -> None:
    """Restore a site that carries our mark, when the agent cannot go on."""
    try:
        driver.start()
        if driver.observe().ours:
            log.error("agent.restored", detail=driver.restore(), reason="cannot_start")
    except DriverError as error:
        log.error("agent.restore.failed", detail=str(error))  # noqa: TRY400 - one line, no traceback


def _veto(path: Path) -> Callable[[], bool]:
    def is_set() -> bool:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            # What cannot be looked at might be there.
            return True
        return True

    return is_set
