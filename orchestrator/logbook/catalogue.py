"""The event catalogue: every event that any program logs, read from the models of its lines.

`python -m orchestrator.logbook.catalogue FOLDER` writes it as EVENTS.md and events.schema.json, which
is what is in deploy/observability; a test holds them equal to the models.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from orchestrator.logbook.lines import AnyDrillLine
from orchestrator.logbook.notify_lines import AnyNotifyLine
from orchestrator.logbook.other_lines import AnyOtherLine
from orchestrator.logbook.service_lines import AnyServiceLine
from orchestrator.logbook.stopping_lines import AnyStoppingLine
from orchestrator.logbook.timekeeper_lines import AnyTimekeeperLine
from protocols.described import meanings, summary
from protocols.logged import Level, Line
from protocols.logged_acting import AnyActingLine
from protocols.logged_driving import AnyDrivingLine
from protocols.logged_party import AnyPartyLine
from protocols.logged_witness import AnyWitnessLine

AnyLine = (
    AnyDrillLine
    | AnyStoppingLine
    | AnyOtherLine
    | AnyServiceLine
    | AnyNotifyLine
    | AnyTimekeeperLine
    | AnyPartyLine
    | AnyActingLine
    | AnyDrivingLine
    | AnyWitnessLine
)
ANY_LINE: TypeAdapter[AnyLine] = TypeAdapter(Annotated[AnyLine, Field(discriminator="action")])
"""Reads a line of any program."""

GROUPS: tuple[tuple[str, Any], ...] = (
    ("A drill, by the orchestrator", AnyDrillLine),
    ("A drill's stop conditions, by the orchestrator", AnyStoppingLine),
    ("Before a drill, by the orchestrator", AnyOtherLine),
    ("The service, its schedules and its warrants", AnyServiceLine),
    ("Notices to people, by the notifier", AnyNotifyLine),
    ("The timekeeper", AnyTimekeeperLine),
    ("Orders and stops, by agents and enforcers", AnyActingLine),
    ("What is done at a site, by drivers and actuators", AnyDrivingLine),
    ("Witnesses", AnyWitnessLine),
    ("Any program at a site, and its broker", AnyPartyLine),
)

UNITS = {"_ns": "ns", "_s": "s", "_bytes": "bytes", "_per_s": "1/s"}
"""The end of a number's name, and its unit."""

COUNTED = {
    "absent": "owners",
    "agreeing": "witnesses",
    "attempt": "tries",
    "challenge": "number",
    "clock_epoch": "number",
    "count": "number",
    "dissenting": "witnesses",
    "dropped": "messages",
    "false_active": "owners",
    "false_quiet": "owners",
    "first": "number",
    "fraction": "of the least rate",
    "had": "number",
    "has": "number",
    "hooks": "hooks",
    "last": "number",
    "limit": "see `unit`",
    "lines_lost": "lines",
    "notices": "notices",
    "overdue": "proofs",
    "owners": "owners",
    "pid": "number",
    "plans": "plans",
    "quorum": "owners",
    "rejected": "inputs",
    "rung": "number",
    "scheduled": "plans",
    "seq": "number",
    "sites": "sites",
    "status": "exit status",
    "step": "number",
    "threshold": "owners",
    "tries": "tries",
    "unknown": "witnesses",
    "use": "number",
    "uses": "uses",
    "waiting": "notices",
}
"""Numbers without a dimension: what they count, or that they only number things."""


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """One field of an event, or of a part of one.

    Attributes:
        name: What it is called in a line.
        words: What kind of value it is.
        unit: Of a number, its unit or what it counts; empty otherwise.
        meaning: What it means.
        optional: Whether a line may lack it.
    """

    name: str
    words: str
    unit: str
    meaning: str
    optional: bool


def models() -> tuple[type[Line], ...]:
    """Return the model of every event, in the order of the page."""
    return tuple(model for _, union in GROUPS for model in get_args(union))


def actions(model: type[Line]) -> tuple[str, ...]:
    """Return the names of a model's events."""
    return get_args(model.model_fields["action"].annotation)


def event_names() -> tuple[str, ...]:
    """Return the name of every event."""
    return tuple(name for model in models() for name in actions(model))


def problem_of(line: bytes | str) -> str:
    """Say what is wrong with a line of a log by the catalogue; empty if nothing is."""
    try:
        read = ANY_LINE.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return "" if read.level in read.LEVELS else f"{read.action} is never logged at level {read.level}"


def fields(model: type[BaseModel]) -> tuple[FieldEntry, ...]:
    """Return the entries of all fields of a model, in the order in which a line has them."""
    known = meanings(model)
    return tuple(
        FieldEntry(
            info.alias or name,
            type_words(info.annotation),
            unit_of(name, info.annotation),
            known.get(name, ""),
            not info.is_required(),
        )
        for name, info in model.model_fields.items()
        if name != "action"
    )


def unit_of(name: str, annotation: Any) -> str:
    """Return a number's unit, by its name; empty for what is no number."""
    kinds = set(_leaves(annotation))
    if not kinds & {int, float}:
        return ""
    suffix = max((end for end in UNITS if name.endswith(end)), key=len, default="")
    return UNITS[suffix] if suffix else COUNTED.get(name, "?")


def type_words(annotation: Any) -> str:
    """Say what kind of value an annotation allows."""
    leaves = [leaf for leaf in _leaves(annotation) if leaf is not type(None)]
    words = [_one_word(leaf) for leaf in leaves]
    said = " or ".join(dict.fromkeys(words))
    return "list of " * _depth(annotation) + said


def _one_word(leaf: Any) -> str:
    if isinstance(leaf, str):
        return f"`{leaf}`"
    if isinstance(leaf, type) and issubclass(leaf, BaseModel | StrEnum):
        return f"[{leaf.__name__}](#{leaf.__name__.lower()})"
    return {int: "integer", float: "number", str: "string", bool: "true or false"}[leaf]


def _depth(annotation: Any) -> int:
    """Count how many lists are around a value."""
    origin, inner = getattr(annotation, "__origin__", None), get_args(annotation)
    if origin is tuple:
        return 1 + _depth(inner[0])
    return max((_depth(one) for one in inner if not isinstance(one, str)), default=0)


def _leaves(annotation: Any) -> Iterator[Any]:
    """Yield the types and literal words that an annotation is made of."""
    inner = get_args(annotation)
    if getattr(annotation, "__metadata__", None) is not None:
        yield from _leaves(inner[0])
    elif inner:
        for one in inner:
            if one is not Ellipsis:
                yield from _leaves(one)
    else:
        yield annotation


def parts() -> tuple[type[BaseModel | StrEnum], ...]:
    """Return every model and vocabulary that lines are made of, each once, outer ones before inner ones."""
    found: dict[type[BaseModel | StrEnum], None] = {}

    def walk(model: type[BaseModel]) -> None:
        for name, info in model.model_fields.items():
            for leaf in _leaves(info.annotation):
                if name != "action" and isinstance(leaf, type) and issubclass(leaf, BaseModel | StrEnum):
                    new = leaf not in found
                    found.setdefault(leaf)
                    if new and issubclass(leaf, BaseModel):
                        walk(leaf)

    for model in models():
        walk(model)
    return tuple(found)


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) that every line of every program satisfies."""
    made = ANY_LINE.json_schema(by_alias=True, ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = made["$defs"]
    for model in (*models(), *(part for part in parts() if issubclass(part, BaseModel))):
        _describe(definitions[model.__name__], model)
    for model in models():
        levels = definitions[model.__name__]["properties"]["log.level"]
        definitions[model.__name__]["properties"]["log.level"] = {
            "enum": [level.value for level in Level if level in model.LEVELS],
            "description": levels.get("description", ""),
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of haltdrill's logs",
        "description": "One JSON object a line; EVENTS.md says the same for people.",
        "oneOf": made["oneOf"],
        "$defs": {name: _plain(definitions[name]) for name in sorted(definitions)},
    }


def _describe(definition: dict[str, Any], model: type[BaseModel]) -> None:
    definition["description"] = summary(model)
    for entry in fields(model):
        unit = f" Unit: {entry.unit}." if entry.unit in UNITS.values() else ""
        definition["properties"][entry.name]["description"] = entry.meaning + unit


def _plain(value: Any) -> Any:
    """Take out what is no JSON Schema, or says nothing: OpenAPI's discriminators, titles made of names."""
    if isinstance(value, dict):
        return {
            key: _plain(item)
            for key, item in value.items()
            if key != "discriminator" and not (key == "title" and isinstance(item, str))
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def main(arguments: list[str]) -> None:
    """Write both files into a folder."""
    from orchestrator.logbook.catalogue_page import page, schema_text  # noqa: PLC0415 - it is made of this module

    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "EVENTS.md").write_text(page())
    (folder / "events.schema.json").write_text(schema_text())


if __name__ == "__main__":
    main(sys.argv[1:])
