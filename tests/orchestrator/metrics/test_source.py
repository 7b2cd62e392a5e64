"""Logs in, metrics out: growing, rotated, damaged and missing ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.metrics.exporter import exposition
from tests.logs import START_WALL_NS, Growing, Scenario, simulate, write_log
from tests.orchestrator.metrics.exposed import scraped, source_of

DAY_NS = 86_400 * 1_000_000_000
LINES = simulate(Scenario(sites=12, faults=0.2))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a log is."""
    return tmp_path / "haltdrill.log"


def test_a_log_that_grows_is_followed(log: Path) -> None:
    """Every scrape holds what was written up to it, and no line counts twice."""
    growing, source = Growing(log, LINES), source_of(log)
    growing.until(40.0)
    first = scraped(source)
    assert first.value("drill_running") == 1
    assert sum(first.by("level", "log_lines_total").values()) == growing.written
    growing.rest()
    last = scraped(source)
    assert last.value("drill_running") == 0
    assert sum(last.by("level", "log_lines_total").values()) == len(LINES)
    assert last.value("log_newest_line_timestamp_seconds") == pytest.approx(last.value("drill_ended_timestamp_seconds"))
    assert last.value("log_size_bytes") == log.stat().st_size


def test_following_says_the_same_as_reading_at_the_end(log: Path) -> None:
    """What a drill leaves in the metrics does not depend on when somebody looked."""
    growing, followed = Growing(log, LINES), source_of(log)
    while growing.written < len(LINES):
        growing.more(7)
        exposition(followed)
    assert scraped(followed).samples == scraped(source_of(log)).samples


def test_a_log_that_is_not_there_is_said(log: Path) -> None:
    """No log is no answer to how drills went: the exporter says that it cannot read, until it can."""
    source = source_of(log)
    assert scraped(source).value("log_readable") == 0
    assert "cannot be read" in str(source.problem)
    write_log(log, LINES)
    assert scraped(source).value("log_readable") == 1
    assert source.problem is None


@pytest.mark.made_up_events
def test_what_is_no_line_is_counted(log: Path) -> None:
    """Damage is a number that an alert can watch, and the lines about it still count."""
    write_log(log, LINES)
    with log.open("a") as file:
        file.write('{"@timestamp": "broken\nnot json at all\n\n')
    found = scraped(source_of(log))
    assert found.value("log_wrong_lines_total") == 2
    assert found.value("drill_running") == 0


def test_lines_without_their_beginning_are_counted(log: Path) -> None:
    """A log whose head was cut off tells of no drill, and says why."""
    write_log(log, LINES[1:])
    found = scraped(source_of(log))
    assert found.value("log_stray_lines_total") == len(LINES) - 1
    assert found.value("drills_known") == 0


def test_a_rotated_log_is_begun_anew(log: Path) -> None:
    """After a rotation nothing is lost of what was counted, and the new file is read from its beginning."""
    source = source_of(log)
    write_log(log, LINES)
    scraped(source)
    log.rename(log.with_suffix(".1"))
    write_log(log, simulate(Scenario(sites=12, faults=0, wall_ns=START_WALL_NS + DAY_NS)))
    found = scraped(source)
    assert found.value("log_restarts_total") == 1
    assert found.value("drills_known") == 2
    assert found.by("outcome", "drills_total") == {"passed": 1, "failed": 1, "aborted": 0}
    assert found.value("drill_passed") == 1


def test_of_older_drills_only_what_counts_is_kept(log: Path) -> None:
    """An exporter that runs for years holds one drill: the newest, whatever the order of the logs."""
    older = log.with_suffix(".1")
    write_log(log, simulate(Scenario(sites=12, faults=0, wall_ns=START_WALL_NS + DAY_NS)))
    write_log(older, LINES)
    for logs in ((older, log), (log, older)):
        source = source_of(*logs)
        found = scraped(source)
        assert found.value("drill_passed") == 1
        assert len(found.series("drill_info")) == 1
        assert found.by("outcome", "drills_total") == {"passed": 1, "failed": 1, "aborted": 0}
        assert len(source._view.drills) == 1


def test_rejected_inputs_are_counted_over_all_drills(log: Path) -> None:
    """A flood of forgeries over several drills is one number that only rises."""
    source = source_of(log)
    write_log(log, simulate(Scenario(sites=4, rejected=3)))
    assert scraped(source).value("rejected_inputs_total") == 3
    write_log(log, simulate(Scenario(sites=4, rejected=2, wall_ns=START_WALL_NS + DAY_NS)))
    assert scraped(source).value("rejected_inputs_total") == 5


def test_the_version_is_said(log: Path) -> None:
    """Whoever looks at a dashboard can tell what computed it."""
    write_log(log, LINES)
    assert scraped(source_of(log)).value("build_info", version="1.2.3") == 1
