"""Drills on virtual time whose log is written as in a real one: the real runtime, and the file that it leaves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.core import events as ev
from orchestrator.evidence.fold import fold_journal
from orchestrator.evidence.result import DrillResult
from orchestrator.evidence.stating import build_result
from orchestrator.logbook.reader import LogFile
from orchestrator.logbook.views import DrillView, LogView
from orchestrator.logbook.writer import LogbookWriter
from orchestrator.runtime.loop import Runtime
from protocols.host.logs import close, configure, get_logger
from protocols.messages import Message, Warrant
from tests.orchestrator.runtime.scripted import Stage
from tests.virtual import run_virtual


@dataclass
class Written:
    """A drill that ran, and its log.

    Attributes:
        events: How often each event was appended to its journal.
        path: The log.
        stage: Where it ran.
    """

    path: Path
    stage: Stage
    events: Counter[str] = field(default_factory=Counter)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log's lines, each read as JSON."""
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    @property
    def result(self) -> DrillResult:
        """What its journal says that was found."""
        return result_of(self.stage.store.lines(self.stage.running.drill.drill))


def result_of(records: Iterable[bytes]) -> DrillResult:
    """Return the result that a journal holds."""
    folded = fold_journal(list(records))
    return build_result(folded.drill, folded.background, folded.drill.results)


def run_written(
    stage: Stage,
    warrant: Warrant,
    path: Path,
    *,
    level: str = "debug",
    meanwhile: Callable[[Stage], Any] | None = None,
) -> Written:
    """Run a drill with its logbook."""
    written = Written(path, stage)
    attached: list[LogbookWriter] = []

    def count(stamped: ev.Stamped, _said: Message | None) -> None:
        written.events[stamped.event.type] += 1

    def watched(runtime: Runtime) -> None:
        runtime.watch(count, lambda: None)
        attached.append(LogbookWriter(runtime, get_logger()))
        attached[0].attach()

    stage.watched = watched
    configure("orchestrator", path=path, level=level, json=True)
    try:
        run_virtual(stage.play(warrant, meanwhile=meanwhile))
    finally:
        close()
    return written


def view_of(path: Path) -> LogView:
    """Read a whole log; every line of it must be one of ours."""
    file, view = LogFile(path), LogView()
    for lines in file.read_all():
        view.take_all(lines)
    assert file.foreign.wrong == 0, file.foreign.first_wrong
    return view


def drill_of(path: Path) -> DrillView:
    """Return the drill that a log is about."""
    view = view_of(path)
    assert view.newest is not None
    assert view.strays == 0
    return view.newest
