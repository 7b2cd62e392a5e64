"""Witness clocks against claimed brackets: the one-pass check agrees with the definition over all pairs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.clocks import DRIFT_PPM, SLACK_NS
from orchestrator.core.samples import Instant, Sample, Track
from orchestrator.evidence.clocks import check_clock

MS = 1_000_000


def track_of(arrivals: list[Instant], boots: list[tuple[str, int]]) -> Track:
    """Make a chain whose n-th message quotes challenge n."""
    track = Track()
    for place, (arrival, clock) in enumerate(zip(arrivals, boots, strict=True), start=1):
        track.add(Sample(place, place, arrival, clock=clock), str(place - 1), str(place))
    return track


def wrong(issues: list[Instant], arrivals: list[Instant], boots: list[tuple[str, int]]) -> list[int]:
    """Return the numbers of the messages whose clock does not fit."""
    return [seq for seq, _ in check_clock(track_of(arrivals, boots), dict(enumerate(issues, start=1)))]


def first_misfit(issues: list[Instant], arrivals: list[Instant], boots: list[tuple[str, int]]) -> int | None:
    """The definition, over all pairs."""
    track = track_of(arrivals, boots)
    brackets = track.brackets(dict(enumerate(issues, start=1)))
    for j, (boot_j, ns_j) in enumerate(boots):
        for i in range(j):
            boot_i, ns_i = boots[i]
            if boot_i != boot_j:
                continue
            passed = ns_j - ns_i
            most, least = brackets[j].before.minus(brackets[i].after), brackets[j].after.minus(brackets[i].before)
            if passed < 0:
                return j + 1
            if most is not None and passed > most * (1 + DRIFT_PPM / 1e6) + SLACK_NS:
                return j + 1
            if least is not None and passed < least * (1 - DRIFT_PPM / 1e6) - SLACK_NS:
                return j + 1
    return None


STEP = st.tuples(st.integers(1, 300), st.integers(1, 60), st.integers(1, 60), st.integers(-200, 200), st.booleans())


@given(st.lists(STEP, min_size=2, max_size=9), st.booleans())
@settings(max_examples=400, deadline=None)
def test_one_pass_finds_what_all_pairs_would_find(steps: list[tuple[int, int, int, int, bool]], restart: bool) -> None:
    """The running extremes are the definition and no approximation of it."""
    t, epoch, boot = 1_000, 1, "b1"
    issues, arrivals, boots = [], [], []
    for n, (gap, to_sample, to_arrival, lie, reboots) in enumerate(steps):
        t += gap
        if restart and n == len(steps) // 2:
            epoch = 2
        if reboots and n % 4 == 3:
            boot = f"b{n}"
        issues.append(Instant(epoch, t * MS))
        t += to_sample
        boots.append((boot, (5_000 + t + lie) * MS))
        t += to_arrival
        arrivals.append(Instant(epoch, t * MS))
    found = wrong(issues, arrivals, boots)
    assert (found[0] if found else None) == first_misfit(issues, arrivals, boots)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_an_honest_clock_always_fits(steps: list[tuple[int, int, int]]) -> None:
    """Nobody is accused whose clock drifts less than what is stated."""
    t = 0
    issues, arrivals, boots = [], [], []
    for gap, to_sample, to_arrival in steps:
        t += gap
        issues.append(Instant(1, t * MS))
        t += to_sample
        boots.append(("b", round(t * MS * (1 + DRIFT_PPM / 2e6))))
        t += to_arrival
        arrivals.append(Instant(1, t * MS))
    assert wrong(issues, arrivals, boots) == []


def test_times_moved_apart_are_found_out() -> None:
    """A dwell of half a second cannot be sold as one of a second and a half."""
    issues = [Instant(1, t * MS) for t in (0, 1_500)]
    arrivals = [Instant(1, t * MS) for t in (10, 1_510)]
    assert wrong(issues, arrivals, [("b", 5 * MS), ("b", 505 * MS)]) == [2]
    assert wrong(issues, arrivals, [("b", 5 * MS), ("b", 1_505 * MS)]) == []


def test_a_boot_clock_that_runs_backwards_is_found_out() -> None:
    """Within one boot a witness's clock only rises."""
    issues = [Instant(1, t * MS) for t in (0, 20)]
    arrivals = [Instant(1, t * MS) for t in (10, 30)]
    assert wrong(issues, arrivals, [("b", 5 * MS), ("b", 4 * MS)]) == [2]
    assert wrong(issues, arrivals, [("b", 5 * MS), ("c", 4 * MS)]) == []
