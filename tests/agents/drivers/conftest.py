"""Fixtures of the drivers' tests: one driver over real processes, held together in each way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from agents.drivers import cgroup
from agents.drivers.process import ProcessDriver
from protocols.clock import Clock
from protocols.config import ProcessDriverConfig
from protocols.host.logs import get_logger
from tests.agents.workloads import REPOSITORY, Workload, worker_argv
from tests.components import NO_SKIP

Means = Literal["cgroup", "session"]
MakeDriver = Callable[..., ProcessDriver]


@pytest.fixture(params=["cgroup", "session"])
def means(request: pytest.FixtureRequest) -> Means:
    """How the workload is held together."""
    chosen: Means = request.param
    if chosen == "cgroup":
        require_cgroup()
    return chosen


@pytest.fixture
def make_driver(tmp_path: Path, workload: Workload) -> MakeDriver:
    """Make a driver over the one state folder, as each start of an agent does."""

    def make(
        means: Means,
        *options: str,
        argv: tuple[str, ...] | None = None,
        clock: Clock | None = None,
        cpu_floor_per_s: int | None = None,
    ):
        config = ProcessDriverConfig(
            argv=argv or worker_argv(tmp_path / "checkpoint", *options),
            checkpoint=str(tmp_path / "checkpoint"),
            cgroup="auto" if means == "cgroup" else "never",
        )
        return ProcessDriver(
            config,
            site=workload.site,
            state_dir=tmp_path / "state",
            base_dir=REPOSITORY,
            environment=os.environ,
            log=get_logger(),
            clock=clock,
            cpu_floor_per_s=cpu_floor_per_s,
        )

    return make


def require_cgroup() -> None:
    """Skip aloud where no cgroup v2 can be made, or fail where skips are not allowed."""
    made = cgroup.make("haltdrill-test")
    complaint = "no cgroup v2 can be made here: run as root on a host that mounts one"
    if made is None and os.environ.get(NO_SKIP) == "1":
        pytest.fail(complaint, pytrace=False)
    if made is None:
        pytest.skip(complaint)
    made.discard()
