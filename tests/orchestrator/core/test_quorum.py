"""The rules of several witnesses together, each as a worked example in ms."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.core import quorum as q
from orchestrator.core.recovery import Recovery, recovery
from orchestrator.core.samples import Instant
from orchestrator.core.trace import Trace
from tests.orchestrator.core.traces import WORK, Row, trace_of, voice
from tests.orchestrator.core.world import MS, at

STILL = [(n * 100, n * 100, 7) for n in range(31)]
"""Quiet from 0 to 3,000, bracketed exactly."""


def found(voices: Sequence[q.Voice], *, ordered: int = 0, until: int = 3_000, dwell: int = 1_000) -> list[q.Run]:
    """Return the runs of a quorum of two."""
    return list(q.runs(voices, 2, ordered=at(ordered), until=at(until), dwell_ns=dwell * MS))


class TestRuns:
    """Common spans of a quorum of owners."""

    def test_the_first_starts_where_the_later_witness_does(self) -> None:
        """One is quiet from 0, the other from 350: the common span starts at 350."""
        later = [(n * 100 + 50, n * 100 + 50, 1_000 * min(n, 3)) for n in range(31)]
        first = found([voice("a", STILL), voice("b", later)])[0]
        assert (first.start, first.end) == (at(350), at(1_350))
        assert first.starts == {"a": 3, "b": 3}

    def test_a_run_may_start_with_the_order(self) -> None:
        """Quiet since before the order counts from the order's commit, not from a reading before it."""
        first = found([voice("a", STILL), voice("b", STILL)], ordered=130)[0]
        assert (first.start, first.starts) == (at(130), {"a": 1, "b": 1})

    def test_a_dwell_ends_by_the_end_of_the_window(self) -> None:
        """The last dwell that fits ends just then."""
        voices = [voice("a", STILL), voice("b", STILL)]
        assert found(voices, until=1_000)[-1].end == at(1_000)
        assert found(voices, until=999) == []

    def test_a_dwell_ends_by_i_of_the_last_reading(self) -> None:
        """Quiet until exactly the end of the dwell suffices."""
        rows: list[Row] = [(0, 0, 7), (1_000, 1_100, 7)]
        assert found([voice("a", rows), voice("b", STILL)]) != []
        assert found([voice("a", rows), voice("b", STILL)], dwell=1_001) == []

    def test_owners_count_not_witnesses(self) -> None:
        """Two witnesses of one owner are one."""
        assert found([voice("a", STILL, owner="x"), voice("b", STILL, owner="x")]) == []

    def test_who_may_not_agree_neither_counts_nor_starts_a_span(self) -> None:
        """A forked witness adds nothing."""
        mute = voice("c", [(i + 50, a + 50, c) for i, a, c in STILL], may_agree=False)
        assert found([voice("a", STILL), mute]) == []
        starts = {run.start for run in found([voice("a", STILL), voice("b", STILL), mute])}
        assert at(150) not in starts
        assert at(100) in starts

    def test_the_span_lasts_as_long_as_all_of_the_quorum_see_it(self) -> None:
        """It ends with the first of the quorum to end, and with the window."""
        short = STILL[:21]
        assert found([voice("a", STILL), voice("b", short)])[0].quiet_until == at(2_000)
        assert found([voice("a", STILL), voice("b", short)], until=1_700)[0].quiet_until == at(1_700)

    def test_the_latest_reading_counts_not_an_earlier_quiet(self) -> None:
        """150 units that a long quiet before would pay for still spoil the spans that start just before."""
        late = [(n * 100 - (90 if n >= 11 else 0), n * 100, 0 if n <= 10 else 80) for n in range(31)]
        assert trace_of(late).run_end(0) == 30
        starts = {run.start for run in found([voice("a", late), voice("b", STILL)])}
        assert at(900) in starts
        assert at(1_000) not in starts
        assert at(1_100) in starts


ACTIVE_200_300 = [(0, 0, 0), (200, 200, 0), (300, 300, 999), (400, 400, 999), (500, 500, 999)]


@pytest.mark.parametrize(
    ("start", "begin_by", "until", "seen"),
    [
        (200, 201, 300, True),
        (201, 400, 400, False),
        (200, 200, 300, False),
        (200, 201, 299, False),
        (0, 400, 400, True),
    ],
)
def test_activity_between(start: int, begin_by: int, until: int, *, seen: bool) -> None:
    """Activity in [200, 300] is surely after 200, begins before 201, and is over by 300."""
    assert (q.activity_between(trace_of(ACTIVE_200_300), at(start), at(begin_by), at(until)) is not None) is seen


class TestLastWord:
    """A witness whose last proven word is active remains a dissent."""

    def last(self, rows: Sequence[Row], since: int = 0, until: int = 3_000) -> q.Activity | None:
        return q.last_word_active(trace_of(rows), at(since), at(until))

    def test_active_and_then_silent(self) -> None:
        """Nothing after it: active."""
        assert self.last(ACTIVE_200_300[:3]) is not None

    def test_a_positive_span_of_quiet_lifts_it(self) -> None:
        """Quiet from the reading that ended the activity to the next one lifts it."""
        assert self.last(ACTIVE_200_300[:4]) is None

    def test_no_surely_passed_time_lifts_nothing(self) -> None:
        """When I of the next reading does not exceed A, no time was proven quiet."""
        assert self.last([*ACTIVE_200_300[:2], (250, 300, 999), (300, 310, 999)]) is not None
        assert self.last([*ACTIVE_200_300[:2], (250, 300, 999), (301, 310, 999)]) is None

    def test_a_bridged_unknown_lifts_nothing(self) -> None:
        """A reading that proves neither quiet nor activity leaves the last word as it was."""
        assert self.last([*ACTIVE_200_300[:3], (400, 500, 1_150)]) is not None

    def test_the_window_ends(self) -> None:
        """Activity over just at its end counts; quiet that begins at its end does not lift it."""
        assert self.last(ACTIVE_200_300, until=300) is not None
        assert self.last(ACTIVE_200_300, until=299) is None
        assert self.last(ACTIVE_200_300, until=301) is None

    def test_the_window_begins(self) -> None:
        """Activity that was over when it began is no word in it."""
        assert self.last(ACTIVE_200_300[:3], since=300) is None
        assert self.last(ACTIVE_200_300[:3], since=299) is not None

    def test_a_dishonest_bracket_lifts_nothing(self) -> None:
        """A reading that arrived before its challenge was issued proves no quiet by itself."""
        assert self.last([*ACTIVE_200_300[:2], (350, 300, 9_999)]) is not None


def test_the_last_activity_before_a_reading() -> None:
    """It ends with that reading or before, and inside the window."""
    trace = trace_of(ACTIVE_200_300)
    assert q.last_active_by(trace, 2, at(300)) == at(200)
    assert q.last_active_by(trace, 1, at(300)) is None
    assert q.last_active_by(trace, 2, at(299)) is None


def test_the_quorum_largest() -> None:
    """One liar in a quorum of two cannot push it up; fewer figures, or negative ones, give zero."""
    assert q.quorum_largest({"a": 5, "b": 3, "liar": 999}, 2) == 5
    assert q.quorum_largest({"a": 5, "b": 3, "c": 1}, 2) == 3
    assert q.quorum_largest({"liar": 999}, 2) == 0
    assert q.quorum_largest({"a": -5, "b": -3}, 2) == 0


class TestBand:
    """A band of 500 to 1,000 units a second: both bounds of the rate must lie in it."""

    def inside(self, *rows: Row) -> bool:
        return q.in_band(trace_of(rows), 0, len(rows) - 1, WORK)

    def test_the_least_rate(self) -> None:
        """Over the longest time (1,000 ms from I to A) there must be 500 units."""
        assert self.inside((0, 100, 0), (900, 1_000, 500))
        assert not self.inside((0, 100, 0), (900, 1_000, 499))

    def test_the_greatest_rate(self) -> None:
        """Over the shortest time (800 ms from A to I) there may be 800 units."""
        assert self.inside((0, 100, 0), (900, 1_000, 800))
        assert not self.inside((0, 100, 0), (900, 1_000, 801))

    def test_no_surely_passed_time(self) -> None:
        """Without a positive shortest time there is no rate, even of a count that fits."""
        assert not self.inside((0, 0, 0), (0, 0, 0))

    def test_steady_up_to_the_order(self) -> None:
        """From the first reading of the window to one no older than the maximum gap at the order."""
        rows = [(n * 100, n * 100 + 10, n * 75) for n in range(11)]
        trace = trace_of(rows, max_gap_ms=200)
        assert q.steady(trace, at(0), at(1_200), WORK)
        assert not q.steady(trace, at(0), at(1_201), WORK)
        assert not q.steady(trace, at(1_000), at(1_200), WORK)

    def test_steady_looks_only_at_its_window(self) -> None:
        """Idleness before the window is none of it; a reading with I in the window is."""
        rows = [(n * 100, n * 100 + 10, max(0, n - 10) * 75) for n in range(21)]
        trace = trace_of(rows, max_gap_ms=200)
        assert q.steady(trace, at(1_000), at(2_100), WORK)
        assert not q.steady(trace, at(0), at(2_100), WORK)
        early = trace_of([(900, 1_050, 0), *rows[11:]], max_gap_ms=300)
        assert q.steady(early, at(950), at(2_100), WORK)

    def test_a_window_that_begins_between_i_and_a(self) -> None:
        """A reading that may have been taken before the window does not belong to it."""
        rows = [(0, 500, 0), (400, 510, 0), (600, 610, 75), (700, 710, 150), (800, 810, 225)]
        assert q.steady(trace_of(rows, max_gap_ms=700), at(450), at(900), WORK)
        assert not q.steady(trace_of(rows, max_gap_ms=700), at(0), at(900), WORK)

    def test_a_gap_spoils_it(self) -> None:
        """A gap over the maximum, from I to the next A, is not bridged."""
        rows = [(0, 10, 0), (500, 510, 375), (600, 610, 450)]
        assert q.steady(trace_of(rows, max_gap_ms=510), at(0), at(650), WORK)
        assert not q.steady(trace_of(rows, max_gap_ms=509), at(0), at(650), WORK)


def resumed(*, first_ms: int = 1_000, count: int = 30, per_ms: float = 0.8) -> list[Row]:
    """Return readings each 100 ms of a site that begins to work at `first_ms`."""
    return [(ms, ms + 10, round(max(0, ms - first_ms) * per_ms)) for ms in range(0, count * 100, 100)]


def back(trace: Trace, released_ms: int) -> Recovery | None:
    """Return the recovery that one witness shows."""
    return recovery(q.Voice("w", "o", trace, may_agree=True, work=WORK), at(released_ms), trace.dwell_ns)


class TestRecovery:
    """Back in steady state after the release."""

    def seen(self, rows: Sequence[Row], released: int = 800, **more: int) -> Recovery | None:
        trace: Trace = trace_of(rows, eps_per_s=100, **more)
        return back(trace, released)

    def test_between_the_last_quiet_and_the_first_work(self) -> None:
        """Work begins at 1,000: the quiet interval ends with I = 1,000, the active one with A = 1,110."""
        assert self.seen(resumed()) == Recovery(upper=at(1_110), lower=at(1_000))

    def test_the_dwell_must_be_in_band(self) -> None:
        """A rate under the band, or a count that stops before the dwell is over, is no recovery."""
        assert self.seen(resumed(per_ms=0.4)) is None
        assert self.seen([(i, a, min(c, 320)) for i, a, c in resumed()]) is None

    def test_the_dwell_must_be_seen_to_its_end(self) -> None:
        """From A = 1,010 of the start a dwell of 1,000 needs a reading with I of at least 2,010."""
        assert self.seen(resumed(count=21)) is None
        assert self.seen(resumed(count=22)) is not None

    def test_a_gap_in_it_spoils_it(self) -> None:
        """The dwell is not bridged over a gap."""
        rows = [row for row in resumed(count=40) if not 1_200 <= row[0] < 1_900]
        assert self.seen(rows, max_gap_ms=500) == Recovery(upper=at(2_010), lower=at(1_000))
        assert self.seen(rows, max_gap_ms=1_000) == Recovery(upper=at(1_110), lower=at(1_000))

    def test_what_was_over_before_the_release_is_not_it(self) -> None:
        """Work surely before the release was not the return; an interval that ends at it neither."""
        always = resumed(first_ms=0)
        found_ = self.seen(always, released=1_110)
        assert found_ is not None
        assert found_.upper == at(1_210)
        assert found_.lower is None


def test_the_last_quiet_interval_is_the_one_before_the_recovery() -> None:
    """A pause inside the recovery does not raise the lower bound, and an unknown interval is not quiet."""
    bursts = [(ms, ms + 10, ((ms - 1_000) // 200 + 1) * 160 if ms > 1_000 else 0) for ms in range(0, 3_000, 100)]
    trace = trace_of(bursts, eps_per_s=100)
    assert back(trace, 800) == Recovery(upper=at(1_110), lower=at(1_000))
    drip = [(i, a, c + 11 if i >= 1_000 else c) for i, a, c in resumed()]
    trace = trace_of(drip, eps_per_s=100)
    assert back(trace, 800) == Recovery(upper=at(1_110), lower=at(900))


def test_a_dwell_seen_alone() -> None:
    """A witness that saw a whole dwell by itself, inside the window."""
    trace = trace_of(STILL)
    assert q.saw_dwell(trace, at(0), at(1_000), trace.dwell_ns)
    assert not q.saw_dwell(trace, at(0), at(999), trace.dwell_ns)
    assert not q.saw_dwell(trace, at(2_500), Instant(1, 10**12), trace.dwell_ns)
