"""From a witness's configuration file to a running witness. It imports nothing of any driver."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from agents.chain import Chain
from agents.held import take_documents
from agents.probes.process import ProcessProbe
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
from agents.witness import Witness, WitnessParts
from protocols.config import MOCK_REMEDY, MockProbeConfig, WitnessConfig
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import read_toml
from protocols.host.logs import bound, get_logger
from protocols.topics import Topics

WITNESS_STORE = "witness.jsonl"


def run_witness(argv: Sequence[str]) -> int:
    """Run `haltdrill witness`.

    Args:
        argv: The arguments after `witness`.

    Returns:
        The exit code.

    Raises:
        HaltdrillError: It could not run; the message says why, `exit_code` how to exit.
    """
    options = read_options("witness", "Run one witness of one site.", argv)
    config = read_toml(options.config, WitnessConfig)
    if isinstance(config.probe, MockProbeConfig):
        raise ConfigError("a simulated site has no witness program of its own", remedy=MOCK_REMEDY)
    log = get_logger(site=config.site, witness=config.name)
    clock = SystemClock()
    base = options.config.resolve().parent
    trust = open_trust(config, base, clock)
    listed = [entry.key for entry in trust.record.witnesses if entry.name == config.name]
    if not listed:
        raise ConfigError(f"the record of site {config.site} has no witness {config.name}", where=str(options.config))
    signer = open_signer(base / config.key, listed, f"witness {config.name} of site {config.site}")
    probe = ProcessProbe(config.probe, cpu_signal=config.cpu_signal, processes_signal=config.processes_signal)
    if options.check:
        return say_checked(f"witness {config.name} of site {config.site}")
    take_documents(base / config.state, trust)
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
            connect=connector(config.broker, Topics(trust.fleet).witness_filters(config.site), clock, "witness"),
            software=software(),
        )
        with bound(site=config.site, witness=config.name):
            asyncio.run(until_signal(lambda stop: Witness(parts).run(stop)))
    finally:
        chain.close()
    return 0
