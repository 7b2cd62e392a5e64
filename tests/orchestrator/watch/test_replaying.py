"""A drill played again: what is shown at a moment is what its lines up to then say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.watch import replaying
from orchestrator.watch.panels.figures import S_NS, stamp_ns
from orchestrator.watch.replaying import Replay
from tests.orchestrator.watch.told import lines_of, view_of

LINES = lines_of(sites=12, faults=0.2)
BEGAN_NS = stamp_ns(LINES[0].timestamp)


@settings(deadline=None)
@given(st.lists(st.floats(-120, 120), max_size=6))
def test_seeking_shows_what_was_so_then(jumps: list[float]) -> None:
    """However one goes to and fro, the view is the same as if the log had only been read up to there."""
    replay = Replay(LINES)
    for jump in jumps:
        replay.seek(jump)
    wanted = view_of([line for line in LINES if stamp_ns(line.timestamp) <= replay.now_ns]).newest
    found = replay.view.newest
    assert found is not None
    assert wanted is not None
    assert (found.counts, found.phase, found.serial) == (wanted.counts, wanted.phase, wanted.serial)


def test_time_passes_as_fast_as_it_is_told() -> None:
    """Ten times as fast is ten seconds of the drill in one; a pause stands still; at the end it stops."""
    replay = Replay(LINES, speed=10.0)
    assert replay.advance(1.0)
    assert replay.now_ns == BEGAN_NS + 10 * S_NS
    replay.paused = True
    assert not replay.advance(1.0)
    assert replay.now_ns == BEGAN_NS + 10 * S_NS
    replay.paused = False
    replay.advance(1_000.0)
    assert replay.ended
    assert replay.view.newest is not None
    assert replay.view.newest.closed is not None
    assert (replay.playing.paused, replay.playing.done) == (True, 1.0)


def test_speeds_go_up_and_down_and_end_somewhere() -> None:
    """The keys for faster and slower have an effect until the last speed, whatever --speed gave."""
    replay = Replay(LINES, speed=7.0)
    replay.faster()
    assert replay.speed == 10.0
    replay.slower()
    assert replay.speed == 5.0
    for _ in range(50):
        replay.faster()
    assert replay.speed == replaying.SPEEDS[-1]
    for _ in range(50):
        replay.slower()
    assert replay.speed == replaying.SPEEDS[0]


def test_a_large_log_is_wound_on_in_pieces(monkeypatch: object) -> None:
    """A jump over many lines doesn't freeze the screen: each turn takes some, until all are taken."""
    replay = Replay(LINES)
    whole, replaying.LINES_PER_TURN = replaying.LINES_PER_TURN, 10
    try:
        replay.to_end()
        assert replay.behind
        turns = 0
        while replay.behind:
            assert replay.advance(0.0)
            turns += 1
        assert turns > 3
        assert replay.view.newest is not None
        assert replay.view.newest.closed is not None
        replay.to_start()
        assert replay.view.newest is not None
        assert replay.view.newest.closed is None
    finally:
        replaying.LINES_PER_TURN = whole
