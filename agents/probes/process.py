"""Probe `process`: CPU time and live processes of a site's work, as the kernel accounts them."""

from __future__ import annotations

import pwd
import secrets
from collections.abc import Callable
from pathlib import Path

from agents.probes import accounts
from agents.probes.accounts import Account
from agents.probes.counting import EpochNames, KernelCounter, Tally, Task, UsageCounter
from protocols.config import ProcessProbeConfig
from protocols.errors import ProbeError
from protocols.messages import Challenge, Counter, Peak, Signal

_RUN_BYTES = 8


class ProcessProbe:
    """Observes processes that it selects itself, by one of three rules.

    `cgroup` is the strongest: the kernel adds up a whole cgroup, ended processes included. Point it
    at a folder that stays (a slice around the workload); while the folder is missing no process is
    in it, but CPU time is `unknown`.

    `environ` and `user` add up processes one by one, in clock ticks (10 ms as a rule). A process
    that was seen once is followed by pid and start time until it ends, whatever becomes of its
    environment or user; then a new counter epoch begins. What they can miss:

    - a process that is started and gone between two samples, if its parent does not wait for it (a
      sleeping tracked process double-forks a short-lived child): its CPU time is in no one's account;
    - work that sheds what it is selected by: another environment, another user.

    Where a site could gain from that, have its witness select by `cgroup`, or add one that measures
    what no process can avoid (power, work done).

    Args:
        config: The rule.
        cpu_signal: Name of the counter of CPU time, in microseconds.
        processes_signal: Name of the peak of live processes.

    Raises:
        ProbeError: The rule names a user that does not exist, or cgroup v2 is missing.
    """

    def __init__(self, config: ProcessProbeConfig, *, cpu_signal: str, processes_signal: str) -> None:
        self._cpu_signal = cpu_signal
        self._processes_signal = processes_signal
        self._look = _look_for(config, EpochNames(secrets.token_hex(_RUN_BYTES)))

    def sample(self, challenge: Challenge) -> tuple[Signal, ...]:  # noqa: ARG002 - it looks at the same always
        """Look at the processes now.

        Raises:
            ProbeError: The kernel's accounts cannot be read.
        """
        tally = self._look()
        return (
            Counter(name=self._cpu_signal, epoch=tally.epoch, value=tally.cpu_us),
            Peak(name=self._processes_signal, value=tally.peak_live),
        )


def _look_for(config: ProcessProbeConfig, names: EpochNames) -> Callable[[], Tally]:
    if config.cgroup is not None:
        return _GroupLook(accounts.cgroup_mount() / config.cgroup.lstrip("/"), names)
    if config.user is not None:
        uid = _uid_of(config.user)
        return _TaskLook(lambda pid: accounts.runs_as(pid, uid), names)
    if config.environ is not None:
        assignment = config.environ.encode()
        return _TaskLook(lambda pid: accounts.inherits(pid, assignment), names)
    raise ProbeError("the probe selects no processes", remedy="give it one of environ, user and cgroup")


class _GroupLook:
    def __init__(self, folder: Path, names: EpochNames) -> None:
        self._folder = folder
        self._counter = KernelCounter(names)

    def __call__(self) -> Tally:
        account = accounts.group_account(self._folder)
        if account is None:
            return self._counter.add(None, 0, 0)
        return self._counter.add(account.inode, account.cpu_us, account.live)


class _TaskLook:
    def __init__(self, selects: Callable[[int], bool], names: EpochNames) -> None:
        self._selects = selects
        self._counter = UsageCounter(names)

    def __call__(self) -> Tally:
        tracked = self._counter.tracked
        seen: dict[Task, int] = {}
        for pid in accounts.pids():
            account = accounts.account_of(pid)
            if account is not None and account.live and self._is_work(account, tracked):
                seen[account.task] = account.cpu_us
        return self._counter.add(seen)

    def _is_work(self, account: Account, tracked: frozenset[Task]) -> bool:
        if account.task in tracked:
            return True
        return not account.is_kernel_thread and self._selects(account.task.pid)


def _uid_of(user: str) -> int:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ProbeError("there is no such user", where=user, remedy="name the user that the work runs as") from None
