"""Running whoever acts, an agent or an enforcer: its disk, documents, key and memory, in that order."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agents.acting import Driver
from agents.agent import Agent, AgentParts
from agents.held import take_documents
from agents.ledger import Identity, Ledger
from agents.startup import connector, software, until_signal
from agents.store import FileDisk
from protocols.clock import Clock
from protocols.config import BrokerConfig
from protocols.controls import Actor
from protocols.errors import DriverError, HaltdrillError, StoreBusy
from protocols.host.logs import FilteringBoundLogger, bound
from protocols.keys import Signer
from protocols.topics import Topics
from protocols.trust import SiteTrust


@dataclass(frozen=True, slots=True)
class Party:
    """Who acts, and from where.

    Attributes:
        actor: Agent or enforcer.
        name: `agent`, or the enforcer's name.
        site: The site's id.
        state: The folder of what it remembers.
        store: The file of its journal in that folder.
        broker: Where it connects to.
        veto: Tells whether the local veto is set.
        clock: The clock.
        log: Where its log goes.
    """

    actor: Actor
    name: str
    site: str
    state: Path
    store: str
    broker: BrokerConfig
    veto: Callable[[], bool]
    clock: Clock
    log: FilteringBoundLogger


@dataclass(frozen=True, slots=True)
class Authority:
    """By what it acts.

    Attributes:
        trust: The site's documents.
        signer: Its key, which the site record lists.
        driver: How it acts.
    """

    trust: SiteTrust
    signer: Signer
    driver: Driver


def run_acting(party: Party, authority: Callable[[], Authority], rescuer: Callable[[], Driver]) -> int:
    """Run until it is asked to stop.

    Args:
        party: Who acts.
        authority: Opens documents and key, and makes the driver.
        rescuer: Makes a driver that can restore, when there is no authority.

    Returns:
        The exit code.

    Raises:
        HaltdrillError: It could not run; what carried its mark was restored if that was possible.
    """
    disk: FileDisk | None = None
    try:
        disk = FileDisk(party.state / party.store)  # it is locked: nobody else acts for this party now
        held = authority()
        take_documents(party.state, held.trust)
        identity = Identity(held.trust.fleet, party.site, held.signer, by=party.name)
        ledger = Ledger.open(disk, identity, new_id=secrets.token_hex(16), now_ns=party.clock.wall_ns())
    except StoreBusy:
        raise  # whoever has it looks after the site
    except HaltdrillError:
        # Without authority or memory it may obey nothing; but it must not leave its site halted either.
        _restore_anyway(rescuer(), party)
        if disk is not None:
            disk.close()
        raise
    try:
        agent = Agent(_parts(party, held, ledger))
        with bound(site=party.site):
            asyncio.run(until_signal(agent.run))
    finally:
        ledger.close()
    return 0


def _parts(party: Party, held: Authority, ledger: Ledger) -> AgentParts:
    topics = Topics(held.trust.fleet)
    is_agent = party.actor is Actor.AGENT
    filters = topics.agent_filters(party.site) if is_agent else topics.enforcer_filters(party.site)
    return AgentParts(
        trust=held.trust,
        signer=held.signer,
        ledger=ledger,
        driver=held.driver,
        clock=party.clock,
        log=party.log,
        veto=party.veto,
        connect=connector(party.broker, filters, party.clock, party.actor.value),
        software=software(),
        actor=party.actor,
        name=party.name,
    )


def _restore_anyway(driver: Driver, party: Party) -> None:
    """Restore a site that carries our mark, when we cannot go on."""
    try:
        driver.start()
        if driver.observe().ours:
            party.log.error(f"{party.actor.value}.restored", detail=driver.restore(), reason="cannot_start")
    except DriverError as error:
        party.log.error(f"{party.actor.value}.restore.failed", detail=str(error))  # noqa: TRY400 - one line, no traceback


def veto_file(path: Path | None) -> Callable[[], bool]:
    """Return what tells whether the file is there that sets the veto; without a path it is never set."""
    if path is None:
        return lambda: False

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
