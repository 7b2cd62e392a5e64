"""From an enforcer's configuration file to a running enforcer. It imports nothing of any driver or probe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from agents.actuators.command import CommandSwitch
from agents.actuators.cutoff import Cutoff
from agents.actuators.marks import MarkFile
from agents.actuators.switch import FeedSwitch, Switch
from agents.feed import FeedFile
from agents.run_acting import Authority, Party, run_acting, veto_file
from agents.startup import open_signer, open_trust, read_options, say_checked
from protocols.clock import Clock
from protocols.config import CommandActuatorConfig, EnforcerConfig, FeedActuatorConfig
from protocols.controls import Actor, PowerCutParams
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import read_toml
from protocols.host.logs import FilteringBoundLogger, get_logger

ENFORCER_STORE = "enforcer.jsonl"


def run_enforcer(argv: Sequence[str]) -> int:
    """Run `haltdrill enforcer`.

    Args:
        argv: The arguments after `enforcer`.

    Returns:
        The exit code.

    Raises:
        HaltdrillError: It could not run; the message says why, `exit_code` how to exit.
    """
    options = read_options("enforcer", "Run one enforcer of one site.", argv)
    config = read_toml(options.config, EnforcerConfig)
    log = get_logger(site=config.site, enforcer=config.name)
    clock = SystemClock()
    base = options.config.resolve().parent
    if options.check:
        return _check(config, base, clock, log)
    party = Party(
        actor=Actor.ENFORCER,
        name=config.name,
        site=config.site,
        state=base / config.state,
        store=ENFORCER_STORE,
        broker=config.broker,
        veto=veto_file(None if config.veto is None else base / config.veto),
        clock=clock,
        log=log,
    )
    return run_acting(party, lambda: _authority(config, base, clock, log), lambda: _cutoff(config, base, clock, log))


def _check(config: EnforcerConfig, base: Path, clock: Clock, log: FilteringBoundLogger) -> int:
    """Check configuration, documents and key, and that the feed could be cut and switched on again."""
    proofs = _authority(config, base, clock, log).driver.rehearse(PowerCutParams())
    failed = next((proof for proof in proofs if not proof.ok), None)
    if failed is not None:
        raise ConfigError(failed.detail, where=f"actuator, {failed.step}")
    return say_checked(f"enforcer {config.name} of site {config.site}")


def _switch(config: EnforcerConfig, base: Path, clock: Clock) -> Switch:
    match config.actuator:
        case FeedActuatorConfig(file=file):
            return FeedSwitch(FeedFile(base / file, by=config.name, clock=clock))
        case CommandActuatorConfig():
            search_path = os.environ.get("PATH", os.defpath)
            return CommandSwitch(config.actuator, base=base, search_path=search_path, clock=clock)
        case _:
            assert_never(config.actuator)


def _cutoff(config: EnforcerConfig, base: Path, clock: Clock, log: FilteringBoundLogger) -> Cutoff:
    marks = MarkFile(base / config.state / "actuator")
    return Cutoff(_switch(config, base, clock), marks, log=log, clock=clock)


def _authority(config: EnforcerConfig, base: Path, clock: Clock, log: FilteringBoundLogger) -> Authority:
    """Open the documents and the key, and check that the site record names this enforcer."""
    trust = open_trust(config, base, clock)
    listed = [entry.key for entry in trust.record.enforcers if entry.name == config.name]
    if not listed:
        raise ConfigError(
            f"the record of site {config.site} has no enforcer {config.name}",
            remedy="use the name in the record, or have a new record signed",
        )
    signer = open_signer(base / config.key, listed, f"enforcer {config.name} of site {config.site}")
    return Authority(trust, signer, _cutoff(config, base, clock, log))
