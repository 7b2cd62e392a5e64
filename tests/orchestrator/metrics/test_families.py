"""Samples are collected so that every scrape is one that Prometheus takes."""

from __future__ import annotations

import pytest

from orchestrator.metrics.catalogue import METRICS
from orchestrator.metrics.families import Families
from tests.orchestrator.metrics.exposed import exposed

STEP = {"drill": "d", "step": 0, "step_name": "pause-1", "control": "pause"}


def test_a_sample_has_its_help_kind_and_labels() -> None:
    """A scrape says of each metric what it is, as the table does."""
    out = Families()
    out.add("drill_running", 1, drill="d")
    found = exposed(out)
    assert found.value("drill_running", drill="d") == 1
    assert f"# HELP haltdrill_drill_running {METRICS['haltdrill_drill_running'].meaning}" in found.text
    assert "# TYPE haltdrill_drill_running gauge" in found.text


def test_a_counter_keeps_its_name() -> None:
    """A counter is stored under the name that the table gives, once with `_total`."""
    out = Families()
    out.add("log_lines_total", 7, level="info")
    assert exposed(out).samples == {("haltdrill_log_lines_total", frozenset({("level", "info")})): 7}


def test_nothing_is_exposed_for_what_is_not_known() -> None:
    """What is not known has no series; a 0 would be a lie, and an alert on it would be too."""
    out = Families()
    out.add("drill_ended_timestamp_seconds", None, drill="d")
    assert exposed(out).text == ""


def test_the_same_labels_again_replace_the_value() -> None:
    """A log in which two things have one name does not make a scrape that Prometheus refuses."""
    out = Families()
    out.add("drill_running", 0, drill="d")
    out.add("drill_running", 1, drill="d")
    assert list(exposed(out).samples.values()) == [1]


@pytest.mark.parametrize("labels", [{}, {"drill": "d", "site": "x"}, {"site": "x"}])
def test_labels_are_those_of_the_table(labels: dict[str, str]) -> None:
    """A slip in our own code is found by its test, not by an operator's query."""
    with pytest.raises(ValueError, match="has the labels"):
        Families().add("drill_running", 1, **labels)


def test_only_a_histogram_takes_many_values() -> None:
    """A slip of that kind is found too."""
    out = Families()
    out.add("drill_running", [1.0], drill="d")
    with pytest.raises(TypeError, match="no histogram"):
        list(out)


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    """A site that took exactly a bound is counted in it; the last bucket and the count hold all."""
    out = Families()
    out.add("step_response_time_seconds", [3.0, 0.1, 0.25, 9000.0], **STEP)
    found = exposed(out)
    buckets = found.by("le", "step_response_time_seconds_bucket")
    assert [buckets[le] for le in ("0.1", "0.25", "0.5", "2.5", "5.0", "3600.0", "+Inf")] == [1, 2, 2, 2, 3, 3, 4]
    assert found.value("step_response_time_seconds_count", **STEP) == 4
    assert found.value("step_response_time_seconds_sum", **STEP) == pytest.approx(9003.35)


def test_a_histogram_of_nothing_is_there() -> None:
    """Before the first halt the quantile of nothing is nothing, and the count is 0."""
    out = Families()
    out.add("step_response_time_seconds", [], **STEP)
    assert exposed(out).value("step_response_time_seconds_count", **STEP) == 0


def test_labels_cannot_break_the_text_nor_fill_a_disk() -> None:
    """A title that somebody made on purpose is one label of a bounded length, whatever is in it."""
    title = 'x" } haltdrill_drill_running{drill="y"} 7\n\\' + "z" * 1000
    out = Families()
    out.add("drill_info", 1, drill="d", plan="p", title=title, fleet="f", demo="true")
    found = exposed(out)
    assert found.names == {"haltdrill_drill_info"}
    assert found.by("title", "drill_info") == {title[:120]: 1}
