"""ARCHITECTURE.md says what the code is."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.events import EVENTS
from orchestrator.core.states import MEANING, PASSIVE, TABLE, Phase, diagram

ROOT = Path(__file__).parents[2]


def test_the_state_diagram_is_generated_from_the_table() -> None:
    """Whoever changes the state table changes the picture of it."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    shown = text.split("<!-- states:begin -->\n")[1].split("\n<!-- states:end -->")[0]
    assert shown == f"```mermaid\n{diagram()}\n```"


def test_every_event_has_its_place_in_the_table() -> None:
    """An event that the state machine does not know could never be journalled."""
    schema = EVENTS.json_schema()
    kinds = set(schema["discriminator"]["mapping"])
    placed = {happened for _, happened in TABLE} | set(PASSIVE)
    assert kinds == placed - {"steps.done"}


def test_every_phase_is_reachable_and_leads_to_the_end() -> None:
    """No drill can be stuck in a phase that has no way out."""
    reached = {Phase.OPENING} | set(TABLE.values())
    assert reached == set(Phase)
    assert set(MEANING) == set(Phase)
    for phase in set(Phase) - {Phase.CLOSED}:
        seen, todo = {phase}, [phase]
        while todo:
            here = todo.pop()
            for (before, _), after in TABLE.items():
                if before is here and after not in seen:
                    seen.add(after)
                    todo.append(after)
        assert Phase.CLOSED in seen
