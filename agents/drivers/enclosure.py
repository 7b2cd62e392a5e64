"""The seam between the process driver and what holds a workload's processes together."""

from __future__ import annotations

from typing import Protocol

from agents.acting import SiteState


class Enclosure(Protocol):
    """A workload's whole process tree. Calls act once and return at once; none waits for its effect.

    All raise `DriverError` when the kernel refuses.
    """

    @property
    def means(self) -> str:
        """What it is, for people: `cgroup` or `session`."""
        ...

    def state(self) -> SiteState:
        """Return what its live processes do now; `STOPPED` when there are none."""
        ...

    def count(self) -> int:
        """Return how many live processes are in it."""
        ...

    def cpu_us(self) -> int:
        """Return microseconds of CPU time that it used, since some moment that stays; never less than before."""
        ...

    def check_permissions(self) -> str:
        """Check that we may suspend, resume and end every process in it; return a clause on how.

        Nothing is changed: a signal 0 reaches nobody, and a file that is opened is not written.
        """
        ...

    def quota(self) -> str | None:
        """Return what its `cpu.max` holds, or None where the kernel caps nothing for us."""
        ...

    def set_quota(self, text: str) -> None:
        """Write its `cpu.max`."""
        ...

    def suspend(self) -> None:
        """Suspend every process in it; repeat until `state` says `PAUSED`."""
        ...

    def resume(self) -> None:
        """Let every process in it run on."""
        ...

    def ask_to_stop(self) -> None:
        """Send SIGTERM to every process in it and let them all run, so that they can obey."""
        ...

    def kill(self) -> None:
        """Send SIGKILL to every process in it; repeat until `state` says `STOPPED`."""
        ...

    def discard(self) -> None:
        """Take away what is left of it once it is empty."""
        ...
