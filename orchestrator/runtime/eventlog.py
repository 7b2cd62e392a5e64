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
from protocols.messages import Message, Order, Outcome, Receipt

_LEVELS = {
    "document.held": "debug",
    "challenge.issued": "debug",
    "reading.received": "debug",
    "closing.received": "debug",
    "recall.issued": "debug",
    "rung.ordered": "warning",
    "rung.published": "debug",
    "licence.requested": "debug",
    "licence.issued": "debug",
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
        own = event.model_dump(exclude={"type", "envelope", "result", "audience", "orders"}, exclude_none=True)
        fields: dict[str, Any] = {"drill": self._drill.drill, "clock_epoch": stamped.epoch, "t_ns": stamped.t_ns, **own}
        if isinstance(event, ev.DrillOpened):
            fields["sites"] = len(event.audience)
        if isinstance(event, ev.BatteryIssued):
            fields["cases"] = [order.case for order in event.orders]
        if isinstance(said, Order):
            fields["order"] = said.digest()
        if isinstance(said, Receipt):
            fields |= {"outcome": said.outcome, "reason": said.reason, "detail": said.detail, "order": said.order}
            fields |= {"by": said.by}
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
            if result.rungs:
                fields |= {"rung": result.rung, "total_upper_ns": result.total_upper_ns}
        getattr(self._log, level)(event.type, **fields)

    def _name_step(self, fields: dict[str, Any]) -> None:
        """Add step, rung, control and order to the fields that name one of them."""
        ref = self._drill.orders.get(fields.get("order", ""))
        number = fields.get("step", ref.step if ref is not None else None)
        if number is None or number >= len(self._drill.warrant.steps):
            return
        step = self._drill.warrant.steps[number]
        rung = fields.get("rung", ref.rung if ref is not None else 0)
        fields |= {"step": number, "step_name": step.name, "control": step.rungs[rung].params.control}
        if ref is not None and ref.case is not None:
            fields["case"] = ref.case
        if rung:
            fields["rung"] = rung
        elif number < len(self._drill.steps) and self._drill.steps[number].order_digest:
            fields.setdefault("order", self._drill.steps[number].order_digest)

    def _level(self, event: ev.Event, said: Message | None) -> str:
        match event:
            case ev.SiteJudged(result=result) if result.passed:
                return "debug"
            case ev.SiteJudged(result=result):
                return "error" if result.verdict in _LOUD else "warning"
            case ev.DrillClosed(passed=passed):
                return "info" if passed else "error"
            case ev.ReceiptReceived():
                return self._level_of_receipt(said)
            case _:
                return _LEVELS.get(event.type, "info")

    def _level_of_receipt(self, said: Message | None) -> str:
        """A refusal is what a battery is for, and obedience what must never be."""
        if not isinstance(said, Receipt):
            return "debug"
        ref = self._drill.orders.get(said.order)
        if ref is not None and ref.case is not None:
            return "debug" if said.outcome is Outcome.REFUSED else "error"
        return "warning" if said.outcome in {Outcome.REFUSED, Outcome.FAILED} else "debug"
