"""Sends a drill's abort to its sites: for the command, and for the views, which have no other way to stop a drill."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.connecting import transport_to
from orchestrator.fleet.load import LoadedFleet, load_fleet
from orchestrator.journal.base import DrillSummary, JournalStore
from orchestrator.journal.places import open_store
from orchestrator.journal.urls import shown
from orchestrator.runtime.issuer import make_abort
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import read_private_key
from protocols.topics import Topics

ABORT_REPEATS = 5
ABORT_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class AbortSent:
    """An abort that was published.

    Attributes:
        drill: The drill.
        noted: Whether the orchestrator has it in its journal.
    """

    drill: str
    noted: bool

    @property
    def sentences(self) -> tuple[str, str]:
        """What to tell the person who sent it."""
        return (
            f"Sent to every site of {self.drill}: restore now, and never again under this use of the warrant.",
            "The orchestrator has it in its journal and is watching the sites come back."
            if self.noted
            else "The orchestrator has not taken note (it may not be running); the sites act on it all the same.",
        )


async def send_abort(fleet: Path, drill: str | None, reason: str, *, key: Path | None = None) -> AbortSent:
    """Sign an abort and publish it, a few times since anything may be lost.

    Args:
        fleet: The fleet's folder.
        drill: The drill; None for the one that is open.
        reason: Why, for the record.
        key: A dispatcher's or any approver's private key; the fleet's dispatcher's if None.

    Raises:
        ConfigError: There is no such drill, or the key may not abort.
        HaltdrillError: The fleet, its journal or its broker cannot be used.
    """
    clock = SystemClock()
    loaded = load_fleet(fleet, clock.wall_ns())
    key = key or Path(loaded.config.dispatcher_key)
    signer = read_private_key(key)
    trust = loaded.trust
    if signer.public_key.keyid not in {*trust.dispatchers.keys, *trust.approvers.keys}:
        raise ConfigError("this key is neither a dispatcher's nor an approver's", where=str(key))
    with closing(open_store(loaded.config.journal)) as store:
        chosen = choose_drill(store.drills(), drill, loaded.config.journal)
        _, envelope = make_abort(
            signer, trust.fleet, chosen.warrant, chosen.use, reason, secrets.token_hex(16), clock.wall_ns()
        )
        return AbortSent(chosen.drill, await _publish(loaded, envelope.encode(), clock, store, chosen.drill))


def choose_drill(known: list[DrillSummary], wanted: str | None, journal: str) -> DrillSummary:
    """Return the drill that is named, or else the newest that is open.

    Raises:
        ConfigError: There is none.
    """
    candidates = [entry for entry in known if (entry.drill == wanted if wanted else not entry.closed)]
    if not candidates:
        raise ConfigError(
            f"there is no drill {wanted}" if wanted else "no drill is open",
            where=shown(journal),
            remedy="list them with: haltdrill drills",
        )
    return candidates[-1]


async def _publish(loaded: LoadedFleet, envelope: bytes, clock: SystemClock, store: JournalStore, drill: str) -> bool:
    """Publish it, and tell whether it was journalled."""
    topics = Topics(loaded.trust.fleet)
    async with transport_to(loaded.config.broker, [], clock, role="abort") as transport:
        for _ in range(ABORT_REPEATS):
            await transport.publish(topics.stops, envelope)
            await clock.sleep(ABORT_PAUSE_S)
            if any(b'"type":"drill.aborted"' in line for line in store.lines(drill)):
                return True
    return False
