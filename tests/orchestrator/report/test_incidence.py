"""The curve's figures against brute force, and its drawing at every size."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.curve import NARROW, WIDE, curve, label
from orchestrator.report.incidence import Incidence, incidence
from tests.orchestrator.report.made import LIMIT_NS, fleet_of, lying, not_back, pause_of, quick, refusing, silent
from tests.orchestrator.report.results import S_NS, ladder_step

TIMES = st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**9)), max_size=30)


@given(TIMES, st.integers(0, 5), st.integers(0, 2 * 10**10), st.sampled_from([0.01, 0.5, 0.95, 1.0]))
def test_figures_equal_a_count_by_hand(times: list[tuple[int, int]], never: int, t_ns: int, share: float) -> None:
    """Whatever the times, each share and each number at risk is what counting the sites one by one gives."""
    results = {f"s{n}": quick(lower, lower + width) for n, (lower, width) in enumerate(times)}
    results |= {f"n{n}": silent() for n in range(never)}
    found = incidence(pause_of(results).steps[0])
    uppers = [lower + width for lower, width in times]
    assert found.censored == never
    assert found.at_risk(t_ns) == sum(upper > t_ns for upper in uppers) + never
    assert found.proved_by(t_ns) + found.at_risk(t_ns) == found.sites
    at_ns = found.quantile_ns(share)
    if at_ns is None:
        assert not results or len(uppers) < share * found.sites
    else:
        assert sum(upper <= at_ns for upper in uppers) >= share * found.sites
        assert sum(upper < at_ns for upper in uppers) < share * found.sites


def test_the_censored_hold_back_the_median() -> None:
    """Sites that never halted count against every share: leaving them out would flatter a fleet that fails."""
    found = Incidence(4, (0, 0), (10, 20))
    assert found.quantile_ns(0.5) == 20
    assert Incidence(5, (0, 0), (10, 20)).quantile_ns(0.5) is None


def test_only_witnessed_sites_make_the_curve_rise() -> None:
    """A receipt is no halt: who lied, refused or was silent is censored; who never came back did halt."""
    found = incidence(
        pause_of({"a": lying(), "b": refusing(), "c": silent(), "d": not_back(), "e": quick(0, 1)}).steps[0]
    )
    assert (found.sites, found.censored) == (5, 3)


def test_a_climb_counts_from_the_first_order() -> None:
    """The time of a ladder is what it took in all, with the width of the last rung's interval."""
    found = incidence(ladder_step())
    assert found.latest == (2 * S_NS, 2 * S_NS, 9 * S_NS, 21 * S_NS)
    assert found.earliest == (S_NS, S_NS, 8 * S_NS, 20 * S_NS)


def _paths(svg: str, name: str) -> list[str]:
    return re.findall(rf'class="{name}" d="([^"]*)"', svg)


def test_a_path_has_no_more_points_than_the_drawing_has_places() -> None:
    """A fleet of ten thousand draws as fast and as small as one of a hundred."""
    result, _ = fleet_of(10_000)
    svg = curve(result.steps[0])
    for path, canvas in zip(_paths(svg, "latest"), (WIDE, NARROW), strict=True):
        assert path.count("H") <= 2 * canvas.width
    assert len(svg) < 60_000


def test_curves_only_rise_and_the_proved_one_is_never_above_the_earliest() -> None:
    """The band is one: at each place the proved count is at most the possible one, and neither falls."""
    result, _ = fleet_of(300)
    svg = curve(result.steps[0])
    lower, upper = (_heights(_paths(svg, name)[0]) for name in ("latest", "earliest"))
    for heights in (lower, upper):
        ordered = [heights[x] for x in sorted(heights)]
        assert ordered == sorted(ordered, reverse=True)  # SVG counts downwards
    at = {x: min(y for place, y in upper.items() if place <= x) for x in lower}
    assert all(lower[x] >= at[x] for x in lower)


def _heights(path: str) -> dict[float, float]:
    """Return the last height at each place of a path."""
    start = re.match(r"M([0-9.]+) ([0-9.]+)", path)
    assert start is not None
    x, y = float(start[1]), float(start[2])
    heights = {x: y}
    for way, value in re.findall(r"([HV])([0-9.]+)", path[start.end() :]):
        x, y = (float(value), y) if way == "H" else (x, float(value))
        heights[x] = y
    return heights


def test_the_numbers_under_the_curve_are_those_not_yet_proved() -> None:
    """Whoever reads off a time finds how many sites are still open then, and the label says all in words."""
    step = pause_of({"a": quick(0, S_NS), "b": quick(S_NS, 3 * S_NS), "c": lying()}).steps[0]
    svg = curve(step)
    wide = svg[: svg.index("</svg>")]
    assert re.findall(r'class="risk"[^>]*>([0-9,]+)<', wide) == ["3", "2", "2", "1", "1"]
    assert label(step, incidence(step)) == (
        "2 of 3 sites witnessed halted, 2 of them proved so by the response limit of 4 s; 1 right-censored"
    )
    assert f"limit {LIMIT_NS / 1e9:g} s: 2 proved" in svg
