"""Adding up processes that come and go, without ever claiming more than was seen. Pure.

A sum over living processes forgets what an ended one did after it was last looked at, and knows
nothing of children that it had and that ended too. So the sum stands only within one *counter epoch*,
and the epoch ends whenever a process that was in the sum has ended, be it a zombie or gone. Nothing is
proved quiet across two epochs: work that hops from process to process, each ended before the next
look, is `unknown`, never quiet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """One process, told from a later one with its pid by when it started.

    Attributes:
        pid: Its number.
        start_ticks: When it started, in clock ticks since the boot.
    """

    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What all looks so far amount to.

    Attributes:
        epoch: Values of different epochs say nothing about each other.
        cpu_us: Microseconds of CPU time; never less than before within an epoch.
        peak_live: The most processes that lived at this look or since the one before.
    """

    epoch: str
    cpu_us: int
    peak_live: int


class EpochNames:
    """Names for counter epochs that no other run of the witness will use.

    Args:
        run: Unpredictable hex digits, new for each run.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._number = 0

    def next(self) -> str:
        """Return a name never returned before."""
        self._number += 1
        return f"{self._run}:{self._number}"


class UsageCounter:
    """Adds up living processes, one look after another.

    Args:
        names: Where new epochs get their names.
    """

    def __init__(self, names: EpochNames) -> None:
        self._names = names
        self._epoch = names.next()
        self._seen: Mapping[Task, int] = {}

    @property
    def tracked(self) -> frozenset[Task]:
        """The processes in the sum: each belongs to the work until it ends, whatever it does."""
        return frozenset(self._seen)

    def add(self, seen: Mapping[Task, int]) -> Tally:
        """Take in a look.

        Args:
            seen: Every living process of the work, with the microseconds of CPU time that it and
                the children it has waited for used since they started.
        """
        if any(task not in seen or seen[task] < cpu_us for task, cpu_us in self._seen.items()):
            self._epoch = self._names.next()
        # Whoever lived at the last look lived after it, too, if only for a moment.
        peak_live = max(len(self._seen), len(seen))
        self._seen = dict(seen)
        return Tally(epoch=self._epoch, cpu_us=sum(seen.values()), peak_live=peak_live)


class KernelCounter:
    """Follows a count that the kernel keeps for a whole group, ended processes included.

    Args:
        names: Where new epochs get their names.
    """

    def __init__(self, names: EpochNames) -> None:
        self._names = names
        self._epoch = names.next()
        self._group: int | None = None
        self._cpu_us = 0
        self._live = 0

    def add(self, group: int | None, cpu_us: int, live: int) -> Tally:
        """Take in a look.

        Args:
            group: Identifies the group as made; None when there is none now, in which case a group
                may have come, worked and gone since the last look, and each look is an epoch.
            cpu_us: The group's microseconds of CPU time.
            live: Its live processes.
        """
        if group is None or group != self._group or cpu_us < self._cpu_us:
            self._epoch = self._names.next()
        live_before, self._live = self._live, live
        self._group, self._cpu_us = group, cpu_us
        return Tally(epoch=self._epoch, cpu_us=cpu_us, peak_live=max(live_before, live))
