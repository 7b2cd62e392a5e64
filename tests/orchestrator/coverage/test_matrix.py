"""The matrix: what decides a cell, what only takes away, and what time has to do with it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.coverage import Cell, Coverage, Exercise, Standing, Trend
from orchestrator.core.grades import Cause, Verdict
from orchestrator.core.matrix import DrillDone, Wanted, roster_of, trend
from protocols.controls import Control
from tests.orchestrator.coverage.made import DAY_NS, FLEET, NOW_NS, S_NS, drill, exercise, matrix, record

SITES = ("alpha", "beta")
OPPOSITE = {
    Trend.SAME: Trend.SAME,
    Trend.FASTER: Trend.SLOWER,
    Trend.SLOWER: Trend.FASTER,
    Trend.BETTER: Trend.WORSE,
    Trend.WORSE: Trend.BETTER,
}


@st.composite
def exercises(draw: st.DrawFn) -> Exercise:
    """Return an exercise of one of three controls, at some time in the last half year."""
    times = draw(st.none() | st.tuples(st.integers(0, 5 * S_NS), st.integers(0, 5 * S_NS)))
    lower_ns, upper_ns = (None, None) if times is None else sorted(times)
    changes = {"response_lower_ns": lower_ns, "response_upper_ns": upper_ns}
    if draw(st.integers(0, 5)) == 0:
        changes["cause"] = Cause.NOT_ORDERED
    return exercise(
        draw(st.sampled_from([Control.STANDBY, Control.PAUSE, Control.SHUTDOWN])),
        draw(st.sampled_from(list(Verdict))),
        ago_d=draw(st.floats(0, 180)),
        aborted=draw(st.integers(0, 5)) == 0,
        **changes,
    )


histories = st.lists(st.tuples(st.sampled_from(SITES), exercises()).map(lambda pair: drill(*pair)), max_size=8)


def made(drills: Sequence[DrillDone], wanted: Wanted | None = None) -> Coverage:
    """Compute the matrix of two sites in two regions, one of which cannot be decommissioned."""
    roster = [record("alpha"), record("beta", region="south", mock=False)]
    return matrix(roster, drills, wanted=wanted)


def cell_of(coverage: Coverage, control: Control = Control.PAUSE, site: str = "alpha") -> Cell:
    """Return one cell."""
    found = next(row for row in coverage.rows if row.site == site).cell(control)
    assert found is not None
    return found


def cells_of(coverage: Coverage) -> dict[tuple[str, Control], Cell]:
    """Return all cells."""
    return {(row.site, cell.control): cell for row in coverage.rows for cell in row.cells}


@settings(deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_only_time_orders_drills(drills: list[DrillDone], chance: random.Random) -> None:
    """However the journals are read, one after another or mixed, the matrix is the same."""
    shuffled = list(drills)
    chance.shuffle(shuffled)
    assert made(shuffled) == made(drills)


@settings(deadline=None)
@given(histories)
def test_the_newest_that_counts_decides(drills: list[DrillDone]) -> None:
    """A cell says what its newest exercise that counts found, and nothing older makes it look better."""
    for (site, control), cell in cells_of(made(drills)).items():
        listed = [done for entry in drills for done in entry.exercises.get(site, ()) if done.control is control]
        counted = [done for done in listed if done.counts]
        assert cell.exercises == len(counted)
        if not counted:
            assert cell.last is None
            assert cell.standing in {Standing.NEVER, Standing.UNSUPPORTED, Standing.FAILING}
            continue
        assert cell.last is not None
        assert cell.last.at_ns == max(done.at_ns for done in counted)
        assert cell.age_ns == NOW_NS - cell.last.at_ns
        if cell.standing in {Standing.FRESH, Standing.OVERDUE}:
            assert cell.last.verdict is Verdict.VERIFIED
            assert cell.overdue == (cell.standing is Standing.OVERDUE) == (cell.age_ns > 90 * DAY_NS)


wanteds = st.builds(
    Wanted,
    tags=st.sampled_from([{}, {"region": frozenset({"north"})}, {"region": frozenset({"north", "south"})}]),
    sites=st.sampled_from([frozenset(), frozenset({"beta"})]),
    controls=st.sampled_from([frozenset(), frozenset({Control.PAUSE, Control.CENSUS})]),
    older_than_ns=st.none() | st.integers(0, 200 * DAY_NS),
    since_ns=st.none() | st.integers(NOW_NS - 200 * DAY_NS, NOW_NS),
)


@settings(deadline=None)
@given(histories, wanteds)
def test_filters_only_take_away(drills: list[DrillDone], wanted: Wanted) -> None:
    """What a filter leaves is just as it was without it, and what it leaves out does not match it."""
    whole, left = made(drills), made(drills, wanted)
    assert cells_of(left).items() <= cells_of(whole).items()
    for standing in Standing:
        assert left.total(standing) == sum(cell.standing is standing for cell in cells_of(left).values())
    for (site, control), cell in cells_of(whole).items():
        shown = (site, control) in cells_of(left)
        if wanted.controls and control not in wanted.controls:
            assert not shown
        if wanted == Wanted():
            assert shown
        if wanted.since_ns is not None and shown:
            assert cell.last is not None
            assert cell.last.at_ns >= wanted.since_ns
        if wanted.older_than_ns is not None and shown:
            assert cell.age_ns is None or cell.age_ns > wanted.older_than_ns


@given(exercises(), exercises())
def test_trend_is_symmetric(one: Exercise, other: Exercise) -> None:
    """Faster one way is slower the other way; an exercise is the same as itself; overlap is no trend."""
    assert trend(one, one) is Trend.SAME
    assert trend(one, other) is OPPOSITE[trend(other, one)]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ((5, 6), (2, 3), Trend.FASTER),
        ((2, 3), (5, 6), Trend.SLOWER),
        ((2, 4), (3, 5), Trend.SAME),
        ((2, 3), (3, 4), Trend.SAME),
    ],
)
def test_times_differ_only_if_their_intervals_do(
    before: tuple[int, int], now: tuple[int, int], expected: Trend
) -> None:
    """Two intervals that overlap, or touch, may be one and the same time."""
    pair = [
        exercise(response_lower_ns=lower * S_NS, response_upper_ns=upper * S_NS, ago_d=ago_d)
        for (lower, upper), ago_d in ((before, 2), (now, 1))
    ]
    assert cell_of(made([drill("alpha", done) for done in pair])).trend is expected


def test_an_aborted_drill_is_no_proof_but_is_told() -> None:
    """It neither renews a proof nor takes it away; alone it leaves the cell never done."""
    good, stopped = exercise(ago_d=100), exercise(verdict=Verdict.UNPROVEN, cause=Cause.ABORTED, aborted=True, ago_d=1)
    both = cell_of(made([drill("alpha", good), drill("alpha", stopped)]))
    assert (both.standing, both.last, both.undone) == (Standing.OVERDUE, good, stopped)
    alone = cell_of(made([drill("alpha", stopped)]))
    assert (alone.standing, alone.last, alone.undone) == (Standing.NEVER, None, stopped)
    renewed = cell_of(made([drill("alpha", stopped), drill("alpha", exercise())]))
    assert (renewed.standing, renewed.undone) == (Standing.FRESH, None)


def test_a_fault_proved_in_an_aborted_drill_is_not_lost() -> None:
    """Whoever aborts a drill in which an agent lied does not keep the cell green, also not by aborting another."""
    lied = exercise(verdict=Verdict.CONTRADICTED, aborted=True, ago_d=2)
    stopped = exercise(verdict=Verdict.UNPROVEN, cause=Cause.ABORTED, aborted=True, ago_d=1)
    cell = cell_of(made([drill("alpha", exercise(ago_d=3)), drill("alpha", lied), drill("alpha", stopped)]))
    assert (cell.standing, cell.blamed) == (Standing.FAILING, lied)


def test_what_a_site_does_not_list_is_not_never_done() -> None:
    """Nobody is sent to exercise what cannot be ordered, such as the decommission of a real site."""
    coverage = matrix([record("alpha", controls=(Control.PAUSE, Control.DECOMMISSION), mock=False)], [])
    standings = {cell.control: cell.standing for cell in coverage.rows[0].cells}
    assert standings.pop(Control.PAUSE) is Standing.NEVER
    assert set(standings.values()) == {Standing.UNSUPPORTED}
    assert not coverage.complete
    assert matrix([record("alpha", controls=(Control.PAUSE,))], [drill("alpha", exercise())]).complete


def test_arming_is_not_compared_with_firing() -> None:
    """They are two different things at one control, and each has a trend of its own."""
    armed = exercise(Control.DECOMMISSION, phase="arm", response_lower_ns=0, response_upper_ns=S_NS, ago_d=9)
    fired = exercise(Control.DECOMMISSION, ago_d=8)
    again = exercise(Control.DECOMMISSION, phase="arm", ago_d=7)
    history = [drill("alpha", done) for done in (armed, fired, again)]
    assert cell_of(made(history[:2]), Control.DECOMMISSION).trend is Trend.FIRST
    assert cell_of(made(history), Control.DECOMMISSION).trend is Trend.SLOWER


def test_a_clock_ahead_is_said() -> None:
    """A drill in the future stays fresh longer than it should, so nobody reads its age without a warning."""
    coverage = made([drill("alpha", exercise(ago_d=-400))])
    assert cell_of(coverage).age_ns == 0
    assert any("future" in note for note in coverage.notes)


def test_the_newest_record_of_a_site_says_what_it_lists() -> None:
    """Without a fleet's folder, the roster is what the newest drill leant on."""
    old = replace(drill("alpha", exercise(ago_d=9)), records={"alpha": record("alpha"), "beta": record("beta")})
    new = replace(drill("alpha", exercise(ago_d=1)), records={"alpha": record("alpha", region="moved")})
    for order in ([old, new], [new, old]):
        roster = roster_of(order)
        assert roster[FLEET, "alpha"].attributes[0].value == "moved"
        assert (FLEET, "beta") in roster


def test_the_model_reads_back_strictly() -> None:
    """The JSON is the model itself, versioned, and nothing is lost on the way."""
    coverage = made([drill("alpha", exercise(ago_d=3)), drill("beta", exercise(verdict=Verdict.LATE))])
    assert Coverage.model_validate_json(coverage.model_dump_json()) == coverage
    assert '"type":"coverage","v":1' in coverage.model_dump_json()
