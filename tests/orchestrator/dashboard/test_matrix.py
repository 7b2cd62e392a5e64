"""Tests of `orchestrator.dashboard.matrix`."""

from __future__ import annotations

from orchestrator.coverage.words import CODES
from orchestrator.dashboard.matrix import matrix
from orchestrator.watch.panels.figures import stamp_ns
from tests.logs import START_WALL_NS
from tests.orchestrator.dashboard.viewed import lines_of, view_of

DAY_NS = 86_400 * 10**9


def test_each_cell_is_the_verdict_of_its_last_exercise() -> None:
    """The matrix says of each site and control what the log's newest drill found."""
    view = view_of(
        lines_of(sites=20, steps=2, seed=1, faults=0.4),
        lines_of(sites=20, steps=2, seed=2, faults=0.4, wall_ns=START_WALL_NS + DAY_NS),
    )
    newest = view.newest
    assert newest is not None
    assert newest.closed is not None
    made = matrix(view.drills.values(), stamp_ns(newest.closed.timestamp))
    column = made["controls"].index("slowdown")
    assert made["drills"] == 2
    for name, *cells in made["rows"]:
        code, figures, said = cells[column]
        assert code == CODES[newest.sites[name].results[1].verdict]
        assert figures.endswith(" s")
        assert newest.drill in said


def test_what_needs_somebody_comes_first() -> None:
    """Of ten thousand rows the first are those that fail."""
    view = view_of(lines_of(sites=30, faults=0.2))
    rows = [[cell[0] for cell in row[1:]] for row in matrix(view.drills.values(), START_WALL_NS + DAY_NS)["rows"]]
    failing = [any(code not in {"ok", "never", "n/a"} for code in row) for row in rows]
    assert failing == sorted(failing, reverse=True)
    assert any(failing)


def test_a_proof_gets_old() -> None:
    """After ninety days a proof is overdue, as for `haltdrill coverage`."""
    view = view_of(lines_of(sites=3, faults=0))
    made = matrix(view.drills.values(), START_WALL_NS + 91 * DAY_NS)
    assert {cells[1][0] for cells in made["rows"]} == {"OD"}


def test_drills_that_are_not_over_prove_nothing() -> None:
    """An open or an aborted drill leaves a cell as it is, and both are counted apart."""
    lines = lines_of(sites=3, seed=2)
    view = view_of(lines_of(sites=3, seed=1, abort_at_s=20), lines[: len(lines) // 2])
    made = matrix(view.drills.values(), START_WALL_NS + DAY_NS)
    assert (made["drills"], made["aborted"], made["open"]) == (0, 1, 1)
    assert all(cell[0] != "ok" for row in made["rows"] for cell in row[1:])
    assert matrix([], START_WALL_NS)["rows"] == []
