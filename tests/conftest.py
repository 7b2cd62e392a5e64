"""Fixtures that several packages' tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from protocols.host.clock import SystemClock
from tests.brokers import Mosquitto, Nats, RealBroker
from tests.components import require
from tests.log_checks import check_file, checking
from tests.postgres import Postgres


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of whole programs: they take longest, and mostly wait while others compute."""
    items.sort(key=lambda item: not {"e2e", "docs"} & set(item.path.parts))


@pytest.fixture(autouse=True)
def _logs_are_as_described(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test whose code, or whose programs, log what the event catalogue does not have."""
    if request.node.get_closest_marker("made_up_events"):
        yield
        return
    with pytest.MonkeyPatch.context() as patch, checking(patch):
        yield
        folder = request.node.funcargs.get("tmp_path")
        for path in folder.rglob("*.log") if isinstance(folder, Path) else ():
            check_file(path)


@pytest.fixture(autouse=True, scope="module")
def _logs_of_programs_are_as_described(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Fail where the programs of a module's end-to-end tests leave a log with lines that nobody described."""
    if not {"e2e", "docs"} & set(request.path.parts):
        yield
        return
    with pytest.MonkeyPatch.context() as patch, checking(patch):
        base = tmp_path_factory.getbasetemp()
        known = set(base.iterdir())
        yield
        for path in (path for folder in set(base.iterdir()) - known for path in folder.rglob("*.log")):
            check_file(path)


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Debian's PostgreSQL, running: one server for all tests, in which each makes databases of its own."""
    with Postgres() as running:
        yield running


@pytest.fixture(params=["nats", "mosquitto"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[RealBroker]:
    """Each of the two brokers that everything must work on, one after the other."""
    running: Nats | Mosquitto
    running = Nats() if request.param == "nats" else Mosquitto(require("mosquitto", package="mosquitto"))
    async with running:
        yield running
