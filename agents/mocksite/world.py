"""A simulated site as one thing: jobs, scheduler, power, devices and network, moved on by whoever looks.

Nothing runs here by itself. `advance` takes the time and lets everything happen that falls before it,
in order, so the same code runs on the wall clock and on a virtual one, many sites to a process. The
time is always that of the true clock, never of a party's own. All of it belongs to one event loop.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections.abc import Callable

from agents.mocksite.chance import Ripple
from agents.mocksite.command import Command
from agents.mocksite.devices import Devices
from agents.mocksite.faults import Faults
from agents.mocksite.jobs import NS_PER_S, Job
from agents.mocksite.network import Network
from agents.mocksite.power import SampledPower, draw_w
from agents.mocksite.scheduler import Run, Scheduler
from agents.observation import SiteState, states_under
from protocols.controls import (
    DecommissionParams,
    IsolateParams,
    Params,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
)
from protocols.errors import DriverError
from protocols.mock_config import Fault, MockConfig, work_signal

_CONTROL, _POWER = "control", "power"


class ProcessTap:
    """Somebody who counts processes: the most since they last looked."""

    def __init__(self) -> None:
        self.peak = 0


class World:
    """One simulated site.

    Args:
        config: What it is.
        now_ns: The time of the true clock, nanoseconds.
        feed: Tells whether its power feed is on; None for one that nobody switches.
        destroyed: Whether its accelerators were destroyed before.

    Attributes:
        config: What it is.
        faults: What is wrong with it; may be switched at any time.
        scheduler: Where runs are submitted.
        devices: Its accelerators.
        network: Its egress.
        samples: What power meters sample.
        ours: The agent's mark: whether a control was applied and not yet restored.
        epoch: The epoch of its counters.
    """

    def __init__(
        self, config: MockConfig, *, now_ns: int, feed: Callable[[], bool] | None = None, destroyed: bool = False
    ) -> None:
        self.config = config
        self.faults = Faults(config.faults)
        self._jobs = tuple(Job(job, Ripple(config.seed, job.name, config.ripple)) for job in config.jobs)
        self.scheduler = Scheduler(config, self._jobs, self.faults)
        self.devices = Devices(config, self.faults, destroyed=destroyed)
        self.network = Network(self.faults)
        self.samples = SampledPower(config.power.meter_interval_s)
        self.ours = False
        self.epoch = f"t{now_ns}"
        self._feed = feed
        self._feed_on = True
        self._live = self._booted = True
        self._now_ns = now_ns
        self._events: list[tuple[int, int, str, int, Callable[[int], None]]] = []
        self._order = itertools.count()
        self._generation = {_CONTROL: 0, _POWER: 0}
        self._command: Command | None = None
        self._in_force: Command | None = None
        self._settled_ns: int | None = now_ns
        self._taps: list[ProcessTap] = []
        if destroyed:
            self._kill_all()
        self.samples.first(now_ns, self._power_w(0.0))

    # -- time ----------------------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Let everything happen that falls before a time; an earlier time than the last changes nothing."""
        while self._events and self._events[0][0] <= now_ns:
            at_ns, _, kind, generation, happen = heapq.heappop(self._events)
            if generation == self._generation[kind]:
                self._flow(at_ns)
                happen(at_ns)
                self._note_processes()
        self._flow(now_ns)
        self._look_at_feed()

    def _flow(self, to_ns: int) -> None:
        if to_ns <= self._now_ns:
            return
        self.samples.record(self._now_ns, to_ns, self._power_w)
        for job in self._jobs:
            job.advance(self._now_ns, to_ns, starved=self._starves(job))
        self._now_ns = to_ns

    def _at(self, at_ns: int, kind: str, happen: Callable[[int], None]) -> None:
        heapq.heappush(self._events, (at_ns, next(self._order), kind, self._generation[kind], happen))

    def _after(self, delay_s: float, kind: str, happen: Callable[[int], None], *, since_ns: int) -> None:
        self._at(since_ns + round(delay_s * NS_PER_S), kind, happen)

    # -- the control plane ---------------------------------------------------------------------

    @property
    def command(self) -> Command | None:
        """What the site was last told, or None when it is to run."""
        return self._command

    def tell(self, command: Command | None) -> None:
        """Tell the control plane what to do; None is to run as always. It then takes its time.

        Raises:
            DriverError: It takes no commands.
        """
        if self.faults.has(Fault.NO_PERMISSION):
            raise DriverError("the scheduler takes no commands from this account", where=self.config.site)
        self._command = command
        self._generation[_CONTROL] += 1
        self._settled_ns = None
        self.ours = self.ours or command is not None
        if command is not None and self.faults.has(Fault.SLOW):
            self._after(self.config.fault_timing.slow_s, _CONTROL, self._enact, since_ns=self._now_ns)
        else:
            self._enact(self._now_ns)
            self._note_processes()

    @property
    def settled(self) -> bool:
        """Whether, by the scheduler's books, everything it was told is done."""
        return self._settled_ns is not None and self._now_ns >= self._settled_ns

    @property
    def powered(self) -> bool:
        """Whether the site has power and has booted."""
        return self._booted

    def reported(self) -> SiteState:
        """Return the state as the scheduler has it in its books: what the agent's driver can see."""
        if self.devices.destroyed:
            return SiteState.GONE
        if not self._booted:
            return SiteState.DARK
        if not self.settled:
            return SiteState.MIXED
        return SiteState.RUNNING if self._in_force is None else states_under(self._in_force.params)[0]

    @property
    def in_force(self) -> Params | None:
        """The control that has taken effect."""
        return None if self._in_force is None else self._in_force.params

    def checkpoint_digest(self) -> str | None:
        """Return the digest of what the jobs saved when they exited; None if one lost its state, or none exited."""
        exited = [job for job in self._jobs if not job.alive]
        if not all(job.exited_saved for job in exited):
            return None
        lines = [f"{job.config.name} {job.saved_units:.3f}\n" for job in exited]
        return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else None

    def _enact(self, at_ns: int) -> None:
        self._in_force = self._command
        if not self._booted:
            return
        settled_ns = max(self._steer(job, at_ns) for job in self._jobs)
        self._settled_ns = settled_ns
        if self._in_force is not None:
            self._misbehave(settled_ns)

    def _steer(self, job: Job, at_ns: int) -> int:  # noqa: PLR0911 - one for each means of the site's
        """Send one job where the command wants it; return when it will be there."""
        command = self._in_force
        if command is None or (job is self._jobs[0] and self.faults.has(Fault.PARTIAL)):
            return self._run(job, 1.0, at_ns)
        match command.params:
            case SlowdownParams():
                return self._run(job, 0.0 if self.faults.has(Fault.THROTTLED_TO_ZERO) else command.clock, at_ns)
            case SelectivePauseParams(protected=protected):
                goes_on = self.scheduler.protects(job, protected) or job is self._evader(protected)
                return self._run(job, 1.0, at_ns) if goes_on else self._suspend(job, at_ns)
            case ShutdownParams(grace_s=grace_s):
                return self._checkpoint(job, at_ns, grace_s)
            case DecommissionParams(phase="fire"):
                self.devices.destroy()
                job.kill()
                return at_ns
            case params if states_under(params)[0] is SiteState.PAUSED:
                return self._suspend(job, at_ns)
            case _:
                return self._run(job, 1.0, at_ns)

    def _run(self, job: Job, clock: float, at_ns: int) -> int:
        timing = self.config.timing
        over_s = timing.throttle_s if job.clock > 0 else timing.resume_s
        if not job.alive:
            if self.faults.has(Fault.NO_RESTORE_PATH):
                return at_ns
            job.start()
            over_s = timing.start_s
        return at_ns + round(job.steer(clock, over_s) * NS_PER_S)

    def _suspend(self, job: Job, at_ns: int) -> int:
        return at_ns + round(job.steer(0.0, self.config.timing.drain_s) * NS_PER_S)

    def _checkpoint(self, job: Job, at_ns: int, grace_s: float) -> int:
        if not job.alive:
            return at_ns
        rate_gb_per_s = self.config.timing.checkpoint_gb_per_s * job.config.accelerators
        saved_ns = self._suspend(job, at_ns) + round(job.config.state_gb / rate_gb_per_s * NS_PER_S)
        killed_ns = at_ns + round(grace_s * NS_PER_S)
        if saved_ns <= killed_ns:
            self._at(saved_ns, _CONTROL, lambda _: job.save_and_exit())
            return saved_ns
        self._at(killed_ns, _CONTROL, lambda _: job.kill())
        return killed_ns

    # -- what goes wrong behind the scheduler's back --------------------------------------------

    def _evader(self, protected: tuple[str, ...]) -> Job | None:
        """Return the job that runs under a false label, with that fault: the first that is not protected."""
        if not self.faults.has(Fault.MISLABELLED_JOB):
            return None
        return next((job for job in self._jobs if job.config.workload not in protected), None)

    def _starves(self, job: Job) -> bool:
        params = self.in_force
        return (
            isinstance(params, SelectivePauseParams)
            and job.config.workload in params.protected
            and self.faults.has(Fault.STARVED_CLASS)
        )

    def _misbehave(self, settled_ns: int) -> None:
        halted = [job for job in self._jobs if job.goal == 0]
        if halted and self.faults.has(Fault.RESPAWNING_JOB) and not self.devices.destroyed:
            delay_s = self.config.fault_timing.respawn_s
            self._after(delay_s, _CONTROL, lambda _: self._respawn(halted[0]), since_ns=settled_ns)
        if self.faults.has(Fault.FLAPPING):
            self._after(self.config.fault_timing.flap_s, _CONTROL, self._wake, since_ns=settled_ns)

    def _respawn(self, job: Job) -> None:
        job.start()
        job.steer(1.0, self.config.timing.resume_s)

    def _wake(self, at_ns: int) -> None:
        flap_s = self.config.fault_timing.flap_s
        for job in self._jobs:
            if job.alive and job.goal == 0:
                job.jump(1.0)
                self._after(flap_s / 4, _CONTROL, lambda _, job=job: job.jump(0.0), since_ns=at_ns)  # type: ignore[misc]
        self._after(flap_s, _CONTROL, self._wake, since_ns=at_ns)

    # -- power ---------------------------------------------------------------------------------

    def feed_on(self) -> bool:
        """Return what the power controller says of its feed.

        Raises:
            DriverError: It cannot be asked.
        """
        return True if self._feed is None else self._feed()

    def _look_at_feed(self) -> None:
        try:
            on = self.feed_on()
        except DriverError:
            return  # what cannot be read has not been switched, as far as the site knows
        if on == self._feed_on:
            return
        self._feed_on = on
        self._generation[_POWER] += 1
        power = self.config.power
        if not on:
            self._after(power.ups_ride_through_s, _POWER, self._lose_power, since_ns=self._now_ns)
        elif not self._live:
            self._live = True
            self._after(power.boot_s, _POWER, self._boot, since_ns=self._now_ns)

    def _lose_power(self, _at_ns: int) -> None:
        if self.faults.has(Fault.UPS_KEEPS_FEEDING):
            return
        self._live = self._booted = False
        self._generation[_CONTROL] += 1
        self._settled_ns = None
        self._kill_all()

    def _boot(self, at_ns: int) -> None:
        self._booted = True
        if self.devices.destroyed:
            self._settled_ns = at_ns
        else:
            self._enact(at_ns)

    def _kill_all(self) -> None:
        self.scheduler.runs.clear()
        for job in self._jobs:
            job.kill()

    def _power_w(self, after_s: float) -> float:
        if not self._live:
            return 0.0
        clocks = tuple(job.clock_after(after_s) for job in self._jobs)
        return draw_w(self.config, self._jobs, clocks, self.devices.count)

    # -- what can be seen ----------------------------------------------------------------------

    def work(self) -> dict[str, int]:
        """Return the counters: all work, and that of each class as it truly is, whatever it is labelled."""
        totals: dict[str | None, float] = {None: 0.0}
        for job in self._jobs:
            for workload in (None, job.config.workload):
                totals[workload] = totals.get(workload, 0.0) + job.worked_units
        return {work_signal(workload): int(units) for workload, units in totals.items()}

    def tap_processes(self) -> ProcessTap:
        """Begin to count processes for somebody."""
        tap = ProcessTap()
        self._taps.append(tap)
        self._note_processes()
        return tap

    def processes(self) -> int:
        """Return how many processes live now."""
        return sum(job.config.accelerators for job in self._jobs if job.alive) + sum(
            run.accelerators for run in self.scheduler.runs.values()
        )

    def _note_processes(self) -> None:
        count = self.processes()
        for tap in self._taps:
            tap.peak = max(tap.peak, count)

    def submit(self, run: Run) -> str:
        """Submit a run, as anybody may; see `Scheduler.submit`."""
        return self.scheduler.submit(run, under=self.in_force, powered=self._booted and not self.devices.destroyed)

    def send_canary(self, token: str) -> bool:
        """Send a canary from inside; see `Network.send`."""
        isolated = isinstance(self.in_force, IsolateParams)
        return self.network.send(token, isolated=isolated, powered=self._booted)
