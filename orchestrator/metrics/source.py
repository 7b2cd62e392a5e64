"""Reads the logs, and keeps what the metrics need of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from orchestrator.logbook import lines as ln
from orchestrator.logbook.reader import LogFile
from orchestrator.logbook.views import DrillView, LogView
from orchestrator.metrics.families import Families
from orchestrator.metrics.newest import expose_drill
from orchestrator.metrics.past import Past
from orchestrator.metrics.times import seconds, wall_ns
from orchestrator.metrics.trouble import expose_trouble
from protocols.errors import ConfigError
from protocols.logged import Level


class LogSource:
    """The logs of one fleet, and the metrics that follow from them.

    Of drills that are over, and not the newest, only `Past` is kept. Safe to use from several threads.

    Args:
        logs: The log files; the last is the one that may still grow.
        version: That of haltdrill.
        per_site: Whether every site of the newest drill has series of its own.
    """

    def __init__(self, logs: Sequence[Path], *, version: str, per_site: bool = False) -> None:
        self._files = [LogFile(path) for path in logs]
        self._version = version
        self._per_site = per_site
        self._lock = threading.Lock()
        self._view = LogView()
        self._past = Past()
        self._rejected_in: dict[str, int] = {}
        self._levels: Counter[Level] = Counter()
        self._newest_ns = 0
        self._lost = 0
        self._problem: ConfigError | None = None

    @property
    def problem(self) -> ConfigError | None:
        """Why a log could not be read last time; None if all could."""
        return self._problem

    def poll(self) -> None:
        """Read what is new. A log that cannot be read is said by `problem`, and by the metrics."""
        with self._lock:
            self._problem = None
            for file in self._files:
                try:
                    for lines in file.read_all():
                        self._take(lines)
                except ConfigError as error:
                    self._problem = error
            self._forget()

    def _take(self, lines: Sequence[ln.AnyDrillLine]) -> None:
        for line in lines:
            self._view.take(line)
            self._levels[line.level] += 1
            self._lost += line.lines_lost or 0
        if lines:
            self._newest_ns = max(self._newest_ns, wall_ns(lines[-1].timestamp) or 0)

    def _newest(self) -> DrillView | None:
        """Return the drill that was opened last, whatever the order in which the logs came."""
        return max(self._view.drills.values(), key=lambda drill: (drill.opened.timestamp, drill.drill), default=None)

    def _forget(self) -> None:
        """Keep of what is over only what counts of it; ten thousand sites are tens of megabytes."""
        newest = self._newest()
        for name, drill in list(self._view.drills.items()):
            self._rejected_in[name] = max(self._rejected_in.get(name, 0), drill.rejected)
            if self._past.take(drill) and drill is not newest:
                del self._view.drills[name]

    def expose(self) -> Families:
        """Return all metrics as of what was read last."""
        out = Families()
        with self._lock:
            self._expose_log(out)
            self._past.expose(out)
            newest = self._newest()
            if newest is not None:
                expose_drill(newest, out, per_site=self._per_site)
                expose_trouble(newest, out)
        return out

    def _expose_log(self, out: Families) -> None:
        out.add("build_info", 1, version=self._version)
        out.add("log_readable", int(self._problem is None))
        out.add("log_size_bytes", self._files[-1].size_bytes)
        out.add("log_newest_line_timestamp_seconds", seconds(self._newest_ns or None))
        out.add("drills_known", len(self._rejected_in))
        for level in Level:
            out.add("log_lines_total", self._levels[level], level=level)
        out.add("log_other_lines_total", sum(file.foreign.others for file in self._files))
        out.add("log_wrong_lines_total", sum(file.foreign.wrong for file in self._files))
        out.add("log_stray_lines_total", self._view.strays)
        out.add("log_lost_lines_total", self._lost)
        out.add("log_restarts_total", sum(file.restarts for file in self._files))
        out.add("rejected_inputs_total", sum(self._rejected_in.values()))
