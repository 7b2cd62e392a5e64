"""Tests of `orchestrator.dashboard.detail`."""

from __future__ import annotations

import json

from orchestrator.dashboard.detail import detail
from tests.orchestrator.dashboard.viewed import lines_of, view_of


def test_brackets_are_those_of_the_verdict() -> None:
    """A site's timeline draws what is known, as an interval, and nothing where nothing was seen."""
    drill = view_of(lines_of(sites=60, faults=0.3)).newest
    assert drill is not None
    seen = unseen = 0
    for site in drill.sites.values():
        told = detail(drill, site)
        (step,) = told["steps"]
        result = site.results[0]
        if result.halted:
            latest = result.total_upper_ns or result.response_upper_ns
            assert latest is not None
            assert step["halted"][1] * 10**6 == latest
            assert 0 <= step["halted"][0] <= step["halted"][1]
            seen += 1
        else:
            assert step["halted"] is None
            unseen += 1
        assert step["verdict"] == result.verdict.replace("_", " ")
        assert json.dumps(told)
    assert seen
    assert unseen


def test_while_a_step_runs_its_bracket_is_the_provisional_one() -> None:
    """A site that a quorum saw halted has its bracket before there is a verdict."""
    lines = lines_of(sites=10, faults=0)
    end = next(place for place, line in enumerate(lines) if line.action == "release.issued")
    drill = view_of(lines[:end]).newest
    assert drill is not None
    site = next(iter(drill.sites.values()))
    assert site.standing.halted
    (step,) = detail(drill, site)["steps"]
    assert step["halted"] is not None
    assert step["verdict"] is None
    assert step["released_at"] is None


def test_what_happened_is_in_the_order_of_time() -> None:
    """Changes, receipts and climbs are one story."""
    drill = view_of(lines_of(sites=40, faults=0.5)).newest
    assert drill is not None
    climbed = [site for site in drill.sites.values() if site.rung]
    assert climbed
    for site in climbed:
        told = detail(drill, site)
        times = [row[0] for row in told["happened"]]
        assert times == sorted(times)
        assert any("climbs to rung" in row[2] for row in told["happened"])
        assert told["sentence"].endswith(".")
