"""The contract of every power cut: it believes the feed's state, and restores exactly what it cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.acting import Driver
from agents.actuators.marks import CutMark, MarkFile
from agents.actuators.switch import FeedSwitch
from agents.feed import FeedFile, MemoryFeed
from agents.observation import Observation, SiteState
from agents.reconcile import Action, next_action
from protocols.controls import Control, PauseParams, PowerCutParams
from protocols.errors import DriverError
from tests.agents.actuators.conftest import CLOCK, Bench, cutoff

CUT = PowerCutParams()


def never() -> bool:
    """Cancel nothing."""
    return False


def test_cuts_and_restores(bench: Bench) -> None:
    """Off and on again, each as the controller says, and repeats change nothing."""
    actuator: Driver = bench.start()
    assert actuator.actions == {Control.POWER_CUT}
    assert actuator.observe().state is SiteState.RUNNING
    for _ in range(2):
        actuator.apply(CUT, never)
        assert not bench.switch.state()
        seen = actuator.observe()
        assert (seen.state, seen.ours) == (SiteState.DARK, True)
    for _ in range(2):
        actuator.restore()
        assert bench.switch.state()
        seen = actuator.observe()
        assert (seen.state, seen.ours) == (SiteState.RUNNING, False)
    actuator.close(stop_workload=False)


def test_a_restarted_enforcer_restores_what_it_cut(bench: Bench) -> None:
    """A crash in the hold must not leave a site dark: the mark is on disk."""
    bench.start().apply(CUT, never)
    actuator = bench.start()
    assert not bench.switch.state(), "starting must not undo a hold"
    assert actuator.observe().ours
    actuator.restore()
    assert bench.switch.state()
    assert not bench.start().observe().ours


def test_what_somebody_else_cut_is_left_alone(bench: Bench) -> None:
    """An enforcer switches on nothing that it did not cut, also when it was asked to cut it again."""
    bench.by_hand(False)
    actuator = bench.start()
    seen = actuator.observe()
    assert (seen.state, seen.ours) == (SiteState.DARK, False)
    actuator.restore()
    assert not bench.switch.state()
    assert next_action(None, seen) is Action.REST

    assert "already" in actuator.apply(CUT, never)
    seen = actuator.observe()
    assert (seen.state, seen.ours) == (SiteState.DARK, True)
    actuator.restore()
    assert not bench.switch.state()
    assert not actuator.observe().ours


def test_a_feed_that_was_switched_on_in_the_hold_is_cut_again(bench: Bench) -> None:
    """The hold is the warrant's, and once it is our cut, it is ours to restore."""
    bench.by_hand(False)
    actuator = bench.start()
    actuator.apply(CUT, never)
    bench.by_hand(True)
    actuator.apply(CUT, never)
    assert not bench.switch.state()
    bench.start().restore()
    assert bench.switch.state()


def test_a_crash_between_mark_and_switch_is_harmless(bench: Bench) -> None:
    """A marked feed that is on is restored to on; nothing of the mark stays."""
    actuator = bench.start()
    actuator._marks.save(CutMark(cut=True))
    assert actuator.observe() == Observation(SiteState.RUNNING, ours=True, detail="the feed is on")
    restarted = bench.start()
    restarted.restore()
    assert bench.switch.state()
    assert not restarted.observe().ours


def test_the_mark_is_on_disk_before_the_feed_is_switched(tmp_path: Path) -> None:
    """A crash in mid-cut must find the mark."""
    marks = MarkFile(tmp_path / "state")
    seen: list[CutMark | None] = []

    class Watched(FeedSwitch):
        """Looks at the mark whenever it is switched."""

        def switch(self, *, on: bool) -> None:
            seen.append(marks.load())
            super().switch(on=on)

    actuator = cutoff(Watched(MemoryFeed()), marks)
    actuator.apply(CUT, never)
    assert marks.load() == CutMark(cut=True, confirmed=True)
    actuator.restore()
    assert seen == [CutMark(cut=True), CutMark(cut=True, confirmed=True)]
    assert marks.load() is None


def test_a_rehearsal_proves_both_ways_and_switches_nothing(bench: Bench) -> None:
    """What an enforcer answers to a rung that is not its own: it could cut, and could restore."""
    actuator = bench.start()
    proofs = actuator.rehearse(CUT)
    assert [(proof.step, proof.ok) for proof in proofs] == [
        ("feed-state", True),
        ("permissions", True),
        ("restore-path", True),
    ]
    assert bench.switch.state()
    assert not actuator.observe().ours
    bench.by_hand(False)
    assert [proof.step for proof in actuator.rehearse(CUT) if not proof.ok] == ["feed-state"]


def test_nothing_but_power_cuts(bench: Bench) -> None:
    """An enforcer does no agent's work, and no mark comes of being asked."""
    actuator = bench.start()
    with pytest.raises(DriverError, match="pause"):
        actuator.apply(PauseParams(), never)
    with pytest.raises(DriverError, match="pause"):
        actuator.rehearse(PauseParams())
    assert actuator.observe() == Observation(SiteState.RUNNING, ours=False, detail="the feed is on")


def test_a_feed_file_says_who_and_when_and_others_may_read_it(tmp_path: Path) -> None:
    """Whoever finds a dark site must see who switched it off."""
    feed = FeedFile(tmp_path / "feed.json", by="e1", clock=CLOCK)
    assert feed.last() is None
    assert feed.state()
    feed.switch(on=False)
    last = FeedFile(tmp_path / "feed.json", by="meter", clock=CLOCK).last()
    assert last is not None
    assert (last.feed, last.by) == ("off", "e1")
    assert feed.path.stat().st_mode & 0o444 == 0o444
    FeedFile(feed.path, by="e2", clock=CLOCK).switch(on=False)
    assert feed.last() == last, "switching to what it is changes nothing"


@pytest.mark.parametrize("content", ["", "off", '{"feed":"dim"}', "x" * 10_000])
def test_a_file_that_is_no_feed_is_an_error_and_neither_on_nor_off(tmp_path: Path, content: str) -> None:
    """A damaged file must not pass for a feed that is on."""
    path = tmp_path / "feed.json"
    path.write_text(content)
    with pytest.raises(DriverError, match=r"feed\.json"):
        FeedFile(path, by="e1", clock=CLOCK).state()
    with pytest.raises(DriverError, match="folder does not exist"):
        FeedFile(tmp_path / "none" / "feed.json", by="e1", clock=CLOCK).state()


def test_a_damaged_mark_is_an_error_and_switches_nothing(tmp_path: Path) -> None:
    """Without knowing what it did an enforcer must neither cut nor restore."""
    marks = MarkFile(tmp_path)
    marks.path.write_text("{}")
    feed = MemoryFeed(on=False)
    actuator = cutoff(FeedSwitch(feed), marks)
    for act in (actuator.start, actuator.restore, lambda: actuator.apply(CUT, never)):
        with pytest.raises(DriverError, match="damaged"):
            act()
    assert not feed.on
