"""What is read back from a log alone: the result, the sites, and what is loud."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.grades import Verdict
from orchestrator.logbook.reader import LogFile
from orchestrator.logbook.standing import STANDING_MEANING, Standing
from orchestrator.logbook.views import LogView, verdict_counts
from protocols.errors import ConfigError, JournalError
from tests.logs.growing import write_log
from tests.logs.scenario import Scenario
from tests.logs.simulation import simulate


def test_a_log_alone_gives_the_result_of_a_thousand_sites(tmp_path: Path) -> None:
    """Nothing of a result is missing from the log: verdicts, counts and every site's bounds come back."""
    lines = simulate(Scenario(sites=1000, steps=2, faults=0.1, seed=3))
    write_log(tmp_path / "log", lines)
    view, file = LogView(), LogFile(tmp_path / "log")
    for chunk in file.read_all():
        view.take_all(chunk)
    drill = view.newest
    assert drill is not None
    result = drill.result()
    assert (file.foreign.wrong, file.foreign.others, view.strays) == (0, 0, 0)
    assert (result.totals.sites, result.totals.judged) == (1000, 2000)
    counted = verdict_counts(drill)
    assert {one.verdict: one.count for one in result.totals.verdicts if one.count} == dict(counted)
    assert counted[Verdict.CONTRADICTED]
    assert drill.problems()[0].standing is Standing.CONTRADICTED


def test_every_beginning_of_a_log_can_be_shown_and_has_no_result_yet() -> None:
    """A live view never stumbles over a drill that is not over, and never invents its result."""
    lines = simulate(Scenario(sites=6, steps=2, faults=0.5, seed=5))
    for end in range(1, len(lines) - 1):
        view = LogView()
        view.take_all(lines[:end])
        drill = view.newest
        assert drill is not None
        assert drill.counts.total() == len(drill.sites)
        with pytest.raises(JournalError):
            drill.result()


def test_lines_that_come_twice_change_nothing() -> None:
    """What a restart states again is no second drill, site or verdict."""
    lines = simulate(Scenario(sites=12, steps=2, faults=0.3, seed=7))
    once, twice = LogView(), LogView()
    once.take_all(lines)
    twice.take_all([*lines, *lines])
    assert once.newest is not None
    assert twice.newest is not None
    assert twice.newest.result() == once.newest.result()
    assert twice.newest.counts == once.newest.counts


def test_a_log_that_is_torn_replaced_or_full_of_rubbish_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """A half-written line waits for its end, a fresh file is read anew, and what is no line is counted."""
    lines = simulate(Scenario(sites=3, seed=1))
    path = tmp_path / "log"
    write_log(path, lines)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    file = LogFile(path)
    assert len(file.read()) == len(lines) - 1
    path.write_bytes(whole)
    assert len(file.read()) == 1
    path.write_bytes(b'{"a":' * 2000 + b"\nNaN\n\xff\xfe\n" + whole)
    path.write_bytes(path.read_bytes()[: len(whole) - 1])
    assert file.read()
    assert (file.restarts, file.foreign.wrong) == (1, 3)
    assert "line 1" in file.foreign.first_wrong
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        file.read()


def test_every_standing_has_its_meaning() -> None:
    """Whoever adds a standing says what it means."""
    assert set(STANDING_MEANING) == set(Standing)
