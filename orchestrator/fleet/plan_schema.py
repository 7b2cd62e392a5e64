"""JSON Schema (2020-12) of the files that people write, for their editors: plans and `service.yaml`. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from orchestrator.fleet.plan import Plan
from orchestrator.fleet.plan_flat import PARAMS
from protocols.messages import Rung, Step

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(model: type[BaseModel], title: str) -> dict[str, Any]:
    """Return the schema of a file whose shape is that of its model."""
    return {"$schema": DIALECT, **model.model_json_schema(), "title": title}


def plan_schema() -> dict[str, Any]:
    """Return the schema of a plan, in which a control's parameters stand flat in its step or rung."""
    whole = schema_of(Plan, "haltdrill plan")
    definitions: dict[str, Any] = whole["$defs"]
    for model in PARAMS.values():
        made = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= made.pop("$defs", {})
        definitions[model.__name__] = made
    rung = _flat(definitions, Rung)
    step = _flat(definitions, Step)
    definitions["Rung"], definitions["Step"] = rung, step
    return whole


def _flat(definitions: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return one shape for each control: its own keys beside those of every step or rung."""
    common = definitions[model.__name__]
    properties = {name: value for name, value in common["properties"].items() if name != "params"}
    required = [name for name in common["required"] if name != "params"]
    shapes = []
    for control, params in PARAMS.items():
        own = definitions[params.__name__]
        keys = {name: value for name, value in own["properties"].items() if name != "control"}
        shapes.append(
            {
                "type": "object",
                "description": own.get("description", control),
                "properties": {"control": {"const": control}, **keys, **properties},
                "required": ["control", *required, *(name for name in own.get("required", []) if name != "control")],
                "additionalProperties": False,
            }
        )
    return {"oneOf": shapes}
