"""What each control is judged by, and how many witnesses that takes."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.criteria import (
    LIVE_PROCESSES,
    covering_witnesses,
    criterion,
    liars_tolerated,
    uncovered_signals,
)
from protocols.controls import PauseParams, ShutdownParams
from tests.orchestrator.core.world import CPU, usual


def test_pause_is_judged_by_the_work_counters() -> None:
    """Every work counter of the record must be quiet at its own rate."""
    wanted = criterion(PauseParams(), replace(usual(), eps_per_s=7).record())
    assert (wanted.quiet, wanted.at_most) == (((CPU, 7),), ())
    assert wanted.needs == {CPU}


def test_shutdown_leaves_no_process() -> None:
    """Shutdown is judged by the counters, and by not one live process."""
    wanted = criterion(ShutdownParams(), usual().record())
    assert wanted.at_most == ((LIVE_PROCESSES, 0),)
    assert wanted.needs == {CPU, LIVE_PROCESSES}


def test_the_site_owner_witnesses_nothing() -> None:
    """A witness of the site's own owner covers nothing, whatever its record says."""
    world = usual()
    world.witnesses[0].owner = world.site_owner
    record = world.record()
    assert [entry.name for entry in covering_witnesses(record, criterion(PauseParams(), record))] == ["w2", "w3"]
    assert uncovered_signals(record, PauseParams(), 2) == ()
    assert uncovered_signals(record, PauseParams(), 3) == (CPU,)


def test_uncovered_signals_are_named() -> None:
    """A needed signal that too few owners cover is named before anything is ordered."""
    world = usual()
    world.witnesses[0].covers = world.witnesses[1].covers = (CPU,)
    assert uncovered_signals(world.record(), ShutdownParams(), 2) == (LIVE_PROCESSES,)
    assert uncovered_signals(world.record(), ShutdownParams(), 1) == ()


def test_signals_must_be_covered_together() -> None:
    """When no quorum covers all signals at once, all of them are named."""
    world = usual()
    world.witnesses[0].covers, world.witnesses[1].covers = (CPU,), (LIVE_PROCESSES,)
    assert uncovered_signals(world.record(), ShutdownParams(), 2) == (CPU, LIVE_PROCESSES)


def test_liars_tolerated() -> None:
    """Three owners and a quorum of two: one may lie quiet, one may be absent, none may lie active."""
    tolerance = liars_tolerated(usual().record(), 2, PauseParams())
    assert (tolerance.owners, tolerance.false_quiet, tolerance.absent, tolerance.false_active) == (3, 1, 1, 0)
