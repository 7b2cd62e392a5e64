"""Property tests of the judgement against a brute-force model of what truly happened."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from orchestrator.core.criteria import criterion
from orchestrator.core.grades import Grade, Verdict
from orchestrator.core.halting import Halting
from orchestrator.core.judge import LiveSite, judge_step
from orchestrator.core.samples import Track
from orchestrator.core.trace import Trace
from protocols.controls import PauseParams
from tests.orchestrator.core.world import MS, Load, Shot, Witness, World, at, usual

END_MS = 9_300
PASSING = {Verdict.VERIFIED, Verdict.LATE}
CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
many = settings(max_examples=200, deadline=None, suppress_health_check=CHECKS)
some = settings(max_examples=60, deadline=None, suppress_health_check=CHECKS)


@st.composite
def loads(draw: st.DrawFn, background: int = 0) -> Load:
    """Return true work: mostly one halt and one return, sometimes with arbitrary pulses besides."""
    halt = draw(st.integers(1_500, 4_500))
    back = draw(st.integers(halt + 1, END_MS)) if draw(st.integers(0, 3)) == 0 else draw(st.integers(6_000, 7_000))
    on = [(0, halt), (max(halt + 1, back), END_MS + 1_000)]
    if draw(st.booleans()):
        marks = sorted(draw(st.sets(st.integers(halt + 1, max(halt + 2, back) - 1), max_size=6)))
        on += list(zip(marks[::2], marks[1::2], strict=False))
    return Load(tuple(sorted(on)), background)


@st.composite
def shots(draw: st.DrawFn, *, losses: bool = True) -> list[Shot]:
    """Return samples at irregular times, each with its own latency, some lost."""
    period = draw(st.sampled_from([100, 150, 200, 250]))
    offset = draw(st.integers(0, period - 1))
    jitter = draw(st.sampled_from([0, 30, 90]))
    slow = draw(st.sampled_from([5, 60, 400]))
    rng = draw(st.randoms(use_true_random=False))
    taken = sorted({max(1, ms + rng.randint(-jitter, jitter)) for ms in range(offset, END_MS, period)})
    lost_share = draw(st.sampled_from([0.0, 0.0, 0.0, 0.05])) if losses else 0.0
    never = draw(st.integers(0, 5)) == 0
    return [
        Shot(
            ms,
            delay_ms=rng.randint(0, slow),
            lost=(lost := rng.random() < lost_share),
            refilled_ms=None if lost and never else min(9_490, ms + rng.randint(300, 3_000)),
        )
        for ms in taken
    ]


@st.composite
def witnesses(draw: st.DrawFn, name: str, load: Load, *, losses: bool = True) -> Witness:
    """Return an honest witness of this load."""
    return Witness(
        name,
        f"owner-{name}",
        load,
        draw(shots(losses=losses)),
        latch_ms=draw(st.integers(0, 80)),
        deaf_to=frozenset(draw(st.sets(st.integers(1, 45), max_size=4))),
        epoch_changes_ms=tuple(draw(st.lists(st.integers(0, END_MS), max_size=1))),
    )


@st.composite
def worlds(draw: st.DrawFn, *, background: int = 0, eps_per_s: int = 0, load: Load | None = None) -> World:
    """Return a world of three or four owners, quorum 2, with at most one liar among them."""
    truth = draw(loads(background)) if load is None else load
    honest = [draw(witnesses(f"w{n}", truth)) for n in range(1, draw(st.integers(2, 3)) + 1)]
    liars = [draw(witnesses("liar", draw(loads())))] if draw(st.booleans()) else []
    period = draw(st.sampled_from([100, 200, 250]))
    return replace(
        usual(truth),
        witnesses=[*honest, *liars],
        challenges=list(range(draw(st.integers(0, 50)), END_MS, period)),
        eps_per_s=eps_per_s,
        band=(200_000, 1_300_000),
        response_limit_s=3.0,
        dwell_s=draw(st.sampled_from([0.7, 1.0, 1.5])),
        max_gap_s=draw(st.sampled_from([0.4, 0.7])),
        hold_s=4.5,
        receipts=[receipt for receipt in usual().receipts if draw(st.booleans()) or receipt[0] == "accepted"],
    )


def span_ms(world: World) -> tuple[float, float]:
    """Return the claimed common span, of one dwell, in true time."""
    inputs = world.inputs()
    run = Halting(inputs, LiveSite().voices(inputs), criterion(inputs.params, inputs.record)).run
    assert run is not None
    return run.start.ns / MS, run.end.ns / MS


@many
@given(worlds())
def test_witnessed_implies_true_quiet(world: World) -> None:
    """With eps 0, a site witnessed halted truly did no work in the whole common span, in spite of a liar."""
    result = judge_step(world.inputs())
    event(result.verdict)
    if not result.halted:
        return
    assert result.response_upper_ns is not None
    assert result.dwell_ns is not None
    assert result.dwell_ns >= world.dwell_s * 1e9
    start, stop = span_ms(world)
    assert not world.load.busy_in(int(start), int(stop))


@many
@given(worlds())
def test_the_response_interval_holds_the_true_halt(world: World) -> None:
    """With eps 0, the last true work before the common span lies inside the interval."""
    result = judge_step(world.inputs())
    if result.response_upper_ns is None:
        return
    event("timed")
    start, _ = span_ms(world)
    halt_ms = world.load.last_on_before(start)
    assert halt_ms <= world.ordered_ms + result.response_upper_ns / MS
    assert result.response_lower_ns is not None
    assert result.response_lower_ns <= max(0, (halt_ms - world.published_ms) * MS)
    assert 0 <= result.response_lower_ns <= result.response_upper_ns


@many
@given(worlds(background=8, eps_per_s=20_000))
def test_background_work_under_eps_stays_within_the_stated_slack(world: World) -> None:
    """With eps over 0, the true work in the span is within what is stated."""
    result = judge_step(world.inputs())
    event(result.verdict)
    if not result.halted or result.response_upper_ns is None:
        return
    start, stop = span_ms(world)
    done = world.load.work(int(stop)) - world.load.work(int(start))
    assert done <= 20 * (stop - start + 2 * world.max_gap_s * 1_000)


@many
@given(st.integers(2_000, 4_000), st.data())
def test_with_background_the_halt_is_inside_the_interval(halt_ms: int, data: st.DataObject) -> None:
    """With eps over 0 and work that never quite stops, the interval still holds the true halt, without a slack."""
    load = Load(((0, halt_ms), (6_200, 10_000)), background_per_ms=8)
    # The larger eps is nearly half of full work, so that much work hides in what it allows.
    world = data.draw(worlds(eps_per_s=data.draw(st.sampled_from([20_000, 450_000])), load=load))
    world = replace(world, band=(500_000, 1_300_000))
    result = judge_step(world.inputs())
    if result.response_upper_ns is None or not result.halted:
        return
    event("timed")
    assert halt_ms <= world.ordered_ms + result.response_upper_ns / MS
    assert result.response_lower_ns is not None
    assert result.response_lower_ns <= max(0, (halt_ms - world.published_ms) * MS)


@many
@given(st.integers(5_900, 7_300), st.data())
def test_the_restore_interval_holds_the_true_return(back_ms: int, data: st.DataObject) -> None:
    """With eps 0 and one return, it lies inside the restore interval."""
    world = data.draw(worlds(load=Load(((0, 2_500), (back_ms, 10_300)))))
    result = judge_step(world.inputs())
    if result.restore_upper_ns is None:
        return
    assert world.released_ms is not None
    assert result.restore_lower_ns is not None
    event("restored")
    assert (back_ms - world.released_ms) * MS <= result.restore_upper_ns
    assert result.restore_lower_ns <= max(0, (back_ms - world.released_ms - 1) * MS)
    assert 0 <= result.restore_lower_ns <= result.restore_upper_ns


@many
@given(worlds())
def test_accusations_are_true(world: World) -> None:
    """With honest witnesses only, broken and contradicted are never said of a site that was truly quiet."""
    world.witnesses = [witness for witness in world.witnesses if witness.name != "liar"]
    result = judge_step(world.inputs())
    event(result.verdict)
    assert world.released_ms is not None
    if result.verdict is Verdict.CONTRADICTED:
        reported = next(ms for kind, ms in world.receipts if kind == "halted")
        assert world.load.busy_in(reported, world.released_ms)
    if result.verdict is Verdict.BROKEN:
        gaps = zip(world.load.on, world.load.on[1:], strict=False)
        quiet = [(stop, start) for (_, stop), (start, _) in gaps if start - stop >= world.dwell_s * 1_000]
        assert any(start < world.released_ms for _, start in quiet)


@some
@given(worlds(), st.sampled_from(["no_closing", "lost", "one_owner", "site_owner", "idle", "silent_agent", "pulses"]))
def test_what_never_verifies(world: World, flaw: str) -> None:
    """One flaw that leaves fewer than a quorum of good accounts keeps a site from being verified."""
    world.witnesses = world.witnesses[:2]
    first, second = world.witnesses
    if flaw == "no_closing":
        second.closes = False
    elif flaw == "lost":
        second.shots = [replace(s, lost=True, refilled_ms=None) if n == 7 else s for n, s in enumerate(second.shots)]
    elif flaw == "one_owner":
        second.owner = first.owner
    elif flaw == "site_owner":
        second.owner = world.site_owner
    elif flaw == "silent_agent":
        world.receipts = []
    else:
        on = ((6_200, 9_900),) if flaw == "idle" else tuple((ms, ms + 40) for ms in range(0, 9_900, 90))
        first.load = second.load = world.load = Load(on)
    assert judge_step(world.inputs()).verdict not in PASSING


SEVERITY = list(Verdict)


@many
@given(worlds(), st.data())
def test_a_dissent_never_improves_a_verdict(world: World, data: st.DataObject) -> None:
    """One more witness that sees work all the time makes no verdict better.

    It may add to a quorum that sees the site back, so `not_restored` may become another failure.
    """
    before = judge_step(world.inputs()).verdict
    active = data.draw(witnesses("active", Load(((0, 10_300),)), losses=False))
    after = judge_step(world.with_witness(replace(active, epoch_changes_ms=())).inputs()).verdict
    event(f"{before} to {after}")
    assert after not in PASSING
    if before is not Verdict.NOT_RESTORED:
        assert SEVERITY.index(after) >= SEVERITY.index(before)


@some
@given(worlds(background=8, eps_per_s=20_000))
def test_live_equals_batch(world: World) -> None:
    """Fed message by message, also out of order, the live view says what the batch says at each tick."""
    site = LiveSite()
    tracks = {witness.name: Track() for witness in world.witnesses}
    inputs = world.around(tracks, at(0), live=True)
    waiting = world.arrivals()
    for now_ms in (*range(0, world.ended_ms, 700), world.ended_ms):
        while waiting and waiting[0][0] <= at(now_ms):
            _, name, sample, prev, own = waiting.pop(0)
            tracks[name].add(sample, prev, own)
        inputs = replace(world.around(tracks, at(now_ms), live=True), issues=inputs.issues)
        assert site.judge([inputs]) == judge_step(inputs)
    final = replace(world.around(tracks, at(world.ended_ms), live=False), issues=inputs.issues)
    assert site.judge([final]) == judge_step(final) == judge_step(world.inputs())


@some
@given(worlds(background=8, eps_per_s=20_000))
def test_runs_are_those_of_the_definition(world: World) -> None:
    """The incremental runs equal the definition of quiet(i, j), computed naively for every i and j."""
    witness = world.witnesses[0]
    inputs = world.inputs()
    step = inputs.step
    wanted = criterion(PauseParams(), inputs.record)
    trace = Trace(
        inputs.tracks[witness.name], wanted, inputs.issues, round(step.max_gap_s * 1e9), round(step.dwell_s * 1e9)
    )
    trace.update()
    count = len(trace.readings)
    assume(count > 2)
    lasting = []
    for i in range(count):
        end = naive_run_end(trace, i, world.eps_per_s)
        assert trace.run_end(i) == end
        if end > i and trace.after[end].ns - trace.before[i].ns >= trace.dwell_ns:
            lasting.append(i)
    assert trace.lasting == lasting


def naive_run_end(trace: Trace, i: int, eps_per_s: int) -> int:
    """Return the last reading that the run from i reaches, straight from the definition."""
    for j in range(i + 1, len(trace.readings)):
        old, new = trace.readings[j - 1].counters["cpu_time_us"], trace.readings[j].counters["cpu_time_us"]
        longest = trace.before[j].minus(trace.after[j - 1])
        if longest is None or longest > trace.max_gap_ns or old[0] != new[0] or new[1] < old[1]:
            return j - 1
        if (new[1] - old[1]) * 10**9 > eps_per_s * longest:
            return j - 1
        span = trace.after[j].ns - trace.before[i].ns
        done = new[1] - trace.readings[i].counters["cpu_time_us"][1]
        if span > 0 and done * 10**9 > eps_per_s * span:
            return j - 1
    return len(trace.readings) - 1


def test_the_model_reaches_the_good_end() -> None:
    """The usual world is verified and held, so that the properties above are not empty."""
    assert judge_step(usual().inputs()).grade is Grade.HELD
