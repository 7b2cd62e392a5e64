"""Whole drills on virtual time with stop conditions beside them, and what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.journal.chain import ChainReader
from orchestrator.service.drilling import Running, conduct
from orchestrator.stopping.answers import Answer
from orchestrator.stopping.asking import Ask
from orchestrator.stopping.guard import guarding
from orchestrator.stopping.spec import StopCondition, Subject
from protocols.host.logs import FilteringBoundLogger
from protocols.messages import Warrant
from tests.kit import Fleet, make_fleet
from tests.log_checks import checked_log
from tests.orchestrator.runtime.scripted import Script
from tests.orchestrator.service.stage import ServiceStage
from tests.virtual import run_virtual

Answering = Callable[[float], Awaitable[Answer]]
"""Answers a question that is asked so many seconds after the drill was opened."""


class Recorder:
    """A logger that keeps what is logged, and has it checked like all other lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self._checked = checked_log("orchestrator")

    def info(self, event: str, **fields: Any) -> None:
        """Take a line."""
        self.lines.append((event, fields))
        self._checked.info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Take a line."""
        self.lines.append((event, fields))
        self._checked.warning(event, **fields)

    @property
    def log(self) -> FilteringBoundLogger:
        """The same as a logger."""
        return cast("FilteringBoundLogger", self)

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of one event."""
        return [fields for name, fields in self.lines if name == event]


@dataclass
class Stopped:
    """A drill that was run with stop conditions.

    Attributes:
        drill: The drill.
        events: Its journal's events, each with its time, seconds since the drill was opened.
        recorder: What was logged about the conditions.
        asked: When each question was asked, seconds since the drill was opened.
        stage: Where it was run.
    """

    drill: Drill
    events: list[tuple[float, ev.Event]]
    recorder: Recorder
    asked: list[float]
    stage: ServiceStage = field(repr=False)

    def times(self, kind: type[ev.Event]) -> list[float]:
        """Return when events of one kind happened."""
        return [at_s for at_s, event in self.events if isinstance(event, kind)]

    @property
    def breached(self) -> dict[str, Any]:
        """What was logged of the one breach."""
        (line,) = self.recorder.said("condition.breached")
        return line


def run_stopped(
    conditions: Sequence[StopCondition],
    *,
    fleet: Fleet | None = None,
    warrant: Callable[[Fleet], Warrant] = lambda fleet: fleet.warrant(hold_s=12.0),
    scripts: Mapping[str, Script] | None = None,
    answering: Answering | None = None,
    meanwhile: Callable[[ServiceStage], Awaitable[None]] | None = None,
) -> Stopped:
    """Run a drill on virtual time.

    Args:
        conditions: Its stop conditions.
        fleet: Its fleet; by default of two sites.
        warrant: Makes its warrant.
        scripts: What its sites do wrong.
        answering: Answers for all who are asked.
        meanwhile: Goes on beside it.
    """
    stage = ServiceStage(fleet or make_fleet(("alpha", "beta")), scripts)
    recorder, asked = Recorder(), list[float]()

    def asker(subject: Subject, _drill: str) -> Ask | None:
        if not hasattr(subject, "timeout_s"):
            return None

        async def ask() -> Answer:
            asked.append(stage.clock.boot_ns() / 1e9 - began[0])
            assert answering is not None
            return await answering(asked[-1])

        return ask

    began: list[float] = []

    async def play() -> Drill:
        async with stage.sites_running():
            guard = guarding(conditions, stage.clock, recorder.log, asking=asker)
            raw = stage.fleet.approve(warrant(stage.fleet))
            beside = asyncio.ensure_future(meanwhile(stage)) if meanwhile is not None else None
            try:
                return await conduct(
                    stage.means(),
                    Running(""),
                    raw,
                    beside=guard,
                    opened=lambda _runtime: began.append(stage.clock.boot_ns() / 1e9),
                )
            finally:
                if beside is not None:
                    beside.cancel()

    drill = run_virtual(play(), idle_cycles=0)
    reader = ChainReader(drill.drill)
    records = [reader.read(line) for line in stage.store.lines(drill.drill)]
    events = [(record.t_ns / 1e9 - began[0], record.event) for record in records]
    return Stopped(drill, events, recorder, asked, stage)
