"""What-if: parameters as people write them, and outcomes that depend on them."""

from __future__ import annotations

import csv

import pytest

from orchestrator.tabletop.sweep import as_csv, parse_vary, sweep
from orchestrator.tabletop.sweep_page import render_sweep
from protocols.errors import ConfigError
from tests.orchestrator.tabletop.made import scenario


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("detection_delay=5..55", (5, 15, 25, 35, 45, 55)),
        ("detection_delay=5..120/50", (5, 55, 105)),
        ("challenge_s=1,2,4", (1, 2, 4)),
        ("witnesses=2..2", (2,)),
    ],
)
def test_values_are_read_as_they_are_written(text: str, values: tuple[float, ...]) -> None:
    """Ranges, ranges with a step, and lists."""
    assert parse_vary(text).values == values


@pytest.mark.parametrize(
    "text", ["x=1..2", "detection_delay", "detection_delay=9..1", "detection_delay=a", "witnesses=nan"]
)
def test_what_is_none_is_refused_with_what_there_is(text: str) -> None:
    """The error lists the parameters, or shows how values are written."""
    with pytest.raises(ConfigError) as raised:
        parse_vary(text)
    assert "--vary" in str(raised.value)


def test_the_outcome_depends_on_what_is_varied() -> None:
    """Without the fault there is no false halt; each point is run with as many seeds, and the plots show it."""
    rows = sweep(scenario(), [parse_vary("faulty_share=0,1")], runs=4, jobs=2)
    false = {(point["faulty_share"], one.seed): one.false_halts for point, one in rows}
    assert false == {(0, 1): 0, (1, 1): 2, (0, 2): 0, (1, 2): 2}
    table = list(csv.DictReader(as_csv(rows).splitlines()))
    assert len(table) == 4
    assert {row["halted_in_limit"] for row in table if row["faulty_share"] == "0.0"} == {"1.0"}
    page = render_sweep(scenario(), rows)
    assert page.count("<figure>") == 5
