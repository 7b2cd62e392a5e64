"""From an agent's configuration file to a running agent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from agents.acting import Driver
from agents.drivers.process import ProcessDriver
from agents.lying import LyingDriver
from agents.run_acting import Authority, Party, run_acting, veto_file
from agents.startup import open_signer, open_trust, read_options, say_checked
from protocols.clock import Clock
from protocols.config import MOCK_REMEDY, AgentConfig, MockDriverConfig, ProcessDriverConfig
from protocols.controls import CATALOGUE, Actor, Control
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import read_toml
from protocols.host.logs import FilteringBoundLogger, get_logger
from protocols.messages import SiteRecord
from protocols.messages.fleet import AGENT

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
    party = Party(
        actor=Actor.AGENT,
        name=AGENT,
        site=config.site,
        state=base / config.state,
        store=AGENT_STORE,
        broker=config.broker,
        veto=veto_file(base / config.veto),
        clock=clock,
        log=log,
    )
    return run_acting(
        party, lambda: _authority(config, base, clock, log), lambda: _driver(config, base, log, record=None)
    )


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
    # What an enforcer does is no business of this driver's.
    of_agents = {control for control in listed if CATALOGUE[control].actor is Actor.AGENT}
    missing = sorted(of_agents - driver.actions)
    if missing:
        raise ConfigError(
            f"the site record lists the control {missing[0]}, which this driver cannot do",
            remedy="have a record signed that lists what the site can do",
        )


def _authority(config: AgentConfig, base: Path, clock: Clock, log: FilteringBoundLogger) -> Authority:
    """Open the documents and the key, make the driver, and check that they all fit each other."""
    trust = open_trust(config, base, clock)
    signer = open_signer(base / config.key, trust.record.agent_keys, f"agent of site {config.site}")
    driver = _driver(config, base, log, trust.record)
    _check_controls(driver, trust.record.controls)
    return Authority(trust, signer, driver)
