"""Tests of `orchestrator.dashboard.feed` and of the messages that it makes."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from orchestrator.dashboard.feed import Feed
from orchestrator.dashboard.tail import KEPT, SENT_MAX
from orchestrator.watch.panels.looks import LOOKS
from protocols.logged import Level
from tests.logs import START_WALL_NS, Growing, Scenario, simulate, write_log
from tests.orchestrator.dashboard.pages import Shown


def _read(feed: Feed) -> None:
    while feed.advance():
        pass


def _shown(feed: Feed) -> Shown:
    drill = feed.drill("")
    assert drill is not None
    shown = Shown()
    shown.take(feed.message(drill, None))
    return shown


@pytest.mark.parametrize("seed", range(6))
def test_deltas_bring_a_page_where_a_snapshot_is(tmp_path: Path, seed: int) -> None:
    """A page that got messages at any moments shows just what one shows that is loaded now."""
    chance = random.Random(seed)
    lines = simulate(Scenario(sites=30, steps=2, faults=0.3, seed=seed, abort_at_s=150 if seed % 2 else None))
    growing = Growing(tmp_path / "x.log", lines)
    feed, pages = Feed(growing.path, "a"), [Shown() for _ in range(3)]
    while growing.written < len(lines):
        growing.more(chance.randint(1, 90))
        _read(feed)
        drill = feed.drill("")
        if drill is None:
            continue
        for page in pages:
            if chance.random() < 0.6:
                page.take(feed.message(drill, page.serial))
    anew, drill = _shown(feed), feed.drill("")
    assert drill is not None
    for page in pages:
        page.take(feed.message(drill, page.serial))
        assert page.letters == anew.letters
        assert page.names == anew.names
        assert page.situation == anew.situation
        assert page.rows[-1] == anew.rows[-1]
        assert [row for row in page.rows if row[2]] == [row for row in anew.rows if row[2]]
    assert json.dumps(anew.situation)


def test_sites_that_are_enlisted_later_reach_every_page(tmp_path: Path) -> None:
    """A page that came while sites were still being enlisted gets the rest, whoever asked first."""
    lines = simulate(Scenario(sites=20))
    growing = Growing(tmp_path / "x.log", lines)
    feed, pages = Feed(growing.path, "a"), [Shown(), Shown()]
    for count in (6, 30):
        growing.more(count)
        _read(feed)
        drill = feed.drill("")
        assert drill is not None
        for page in pages:
            page.take(feed.message(drill, page.serial))
    assert all(len(page.names) == len(page.letters) == 20 for page in pages)


def test_what_is_sent_is_bounded_and_says_what_it_left_out(tmp_path: Path) -> None:
    """A flood of detail is cut down, counted, and washes away nothing that matters."""
    lines = simulate(Scenario(sites=1_000, faults=0.01))
    path = tmp_path / "x.log"
    write_log(path, lines)
    feed = Feed(path, "a")
    _read(feed)
    drill = feed.drill("")
    assert drill is not None
    message = feed.message(drill, None)
    detail = [row for row in message["rows"] if row[2] == 0]
    grave = [line for line in lines if line.level is not Level.DEBUG]
    assert len(detail) == SENT_MAX
    assert message["skipped"] == KEPT - SENT_MAX
    assert len(message["rows"]) - len(detail) == len(grave)
    assert [row[0] for row in message["rows"]] == sorted(row[0] for row in message["rows"])


def test_a_problem_says_when_its_line_was_written(tmp_path: Path) -> None:
    """A loud site is listed with the time of the line that made it loud, first of all."""
    growing = Growing(tmp_path / "x.log", simulate(Scenario(sites=40, faults=0.1)))
    written = growing.until_loud()
    feed = Feed(growing.path, "a")
    _read(feed)
    shown = _shown(feed)
    place, letter, sentence, step, at_ms = shown.situation["problems"][0]
    loud = next(line for line in written if line.level in {Level.WARNING, Level.ERROR} and hasattr(line, "standing"))
    assert shown.names[place] == loud.site
    assert letter == LOOKS[loud.standing].letter == shown.letters[place]
    assert sentence
    assert step == 0
    assert f"{at_ms % 1000:03d}" == loud.timestamp[20:23]
    assert shown.situation["loud"] == 1


def test_a_log_that_began_anew_is_another_generation(tmp_path: Path) -> None:
    """Serials of a log that was replaced are not mixed with those of the new one."""
    path = tmp_path / "x.log"
    write_log(path, simulate(Scenario(sites=5)))
    feed = Feed(path, "a")
    _read(feed)
    before = feed.generation
    path.unlink()
    write_log(path, simulate(Scenario(sites=7, seed=3, wall_ns=START_WALL_NS + 3_600 * 10**9)))
    _read(feed)
    assert feed.generation != before
    assert len(_shown(feed).names) == 7
    assert len(feed.view.drills) == 1
    assert any("began anew" in words for words in feed.log_state()["wrong"])


def test_a_log_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    """Without a log the page says what it waits for, and goes on once there is one."""
    path = tmp_path / "x.log"
    feed = Feed(path, "a")
    assert not feed.advance()
    assert str(path) in feed.log_state()["trouble"]
    path.write_text("")
    _read(feed)
    assert "no drill yet" in feed.log_state()["trouble"]
    write_log(path, simulate(Scenario(sites=2)))
    _read(feed)
    assert feed.log_state()["trouble"] == ""


@pytest.mark.made_up_events
def test_lines_of_another_kind_are_counted_and_named(tmp_path: Path) -> None:
    """A damaged line is told of, not passed over in silence."""
    path = tmp_path / "x.log"
    write_log(path, simulate(Scenario(sites=2)))
    with path.open("a") as file:
        file.write('{"event.action": "site.judged", "drill": "<script>"}\n')
    feed = Feed(path, "a")
    _read(feed)
    (words,) = feed.log_state()["wrong"]
    assert words.startswith("1 line is no line of this version")


def test_another_drill_than_the_newest_can_be_asked_for(tmp_path: Path) -> None:
    """A past drill is shown with its own sites, and one that is not there not at all."""
    path = tmp_path / "x.log"
    write_log(path, simulate(Scenario(sites=3, seed=1)))
    write_log(path, simulate(Scenario(sites=4, seed=2)))
    feed = Feed(path, "a")
    _read(feed)
    first = next(iter(feed.view.drills.values()))
    assert feed.drill(first.drill) is first
    assert feed.drill("") is not first
    assert len(feed.message(first, None)["names"]) == 3
    assert feed.drill("20260101t000000z-none-000000") is None
