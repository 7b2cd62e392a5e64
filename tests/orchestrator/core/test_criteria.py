"""What each control is judged by, and how many witnesses that takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.covering import covering_witnesses, impossible, liars_tolerated, uncovered_signals
from orchestrator.core.criteria import criterion
from orchestrator.core.criterion import WantedFact
from protocols import signals as s
from protocols.controls import Params, PauseParams, SelectivePauseParams, ShutdownParams, SlowdownParams
from protocols.messages import SiteRecord
from protocols.signals import LIVE_PROCESSES
from tests.orchestrator.core import scenes
from tests.orchestrator.core.scene import EVALS, TRAIN, WORK, rate
from tests.orchestrator.core.world import CPU, usual


def test_pause_is_judged_by_the_work_counters() -> None:
    """Every work counter of the record must be quiet at its own rate."""
    wanted = criterion(PauseParams(), replace(usual(), eps_per_s=7).record())
    assert (wanted.quiet, wanted.at_most) == (((CPU, 7),), ())
    assert wanted.needs == {CPU}


def test_shutdown_leaves_no_process() -> None:
    """Shutdown is judged by the counters, by not one live process, and by a checkpoint in the report."""
    wanted = criterion(ShutdownParams(), usual().record())
    assert wanted.at_most == ((LIVE_PROCESSES, 0),)
    assert wanted.needs == {CPU, LIVE_PROCESSES}
    assert wanted.checkpoint


def test_a_slowdown_is_capped_by_the_least_of_the_band() -> None:
    """The cap is a fraction of the band's least rate, each counter's own, and its floor lies over quiet."""
    wanted = criterion(SlowdownParams(fraction=0.25), scenes.SLOWDOWN.record())
    assert wanted.caps == ((WORK, 150_000),)
    assert [(band.name, band.least, band.most) for band in wanted.bands] == [(WORK, 10_001, None)]


def test_a_selective_pause_tells_the_classes_apart() -> None:
    """Protected classes in band, the others quiet, the counter of all work unasked."""
    wanted = criterion(scenes.SELECTIVE.params, scenes.SELECTIVE.record())
    assert [name for name, _ in wanted.quiet] == [TRAIN]
    assert [band.name for band in wanted.bands] == [EVALS]
    assert wanted.needs == {TRAIN, EVALS, s.LABEL_CANARY}


@pytest.mark.parametrize(("value", "says"), [("off", True), ("on", False), ("pending", None), (None, None)])
def test_a_fact_is_right_wrong_or_unknown(value: str | None, says: bool | None) -> None:
    """A value that is neither right nor wrong is unknown, as is none."""
    assert WantedFact("f", frozenset({"off"}), frozenset({"on"})).says(value, None) is says


def test_a_fact_with_a_digest() -> None:
    """Whatever its value, another digest makes a fact unknown."""
    wanted = WantedFact("f", None, digest="a" * 64)
    assert wanted.says("8", "a" * 64) is True
    assert wanted.says("8", "b" * 64) is None
    assert wanted.says("8", None) is None


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


@pytest.mark.parametrize("name", scenes.HONEST)
def test_an_honest_site_can_be_judged(name: str) -> None:
    """Three witnesses that see everything can judge every control."""
    scene = scenes.HONEST[name]
    assert impossible(scene.record(), scene.params, 3) is None
    assert uncovered_signals(scene.record(), scene.params, 3) == ()
    assert liars_tolerated(scene.record(), 2, scene.params).owners == 3
    assert "4 witness owners" in (impossible(scene.record(), scene.params, 4) or "")


LACKING = [
    (scenes.CENSUS.params, scenes.CENSUS.record().model_copy(update={"registry": None}), "registry"),
    (scenes.POWER_CUT.params, replace(scenes.POWER_CUT, off_levels=()).record(), "off_levels"),
    (scenes.POWER_CUT.params, replace(scenes.POWER_CUT, enforcers=()).record(), "enforcers"),
    (SelectivePauseParams(protected=("evals",)), replace(scenes.SELECTIVE, work=(rate(WORK),)).record(), "evals"),
    (SelectivePauseParams(protected=("evals", "train")), scenes.SELECTIVE.record(), "not protected"),
    (SlowdownParams(fraction=0.016), scenes.SLOWDOWN.record(), "over what counts as quiet (work_all)"),
]


@pytest.mark.parametrize(("params", "record", "what"), LACKING)
def test_what_a_record_lacks_is_named(params: Params, record: SiteRecord, what: str) -> None:
    """A site whose record lacks what a control is judged by has no covering witness, and is told why."""
    assert any(what in lack for lack in uncovered_signals(record, params, 1))
    assert what in (impossible(record, params, 1) or "")
    assert covering_witnesses(record, criterion(params, record)) == ()
    assert liars_tolerated(record, 1, params).owners == 0


def test_an_enforcers_owner_is_a_stranger_to_a_cut_alone() -> None:
    """Who cuts the power does not witness that, but may witness a pause."""
    record = replace(scenes.POWER_CUT, enforcers=scenes.enforcer("owner-1")).record()
    assert liars_tolerated(record, 2, scenes.POWER_CUT.params).owners == 2
    assert liars_tolerated(record, 2, PauseParams()).owners == 3


def test_liars_tolerated() -> None:
    """Three owners and a quorum of two: one may lie quiet, one may be absent, none may lie active."""
    tolerance = liars_tolerated(usual().record(), 2, PauseParams())
    assert (tolerance.owners, tolerance.false_quiet, tolerance.absent, tolerance.false_active) == (3, 1, 1, 0)
