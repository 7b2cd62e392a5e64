"""Reads a YAML file into a strict model, with an error that names line, column and key for each slip.

For files whose shape is that of their model. The plan, whose steps stand flatter in YAML than in the
model, has its own way in `plan.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.fleet.plan_flat import Problem, closest, nearest
from orchestrator.fleet.yaml_tree import YAML_MAX_BYTES, KeyPath, YamlTree, parse_yaml, path_text
from protocols.errors import ConfigError
from protocols.host.files import read_bytes

T = TypeVar("T", bound=BaseModel)

_QUOTED = re.compile(r"'([^']*)'")
_MISSING = "is missing"


def load_model(path: Path, model: type[T]) -> T:
    """Read a model from a YAML file.

    Raises:
        ConfigError: The file is missing, no YAML, or not what the model takes; the line is named.
    """
    return read_model(parse_yaml(read_bytes(path, max_bytes=YAML_MAX_BYTES), str(path)), model)


def read_model(tree: YamlTree, model: type[T]) -> T:
    """Read a model from a parsed file.

    Raises:
        ConfigError: It is not what the model takes; the first place in the file is named.
    """
    if not isinstance(tree.value, dict):
        raise ConfigError("must be a mapping of keys to values", where=tree.where(()))
    try:
        return model.model_validate(tree.value)
    except ValidationError as error:
        raise first_error(tree, problems_of(error, tree, model)) from None


def problems_of(error: ValidationError, tree: YamlTree, model: type[BaseModel]) -> list[Problem]:
    """Put what pydantic found wrong into words for whoever wrote the file.

    Args:
        error: What it found.
        tree: The file.
        model: What the file was read into.
    """
    found: list[Problem] = []
    meant: set[KeyPath] = set()
    for item in error.errors(include_url=False):
        path = _in_file(item["loc"], tree)
        problem = _problem(item, path, model)
        if problem.key and (near := closest(str(path[-1]), _keys_at(model, item["loc"][:-1]))):
            meant.add((*path[:-1], near))
        found.append(problem)
    # A key that was misspelt is not missing too.
    return [problem for problem in found if not (problem.what == _MISSING and problem.path in meant)]


def first_error(tree: YamlTree, problems: Sequence[Problem]) -> ConfigError:
    """Return the error for the first place in the file that is wrong, and say how many more there are."""
    found = list({problem.path: problem for problem in reversed(problems)}.values())
    # None that only follows from a deeper one: a list is "too short" once its items are wrong.
    deep = {problem.path[:length] for problem in found for length in range(len(problem.path))}
    found = [problem for problem in found if problem.path not in deep] or found

    def position(problem: Problem) -> tuple[bool, int, int]:
        place = tree.place(problem.path, key=problem.key)
        return (problem.what == _MISSING, place.line, place.column)  # what stands there says more

    first = min(found, key=position)
    rest = f"; and {len(found) - 1} more" if len(found) > 1 else ""
    what = f"{path_text(first.path)} {first.what}{rest}" if first.path else f"{first.what}{rest}"
    return ConfigError(what, where=tree.where(first.path, key=first.key), remedy=first.remedy)


def _problem(item: ErrorDetails, path: KeyPath, model: type[BaseModel]) -> Problem:
    match item["type"]:
        case "extra_forbidden":
            allowed = _keys_at(model, item["loc"][:-1])
            guess = nearest(str(path[-1]), allowed) if path else ""
            found = Problem(path, "is no known key here", guess or f"allowed here: {', '.join(allowed)}", key=True)
        case "missing":
            found = Problem(path, _MISSING)
        case "union_tag_not_found" | "union_tag_invalid":
            found = _untagged(item, path)
        case _ if item["input"] is None:
            found = Problem(path, "has no value")
        case "string_type" if isinstance(item["input"], int | float | bool):
            found = Problem(path, "must be text", "put it in quotes")
        case "literal_error" | "enum":
            expected = str(item["ctx"]["expected"])
            found = Problem(path, f"must be {expected}", nearest(str(item["input"]), _QUOTED.findall(expected)))
        case "string_pattern_mismatch":
            found = Problem(path, "must be a name of lower-case letters, digits and inner dashes")
        case _:
            said = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
            found = Problem(path, said.replace("tuple", "list").replace("dictionary", "mapping"))
    return found


def _untagged(item: ErrorDetails, path: KeyPath) -> Problem:
    """Say that the word by which one of several shapes is known is missing or wrong."""
    name = str(item["ctx"]["discriminator"]).strip("'")
    if item["type"] == "union_tag_not_found":
        return Problem((*path, name), _MISSING)
    words = _QUOTED.findall(str(item["ctx"]["expected_tags"]))
    return Problem((*path, name), f"must be one of: {', '.join(words)}", nearest(str(item["ctx"]["tag"]), words))


def _in_file(loc: tuple[int | str, ...], tree: YamlTree) -> KeyPath:
    """Turn a place in the model into the place in the file: tags of unions and `[key]` stand only in the model."""
    path: KeyPath = ()
    for number, part in enumerate(loc):
        longer = (*path, part)
        if longer in tree.places or longer in tree.key_places or number == len(loc) - 1:
            path = longer if part != "[key]" and not _is_tag(loc, number, tree, path) else path
    return path


def _is_tag(loc: tuple[int | str, ...], number: int, tree: YamlTree, path: KeyPath) -> bool:
    """Tell whether the last part of a place is the tag of a union: then the mapping itself is wrong."""
    here: Any = tree.value
    for part in path:
        here = here[part]
    return isinstance(here, dict) and loc[number] not in here and loc[number] in here.values()


def _keys_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that a mapping at a place in the model may have."""
    here: list[type[BaseModel]] = [model]
    for part in loc:
        if isinstance(part, int) or part == "[key]":
            continue
        fields = [one.model_fields[part].annotation for one in here if part in one.model_fields]
        if fields:
            here = [found for annotation in fields for found in _models_in(annotation)]
        else:  # a tag of a union, or a key of a mapping whose values are models
            tagged = [one for one in here if part in _words_of(one)]
            here = tagged or here
    names = [field.alias or name for one in here for name, field in one.model_fields.items()]
    return list(dict.fromkeys(names))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None or get_args(annotation):
        for inner in get_args(annotation):
            yield from _models_in(inner)


def _words_of(model: type[BaseModel]) -> set[Any]:
    """Return the words that a model's literal fields have: the tags by which a union knows it."""
    return {word for field in model.model_fields.values() for word in get_args(field.annotation)}
