"""Rates over windows of a dwell: worked examples, the naive definition, and properties against the truth."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from orchestrator.core.causes import Cause
from orchestrator.core.criteria import criterion
from orchestrator.core.criterion import Band, Criterion
from orchestrator.core.grades import Verdict
from orchestrator.core.halting import Halting
from orchestrator.core.judge import LiveSite, judge_step
from orchestrator.core.samples import Sample, Track
from orchestrator.core.trace import Trace
from protocols import signals as s
from tests.orchestrator.core import scenes
from tests.orchestrator.core.scene import EVALS, FULL, WATCHERS, WORK, Scene, Steps, integral
from tests.orchestrator.core.world import DIGEST, MS, at, digest

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
some = settings(max_examples=80, deadline=None, suppress_health_check=CHECKS)
PASSING = {Verdict.VERIFIED, Verdict.LATE}
DWELL_MS, GAP_MS = 1_000, 600
CAP = 300
"""Units a millisecond that the usual slowdown allows."""

Row = tuple[int, int, int]


def band(least: int, most: int | None = None) -> Criterion:
    """Return a criterion of one band, units a second."""
    return Criterion(bands=(Band("n", least, most, Cause.STARVED, Cause.OVER_BAND),))


def trace_of(rows: list[Row], wanted: Criterion, *, gap_ms: int = 600) -> Trace:
    """Return the trace of readings (I, A, count) in ms, with a dwell of a second."""
    track = Track()
    for n, (_, arrival_ms, count) in enumerate(rows):
        sample = Sample(n, n, at(arrival_ms), {"n": ("e0", count)})
        track.add(sample, digest(str(n - 1)) if n else DIGEST, digest(str(n)))
    issues = {n: at(issued_ms) for n, (issued_ms, _, _) in enumerate(rows)}
    trace = Trace(track, wanted, issues, gap_ms * MS, DWELL_MS * MS)
    trace.update()
    return trace


def steady_rows(per_ms: float, *, count: int = 12, width_ms: int = 20) -> list[Row]:
    """Return readings each 200 ms of work at a rate, each bracket so wide."""
    return [(n * 200, n * 200 + width_ms, round(n * 200 * per_ms)) for n in range(count)]


class TestBands:
    """What a window of at least a dwell proves."""

    def test_surely_inside(self) -> None:
        """1,200 ms between the ends, 1,180 at least and 1,220 at most: both bounds lie in 950 to 1,050."""
        trace = trace_of(steady_rows(1.0), band(950, 1_050))
        assert trace.breaches == []
        assert trace.run_end(0) == 11
        assert trace.lasting == [0, 1, 2, 3, 4, 5]

    def test_neither_inside_nor_outside(self) -> None:
        """A band whose edge lies between the bounds of the rate ends runs and accuses nobody."""
        for wanted in (band(990), band(0, 1_010)):
            trace = trace_of(steady_rows(1.0), wanted)
            assert (trace.breaches, trace.lasting) == ([], [])

    def test_surely_under(self) -> None:
        """A rate that is at most 1,017 a second is surely under 1,020, from I of its start to A of its end."""
        first = trace_of(steady_rows(1.0), band(1_020)).breaches[0]
        assert (first.after, first.before, first.starts_at, first.ends_at) == (at(0), at(1_220), 0, 6)
        assert (first.cause, first.signal) == (Cause.STARVED, "n")

    def test_surely_over(self) -> None:
        """And one that is at least 983 is surely over 980."""
        assert trace_of(steady_rows(1.0), band(0, 980)).breaches[0].cause is Cause.OVER_BAND

    def test_no_window_reaches_over_a_gap(self) -> None:
        """Readings further apart than the maximum gap prove no rate, low or right."""
        rows = [row for row in steady_rows(1.0) if row[0] not in {800, 1_000, 1_200}]
        for wanted in (band(950, 1_050), band(2_000)):
            trace = trace_of(rows, wanted)
            assert (trace.breaches, trace.lasting) == ([], [])

    def test_a_cap_is_judged_over_the_lead(self) -> None:
        """Work in bursts under the cap is capped from any reading, if the bursts are shorter than the lead."""
        bursts = [(n * 200, n * 200 + 20, n // 2 * 100) for n in range(12)]
        trace = trace_of(bursts, Criterion(caps=(("n", 400),)))
        assert trace.activities == []
        assert trace.breaches == []
        assert len(trace.lasting) >= 4


@st.composite
def rough(draw: st.DrawFn, scene: Scene, **courses: st.SearchStrategy[Steps]) -> Scene:
    """Return the scene with these courses, seen by witnesses that jitter."""
    drawn = {name: draw(course) for name, course in courses.items()}
    jitter_ms = draw(st.sampled_from([0, 20, 60]))
    watchers = tuple(
        replace(watcher, jitter_ms=jitter_ms, seed=draw(st.integers(0, 999)), offset_ms=draw(st.integers(5, 90)))
        for watcher in WATCHERS
    )
    return replace(scene.seen(**drawn), witnesses=watchers)


def courses(usual: int, *levels: int) -> st.SearchStrategy[Steps]:
    """Return courses that are usual before the order and after the release, and change a few times in between."""
    times = st.lists(st.integers(2_100, 5_900), min_size=1, max_size=5, unique=True).map(sorted)

    def course(drawn: tuple[list[int], list[int]]) -> Steps:
        return ((0, usual), *zip(drawn[0], drawn[1], strict=False), (6_200, usual))

    return st.tuples(times, st.lists(st.sampled_from(levels), min_size=5, max_size=5)).map(course)


SLOW = rough(scenes.SLOWDOWN, **{WORK: courses(FULL, 0, 40, 120, 240, 290, 330, 600, FULL)})
KEPT = rough(scenes.SELECTIVE, **{EVALS: courses(FULL, 0, 300, 550, 650, FULL, 1_300)})
STEADY = rough(scenes.STANDBY, **{WORK: courses(FULL, 0, 300, 550, 650, FULL, 1_300)})
UNREPORTED = {"receipts": scenes.SLOWDOWN.receipts[:1]}


def span_ms(scene: Scene) -> tuple[int, int]:
    """Return the qualifying dwell, in true time."""
    inputs = scene.inputs()
    run = Halting(inputs, LiveSite().voices(inputs), criterion(inputs.params, inputs.record)).run
    assert run is not None
    return run.start.ns // MS, run.end.ns // MS


def work(scene: Scene, name: str, start: int, stop: int) -> int:
    """Return the true work between two times."""
    return integral(scene.counters[name], stop) - integral(scene.counters[name], max(0, start))


@some
@given(SLOW)
def test_a_slowdown_verified_was_slow_and_not_still(scene: Scene) -> None:
    """The true work in the span is within the stated allowance over the cap, and over nothing."""
    scene = replace(scene, **UNREPORTED)
    verdict = judge_step(scene.inputs()).verdict
    event(verdict)
    if verdict not in PASSING:
        return
    start, stop = span_ms(scene)
    assert work(scene, WORK, start, stop) <= CAP * (DWELL_MS + 2 * GAP_MS)
    assert work(scene, WORK, start - GAP_MS, stop + GAP_MS) > 10 * DWELL_MS


@some
@given(SLOW, st.integers(2_050, 4_000), st.sampled_from([20, 120, 240]))
def test_the_response_interval_of_a_slowdown_holds_the_truth(scene: Scene, slow_ms: int, per_ms: int) -> None:
    """Whenever a site truly slows down once and for good, that moment lies in the interval."""
    course: Steps = ((0, FULL), (slow_ms, per_ms), (6_200, FULL))
    result = judge_step(replace(scene.seen(**{WORK: course}), **UNREPORTED, limit_s=4.0).inputs())
    assert result.verdict is Verdict.VERIFIED
    assert result.response_lower_ns is not None
    assert result.response_upper_ns is not None
    assert result.response_lower_ns <= (slow_ms - 2_000) * MS <= result.response_upper_ns
    assert result.response_upper_ns <= (slow_ms - 2_000 + 2 * GAP_MS) * MS


@some
@given(SLOW, st.integers(6_050, 7_400))
def test_the_restore_interval_of_a_slowdown_holds_the_truth(scene: Scene, back_ms: int) -> None:
    """Whenever a slow site is back once and for good, that moment lies in the interval."""
    result = judge_step(scene.seen(**{WORK: ((0, FULL), (2_300, 240), (back_ms, FULL))}).inputs())
    assert result.restore_lower_ns is not None
    assert result.restore_upper_ns is not None
    assert result.restore_lower_ns <= (back_ms - 6_000) * MS <= result.restore_upper_ns


@some
@given(KEPT)
def test_a_protected_class_verified_was_not_starved(scene: Scene) -> None:
    """The true work of the protected class around the span is at least what its band demands of a dwell."""
    scene = replace(scene, **UNREPORTED)
    verdict = judge_step(scene.inputs()).verdict
    event(verdict)
    if verdict not in PASSING:
        return
    start, stop = span_ms(scene)
    assert work(scene, EVALS, start - GAP_MS, stop + GAP_MS) >= 600 * DWELL_MS
    assert work(scene, EVALS, start, stop) <= 1_200 * (DWELL_MS + 2 * GAP_MS)


@some
@given(STEADY)
def test_a_steady_site_that_verifies_never_stood_still(scene: Scene) -> None:
    """Over each true span of a dwell and three gaps inside the window there was a dwell's work; and the reverse."""
    result = judge_step(scene.inputs())
    event(result.verdict)
    span = DWELL_MS + 3 * GAP_MS
    least = min(work(scene, WORK, start, start + span) for start in range(2_000, 6_000 - span, 20))
    if result.verdict is Verdict.VERIFIED:
        assert least >= 600 * DWELL_MS
    if result.verdict is Verdict.BROKEN:
        course = scene.counters[WORK]
        assert any(not 600 <= value <= 1_200 for start, value in course if start < 6_000)


@some
@given(SLOW, st.integers(2_050, 3_000), st.integers(40, 240))
def test_an_honest_slowdown_verifies(scene: Scene, slow_ms: int, per_ms: int) -> None:
    """A site a fifth under its cap, however its witnesses jitter, is verified."""
    honest = replace(scene.seen(**{WORK: ((0, FULL), (slow_ms, per_ms), (6_200, FULL))}), **UNREPORTED)
    assert judge_step(honest.inputs()).verdict is Verdict.VERIFIED


@some
@given(rough(scenes.STANDBY), st.integers(600, 1_200))
def test_an_honest_site_is_not_accused(scene: Scene, per_ms: int) -> None:
    """A site inside its band, at its very edge too, is never said to have broken its steady state."""
    verdict = judge_step(scene.seen(**{WORK: ((0, per_ms),)}).inputs()).verdict
    assert verdict not in {Verdict.BROKEN, Verdict.CONTRADICTED}


@some
@given(rough(scenes.STANDBY), st.integers(780, 1_000))
def test_an_honest_site_stays_steady(scene: Scene, per_ms: int) -> None:
    """A site whose rate lies further from its band's edges than its witnesses' brackets are wide is verified."""
    assert judge_step(scene.seen(**{WORK: ((0, per_ms),)}).inputs()).verdict is Verdict.VERIFIED


def naive_run_end(trace: Trace, i: int) -> int:
    """Return the last reading that the run from i reaches, straight from the definition."""
    wanted = trace.criterion
    for j in range(i + 1, len(trace.readings)):
        longest = trace.before[j].ns - trace.after[j - 1].ns
        if longest > trace.max_gap_ns or any(activity.ends_at == j for activity in trace.activities):
            return j - 1
        if wanted.facts and any(trace.readings[k].facts[s.LABEL_CANARY] != s.CANARY_CAUGHT for k in (j - 1, j)):
            return j - 1
        span = trace.after[j].ns - trace.before[i].ns
        for name, per_s in wanted.ceilings:
            if span >= trace.lead_ns and rose(trace, i, j, name) > per_s * span:
                return j - 1
        w = naive_window(trace, j)
        if w is not None and w >= i and not naive_conforms(trace, w, j):
            return j - 1
    return len(trace.readings) - 1


def rose(trace: Trace, i: int, j: int, name: str) -> int:
    """Return how far a counter rose, in billionths."""
    return (trace.readings[j].counters[name][1] - trace.readings[i].counters[name][1]) * 10**9


def naive_window(trace: Trace, j: int) -> int | None:
    """Return the latest reading a dwell before reading j, with no gap in between."""
    starts = [w for w in range(j) if trace.before[w].ns + trace.dwell_ns <= trace.after[j].ns]
    if not starts:
        return None
    gaps = [trace.before[k].ns - trace.after[k - 1].ns for k in range(starts[-1] + 1, j + 1)]
    return starts[-1] if max(gaps) <= trace.max_gap_ns else None


def naive_conforms(trace: Trace, w: int, j: int) -> bool:
    """Return whether a window surely lies in every band and is not surely over a cap."""
    longest, shortest = trace.before[j].ns - trace.after[w].ns, trace.after[j].ns - trace.before[w].ns
    if any(rose(trace, w, j, name) > cap * longest for name, cap in trace.criterion.caps):
        return False
    if trace.criterion.goes_on:
        longest, shortest = shortest, longest
    return all(
        rose(trace, w, j, one.name) >= one.least * longest
        and (one.most is None or rose(trace, w, j, one.name) <= one.most * shortest)
        for one in trace.criterion.bands
    )


@some
@given(st.one_of(SLOW, KEPT, STEADY), st.data())
def test_incremental_equals_the_definition(scene: Scene, data: st.DataObject) -> None:
    """Fed one by one and out of order, the trace has the runs that the definition gives, and so has a fresh one."""
    inputs = scene.inputs()
    said = inputs.tracks["w1"].samples
    lost = data.draw(st.sets(st.integers(1, len(said) - 2), max_size=3))
    order = data.draw(st.sampled_from([list(range(len(said))), [*range(0, len(said), 2), *range(1, len(said), 2)]]))
    track, wanted = Track(), criterion(inputs.params, inputs.record)
    trace = Trace(track, wanted, inputs.issues, GAP_MS * MS, DWELL_MS * MS)
    for n in order:
        if n not in lost:
            track.add(said[n], digest(str(n - 1)), digest(str(n)))
            trace.update()
    fresh = Trace(track, wanted, inputs.issues, GAP_MS * MS, DWELL_MS * MS)
    fresh.update()
    assert (trace.words, trace.activities, trace.breaches, trace.lasting) == (
        fresh.words,
        fresh.activities,
        fresh.breaches,
        fresh.lasting,
    )
    lossy = {j for j, (one, other) in enumerate(pairwise(trace.readings), start=1) if other.seq != one.seq + 1}
    for i in range(len(trace.readings)):
        assert trace.run_end(i) == fresh.run_end(i)
        if not (lossy and wanted.facts):
            assert trace.run_end(i) == naive_run_end(trace, i)
