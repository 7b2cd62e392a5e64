"""Fixtures that several packages' tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from protocols.host.clock import SystemClock
from tests.brokers import Mosquitto, Nats, RealBroker
from tests.components import require


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of whole programs: they take longest, and mostly wait while others compute."""
    items.sort(key=lambda item: not {"e2e", "docs"} & set(item.path.parts))


@pytest.fixture
def clock() -> SystemClock:
    """The real clock."""
    return SystemClock()


@pytest.fixture
async def nats() -> AsyncIterator[Nats]:
    """The embedded broker, running."""
    async with Nats() as running:
        yield running


@pytest.fixture
async def mosquitto() -> AsyncIterator[Mosquitto]:
    """Debian's mosquitto, running."""
    async with Mosquitto(require("mosquitto", package="mosquitto")) as running:
        yield running


@pytest.fixture(params=["nats", "mosquitto"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[RealBroker]:
    """Each of the two brokers that everything must work on, one after the other."""
    running: Nats | Mosquitto
    running = Nats() if request.param == "nats" else Mosquitto(require("mosquitto", package="mosquitto"))
    async with running:
        yield running
