"""`haltdrill agent` and `haltdrill witness`: from a configuration file to a running program.

Exit codes: 0 stopped as asked, 2 bad usage or configuration, 3 the machine failed us.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agents.agent import Agent, AgentParts
from agents.chain import Chain
from agents.drivers.base import Driver
from agents.drivers.process import ProcessDriver
from agents.ledger import Identity, Ledger
from agents.lying import LyingDriver
from agents.probes.process import ProcessProbe
from agents.store import FileDisk
from agents.witness import Witness, WitnessParts
from protocols.config import AgentConfig, BrokerConfig, WitnessConfig
from protocols.controls import Control
from protocols.errors import ConfigError, DriverError, StoreError, UntrustedInput
from protocols.host.clock import SystemClock
from protocols.host.files import read_bytes, read_private_key, read_toml
from protocols.host.logs import FilteringBoundLogger, configure, get_logger
from protocols.keys import Signer
from protocols.messages import KeyRecord
from protocols.topics import Topics
from protocols.transport.base import Transport
from protocols.transport.mqtt import MqttTransport
from protocols.trust import SiteTrust

AGENT_STORE = "agent.jsonl"
WITNESS_STORE = "witness.jsonl"

_CLIENT_ID_HEX = 8


@dataclass(frozen=True, slots=True)
class _Options:
    config: Path
    check: bool


def main_agent(argv: Sequence[str]) -> int:
    """Run `haltdrill agent`.

    Args:
        argv: The arguments after `agent`.

    Returns:
        The exit code.

    Raises:
        HaltdrillError: It could not run; the message says why, `exit_code` how to exit.
    """
    options = _options("agent", "Run the agent of one site.", argv)
    config = read_toml(options.config, AgentConfig)
    log = get_logger(site=config.site)
    clock = SystemClock()
    base = options.config.resolve().parent
    trust = _trust(config, base, clock)
    signer = _signer(base / config.key, trust.record.agent_keys, f"agent of site {config.site}")
    driver = _driver(config, base, log)
    _check_controls(driver, trust.record.controls)
    if options.check:
        return _checked(f"agent of site {config.site}")
    if config.lie:
        log.warning("agent.lying", detail="lie = true: this agent reports halts that it never makes")
    ledger = _open_ledger(base / config.state, Identity(trust.fleet, config.site, signer), driver, clock, log)
    try:
        parts = AgentParts(
            trust=trust,
            signer=signer,
            ledger=ledger,
            driver=driver,
            clock=clock,
            log=log,
            veto=_veto(base / config.veto),
            connect=_connect(config.broker, Topics(trust.fleet).agent_filters(config.site), clock, "agent"),
            software=_software(),
        )
        asyncio.run(_until_signal(lambda stop: Agent(parts).run(stop)))
    finally:
        ledger.close()
    return 0


def main_witness(argv: Sequence[str]) -> int:
    """Run `haltdrill witness`.

    Args:
        argv: The arguments after `witness`.

    Returns:
        The exit code.

    Raises:
        HaltdrillError: It could not run; the message says why, `exit_code` how to exit.
    """
    options = _options("witness", "Run one witness of one site.", argv)
    config = read_toml(options.config, WitnessConfig)
    log = get_logger(site=config.site, witness=config.name)
    clock = SystemClock()
    base = options.config.resolve().parent
    trust = _trust(config, base, clock)
    listed = [entry.key for entry in trust.record.witnesses if entry.name == config.name]
    if not listed:
        raise ConfigError(f"the record of site {config.site} has no witness {config.name}", where=str(options.config))
    signer = _signer(base / config.key, listed, f"witness {config.name} of site {config.site}")
    probe = ProcessProbe(config.probe, cpu_signal=config.cpu_signal, processes_signal=config.processes_signal)
    if options.check:
        return _checked(f"witness {config.name} of site {config.site}")
    chain = Chain.open(FileDisk(base / config.state / WITNESS_STORE), new_id=secrets.token_hex(16))
    try:
        parts = WitnessParts(
            name=config.name,
            trust=trust,
            signer=signer,
            chain=chain,
            probe=probe,
            clock=clock,
            log=log,
            connect=_connect(config.broker, Topics(trust.fleet).witness_filters(config.site), clock, "witness"),
            software=_software(),
        )
        asyncio.run(_until_signal(lambda stop: Witness(parts).run(stop)))
    finally:
        chain.close()
    return 0


def _options(program: str, description: str, argv: Sequence[str]) -> _Options:
    parser = argparse.ArgumentParser(prog=f"haltdrill {program}", description=description)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="its configuration (TOML)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append the log to FILE instead of stderr")
    parser.add_argument("--log-level", default="info", metavar="LEVEL", help="debug, info, warning or error")
    parser.add_argument("--json-log", action="store_true", help="log JSON lines, on a terminal too")
    parser.add_argument("--check", action="store_true", help="check configuration, documents and key, and exit")
    given = parser.parse_args(argv)
    as_json = True if given.json_log or given.log is not None else None
    configure(program, path=given.log, level=given.log_level, json=as_json)
    return _Options(given.config, given.check)


def _checked(what: str) -> int:
    sys.stdout.write(f"{what}: configuration, documents and key are in order\n")
    return 0


def _trust(config: AgentConfig | WitnessConfig, base: Path, clock: SystemClock) -> SiteTrust:
    roots = [line for line in read_bytes(base / config.root).split(b"\n") if line.strip()]
    policy = read_bytes(base / config.policy).strip()
    record = read_bytes(base / config.record).strip()
    try:
        return SiteTrust.open(roots, policy, record, site=config.site, now_ns=clock.wall_ns())
    except UntrustedInput as error:
        error.remedy = error.remedy or "fetch the fleet's current documents"
        error.where = f"documents in {base}: {error.where}" if error.where else f"documents in {base}"
        raise


def _signer(path: Path, listed: Sequence[KeyRecord], what: str) -> Signer:
    signer = read_private_key(path)
    if signer.public_key.keyid not in {key.key_id for key in listed}:
        raise ConfigError(
            f"the site record lists another key for the {what}",
            where=str(path),
            remedy="use the key that the record names, or have a new record signed",
        )
    return signer


def _driver(config: AgentConfig, base: Path, log: FilteringBoundLogger) -> Driver:
    honest = ProcessDriver(
        config.driver,
        site=config.site,
        state_dir=base / config.state / "driver",
        base_dir=base,
        environment=dict(os.environ),
        log=log,
    )
    return LyingDriver(honest) if config.lie else honest


def _check_controls(driver: Driver, listed: Sequence[Control]) -> None:
    missing = sorted(set(listed) - driver.actions)
    if missing:
        raise ConfigError(
            f"the site record lists the control {missing[0]}, which this driver cannot do",
            remedy="have a record signed that lists what the site can do",
        )


def _open_ledger(
    state: Path, identity: Identity, driver: Driver, clock: SystemClock, log: FilteringBoundLogger
) -> Ledger:
    disk = FileDisk(state / AGENT_STORE)
    try:
        return Ledger.open(disk, identity, new_id=secrets.token_hex(16), now_ns=clock.wall_ns())
    except StoreError:
        # Without its memory an agent may obey nothing; but it must not leave its site halted either.
        _restore_without_memory(driver, log)
        disk.close()
        raise


def _restore_without_memory(driver: Driver, log: FilteringBoundLogger) -> None:
    try:
        driver.start()
        if driver.observe().ours:
            log.error("agent.restored", detail=driver.restore(), reason="store_damaged")
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


def _connect(broker: BrokerConfig, filters: Sequence[str], clock: SystemClock, program: str) -> Callable[[], Transport]:
    client_id = f"haltdrill-{program}-{secrets.token_hex(_CLIENT_ID_HEX)}"
    return lambda: MqttTransport(broker, filters, clock=clock, client_id=client_id)


def _software() -> str:
    try:
        return f"haltdrill {version('haltdrill')}"
    except PackageNotFoundError:
        return "haltdrill (not installed)"


async def _until_signal(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(stop)
