"""Scenario files: what is wrong is named with its line, and every name must be there."""

from __future__ import annotations

import jsonschema
import pytest

from orchestrator.fleet.yaml_tree import parse_yaml
from orchestrator.tabletop.load import audience_names, chosen_sites, read_scenario, scenario_schema, site_names
from orchestrator.tabletop.spec import Where
from protocols.errors import ConfigError
from tests.orchestrator.tabletop.made import TEXT, changed, scenario


def line_of(text: str) -> int:
    """Return the line of the small scenario that holds a text, counted from 1."""
    return next(number for number, line in enumerate(TEXT.splitlines(), start=1) if text in line)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title: A small", "titel: A small", "did you mean title?"),
        ("lying_agent", "lieing_agent", "did you mean lying_agent?"),
        ("control: pause", "control: pauze", "did you mean pause?"),
        ("hold_s: 60", "hold_s: sixty", "number"),
        ("begin: pause", "begin: pase", "did you mean pause?"),
        ("injected: found", "injected: lost", "there is no inject lost"),
        ("to: [chief]", "to: [cheif]", "did you mean chief?"),
        ("otherwise: wait", "otherwise: sleep", "wait, abort"),
        ("expected: true", "expected: false", "exactly one option"),
        ("abort: a site lies", "abort: a site lies\n            lever: operations", "exactly one effect"),
        ("objective: notice", "objective: notify", "did you mean notice?"),
        ("by_hand: true", "by_hand: false", "at_s, when or by_hand"),
        ("verdicts: [contradicted]", "verdicts: [bad]", "contradicted"),
        ("count: 2", "count: 0", "greater than or equal to 1"),
    ],
)
def test_a_slip_is_named_with_its_line(old: str, new: str, words: str) -> None:
    """Whoever writes a scenario is led to the place, and told what would be right."""
    with pytest.raises(ConfigError) as raised:
        read_scenario(changed((old, new)).encode(), "small.yaml")
    said = str(raised.value)
    assert words in said
    assert "small.yaml, line " in said
    line = int(said.split("line ")[1].split(",", maxsplit=1)[0])
    assert line_of(old) - 10 <= line <= line_of(old) + 4


def test_a_drill_that_nothing_begins_is_refused() -> None:
    """A scenario in which nothing ever happens is a slip."""
    with pytest.raises(ConfigError, match="no effect begins any of them"):
        scenario(("    effects:\n      - begin: pause\n", ""))


def test_the_schema_takes_what_the_reader_takes() -> None:
    """An editor that checks by the schema accepts the scenario, and finds the slips in it that it can."""
    schema = scenario_schema()
    good = parse_yaml(TEXT.encode(), "x").value
    jsonschema.Draft202012Validator(schema).check_schema(schema)
    as_json = _lists(good)
    jsonschema.validate(as_json, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(_lists(parse_yaml(changed(("count: 2", "count: 0")).encode(), "x").value), schema)


def _lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def test_sites_are_named_by_their_region_and_chosen_as_an_effect_says() -> None:
    """Names, audiences and choices are what the scenario's writer counts on."""
    made = scenario(("      count: 2\n", "      count: 3\n    - region: south\n      count: 2\n"))
    assert list(site_names(made)) == ["north-1", "north-2", "north-3", "south-1", "south-2"]
    assert audience_names(made, made.drills[0]) == tuple(site_names(made))
    assert chosen_sites(made, Where(regions=("south",))) == ("south-1", "south-2")
    assert chosen_sites(made, Where(first=2)) == ("north-1", "north-2")
