"""What an honest implementation misses easily, for each control: its failing verdict, beside an honest site's pass.

Every test drills an honest site next to sites that are wrong in one way each, and verifies the evidence
offline. It fails when the honest site is not verified, and when a flaw is found to be anything else.
"""

from __future__ import annotations

import pytest

from protocols.controls import (
    CensusParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from protocols.mock_config import DEFAULT_JOBS, Fault, FaultConfig, FaultTiming
from tests.simulation import bent_parties as agent
from tests.simulation import bent_sites as site
from tests.simulation.flawed import words
from tests.simulation.harness import SMALL_SITE, Simulation

LYING = "contradicted (active_after_report)"
SILENT = "unproven (silent)"
FAILED = "unproven (driver_failed)"


def test_standby() -> None:
    """A path that is broken, not tried in full, or tried by halting is no proof that the site could halt."""
    assert words(
        StandbyParams(),
        Fault.NO_PERMISSION,
        Fault.NO_RESTORE_PATH,
        Fault.DEAF_AGENT,
        agent.skips_permissions,
        agent.halts_to_rehearse,
    ) == {
        "no_permission": "unproven (proof_failed)",
        "no_restore_path": "unproven (proof_failed)",
        "deaf_agent": SILENT,
        "skips_permissions": "unproven (proof_missing)",
        "halts_to_rehearse": "broken (steady_broken)",
    }


def test_slowdown() -> None:
    """Throttled to zero, too little, or not everywhere is no slowdown, whatever the average of all work shows."""
    assert words(
        SlowdownParams(),
        Fault.THROTTLED_TO_ZERO,
        Fault.PARTIAL,
        Fault.LYING_AGENT,
        agent.is_too_fast,
        agent.only_pauses,
    ) == {
        "throttled_to_zero": "contradicted (starved)",
        "partial": LYING,
        "lying_agent": LYING,
        "is_too_fast": LYING,
        "only_pauses": "contradicted (starved)",
    }


def test_run_cap() -> None:
    """A cap that is ignored, or set near the one that was ordered, admits or refuses the wrong runs."""
    assert words(
        RunCapParams(),
        Fault.CAP_IGNORED,
        Fault.LYING_AGENT,
        site.caps_too_high,
        site.caps_too_low,
        site.pauses_for_the_cap,
    ) == {
        "cap_ignored": "contradicted (run_admitted)",
        "lying_agent": "contradicted (run_admitted)",
        "caps_too_high": "contradicted (run_admitted)",
        "caps_too_low": "contradicted (run_turned_away)",
        "pauses_for_the_cap": "contradicted (steady_broken)",
    }


def test_selective_pause() -> None:
    """A protected class that starves, a job under a false label, and labels that nobody checks are each found."""
    assert words(
        SelectivePauseParams(protected=("evals", "safety")),
        Fault.STARVED_CLASS,
        Fault.MISLABELLED_JOB,
        Fault.LABELS_BELIEVED,
        Fault.LYING_AGENT,
        agent.only_pauses,
    ) == {
        "starved_class": "contradicted (starved)",
        "mislabelled_job": LYING,
        "labels_believed": "contradicted (canary_runs)",
        "lying_agent": LYING,
        "only_pauses": "contradicted (starved)",
    }


def test_pause() -> None:
    """Work that never stopped, wakes again, or stops too late or by another clock is no pause."""
    assert words(
        PauseParams(),
        Fault.LYING_AGENT,
        Fault.PARTIAL,
        Fault.FLAPPING,
        Fault.RESPAWNING_JOB,
        Fault.DRIFTING_CLOCK,
        Fault.DEAF_AGENT,
        Fault.SLOW,
        Fault.NO_PERMISSION,
        hold_s=20.0,
        changes=SMALL_SITE | {"fault_timing": FaultTiming(slow_s=7.0)},
    ) == {
        "lying_agent": LYING,
        "partial": LYING,
        "flapping": LYING,
        "respawning_job": "broken (active_in_hold)",
        "drifting_clock": "broken (active_in_hold)",
        "deaf_agent": SILENT,
        "slow": "late (over_limit)",
        "no_permission": FAILED,
    }


@pytest.mark.parametrize(
    "params",
    [
        SlowdownParams(),
        RunCapParams(),
        SelectivePauseParams(protected=("evals",)),
        PauseParams(),
        IsolateParams(),
        ShutdownParams(grace_s=5.0),
    ],
    ids=lambda params: params.control,
)
def test_half_a_recovery_is_none(params: Params) -> None:
    """A site that is reported back, and of which one job works at half its rate, is not restored."""
    assert words(params, agent.comes_back_at_half) == {"comes_back_at_half": "not_restored (not_seen_back)"}


@pytest.mark.parametrize("params", [PauseParams(), PowerCutParams()], ids=lambda params: params.control)
def test_one_bad_witness(params: PauseParams | PowerCutParams) -> None:
    """One witness whose meter is stuck or replays, or whose clock drifts, leaves no quorum of two: never verified."""
    kinds = (Fault.METER_STUCK, Fault.METER_REPLAYING, Fault.DRIFTING_CLOCK)
    found = words(params, *(FaultConfig(kind=kind, witness="w1") for kind in kinds))
    assert len(found) == len(kinds)
    assert {one.split(" ")[0] for one in found.values()} <= {"unproven", "contradicted"}


def test_lease() -> None:
    """A licence that is cached, and one that never comes, are told from a halt at the licence's expiry."""
    lease = LeaseParams(licence_s=2.0, renewed_s=5.0)
    wrong = (Fault.CACHES_LICENCE, Fault.LYING_AGENT, agent.hears_no_licence, agent.halts_late)
    assert words(lease, *wrong, hold_s=25.0) == {
        "caches_licence": "unproven (dissent)",
        "lying_agent": LYING,
        "hears_no_licence": "unproven (lapsed_early)",
        "halts_late": "late (over_limit)",
    }


def test_lease_of_a_partitioned_site() -> None:
    """A cached licence is found where the agent is cut off from whoever could renew it, too."""
    lease = LeaseParams(licence_s=3.0, renewed_s=5.0, partition=True)
    assert words(lease, Fault.CACHES_LICENCE) == {"caches_licence": "unproven (dissent)"}


def test_isolate() -> None:
    """Egress that leaks, at once or a while later, and a site that was cut off from its orders too, are found."""
    assert words(
        IsolateParams(), Fault.LEAKY_EGRESS, Fault.LYING_AGENT, site.leaks_later, agent.loses_command_path
    ) == {
        "leaky_egress": "contradicted (egress_open)",
        "lying_agent": "contradicted (egress_open)",
        "leaks_later": "contradicted (egress_open)",
        "loses_command_path": "unproven (no_report)",
    }


def test_shutdown() -> None:
    """A job that starts again, processes that stay, and a checkpoint that cannot be read back are found."""
    assert words(ShutdownParams(grace_s=5.0), Fault.RESPAWNING_JOB, Fault.NO_RESTORE_PATH, agent.only_pauses) == {
        "respawning_job": "broken (active_in_hold)",
        "no_restore_path": "not_restored (not_seen_back)",
        "only_pauses": LYING,
    }


def test_shutdown_that_loses_one_jobs_state() -> None:
    """A job too large to be saved within the grace leaves a checkpoint that lacks it, and that is no checkpoint."""
    jobs = SMALL_SITE["jobs"]
    huge = jobs[0].model_copy(update={"state_gb": 100.0})

    def has_a_huge_job(sites: Simulation, name: str) -> None:
        sites.sites[name].world._jobs[0].config = huge

    assert len(jobs) == len(DEFAULT_JOBS)
    assert words(ShutdownParams(grace_s=5.0), has_a_huge_job) == {"has_a_huge_job": "unproven (no_checkpoint)"}


def test_power_cut() -> None:
    """A UPS that feeds on, an enforcer that cuts nothing, and meters that show another time prove no cut."""
    assert words(
        PowerCutParams(),
        Fault.UPS_KEEPS_FEEDING,
        Fault.METER_STUCK,
        Fault.METER_REPLAYING,
        agent.cuts_nothing,
        agent.keeps_dark,
        site.works_behind_the_meter,
        site.meters_are_unplugged,
    ) == {
        "ups_keeps_feeding": LYING,
        "meter_stuck": LYING,
        "meter_replaying": LYING,
        "cuts_nothing": LYING,
        "keeps_dark": "not_restored (not_seen_back)",
        "works_behind_the_meter": LYING,
        "meters_are_unplugged": "unproven (no_load)",
    }


def test_power_cut_needs_no_agent() -> None:
    """An agent that is deaf, lies or has lost its rights hinders no enforcer: the cut is verified all the same."""
    hostile = (Fault.DEAF_AGENT, Fault.LYING_AGENT, Fault.NO_PERMISSION)
    assert set(words(PowerCutParams(), *hostile).values()) == {"verified"}


def test_census() -> None:
    """One missing, smuggled, or answering for two is named, and answers to another nonce are none."""
    assert words(
        CensusParams(), Fault.MISSING_DEVICE, Fault.SMUGGLED_DEVICE, Fault.DOUBLED_ANSWER, site.answers_from_memory
    ) == dict.fromkeys(
        ("missing_device", "smuggled_device", "doubled_answer", "answers_from_memory"),
        "contradicted (census_disagrees)",
    )


def test_ladder() -> None:
    """What a pause does not halt at a site climbs until something does, and how it went stays said."""
    ladder = (ShutdownParams(grace_s=5.0), PowerCutParams())
    assert words(PauseParams(), Fault.PARTIAL, Fault.FLAPPING, Fault.NO_PERMISSION, ladder=ladder) == {
        "partial": LYING,
        "flapping": LYING,
        "no_permission": "late (escalated)",
    }
