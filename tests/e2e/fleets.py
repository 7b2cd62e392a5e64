"""A fleet as a person makes it with `haltdrill init`, its agents and witnesses real processes, and its broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.spec import DEFAULT_OWNERS
from protocols.host.clock import SystemClock
from protocols.ids import format_utc, seconds_to_ns
from tests.brokers import Mosquitto, free_port
from tests.components import require
from tests.e2e.processes import Ended, Processes, Running, stands_still, until, works

HOLD_S = 4.5
USES = 5

_PLAN = """\
name: {name}
title: A short drill for a test
audience:
  sites: [{sites}]
window:
  not_before: {not_before}
  not_after: {not_after}
challenge_s: 0.2
uses: {uses}
min_between_uses_s: 0
max_total_held_s: {total_s}
steps:
  - name: pause
    control: pause
    response_limit_s: 3
    dwell_s: 1
    hold_s: {hold_s}
    restore_limit_s: 8
    quorum: 2
    max_gap_s: 1
"""


class OwnFleet:
    """A fleet's folder with everything in it, as `haltdrill init` made it.

    Args:
        folder: A folder that holds the fleet's.
        processes: What runs the commands.
        port: The broker's port.
        sites: How many sites of real processes.
        mock: How many simulated sites.
        more: More options of `haltdrill init`.
    """

    def __init__(
        self,
        folder: Path,
        processes: Processes,
        *,
        port: int,
        sites: int = 2,
        mock: int = 0,
        more: Sequence[str] = (),
    ) -> None:
        self.processes = processes
        self.layout = FleetLayout(folder / "fleet")
        options = ("--sites", str(sites), "--mock", str(mock), "--port", str(port), "--json", *more)
        made = processes.run("init", self.layout.folder, *options).expect(0)
        self.sites: list[str] = made.json()["sites"]
        self.parties: list[Running] = []

    @property
    def configs(self) -> list[Path]:
        """The configuration files of the orchestrator and of every agent, witness and enforcer."""
        folder = self.layout.folder
        parties = ("sites/*/agent.toml", "sites/*/*/witness.toml", "sites/*/*/enforcer.toml")
        return [self.layout.config, *(path for pattern in parties for path in folder.glob(pattern))]

    def edit(self, path: Path, old: str, new: str) -> None:
        """Change a configuration file as a person would."""
        text = path.read_text()
        assert old in text, f"{path} has no {old}"
        path.write_text(text.replace(old, new))

    @contextmanager
    def configured(self, old: str, new: str) -> Iterator[None]:
        """Have the orchestrator's configuration say something else for a while."""
        before = self.layout.config.read_text()
        self.edit(self.layout.config, old, new)
        try:
            yield
        finally:
            self.layout.config.write_text(before)

    def use_broker(self, old_port: int, port: int) -> None:
        """Point every configuration to a broker of somebody else's."""
        for config in self.configs:
            self.edit(config, f"port = {old_port}", f"port = {port}")
        self.edit(self.layout.config, "embedded = true", "embedded = false")

    def plan(self, name: str = "drill", *, window_s: float = 3600.0, hold_s: float = HOLD_S) -> Path:
        """Write a plan of one short pause, whose window ends in `window_s` seconds."""
        now_ns = SystemClock().wall_ns()
        text = _PLAN.format(
            name=name,
            sites=", ".join(self.sites),
            not_before=format_utc(now_ns - seconds_to_ns(60)),
            not_after=format_utc(now_ns + seconds_to_ns(window_s)),
            hold_s=hold_s,
            uses=USES,
            total_s=USES * (hold_s + 10.0),
        )
        path = self.layout.plans / f"{name}.yaml"
        path.write_text(text)
        return path

    def approve(self, plan: Path, owner: str) -> Ended:
        """Approve a plan as `owner`."""
        return self.processes.run("approve", plan, "--key", self.layout.approver_key(owner), "--yes")

    def approved_plan(
        self, name: str = "drill", *, window_s: float = 3600.0, owners: int = 2, hold_s: float = HOLD_S
    ) -> Path:
        """Write a plan and have owners approve it."""
        plan = self.plan(name, window_s=window_s, hold_s=hold_s)
        for owner in DEFAULT_OWNERS[:owners]:
            self.approve(plan, owner).expect(0)
        return plan

    def start_parties(self) -> None:
        """Start every agent and witness from its configuration file."""
        for config in self.configs[1:]:
            role = config.stem
            self.parties.append(
                self.processes.start(
                    role, "--config", config, "--log", config.with_suffix(".log"), folder=config.parent
                )
            )

    def workload(self, site: str) -> int | None:
        """Return the process id of a site's workload."""
        return self.processes.worker(self.layout.site(site).folder)

    def all_work(self) -> bool:
        """Tell whether every site is at work."""
        return all(works(self.workload(site)) for site in self.sites)

    def all_still(self) -> bool:
        """Tell whether every site is halted."""
        return all(stands_still(self.workload(site)) for site in self.sites)

    def until_held(self, running: Running) -> None:
        """Wait until a drill holds every site."""

        def held() -> bool:
            assert running.runs, running.said()[-4000:]
            return self.all_still()

        until(held, "every site held")

    def drills(self) -> list[dict[str, object]]:
        """Return what `haltdrill drills` lists."""
        listed = self.processes.run("drills", "--fleet", self.layout.folder, "--json").expect(0).json()["drills"]
        assert isinstance(listed, list)
        return listed


class ExternalBroker:
    """A mosquitto that is nobody's child but the test's."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._broker = Mosquitto(require("mosquitto", package="mosquitto"))

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return self._broker.config.port

    def kill(self) -> None:
        """Kill it."""
        self._runner.run(self._broker.kill())

    def restart(self) -> None:
        """Start it again on the same port."""
        self._runner.run(self._broker.restart())

    def __enter__(self) -> ExternalBroker:
        self._runner.run(self._broker.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._broker.__aexit__(None, None, None))


@contextmanager
def external_broker() -> Iterator[ExternalBroker]:
    """Run a mosquitto beside a test that is not asynchronous."""
    with asyncio.Runner() as runner, ExternalBroker(runner) as broker:
        yield broker


@contextmanager
def running_fleet(folder: Path, kind: str) -> Iterator[OwnFleet]:
    """Make a fleet with everybody there, over the `embedded` broker or over `mosquitto`."""
    port = free_port()
    with Processes(folder) as processes:
        fleet = OwnFleet(folder, processes, port=port)
        if kind == "embedded":
            fleet.start_parties()
            yield fleet
            return
        with external_broker() as broker:
            fleet.use_broker(port, broker.port)
            fleet.start_parties()
            yield fleet
