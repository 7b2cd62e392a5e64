"""Fixtures of tests with real workloads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.workloads import Workload


@pytest.fixture
def workload() -> Iterator[Workload]:
    """A workload's marker; at the end nothing that carries it is left."""
    marked = Workload()
    yield marked
    marked.wipe()
