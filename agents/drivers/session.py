"""A workload held together by its session: what is left where no cgroup may be made.

A process that leaves the session *and* whose parents have all exited (a double fork with `setsid`)
is out of reach here. It is for the witness to see it: then the site comes out `contradicted`.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping

from agents.acting import SiteState
from agents.drivers import procfs
from agents.drivers.procfs import ProcessId, ProcessStat
from protocols.errors import DriverError


class SessionUsage:
    """Adds up the CPU time of processes that come and go. Pure.

    What a child used is counted while it lives; when its parent has waited for it, the kernel adds it
    to the parent's account, and there only what was not counted before is new.
    """

    def __init__(self) -> None:
        self._seen: dict[ProcessId, tuple[int, int]] = {}
        self._begun = False
        self._total_us = 0
        self._counted_us = 0  # of ended processes: may come again in a parent's account of its children

    def add(self, seen: Mapping[ProcessId, tuple[int, int] | None]) -> int:
        """Take in a look, and return the total in microseconds.

        Args:
            seen: CPU time of each process and of the children it has waited for; None when it is gone.
        """
        for process in [process for process, account in seen.items() if account is None]:
            self._counted_us += sum(self._seen.pop(process, (0, 0)))
        for process, account in seen.items():
            if account is None:
                continue
            # Whoever comes later was started meanwhile: all that it used is new.
            own_us, children_us = self._seen.get(process, (0, 0) if self._begun else account)
            self._total_us += max(0, account[0] - own_us)
            self._add_children(max(0, account[1] - children_us))
            self._seen[process] = account
        self._begun = True
        return self._total_us

    def _add_children(self, used_us: int) -> None:
        known_us = min(used_us, self._counted_us)
        self._counted_us -= known_us
        self._total_us += used_us - known_us


class SessionEnclosure:
    """The session that `leader` leads, with everything descended from it.

    Args:
        leader: The workload's first process.
        marker: `NAME=value` in the environment of the workload's processes.
    """

    means = "session"

    def __init__(self, leader: ProcessId, marker: str) -> None:
        self._leader = leader
        self._marker = marker.encode()
        # Members met while acting. A child with a session of its own is a member through its
        # parent only, and would be lost when the parent exits first.
        self._met: set[ProcessId] = set()
        self._usage = SessionUsage()

    def state(self) -> SiteState:
        """Return what the live processes do now."""
        return _state_of(self._members())

    def count(self) -> int:
        """Return how many live processes are in the session."""
        return len(self._members())

    def cpu_us(self) -> int:
        """Return the CPU time of the members met while acting, since the first call."""
        accounts = {member: procfs.cpu_us(member) for member in tuple(self._met)}
        self._met.difference_update(member for member, account in accounts.items() if account is None)
        return self._usage.add(accounts)

    def check_permissions(self) -> str:
        """Send signal 0 to every process."""
        members = self._members()
        for stat in members:
            procfs.check_may_signal(stat.id.pid)
        return f"may signal its {len(members)} processes"

    def quota(self) -> str | None:
        """Return None: a session has no quota."""
        return None

    def set_quota(self, text: str) -> None:
        """Refuse.

        Raises:
            DriverError: Always.
        """
        raise DriverError(f"a session takes no quota ({text})")

    def suspend(self) -> None:
        """Send SIGSTOP to every process that runs, parents first.

        Those met before come at once: finding the others takes milliseconds in which they would work on.
        """
        self._signal(sorted(self._met), signal.SIGSTOP)
        self._signal([stat.id for stat in self._meet() if not stat.suspended], signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT to every suspended process, children first."""
        self._signal([stat.id for stat in reversed(self._meet()) if stat.suspended], signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """Send SIGTERM to every process, then SIGCONT: a suspended one cannot obey."""
        members = [stat.id for stat in self._meet()]
        self._signal(members, signal.SIGTERM)
        self._signal(members, signal.SIGCONT)

    def kill(self) -> None:
        """Send SIGKILL to every process."""
        self._signal([stat.id for stat in self._meet()], signal.SIGKILL)

    def discard(self) -> None:
        """Forget the members met: an empty session leaves nothing behind."""
        self._met.clear()
        self._usage = SessionUsage()

    def _meet(self) -> list[ProcessStat]:
        members = self._members()
        self._met.update(stat.id for stat in members)
        return members

    def _members(self) -> list[ProcessStat]:
        """Return the live members, the oldest first."""
        stats = procfs.all_stats()
        roots = {stat.id.pid for stat in stats.values() if self._is_root(stat, stats)}
        return sorted(
            (stat for stat in _with_descendants(roots, stats) if stat.alive),
            key=lambda stat: stat.id,
        )

    def _is_root(self, stat: ProcessStat, stats: dict[int, ProcessStat]) -> bool:
        if stat.id in self._met or stat.id == self._leader:
            return True
        if stat.session != self._leader.pid:
            return False
        leader = stats.get(self._leader.pid)
        if leader is not None:
            return leader.id == self._leader
        # The leader is gone and its number could have served another session since: only its
        # environment tells the two apart, and killing a stranger is the worse mistake.
        return procfs.has_variable(stat.id.pid, self._marker)

    @staticmethod
    def _signal(members: list[ProcessId], number: signal.Signals) -> None:
        for member in members:
            try:
                procfs.send(member, number)
            except PermissionError as error:
                raise DriverError(
                    f"may not send {number.name} to process {member.pid}",
                    remedy="run the agent as the workload's user or as root",
                ) from error


def _with_descendants(roots: set[int], stats: dict[int, ProcessStat]) -> list[ProcessStat]:
    children: dict[int, list[int]] = {}
    for stat in stats.values():
        children.setdefault(stat.parent, []).append(stat.id.pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, ()))
    return [stats[pid] for pid in found]


def _state_of(members: list[ProcessStat]) -> SiteState:
    suspended = sum(stat.suspended for stat in members)
    if not members:
        return SiteState.STOPPED
    if suspended == len(members):
        return SiteState.PAUSED
    return SiteState.MIXED if suspended else SiteState.RUNNING
