"""A control's parameters stand flat in its step or rung in YAML, and in `params` in the models: both ways.

Rungs of a ladder are written like steps: the control, its own parameters, and how long it may take.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel

from orchestrator.fleet.yaml_tree import KeyPath, Value
from protocols.controls import CATALOGUE, ArmedSite, Control, Params
from protocols.messages import Rung, Step

PARAMS: dict[str, type[BaseModel]] = {model.model_fields["control"].default: model for model in get_args(Params)}
"""The parameter model of each control, by the control's word."""

_STEP_DEPTH = 2  # ("steps", 0)
_RUNG_DEPTH = 4  # ("steps", 0, "ladder", 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a plan.

    Attributes:
        path: Where it stands in the YAML.
        what: What is wrong.
        remedy: What would be right, when that can be told.
        key: Whether it is the key that is wrong, not its value.
    """

    path: KeyPath
    what: str
    remedy: str = ""
    key: bool = False


def nest(fields: Mapping[str, Value], problems: list[Problem]) -> dict[str, Value]:
    """Move the control and the parameters of each step and rung into its `params`.

    Args:
        fields: The plan as it stands in YAML.
        problems: Takes what is found wrong on the way.
    """
    steps = fields.get("steps")
    if not isinstance(steps, tuple):
        return dict(fields)
    return dict(fields) | {
        "steps": tuple(_nested_step(step, ("steps", number), problems) for number, step in enumerate(steps))
    }


def _nested_step(step: Value, path: KeyPath, problems: list[Problem]) -> Value:
    if not isinstance(step, dict):
        return step
    whole = _nested(step, path, Step, problems)
    ladder = step.get("ladder")
    if isinstance(ladder, tuple):
        _check_ladder(step, ladder, path, problems)
        places = [(*path, "ladder", number) for number in range(len(ladder))]
        whole["ladder"] = tuple(
            _nested(rung, place, Rung, problems) if isinstance(rung, dict) else rung
            for rung, place in zip(ladder, places, strict=True)
        )
    return whole


def _nested(
    fields: dict[str, Value], path: KeyPath, model: type[BaseModel], problems: list[Problem]
) -> dict[str, Value]:
    if "control" not in fields:
        return dict(fields)
    params = params_model(fields["control"])
    if params is None:
        words = ", ".join(PARAMS)
        problems.append(Problem((*path, "control"), f"must be one of: {words}", _guess(fields["control"])))
        return {key: value for key, value in fields.items() if key in model.model_fields}
    own = [key for key in fields if key in params.model_fields]
    rest: dict[str, Value] = {key: value for key, value in fields.items() if key not in own}
    return rest | {"params": {key: fields[key] for key in own}}


def _check_ladder(step: dict[str, Value], ladder: Iterable[Value], path: KeyPath, problems: list[Problem]) -> None:
    """Find the rung that is no rung: what does not halt, or is no harsher than the one before."""
    controls = [_control_of(step), *(_control_of(rung) for rung in ladder)]
    places = [(*path, "control"), *((*path, "ladder", number, "control") for number in range(len(controls) - 1))]
    halting = ", ".join(control for control, spec in CATALOGUE.items() if spec.halts)
    for control, place in zip(controls, places, strict=True):
        if control is not None and not CATALOGUE[control].halts:
            problems.append(Problem(place, f"{control} is no rung of a ladder", f"rungs can be: {halting}"))
            return
    for (low, high), place in zip(pairwise(controls), places[1:], strict=True):
        if low is not None and high is not None and CATALOGUE[low].severity >= CATALOGUE[high].severity:
            problems.append(
                Problem(place, f"{high} is no harsher than the rung before, {low}", f"from mild to harsh: {halting}")
            )
            return


def _control_of(fields: Value) -> Control | None:
    word = fields.get("control") if isinstance(fields, dict) else None
    return Control(word) if isinstance(word, str) and word in PARAMS else None


def params_model(control: Value) -> type[BaseModel] | None:
    """Return the parameter model of a control's word, if there is such a control."""
    return PARAMS.get(control) if isinstance(control, str) else None


def flat(loc: tuple[int | str, ...]) -> KeyPath:
    """Turn a place in the model into the place in the YAML."""
    for depth in (_RUNG_DEPTH, _STEP_DEPTH):
        if len(loc) > depth and loc[0] == "steps" and loc[depth] == "params":
            # (..., "params", "shutdown", "grace_s"), or less where the control is missing or its parameters
            # do not go together: then it is about the control.
            return (*loc[:depth], *(loc[depth + 2 :] or ("control",)))
    return tuple(part for part in loc if part != "[key]")


def allowed_keys(path: KeyPath, fields: Mapping[str, Value], others: Mapping[KeyPath, list[str]]) -> list[str]:
    """Return the keys that a mapping of a plan may have.

    Args:
        path: Where the mapping stands in the YAML.
        fields: The whole plan.
        others: The keys of what is no step, no rung and no part of one, by place; `()` is the plan.
    """
    match path:
        case ("steps", int(), "ladder", int()):
            return [*_of_control(_at(fields, path)), "response_limit_s"]
        case ("steps", int(), *_, "armed", int()):
            return list(ArmedSite.model_fields)
        case ("waves", int()):
            return others.get(("waves",), [])
        case ("stop_when", int(), *inner):
            return others.get(("stop_when", *inner), [])
        case ("steps", int()):
            own = _of_control(_at(fields, path))
            return ["name", *own, *(key for key in Step.model_fields if key not in {"name", "params"})]
        case _:
            return others.get(path, others[()])


def _of_control(fields: Any) -> list[str]:
    """Return `control` and the keys of its parameters."""
    model = params_model(fields.get("control")) if isinstance(fields, dict) else None
    return ["control", *(key for key in (model.model_fields if model else ()) if key != "control")]


def _at(fields: Any, path: KeyPath) -> Any:
    here = fields
    for part in path:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return None
    return here


def _guess(word: Value) -> str:
    return nearest(word, list(PARAMS)) if isinstance(word, str) else ""


def nearest(word: str, allowed: list[str]) -> str:
    """Ask whether the nearest of `allowed` was meant; empty when none is near."""
    near = closest(word, allowed)
    return f"did you mean {near}?" if near else ""


def closest(word: str, allowed: list[str]) -> str:
    """Return the one of `allowed` that is most like `word`; empty when none is."""
    return next(iter(difflib.get_close_matches(word[:80], allowed, n=1, cutoff=0.6)), "")
