"""The event catalogue: complete, said to people and to machines alike, and kept to by every program."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from pydantic import BaseModel

import agents
import orchestrator
import protocols
from agents.events import Cause as EndCause
from orchestrator.core import events as ev
from orchestrator.logbook.catalogue import (
    actions,
    event_names,
    fields,
    models,
    parts,
    problem_of,
    schema,
)
from orchestrator.logbook.catalogue_page import page, schema_text
from orchestrator.logbook.lines import Rejected
from orchestrator.logbook.telling import WARNED_MAX
from protocols.described import summary
from protocols.logged import Level
from protocols.logged_acting import EndReason
from tests.logs import FAULTS, Scenario, rendered, simulate

FOLDER = Path(protocols.__file__).parent.parent / "deploy/observability"
METHODS = {"debug", "info", "warning", "error", "critical", "exception"}
PROGRAMS = {"agents.courier": ("agent", "enforcer", "witness")}
"""Who runs a module whose events begin with the program's name, where it is not an agent or an enforcer."""

OF_THE_LOGBOOK = {action for model in models() if "logbook.lines" in model.__module__ for action in actions(model)}


def test_the_page_is_made_from_the_models() -> None:
    """What people read of an event is what its model says, and nothing older."""
    assert (FOLDER / "EVENTS.md").read_text() == page()


def test_the_schema_is_made_from_the_models() -> None:
    """What machines check lines by is what the programs check them by."""
    assert (FOLDER / "events.schema.json").read_text() == schema_text()


def test_the_schema_is_one() -> None:
    """It is a valid schema of the dialect that it names, without words of another."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert "discriminator" not in schema_text()


def test_no_event_has_two_models() -> None:
    """A name means one thing, so that whoever reads it needs no more than it."""
    assert [name for name, count in Counter(event_names()).items() if count > 1] == []


def test_every_field_has_its_meaning_and_every_number_its_unit() -> None:
    """Nobody has to guess what a field is, nor in what it is counted."""
    everything = (*models(), *(part for part in parts() if issubclass(part, BaseModel)))
    wanting = [
        f"{model.__name__}.{entry.name}"
        for model in everything
        for entry in fields(model)
        if not entry.meaning or entry.unit == "?"
    ]
    assert wanting == []
    assert [model.__name__ for model in everything if not summary(model)] == []


def test_every_word_has_its_meaning() -> None:
    """The vocabularies are in the page whole: also a word that is rarely seen is explained."""
    text = page()
    words = [word for part in parts() if issubclass(part, StrEnum) for word in part]
    assert [word for word in words if f"| `{word.value}` | " not in text] == []


def test_every_line_of_a_drill_is_valid_by_the_schema() -> None:
    """Somebody who has only the schema can rely on each line of a drill with every fault in it."""
    scenario = Scenario(sites=3 * len(FAULTS), steps=2, faults=0.5, abort_at_s=120.0)
    validator = jsonschema.Draft202012Validator(schema())
    texts = [rendered(line) for line in simulate(scenario)]
    assert [problem for problem in map(problem_of, texts) if problem] == []
    for text in dict.fromkeys(texts[:60] + texts[60::7]):
        validator.validate(json.loads(text))


def _opened() -> dict[str, Any]:
    line: dict[str, Any] = json.loads(rendered(simulate(Scenario(sites=1))[0]))
    return line


@pytest.mark.parametrize(
    "change",
    [
        {"log.level": "error"},
        {"log.level": "fatal"},
        {"event.action": "drill.unheard"},
        {"@timestamp": "2026-11-26 14:00:00"},
        {"offset_ns": -1},
        {"offset_ns": 1.5},
        {"more": 1},
        {"sites": None},
    ],
)
def test_a_wrong_line_is_wrong_for_both(change: dict[str, Any]) -> None:
    """Model and schema refuse the same: a level that the event never has, an unknown field, a bad value."""
    line = _opened() | change
    assert problem_of(json.dumps(line))
    assert not jsonschema.Draft202012Validator(schema()).is_valid(line)


def test_the_words_of_an_agent_are_its_own() -> None:
    """Why a hold ended is said in the words that the agent knows, which the catalogue cannot import."""
    assert set(get_args(EndReason)) == {cause.value for cause in EndCause}


def test_the_page_says_how_many_rejections_are_warnings() -> None:
    """The number in the catalogue is the one that is kept to."""
    assert str(WARNED_MAX) in Rejected.LEVELS[Level.WARNING]


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package in (agents, orchestrator, protocols):
        root = Path(package.__file__ or "").parent
        for path in sorted(root.rglob("*.py")):
            name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            yield name, ast.parse(path.read_text())


def _words(node: ast.expr, module: str) -> list[str] | None:
    """Return the event names that an expression may be; None if it is no name of one."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return [*(_words(body, module) or []), *(_words(orelse, module) or [])]
        case ast.JoinedStr(values=values):
            found = [""]
            for value in values:
                inner = value.value if isinstance(value, ast.FormattedValue) else value
                ends = _words(inner, module) or _variable(inner, module)
                found = [head + end for head in found for end in ends]
            return found
        case _:
            return None


def _variable(node: ast.expr, module: str) -> list[str]:
    match ast.unparse(node):
        case "self._program" | "self._actor" | "party.actor.value" | "program":
            return list(PROGRAMS.get(module, ("agent", "enforcer")))
        case "note.event":
            return sorted(_notes())
        case "event":
            return ["apply.failed", "restore.failed"]
        case "kind":
            return ["challenge", "recall"]
        case other:
            raise AssertionError(f"{module}: an event's name is made of {other}, which this test does not know")


def _notes() -> set[str]:
    found = set()
    for module, tree in _modules():
        names = {"event": ["veto", "hold.ended"]}
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id == "Note" and module.startswith("agents"):
                event = call.args[1]
                found.update(names[event.id] if isinstance(event, ast.Name) else _words(event, module) or [])
    return found


def _logged() -> dict[str, str]:
    """Return the names of all events that the code logs, each with a module that does."""
    found: dict[str, str] = {}
    for module, tree in _modules():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            match call.func:
                case ast.Attribute(attr=method, value=logger) if method in METHODS and "log" in ast.unparse(logger):
                    pass
                case ast.Call(func=ast.Name(id="getattr"), args=[logger, *_]) if "_log" in ast.unparse(logger):
                    pass
                case _:
                    continue
            if ast.unparse(call.args[0]) != "line.action":
                found |= dict.fromkeys(_words(call.args[0], module) or [f"? in {module}"], module)
    return found


def test_the_catalogue_has_exactly_the_events_that_the_code_logs() -> None:
    """No program logs what nobody has described, and nothing is described that no program logs."""
    logged = _logged()
    # Both programs run the modules of the agent: what only one of them can log is told apart by hand.
    shared = {name for name in logged if name.startswith(("agent.", "enforcer."))}
    described = set(event_names()) - OF_THE_LOGBOOK
    assert sorted(logged.keys() - described) == []
    assert sorted(described - logged.keys()) == []
    assert {name.partition(".")[2] for name in shared} >= _notes()


def test_every_event_of_a_journal_has_its_line_or_is_one_that_comes_by_the_million() -> None:
    """A new event of the journal is either told or left out on purpose."""
    kinds = {get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(get_args(ev.Event)[0])}
    untold = {
        "document.held",
        "challenge.issued",
        "licence.requested",
        "licence.issued",
        "recall.issued",
        "reading.received",
        "closing.received",
    }
    assert kinds - OF_THE_LOGBOOK == untold
    assert OF_THE_LOGBOOK - kinds == {"site.enlisted", "site.changed", "drill.progress"}
