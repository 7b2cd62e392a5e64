"""One log line for each journal event, with the event's own name and the drill's fields.

Volume is bounded by level: what comes once a challenge or once a reading is `debug`, what a person
follows is `info`, and what a person must not miss is `warning` or `error`.
"""

from __future__ import annotations

from typing import Any

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Verdict, explain
from protocols.host.logs import FilteringBoundLogger
from protocols.messages import Message, Outcome, Receipt

_LEVELS = {
    "document.held": "debug",
    "challenge.issued": "debug",
    "reading.received": "debug",
    "closing.received": "debug",
    "recall.issued": "debug",
    "order.published": "debug",
    "release.published": "debug",
    "input.rejected": "warning",
    "input.ignored": "warning",
    "drill.aborted": "warning",
    "drill.resumed": "warning",
}
_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_LOUD = {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.NOT_RESTORED}


class EventLog:
    """An observer of the runtime that writes each appended event to the log.

    Args:
        drill: The drill, for the names of its steps.
        log: Where lines go.
    """

    def __init__(self, drill: Drill, log: FilteringBoundLogger) -> None:
        self._drill = drill
        self._log = log.bind()

    def __call__(self, stamped: ev.Stamped, said: Message | None) -> None:
        """Write the line of one event."""
        event = stamped.event
        level = self._level(event, said)
        if not self._log.is_enabled_for(_NUMBERS[level]):
            return  # one line a reading is too much to make and then to drop
        own = event.model_dump(exclude={"type", "envelope", "result", "audience"}, exclude_none=True)
        fields: dict[str, Any] = {"drill": self._drill.drill, "clock_epoch": stamped.epoch, "t_ns": stamped.t_ns, **own}
        if isinstance(event, ev.DrillOpened):
            fields["sites"] = len(event.audience)
        if isinstance(said, Receipt):
            fields |= {"outcome": said.outcome, "reason": said.reason, "detail": said.detail, "order": said.order}
        self._name_step(fields)
        if isinstance(event, ev.SiteJudged):
            result = event.result
            fields |= {
                "verdict": result.verdict,
                "grade": result.grade,
                "cause": result.cause,
                "response_lower_ns": result.response_lower_ns,
                "response_upper_ns": result.response_upper_ns,
                "explanation": explain(result),
            }
        getattr(self._log, level)(event.type, **fields)

    def _name_step(self, fields: dict[str, Any]) -> None:
        """Add step, control and order to the fields that name one of them."""
        order = fields.get("order")
        for run in self._drill.steps:
            if run.number == fields.get("step") or (order and run.order_digest == order):
                step = self._drill.warrant.steps[run.number]
                fields |= {"step": run.number, "step_name": step.name, "control": step.params.control}
                if run.order_digest:
                    fields["order"] = run.order_digest

    @staticmethod
    def _level(event: ev.Event, said: Message | None) -> str:
        match event:
            case ev.SiteJudged(result=result) if result.passed:
                return "debug"
            case ev.SiteJudged(result=result):
                return "error" if result.verdict in _LOUD else "warning"
            case ev.DrillClosed(passed=passed):
                return "info" if passed else "error"
            case ev.ReceiptReceived():
                bad = isinstance(said, Receipt) and said.outcome in {Outcome.REFUSED, Outcome.FAILED}
                return "warning" if bad else "debug"
            case _:
                return _LEVELS.get(event.type, "info")
