"""Fixtures: a desk to decide at, and real workloads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocols.controls import Control
from tests.agents.desk import Desk
from tests.agents.workloads import Workload


@pytest.fixture
def workload() -> Iterator[Workload]:
    """A workload's marker; at the end nothing that carries it is left."""
    marked = Workload()
    yield marked
    marked.wipe()


@pytest.fixture
def desk() -> Desk:
    """A desk with an empty memory."""
    return Desk()


@pytest.fixture
def mock() -> Desk:
    """The desk of a mock site that does every control."""
    return Desk(record={"controls": tuple(Control), "mock": True})
