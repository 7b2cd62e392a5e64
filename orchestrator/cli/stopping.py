"""Signs levers and revocations, writes them into the fleet's folder, and sends them to everybody."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.connecting import transport_to
from orchestrator.fleet.held_stops import Heard, HeldStops, open_stop
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.load import LoadedFleet
from protocols.clock import Clock
from protocols.envelope import add_signature, parse_envelope, seal
from protocols.errors import ConfigError, TransportError
from protocols.host.files import read_private_key
from protocols.ids import format_utc
from protocols.keys import Signer
from protocols.messages import Lever, Revocation
from protocols.topics import Topics
from protocols.trust import FleetTrust

REPEATS = 5
PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Sent:
    """A stop that was sent.

    Attributes:
        heard: What it says, and its digest.
        reached: Whether the broker took it; if not, it counts for drills that are started from this folder only.
        trouble: What kept it from the broker.
    """

    heard: Heard
    reached: bool
    trouble: str = ""


def held_stops(loaded: LoadedFleet) -> HeldStops:
    """Return the levers and revocations that a fleet's folder holds.

    Raises:
        ConfigError: The folder cannot be read.
    """
    return HeldStops.read(FleetLayout(loaded.folder).stops, loaded.trust)


def lever(
    trust: FleetTrust, signers: Sequence[Signer], site: str | None, reason: str, lifts: str | None, now_ns: int
) -> bytes:
    """Make a move of the lever, signed by everybody who is there."""
    said = Lever(
        fleet=trust.fleet,
        site=site,
        engaged=lifts is None,
        disengages=lifts,
        nonce=secrets.token_hex(16),
        issued_at=format_utc(now_ns),
        reason=reason,
    )
    return _sealed(seal(said, signers[0]), signers[1:])


def revocation(trust: FleetTrust, signer: Signer, warrant: str, reason: str, now_ns: int) -> bytes:
    """Make a revocation."""
    said = Revocation(
        fleet=trust.fleet, warrant=warrant, nonce=secrets.token_hex(16), issued_at=format_utc(now_ns), reason=reason
    )
    return seal(said, signer)


def _sealed(raw: bytes, more: Sequence[Signer]) -> bytes:
    for signer in more:
        raw = add_signature(parse_envelope(raw), signer)
    return raw


def signers_of(keys: Sequence[Path]) -> list[Signer]:
    """Read private keys.

    Raises:
        ConfigError: None is given, or one cannot be used.
    """
    if not keys:
        raise ConfigError("none is given", where="--key", remedy="give an approver's private key")
    return [read_private_key(path) for path in keys]


async def send(loaded: LoadedFleet, raw: bytes, clock: Clock) -> Sent:
    """Check a stop as a site will, write it into the folder, and publish it a few times, since anything may be lost.

    Raises:
        TrustError: Whoever signed it may not say so.
        ConfigError: It cannot be written.
    """
    heard = open_stop(raw, loaded.trust)
    held_stops(loaded).keep(raw, heard)
    topics = Topics(loaded.trust.fleet)
    try:
        async with transport_to(loaded.config.broker, [], clock, role="stop") as transport:
            for number in range(REPEATS):
                if number:
                    await clock.sleep(PAUSE_S)
                await transport.publish(topics.stops, raw)
            await asyncio.sleep(0)
    except TransportError as error:
        return Sent(heard, reached=False, trouble=str(error))
    return Sent(heard, reached=True)
