"""The event catalogue as a page for people, and its schema as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, get_args

from pydantic import BaseModel

from orchestrator.core.battery import EXPECTED, BatteryCase
from orchestrator.core.causes import CAUSE_TEXT, Cause
from orchestrator.core.results import Grade, Verdict
from orchestrator.core.states import MEANING, Phase
from orchestrator.logbook.catalogue import GROUPS, FieldEntry, actions, fields, parts, schema
from orchestrator.logbook.standing import STANDING_MEANING, Standing
from orchestrator.schedule.notes import HINDRANCE_TEXT, Hindrance
from orchestrator.stopping.spec import CONDITION_KIND_TEXT, ConditionKind
from protocols.controls import CATALOGUE, Control
from protocols.described import summary
from protocols.logged import Level, Line
from protocols.messages import Outcome
from protocols.reasons import TEXT, Reason

_HEAD = """# What the programs log

<!-- Made from the models by `python -m orchestrator.logbook.catalogue deploy/observability`; a test holds it equal. -->

Every program of haltdrill writes one JSON object a line (`--log FILE`, or stderr when it is no terminal).
`events.schema.json` says the same as this page to machines (JSON Schema 2020-12). Names are those of the Elastic
Common Schema 8 where it has one. Event names and fields are stable: new ones may come, and none changes its meaning.

- **Time.** `@timestamp` is wall time, RFC 3339 in UTC with nine decimals. Lines about a drill also have `offset_ns`,
  monotonic from the drill's start, and `clock_epoch`: offsets of two epochs are never subtracted.
- **What belongs together.** `drill`, `order` (SHA-256 of the order) and `site` are on every line that is about one.
- **Levels.** `error` must not be missed, `warning` is for a person to see, `info` is the course of things and does not
  grow with the fleet, `debug` is each site's. A whole drill can be rebuilt from its lines at `debug`, to the result.
- **Absent is null.** A field without a value is left out.
- **Secrets** are in no line: values that are named like one, and private keys wherever they stand, are taken out.
"""

_WORDS: dict[type[StrEnum], Mapping[Any, str]] = {
    Level: {
        Level.DEBUG: "each site's own course",
        Level.INFO: "the course of things",
        Level.WARNING: "for a person to see",
        Level.ERROR: "must not be missed",
    },
    Hindrance: HINDRANCE_TEXT,
    ConditionKind: CONDITION_KIND_TEXT,
    Phase: MEANING,
    Control: {control: spec.summary for control, spec in CATALOGUE.items()},
    BatteryCase: {case: f"to be refused because {TEXT[reason]}" for case, reason in EXPECTED.items()},
    Cause: CAUSE_TEXT,
    Outcome: {
        Outcome.ACCEPTED: "the order passed every check and is obeyed",
        Outcome.REFUSED: "it did not, and nothing is done",
        Outcome.HALTED: "what was ordered is done, by the actor's own account",
        Outcome.FAILED: "it could not be done",
        Outcome.RESTORED: "the site is as it was before, by the actor's own account",
        Outcome.NOTED: "an enforcer saw a rung before its own, and rehearsed its own",
    },
    Reason: TEXT,
    Standing: STANDING_MEANING,
    Grade: {
        Grade.SILENT: "nothing was heard of who acts there",
        Grade.ACCEPTED: "who acts there accepted the order",
        Grade.SELF_REPORTED: "who acts there says that it was done",
        Grade.CORROBORATED: "one witness owner saw it, too few for a quorum",
        Grade.WITNESSED: "a quorum of witnesses saw it",
        Grade.HELD: "a quorum of witnesses saw it to the end of the hold",
    },
    Verdict: {
        Verdict.VERIFIED: "it did all that was asked, with evidence",
        Verdict.LATE: "it did, but over its limit, or only on a harsher rung",
        Verdict.UNPROVEN: "the evidence does not show it",
        Verdict.REFUSED: "it refused the order",
        Verdict.NOT_RESTORED: "it did not come back in time",
        Verdict.BROKEN: "it was active again inside the hold",
        Verdict.CONTRADICTED: "who acts there reports what witnesses see to be false",
    },
}
"""What each word of a vocabulary means."""


def page() -> str:
    """Return the whole page, in Markdown."""
    return "\n".join(_page()) + "\n"


def schema_text() -> str:
    """Return the schema as a file holds it."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _page() -> Iterator[str]:
    yield _HEAD
    yield from _contents()
    yield from _base(Line, {"event.action": "Which event it is: a name of this page."})
    for title, union in GROUPS:
        yield f"## {title}\n"
        told: set[type] = {Line}
        for model in get_args(union):
            for base in _bases(model):
                if base not in told:
                    told.add(base)
                    yield from _base(base)
            yield from _event(model)
    yield "## What fields are made of\n"
    for part in parts():
        yield from _part(part) if issubclass(part, BaseModel) else _vocabulary(part)


def _contents() -> Iterator[str]:
    yield "| event | level | what happened |"
    yield "| --- | --- | --- |"
    for _, union in GROUPS:
        for model in get_args(union):
            first, *others = actions(model)
            names = ", ".join((f"[`{first}`](#{_anchor(actions(model))})", *(f"`{name}`" for name in others)))
            levels = ", ".join(level for level in Level if level in model.LEVELS)
            yield f"| {names} | {levels} | {summary(model)} |"
    yield ""


def _anchor(names: tuple[str, ...]) -> str:
    return ", ".join(names).replace(".", "").replace(",", "").replace(" ", "-")


def _bases(model: type[Line]) -> list[type[Line]]:
    """Return the bases of a model that say something of their own, outer ones first."""
    return [base for base in reversed(model.__mro__[1:]) if issubclass(base, Line)]


def _base(base: type[Line], more: Mapping[str, str] | None = None) -> Iterator[str]:
    yield f"### {summary(base).rstrip('.')}\n"
    above = {entry.name for one in _bases(base) for entry in fields(one)}
    own = [entry for entry in fields(base) if entry.name not in above]
    own += [FieldEntry(name, "string", "", meaning, optional=False) for name, meaning in (more or {}).items()]
    yield from _table(own)


def _event(model: type[Line]) -> Iterator[str]:
    yield f"### {', '.join(f'`{name}`' for name in actions(model))}\n"
    levels = [(level, model.LEVELS[level]) for level in Level if level in model.LEVELS]
    said = "; ".join(f"{level}: {when}" if when else f"{level}" for level, when in levels)
    yield f"{summary(model)} Level: {said}.\n"
    base = next(base for base in model.__mro__[1:] if issubclass(base, Line))
    inherited = {entry.name: entry for entry in fields(base)}
    yield from _table(entry for entry in fields(model) if inherited.get(entry.name) != entry)


def _part(part: type[BaseModel]) -> Iterator[str]:
    yield f"### {part.__name__}\n"
    yield f"{summary(part)}\n"
    yield from _table(fields(part))


def _vocabulary(words: type[StrEnum]) -> Iterator[str]:
    yield f"### {words.__name__}\n"
    yield f"{summary(words)}\n"
    yield "| word | meaning |"
    yield "| --- | --- |"
    for word in words:
        yield f"| `{word.value}` | {_WORDS[words][word]} |"
    yield ""


def _table(entries: Iterable[FieldEntry]) -> Iterator[str]:
    rows = [
        f"| `{entry.name}` | {entry.words}{', optional' if entry.optional else ''} | {entry.unit} | {entry.meaning} |"
        for entry in entries
    ]
    if rows:
        yield "| field | type | unit | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from rows
        yield ""
