"""The truth of a site of real processes: its workers' CPU time and state, read by nobody's witness, every 50 ms."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.processes import glance

EVERY_S = 0.05
REST_S = 0.5
"""A worker that used no CPU for so long rests: its own turns are of 50 ms each."""

_FIND_EVERY_S = 1.0
_STOPPED = frozenset("Tt")
_DEAD = frozenset("ZX")
_S = 1_000_000_000


@dataclass(slots=True)
class Work:
    """What one site's workers did, sample by sample.

    Attributes:
        at_ns: When each sample was taken, wall time, rising.
        done_ns: CPU time of all its workers up to then.
    """

    at_ns: list[int] = field(default_factory=list)
    done_ns: list[int] = field(default_factory=list)

    def between(self, since_ns: int, until_ns: int) -> int:
        """Return the CPU time that was surely used inside a span: what its ends' samples bound."""
        first, last = bisect_left(self.at_ns, since_ns), bisect_right(self.at_ns, until_ns) - 1
        return self.done_ns[last] - self.done_ns[first] if 0 <= first < last else 0

    def seen_ns(self, since_ns: int, until_ns: int) -> int:
        """Return how much of a span lies between its first and its last sample."""
        first, last = bisect_left(self.at_ns, since_ns), bisect_right(self.at_ns, until_ns) - 1
        return self.at_ns[last] - self.at_ns[first] if 0 <= first < last else 0

    def last_before(self, until_ns: int) -> int | None:
        """Return when it was last seen to have worked, of all samples up to `until_ns`."""
        for place in range(bisect_right(self.at_ns, until_ns) - 1, 0, -1):
            if self.done_ns[place] > self.done_ns[place - 1]:
                return self.at_ns[place]
        return None

    def first_after(self, since_ns: int) -> int | None:
        """Return when it was first seen to have worked, of all samples after `since_ns`."""
        for place in range(max(1, bisect_right(self.at_ns, since_ns)), len(self.at_ns)):
            if self.done_ns[place] > self.done_ns[place - 1]:
                return self.at_ns[place]
        return None

    def rests(self, since_ns: int) -> Iterator[tuple[int, int]]:
        """Yield every time without work that ended, or still lasts, after `since_ns`: from when to when."""
        if not self.at_ns:
            return
        rested_since = self.at_ns[max(0, bisect_left(self.at_ns, since_ns) - round(60 / EVERY_S))]
        for place in range(max(1, bisect_left(self.at_ns, since_ns) - round(60 / EVERY_S)), len(self.at_ns)):
            worked, at_ns = self.done_ns[place] > self.done_ns[place - 1], self.at_ns[place]
            if worked or place == len(self.at_ns) - 1:
                if at_ns > since_ns and at_ns - rested_since >= REST_S * _S:
                    yield rested_since, at_ns
                rested_since = at_ns


class Watch:
    """Samples the workers of some sites in a thread of its own.

    Args:
        places: Each site's folder: its workers are known by the checkpoint that they keep there.
    """

    def __init__(self, places: Iterable[tuple[str, Path]]) -> None:
        self._prefixes = {site: os.fsencode(place) for site, place in places}
        self.work = {site: Work() for site in self._prefixes}
        self._pids: dict[str, frozenset[int]] = dict.fromkeys(self._prefixes, frozenset())
        self._seen_ns: dict[int, int] = {}
        self._found_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def works(self, site: str, span_s: float) -> bool:
        """Tell whether a site worked within the last `span_s` seconds."""
        now_ns = time.time_ns()
        last = self.work[site].last_before(now_ns)
        return last is not None and last > now_ns - span_s * _S

    def rate(self, site: str, span_s: float) -> float:
        """Return which share of one core a site's workers used in the last `span_s` seconds."""
        now_ns, work = time.time_ns(), self.work[site]
        seen_ns = work.seen_ns(now_ns - round(span_s * _S), now_ns)
        return work.between(now_ns - round(span_s * _S), now_ns) / seen_ns if seen_ns else 0.0

    def held(self, site: str) -> str | None:
        """Return what holds one of a site's workers now: a stop signal or a freezer; None if nothing does."""
        for pid in self._pids[site]:
            seen = glance(pid)
            if seen is not None and seen.state in _STOPPED:
                return f"its worker {pid} is stopped"
            if _frozen(pid):
                return f"its worker {pid} is frozen"
        return None

    def workers(self, site: str) -> int:
        """Return how many workers a site has, by the last search."""
        return len(self._pids[site])

    @property
    def longest_gap_s(self) -> float:
        """The longest time that nobody looked: what is judged from samples is only as good."""
        gaps = [
            later - earlier
            for work in self.work.values()
            for earlier, later in zip(work.at_ns, work.at_ns[1:], strict=False)
        ]
        return max(gaps, default=0) / _S

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            if time.monotonic() > self._found_s + _FIND_EVERY_S:
                self._find()
            for site in self._prefixes:
                self._sample(site)

    def _sample(self, site: str) -> None:
        used_ns = self._used(site)
        if used_ns is None:
            # One is gone; its successor may be there already.
            self._find()
            used_ns = self._used(site)
        work = self.work[site]
        work.at_ns.append(time.time_ns())
        work.done_ns.append((work.done_ns[-1] if work.done_ns else 0) + (used_ns or 0))

    def _used(self, site: str) -> int | None:
        """Return the CPU time that a site's workers used since the last look, or None if one of them is not there."""
        used_ns, all_there = 0, bool(self._pids[site])
        for pid in self._pids[site]:
            seen = glance(pid)
            if seen is None or seen.state in _DEAD:
                all_there = False
            else:
                used_ns += max(0, seen.cpu_ns - self._seen_ns.get(pid, 0))
                self._seen_ns[pid] = seen.cpu_ns
        return used_ns if all_there or used_ns else None

    def _find(self) -> None:
        """Look for the workers of all sites."""
        found: dict[str, set[int]] = {site: set() for site in self._prefixes}
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            try:
                argv = Path(entry.path, "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"agents.worker" not in argv:
                continue
            for site, prefix in self._prefixes.items():
                if any(part.startswith(prefix) for part in argv):
                    found[site].add(int(entry.name))
        self._pids = {site: frozenset(pids) for site, pids in found.items()}
        self._found_s = time.monotonic()


def _frozen(pid: int) -> bool:
    """Tell whether the kernel says that a process's cgroup, of version 2, is frozen."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        place = next(line.removeprefix("0::/") for line in lines if line.startswith("0::/"))
        root = next(mount[1] for mount in mounts if mount[2] == "cgroup2")
        return "frozen 1" in Path(root, place, "cgroup.events").read_text()
    except (OSError, StopIteration):
        return False
