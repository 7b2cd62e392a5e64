"""Connections of the command line: the embedded broker when it is ours to start, and the transport."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence

from orchestrator.runtime.broker import EmbeddedBroker
from orchestrator.runtime.leash import Leash
from protocols.clock import Clock
from protocols.config import BrokerConfig
from protocols.transport.mqtt import MqttTransport

_LOOK_S = 1.0


async def listens(broker: BrokerConfig) -> bool:
    """Tell whether something takes connections there."""
    try:
        async with asyncio.timeout(_LOOK_S):
            _, writer = await asyncio.open_connection(broker.host, broker.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


@contextlib.asynccontextmanager
async def broker_for(broker: BrokerConfig, *, embedded: bool, leash: Leash) -> AsyncIterator[BrokerConfig]:
    """Give the broker's address, after starting the embedded one if it is ours to start.

    Raises:
        ChildError: It did not start.
    """
    if not embedded or await listens(broker):
        yield broker
        return
    async with EmbeddedBroker(port=broker.port, leash=leash) as running:
        yield running.config


def transport_to(broker: BrokerConfig, filters: Sequence[str], clock: Clock, *, role: str) -> MqttTransport:
    """Make a transport with a client id of its own."""
    return MqttTransport(broker, filters, clock=clock, client_id=f"haltdrill-{role}-{secrets.token_hex(4)}")
