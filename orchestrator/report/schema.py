"""The schemas of the reports for machines: JSON Schema of a result, and metadata of the CSV's columns."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from orchestrator.evidence.result import DrillResult
from orchestrator.report.columns import table_schema
from orchestrator.report.formats import ReportFormat
from protocols.errors import ConfigError

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ENTRY = re.compile(r"^(?P<name>[a-z_][a-z0-9_]*): (?P<said>.*)$")


def schema_of(form: ReportFormat) -> str:
    """Return the schema of a format, as indented JSON.

    Raises:
        ConfigError: It has none of its own.
    """
    if form is ReportFormat.JSON:
        return json.dumps(result_schema(), indent=2, ensure_ascii=False) + "\n"
    if form is ReportFormat.CSV:
        return json.dumps(table_schema(), indent=2, ensure_ascii=False) + "\n"
    raise ConfigError("it has no schema of its own", where=f"--format {form}", remedy="give --format json or csv")


def result_schema() -> dict[str, Any]:
    """Return the JSON Schema of `result.json`, each field with what its model says of it."""
    schema = DrillResult.model_json_schema(mode="serialization")
    for model in models_of(DrillResult):
        part = schema if model is DrillResult else schema.get("$defs", {}).get(model.__name__, {})
        part["description"] = _summary(model)
        for name, said in fields_said(model).items():
            if name in part.get("properties", {}):
                part["properties"][name].setdefault("description", said)
    version = DrillResult.model_fields["v"].default
    return {"$schema": DIALECT, "$id": f"urn:haltdrill:drill.result:{version}", **schema}


def models_of(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a model and every one that it holds, each once."""
    waiting, seen = [model], {model}
    while waiting:
        current = waiting.pop()
        yield current
        for field in current.model_fields.values():
            for held in _models_in(field.annotation):
                if held not in seen:
                    seen.add(held)
                    waiting.append(held)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def _summary(model: type[BaseModel]) -> str:
    """Return what a model's docstring says of it as a whole."""
    said = inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:")[0]
    return " ".join(said.split())


def fields_said(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstring of a model says of its fields."""
    _, found, listed = inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:\n")
    said: dict[str, str] = {}
    if not found:
        return said
    name = ""
    for line in inspect.cleandoc(listed).splitlines():
        entry = _ENTRY.match(line)
        if entry is not None:
            name = entry["name"]
            said[name] = entry["said"]
        elif name and line.startswith(" "):
            said[name] += f" {line.strip()}"
    return said
