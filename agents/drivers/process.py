"""Driver `process`: a workload that the agent supervises, with its whole process tree.

The workload outlives the agent: a restarted agent finds it again by a record on disk. What holds
its processes together is a cgroup v2 of its own where one may be made, and else its session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from agents.acting import Log, Observation, SiteState
from agents.drivers import cgroup, procfs
from agents.drivers.backoff import Backoff
from agents.drivers.enclosure import Enclosure
from agents.drivers.launch import HeldLaunch, Program
from agents.drivers.procfs import ProcessId
from agents.drivers.records import Mark, Records, WorkloadRecord, digest_of_file
from agents.drivers.rehearsal import may_act, prove, something_to_halt, way_back
from agents.drivers.session import SessionEnclosure
from agents.drivers.slowing import Slowing
from agents.drivers.waiting import never, wait_until
from protocols.clock import Clock
from protocols.config import ProcessDriverConfig
from protocols.controls import (
    Control,
    LeaseParams,
    Params,
    PauseParams,
    ShutdownParams,
    SlowdownParams,
    control_of,
)
from protocols.errors import DriverError
from protocols.host.clock import SystemClock
from protocols.messages import Proof

MARKER_VARIABLE = "HALTDRILL_WORKLOAD"
"""Set to the site's id in the workload's environment, so that others can recognise it."""

_KERNEL_LIMIT_S = 10.0  # suspending, resuming and killing take milliseconds unless something is wrong
_CLOSE_GRACE_S = 2.0
_LAST_WORDS_S = 2.0


class ProcessDriver:
    """Pauses, slows, stops and restarts one supervised workload.

    Args:
        config: The workload's command and how to hold it.
        site: The site's id.
        state_dir: The driver's own folder, for its records and the workload's output.
        base_dir: The folder that the workload runs in and relative paths start from.
        environment: What the workload's environment is built from.
        log: Where the driver's actions are recorded.
        cpu_floor_per_s: The least CPU time of its steady state, microseconds a second, as its record
            has it; of this a slowdown leaves a fraction. Without it there is none.
        clock: Measures grace, turns and back-off; the system's when None.
    """

    def __init__(
        self,
        config: ProcessDriverConfig,
        *,
        site: str,
        state_dir: Path,
        base_dir: Path,
        environment: Mapping[str, str],
        log: Log,
        cpu_floor_per_s: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._site = site
        self._marker = f"{MARKER_VARIABLE}={site}"
        self._program = Program(
            argv=config.argv,
            folder=base_dir,
            environment={**environment, **config.environment, MARKER_VARIABLE: site},
            output=state_dir / "workload.log",
        )
        self._may_use_cgroup = config.cgroup == "auto"
        self._checkpoint = None if config.checkpoint is None else base_dir / config.checkpoint
        self._records = Records(state_dir)
        self._state_dir = state_dir
        self._log = log
        self._cpu_floor_per_s = cpu_floor_per_s
        self._clock: Clock = SystemClock() if clock is None else clock
        self._slowing = Slowing(self._clock)
        self._leader: ProcessId | None = None
        self._enclosure: Enclosure | None = None
        self._backoff = Backoff(self._clock)

    @property
    def actions(self) -> frozenset[Control]:
        """The controls that it can do."""
        always = {Control.STANDBY, Control.REFUSAL, Control.PAUSE, Control.LEASE, Control.SHUTDOWN}
        return frozenset(always if self._cpu_floor_per_s is None else always | {Control.SLOWDOWN})

    def start(self) -> None:
        """Attach to the running workload, or start it unless our mark says that we halted it.

        Raises:
            DriverError: It can be neither attached to nor started.
        """
        self._records.prepare()
        self._attach()
        if self._records.mark() is None and not self._leader_lives():
            self._relaunch()

    def observe(self) -> Observation:
        """Look at the workload's processes now.

        Raises:
            DriverError: The kernel or the records cannot be read.
        """
        mark = self._records.mark()
        state = self._state()
        if mark is not None and mark.cap_per_s is not None:
            state = self._slowed_state(state, mark.cap_per_s)
        return Observation(state=state, ours=mark is not None, detail=self._describe(state))

    def rehearse(self, params: Params) -> tuple[Proof, ...]:
        """Look whether it could halt the workload and bring it back; nothing of it is touched.

        Args:
            params: What would be applied.

        Returns:
            Proofs of `enclosure` (there is something to halt), `permissions` (we may halt it) and
            `restore-path` (it could be started again).

        Raises:
            DriverError: It cannot do this control at all.
        """
        control = control_of(params)
        if control not in self.actions:
            raise DriverError(f"this driver cannot do {control}")
        return (
            prove("enclosure", lambda: something_to_halt(self._enclosure)),
            prove("permissions", lambda: may_act(self._enclosure, caps=self._cpu_floor_per_s is not None)),
            prove("restore-path", lambda: way_back(self._program, self._state_dir, self._checkpoint)),
        )

    def apply(self, params: Params, cancelled: Callable[[], bool] = never) -> str:
        """Pause, slow or stop the workload, also one that is slowed or paused; return when it is so.

        Raises:
            DriverError: It did not happen in time, or `cancelled` said so, or this driver cannot do it.
        """
        match params:
            case PauseParams() | LeaseParams():
                sentence = self._mark_and(params, lambda enclosure: self._pause(enclosure, cancelled))
            case ShutdownParams():
                sentence = self._mark_and(
                    params, lambda enclosure: self._shut_down(enclosure, params.grace_s, cancelled)
                )
            case SlowdownParams():
                sentence = self._slow(params)
            case _:
                raise DriverError(f"this driver cannot do {params.control}")
        self._log.info("driver.applied", site=self._site, control=params.control, detail=sentence)
        return sentence

    def restore(self) -> str:
        """Let a suspended or slowed workload run on, restart one that has ended, and take our mark off.

        A workload that was asked to stop, and whose grace was then cut short, is given two seconds
        to end. If it runs on it is left alone; when it ends later, it has died by itself.

        Raises:
            DriverError: It does not run; or it keeps dying and the next start is not due yet.
        """
        mark = self._records.mark()
        self._slowing.end(self._enclosure)
        sentence = self._resume()
        if mark is not None and mark.action is Control.SHUTDOWN:
            wait_until(lambda: not self._leader_lives(), limit_s=_LAST_WORDS_S, clock=self._clock)
        if not self._leader_lives():
            self._backoff.check(died_by_itself=mark is None)
            sentence = self._relaunch()
        if mark is not None:
            self._records.clear_mark()
        self._log.info("driver.restored", site=self._site, detail=sentence)
        return sentence

    def checkpoint_digest(self) -> str | None:
        """Return the SHA-256 of the checkpoint file, or None where there is none.

        Raises:
            DriverError: It is there and cannot be read.
        """
        return None if self._checkpoint is None else digest_of_file(self._checkpoint)

    def close(self, *, stop_workload: bool) -> None:
        """Let go of the workload, which runs on, or end it within a few seconds.

        Our mark stays on: what was halted when we left is still for an agent to restore. What was
        slowed runs on unslowed meanwhile, because nobody is left to resume it.

        Raises:
            DriverError: It was to be ended and still runs.
        """
        mark = self._records.mark()
        self._slowing.end(self._enclosure)
        if mark is not None and mark.cap_per_s is not None:
            self._resume()
        if stop_workload and self._enclosure is not None:
            if not self._everything_ended():
                self._enclosure.ask_to_stop()
                wait_until(self._everything_ended, limit_s=_CLOSE_GRACE_S, clock=self._clock)
            self._clear_away(self._enclosure)
        self._leader = self._enclosure = None

    # What is.

    def _attach(self) -> None:
        record = self._records.workload()
        if record is None or record.boot_id != self._clock.boot_id:
            self._leader = self._enclosure = None
            return
        self._leader = record.leader
        if record.cgroup is None:
            self._enclosure = SessionEnclosure(record.leader, self._marker)
        else:
            self._enclosure = cgroup.CgroupEnclosure(Path(record.cgroup))
        self._log.info("workload.attached", site=self._site, pid=record.pid, means=self._enclosure.means)

    def _leader_lives(self) -> bool:
        if self._leader is None:
            return False
        procfs.reap(self._leader)
        return procfs.is_alive(self._leader)

    def _everything_ended(self) -> bool:
        # The leader first: looking at one process is cheaper than looking at all.
        return not self._leader_lives() and self._state() is SiteState.STOPPED

    def _state(self) -> SiteState:
        if self._enclosure is None:
            return SiteState.STOPPED
        state = self._enclosure.state()
        # Like any supervisor we take the end of the first process for the end of the workload.
        if state is SiteState.RUNNING and not self._leader_lives():
            return SiteState.MIXED
        # A first process outside its own cgroup was moved there by somebody with the right to.
        if state is SiteState.STOPPED and self._leader_lives():
            return SiteState.MIXED
        return state

    def _slowed_state(self, state: SiteState, cap_per_s: int) -> SiteState:
        """Return the state of a workload that is marked as slowed, in whichever half of a turn it is.

        Without anything that caps it, it is neither slowed nor halted, be it suspended or not.
        """
        enclosure = self._enclosure
        if enclosure is None or not self._leader_lives() or enclosure.state() is SiteState.STOPPED:
            return state
        return SiteState.SLOWED if self._slowing.in_force(enclosure, cap_per_s) else SiteState.MIXED

    def _describe(self, state: SiteState) -> str:
        if self._enclosure is None:
            return "no workload"
        count = self._enclosure.count()
        orphaned = "" if self._leader_lives() or not count else ", their first one gone"
        return f"{state.value}: {count} live processes in its {self._enclosure.means}{orphaned}"

    # What we do.

    def _mark_and(self, params: Params, act: Callable[[Enclosure], str]) -> str:
        """Put the mark on, lift what slows the workload, and act on it if there is one."""
        self._records.save_mark(Mark(action=control_of(params)))
        enclosure = self._enclosure
        self._slowing.end(enclosure)
        if enclosure is None or self._everything_ended():
            return "the workload was not running"
        return act(enclosure)

    def _slow(self, params: SlowdownParams) -> str:
        if self._cpu_floor_per_s is None:
            raise DriverError(
                "the site record has no counter of CPU time for a slowdown to cap",
                remedy="set `cpu_signal` of the driver to a counter in the record's `work`",
            )
        cap_per_s = int(params.fraction * self._cpu_floor_per_s)
        self._records.save_mark(Mark(action=Control.SLOWDOWN, cap_per_s=cap_per_s))
        self._slowing.end(self._enclosure)
        if not self._leader_lives():
            # A slowed workload works: one that died by itself is started again.
            self._backoff.check(died_by_itself=True)
            self._relaunch()
        if self._enclosure is None:
            raise DriverError("there is no workload to slow")
        means = self._slowing.begin(self._enclosure, cap_per_s)
        return f"slowed to {cap_per_s} us of CPU time a second, {means}"

    def _pause(self, enclosure: Enclosure, cancelled: Callable[[], bool]) -> str:
        def suspended() -> bool:
            enclosure.suspend()
            return self._state() in {SiteState.PAUSED, SiteState.STOPPED}

        if not wait_until(suspended, limit_s=_KERNEL_LIMIT_S, clock=self._clock, cancelled=cancelled):
            raise DriverError(f"the workload was not suspended: {self._describe(self._state())}")
        return f"suspended {enclosure.count()} processes ({enclosure.means})"

    def _resume(self) -> str:
        enclosure = self._enclosure
        if enclosure is None or enclosure.state() in {SiteState.RUNNING, SiteState.STOPPED}:
            return "the workload was running"

        def resumed() -> bool:
            enclosure.resume()
            return enclosure.state() in {SiteState.RUNNING, SiteState.STOPPED}

        if not wait_until(resumed, limit_s=_KERNEL_LIMIT_S, clock=self._clock):
            raise DriverError(f"the workload does not run on: {self._describe(self._state())}")
        return f"resumed {enclosure.count()} processes ({enclosure.means})"

    def _shut_down(self, enclosure: Enclosure, grace_s: float, cancelled: Callable[[], bool]) -> str:
        if grace_s > 0:
            enclosure.ask_to_stop()
        if wait_until(self._everything_ended, limit_s=grace_s, clock=self._clock, cancelled=cancelled):
            return "the workload stopped by itself when asked"
        if cancelled():
            raise DriverError("the shutdown was called off during its grace")
        left = enclosure.count()
        self._kill_all(enclosure)
        return f"killed {left} processes that had not stopped within {grace_s:g} s"

    def _kill_all(self, enclosure: Enclosure) -> None:
        def ended() -> bool:
            if self._everything_ended():
                return True
            enclosure.kill()
            return False

        if not wait_until(ended, limit_s=_KERNEL_LIMIT_S, clock=self._clock):
            raise DriverError(f"the workload cannot be killed: {self._describe(self._state())}")

    def _clear_away(self, enclosure: Enclosure) -> None:
        """Leave nothing of a workload whose first process has ended."""
        self._kill_all(enclosure)
        enclosure.discard()
        self._records.clear_workload()

    def _relaunch(self) -> str:
        """Start the workload in an enclosure of its own, after clearing away the one before."""
        if self._enclosure is not None:
            self._clear_away(self._enclosure)
            self._leader = self._enclosure = None
        launch = HeldLaunch(self._program)
        try:
            enclosure = self._enclose(launch.process)
        except (DriverError, OSError):
            launch.cancel()
            raise
        self._leader, self._enclosure = launch.process, enclosure
        launch.release(self._clock)
        self._backoff.started()
        self._log.info("workload.started", site=self._site, pid=launch.process.pid, means=enclosure.means)
        return f"started the workload ({enclosure.means})"

    def _enclose(self, process: ProcessId) -> Enclosure:
        made = cgroup.make(f"haltdrill-{self._site}") if self._may_use_cgroup else None
        folder = None if made is None else str(made.folder)
        self._records.save_workload(
            WorkloadRecord(boot_id=self._clock.boot_id, pid=process.pid, start_ticks=process.start_ticks, cgroup=folder)
        )
        if made is None:
            return SessionEnclosure(process, self._marker)
        try:
            made.admit(process.pid)
        except OSError as error:
            made.discard()
            self._may_use_cgroup = False
            self._log.warning("workload.cgroup_refused", site=self._site, cgroup=folder, detail=str(error.strerror))
            return self._enclose(process)
        return made
