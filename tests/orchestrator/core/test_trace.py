"""The rules of one track, each as a worked example: (I, A, count) in ms, eps one unit a millisecond."""

from __future__ import annotations

from orchestrator.core.samples import Sample, Track
from orchestrator.core.trace import Trace, Word
from tests.orchestrator.core.traces import trace_of
from tests.orchestrator.core.world import CPU, DIGEST, MS, at, digest


class TestWords:
    """What an interval between two readings proves."""

    def test_active_is_measured_against_the_longest_time(self) -> None:
        """From I = 0 to A = 300 eps allows 300 units: 301 are active, 300 are not."""
        assert trace_of([(0, 100, 0), (200, 300, 301)]).words[1] is Word.ACTIVE
        assert trace_of([(0, 100, 0), (200, 300, 300)]).words[1] is Word.UNKNOWN

    def test_quiet_is_measured_against_the_shortest_time(self) -> None:
        """From A = 100 to I = 200 eps allows 100 units: 100 are quiet, 101 are unknown."""
        assert trace_of([(0, 100, 0), (200, 300, 100)]).words[1] is Word.QUIET
        assert trace_of([(0, 100, 0), (200, 300, 101)]).words[1] is Word.UNKNOWN

    def test_brackets_that_overlap_allow_nothing(self) -> None:
        """When no time has surely passed, only a count that stands still is quiet."""
        assert trace_of([(0, 300, 0), (200, 310, 0)]).words[1] is Word.QUIET
        assert trace_of([(0, 300, 0), (200, 310, 1)]).words[1] is Word.UNKNOWN

    def test_a_gap_over_the_maximum_is_unknown(self) -> None:
        """A count that stands still over a gap of more than the maximum proves nothing."""
        rows = [(0, 0, 0), (500, 501, 0)]
        assert trace_of(rows, max_gap_ms=500).words[1] is Word.UNKNOWN
        assert trace_of(rows, max_gap_ms=501).words[1] is Word.QUIET

    def test_an_activity_carries_its_outer_bracket(self) -> None:
        """Work lies after I of the first reading and before A of the second."""
        (activity,) = trace_of([(0, 100, 0), (200, 300, 999)]).activities
        assert (activity.after, activity.before, activity.ends_at) == (at(0), at(300), 1)

    def test_a_peak_over_its_level_is_active(self) -> None:
        """A process that was alive since the reading before is activity, whatever the count."""
        assert trace_of([(0, 0, 0), (200, 200, 0)], peaks=[0, 1]).words[1] is Word.ACTIVE
        assert trace_of([(0, 0, 0), (200, 200, 0)], peaks=[1, 0]).words[1] is Word.QUIET

    def test_a_peak_not_said_is_unknown(self) -> None:
        """A reading without its peak bridges nothing."""
        assert trace_of([(0, 0, 0), (200, 200, 0)], peaks=[0, None]).words[1] is Word.UNKNOWN

    def test_a_lost_reading_takes_its_peak_with_it(self) -> None:
        """Counters bridge a lost reading, peaks do not; the interval after it is whole again."""
        rows = [(0, 0, 0), (100, 100, 0), (200, 200, 0), (300, 300, 0)]
        lossy = trace_of(rows, peaks=[0, 0, 0, 0], lost=[1])
        assert lossy.words == [Word.UNKNOWN, Word.UNKNOWN, Word.QUIET]
        assert trace_of(rows, lost=[1]).words == [Word.UNKNOWN, Word.QUIET, Word.QUIET]

    def test_a_link_between_readings_is_no_loss(self) -> None:
        """A closing takes a number in the chain and no peak."""
        rows = [(0, 0, 0), (100, 100, 0), (200, 200, 0)]
        assert trace_of(rows, peaks=[0, 0, 0], links=[1]).words == [Word.UNKNOWN, Word.QUIET]

    def test_a_loss_beside_a_link_is_a_loss(self) -> None:
        """A reading lost before or after a link takes its peak with it all the same."""
        rows = [(n * 100, n * 100, 0) for n in range(4)]
        assert trace_of(rows, peaks=[0] * 4, links=[1], lost=[2]).words[1] is Word.UNKNOWN
        assert trace_of(rows, peaks=[0] * 4, links=[2], lost=[1]).words[1] is Word.UNKNOWN

    def test_a_decrease_is_dishonest(self) -> None:
        """A counter does not fall within its epoch: nothing is proven by that, ever."""
        trace = trace_of([(0, 0, 5), (100, 100, 4)])
        assert trace.dishonest
        assert trace.words[1] is Word.UNKNOWN
        assert trace.run_end(0) == 0

    def test_arriving_before_the_challenge_is_dishonest(self) -> None:
        """A reading that quotes a challenge issued after its arrival was not made by our rules."""
        assert trace_of([(0, 10, 0), (100, 99, 0)]).dishonest
        assert not trace_of([(0, 10, 0), (100, 100, 0)]).dishonest


class TestReadingsForAnotherDrill:
    """Two drills may go on at a time: a witness answers the challenges of both, in one chain."""

    ROWS = ((0, 10, 0), (5, 10, 0), (500, 510, 500), (500, 510, 500), (1_000, 1_010, 1_000))

    def test_they_cut_no_interval(self) -> None:
        """Intervals of work stay proven, though half of the readings quote somebody else's challenge."""
        trace = trace_of(self.ROWS, eps_per_s=100, foreign=[1, 3])
        assert [reading.seq for reading in trace.readings] == [0, 2, 4]
        assert trace.words[1:] == [Word.ACTIVE, Word.ACTIVE]

    def test_they_are_links_of_the_chain(self) -> None:
        """A peak bridges what lies between, unless such a reading is missing."""
        rows = [(n * 100, n * 100, 0) for n in range(3)]
        assert trace_of(rows, peaks=[0, 0, 0], foreign=[1]).words == [Word.UNKNOWN, Word.QUIET]
        assert trace_of(rows, peaks=[0, 0, 0], foreign=[1], lost=[1]).words == [Word.UNKNOWN, Word.UNKNOWN]

    def test_what_they_show_is_not_lost(self) -> None:
        """A peak is said once, to whoever asked first: if that was another drill, it is activity all the same."""
        rows = [(n * 100, n * 100, 0) for n in range(3)]
        assert trace_of(rows, peaks=[0, 1, 0], foreign=[1]).words == [Word.UNKNOWN, Word.ACTIVE, Word.QUIET]
        assert trace_of(rows, peaks=[0, None, 0], foreign=[1]).words == [Word.UNKNOWN, Word.UNKNOWN, Word.QUIET]

    def test_a_decrease_around_them_is_dishonest(self) -> None:
        """A witness that tells two drills different counts is caught by either."""
        assert trace_of([(0, 0, 5), (100, 100, 4), (200, 200, 6)], foreign=[1]).dishonest
        assert trace_of([(0, 0, 5), (100, 100, 9), (200, 200, 6)], foreign=[1]).dishonest


class TestRuns:
    """How far a quiet run reaches."""

    def test_a_run_is_bounded_from_a_of_its_start(self) -> None:
        """60 units fit the 150 ms from I, but not the 50 ms from A: the run ends at its start."""
        assert trace_of([(0, 100, 0), (150, 150, 60)]).run_end(0) == 0

    def test_a_run_is_bounded_to_i_of_its_end(self) -> None:
        """150 units fit the 200 ms to A, but not the 100 ms to I."""
        assert trace_of([(0, 0, 0), (100, 200, 150)]).run_end(0) == 0

    def test_just_eps_is_quiet(self) -> None:
        """Exactly eps over the span is within the rule."""
        assert trace_of([(0, 0, 0), (100, 100, 100)]).run_end(0) == 1

    def test_every_prefix_must_be_quiet(self) -> None:
        """A burst right after the start is not paid for by the long quiet that follows."""
        rows = [(0, 50, 0), (100, 150, 60), (500, 500, 60), (2_000, 2_000, 60)]
        trace = trace_of(rows)
        assert trace.run_end(0) == 0
        assert trace.run_end(1) == 3

    def test_a_prefix_without_a_proven_span_is_not_yet_judged(self) -> None:
        """Until I exceeds A of the start no time has surely passed, so background work cannot fail it."""
        assert trace_of([(0, 100, 0), (100, 150, 5), (300, 300, 5)]).run_end(0) == 2

    def test_no_interval_of_a_run_is_active(self) -> None:
        """A burst of 200 units in 100 ms ends the run, although 1,100 ms of eps would pay for it."""
        trace = trace_of([(0, 0, 0), (1_000, 1_000, 0), (1_100, 1_100, 200)])
        assert [trace.run_end(i) for i in range(3)] == [1, 1, 2]

    def test_quiet_is_proven_until_i_of_the_last_reading(self) -> None:
        """The last reading was taken after its I; nothing is known of the time up to its A."""
        assert trace_of([(0, 0, 0), (500, 700, 0)]).quiet_until(0) == at(500)

    def test_a_run_over_a_link(self) -> None:
        """A closing in between ends no run and is no reading."""
        trace = trace_of([(0, 0, 0), (100, 100, 0), (200, 200, 0)], links=[1])
        assert (trace.run_end(0), len(trace.readings)) == (1, 2)

    def test_lasting_needs_the_whole_dwell(self) -> None:
        """From A of the start to I of the end: exactly the dwell lasts, one millisecond less does not."""
        assert trace_of([(0, 0, 0), (1_000, 1_000, 0)]).lasting == [0]
        assert trace_of([(0, 0, 0), (999, 1_000, 0)]).lasting == []
        assert trace_of([(0, 1, 0), (1_000, 1_000, 0)]).lasting == []

    def test_what_ended_does_not_last(self) -> None:
        """A start whose run ended early is not lasting because time went by."""
        assert trace_of([(0, 0, 0), (100, 100, 999), (1_200, 1_200, 999)]).lasting == [1]

    def test_the_latest_reading_surely_taken_by_an_instant(self) -> None:
        """By A, and including it."""
        trace = trace_of([(0, 10, 0), (20, 30, 0)])
        assert [trace.latest_by(at(ms)) for ms in (9, 10, 29, 30)] == [None, 0, 0, 1]


def test_a_refilled_reading_is_read_in_its_place() -> None:
    """A track that was rewritten is read again from its start, whatever was known before."""
    track = Track()
    wanted = trace_of([]).criterion
    issues = {n: at(n * 100) for n in range(4)}
    late_burst = [(0, 0, 0), (1, 101, 150), (2, 201, 150), (3, 301, 150)]
    trace = Trace(track, wanted, issues, 2_000 * MS, 1_000 * MS)
    for seq, arrival_ms, count in [late_burst[n] for n in (0, 2, 3, 1)]:
        sample = Sample(seq, seq, at(arrival_ms if seq != 1 else 400), {CPU: ("e0", count)})
        track.add(sample, digest(str(seq - 1)) if seq else DIGEST, digest(str(seq)))
        trace.update()
    whole = Trace(track, wanted, issues, 2_000 * MS, 1_000 * MS)
    whole.update()
    assert len(trace.readings) == 4
    assert (trace.words, trace.before, trace.after) == (whole.words, whole.before, whole.after)
    assert trace.before[1] == at(201)
