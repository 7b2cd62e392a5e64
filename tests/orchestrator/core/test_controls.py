"""Every control in both directions: the honest site verifies, and the fault that is easily missed does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.causes import Cause
from orchestrator.core.grades import Grade, SiteStepResult, Verdict, explain
from orchestrator.core.judge import judge_step
from protocols import signals as s
from protocols.controls import IsolateParams, SlowdownParams
from protocols.messages import Outcome
from tests.orchestrator.core import scenes
from tests.orchestrator.core.scene import EVALS, FULL, TRAIN, WORK, Scene, Steps, always, during
from tests.orchestrator.core.world import MS

ACCEPTED_ONLY = ((Outcome.ACCEPTED, 2_010),)


def judged(scene: Scene) -> tuple[Verdict, Cause | None]:
    """Return the verdict and its cause."""
    result = judge_step(scene.inputs())
    return result.verdict, result.cause


def seen(scene: Scene) -> dict[str, str]:
    """Return what the result tells people that a witness saw."""
    return {entry.signal: entry.value for entry in judge_step(scene.inputs()).seen}


class TestHonest:
    """A site that does what is ordered, and comes back."""

    @pytest.mark.parametrize("name", scenes.HONEST)
    def test_it_verifies(self, name: str) -> None:
        """The honest site is verified, held to the end, and explained in words of its own control."""
        scene = scenes.HONEST[name]
        result = judge_step(scene.inputs())
        assert (result.verdict, result.cause, result.grade) == (Verdict.VERIFIED, None, Grade.HELD)
        assert result.control == scene.params.control
        assert result.agreeing == ("w1", "w2", "w3")
        assert SiteStepResult.model_validate_json(result.model_dump_json()) == result
        text = explain(result)
        assert text.startswith("Verified: 3 witnesses saw ")
        assert "None" not in text
        assert ("quiet" in text) is (name in {"pause", "lease", "shutdown", "selective_pause"})

    @pytest.mark.parametrize("name", scenes.HONEST)
    def test_jitter_does_not_matter(self, name: str) -> None:
        """Witnesses that sample late and whose readings take a while still verify an honest site."""
        scene = scenes.HONEST[name]
        slow = tuple(replace(w, offset_ms=w.offset_ms + 30, delay_ms=25) for w in scene.witnesses)
        assert judged(replace(scene, witnesses=slow)) == (Verdict.VERIFIED, None)

    @pytest.mark.parametrize("name", scenes.HONEST)
    def test_one_witness_is_no_quorum(self, name: str) -> None:
        """With one owner's witness left, of a quorum of two, nothing is verified."""
        scene = scenes.HONEST[name]
        mute = tuple(replace(w, until_ms=2_200) if w.name != "w1" else w for w in scene.witnesses)
        assert judged(replace(scene, witnesses=mute))[0] is not Verdict.VERIFIED

    @pytest.mark.parametrize("name", [name for name in scenes.HONEST if name not in {"power_cut"}])
    def test_an_idle_site_proves_nothing(self, name: str) -> None:
        """A site that did no work before the order is not verified by any control that is about its work."""
        scene = scenes.HONEST[name]
        idle = scene.seen(**{counter: always(0) for counter in scene.counters})
        assert judged(idle)[0] is not Verdict.VERIFIED


class TestSlowdown:
    """At or under the cap, and above zero."""

    def test_a_site_that_goes_on_at_full_speed(self) -> None:
        """Work over the cap after the report contradicts it."""
        scene = scenes.SLOWDOWN.seen(**{WORK: always(FULL)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.ACTIVE_AFTER_REPORT)

    def test_a_site_just_over_the_cap(self) -> None:
        """A tenth over the cap is over it, without a report too."""
        scene = replace(scenes.SLOWDOWN, receipts=ACCEPTED_ONLY).seen(**{WORK: during(330, FULL)})
        assert judged(scene)[0] is Verdict.UNPROVEN

    def test_throttled_to_zero(self) -> None:
        """A site that stands still is paused, not slowed: its work is starved."""
        scene = scenes.SLOWDOWN.seen(**{WORK: during(0, FULL)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.STARVED)
        assert seen(scene) == {WORK: "starved"}
        unreported = replace(scene, receipts=ACCEPTED_ONLY)
        assert judged(unreported) == (Verdict.UNPROVEN, Cause.STARVED)

    def test_it_speeds_up_inside_the_hold(self) -> None:
        """Over the cap for more than a dwell after it was slow: broken."""
        course: Steps = ((0, FULL), (2_300, 240), (4_200, FULL), (6_000, FULL))
        assert judged(scenes.SLOWDOWN.seen(**{WORK: course})) == (Verdict.BROKEN, Cause.ACTIVE_IN_HOLD)

    def test_the_upper_bound_holds_the_true_slowdown(self) -> None:
        """A site that slows down at 3.1 s is not timed earlier because the average was low already."""
        scene = replace(scenes.SLOWDOWN, receipts=ACCEPTED_ONLY).seen(**{WORK: during(20, FULL, start=3_100)})
        result = judge_step(scene.inputs())
        assert result.response_upper_ns is not None
        assert result.response_upper_ns >= 1_100 * MS

    def test_a_slow_return_is_no_return(self) -> None:
        """A site that stays slow after the release is not restored."""
        assert judged(scenes.SLOWDOWN.seen(**{WORK: ((0, FULL), (2_300, 240))}))[0] is Verdict.NOT_RESTORED

    def test_bursts_under_the_cap(self) -> None:
        """Duty-cycled work, on for a quarter of each 200 ms, is capped work."""
        bursts = tuple((2_300 + n * 200 + on, FULL * (1 - on // 50)) for n in range(19) for on in (0, 50))
        course = ((0, FULL), *bursts, (6_200, FULL))
        assert judged(scenes.SLOWDOWN.seen(**{WORK: course})) == (Verdict.VERIFIED, None)


class TestSelectivePause:
    """Everything but the protected classes."""

    def test_a_protected_class_starved(self) -> None:
        """A site that pauses everything has not kept its protected class at work."""
        scene = scenes.SELECTIVE.seen(**{EVALS: during(0, FULL)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.STARVED)
        assert seen(scene) == {EVALS: "starved"}

    def test_a_protected_class_starved_later(self) -> None:
        """A protected class that runs dry in the hold breaks it."""
        assert judged(scenes.SELECTIVE.seen(**{EVALS: during(0, FULL, start=4_000)})) == (
            Verdict.BROKEN,
            Cause.STARVED,
        )

    def test_an_unprotected_class_goes_on(self) -> None:
        """A class that was to be paused and works contradicts the report."""
        scene = scenes.SELECTIVE.seen(**{TRAIN: during(300, FULL)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.ACTIVE_AFTER_REPORT)

    def test_a_mislabelled_canary_runs(self) -> None:
        """A job under a false label that is let run shows that labels are believed."""
        scene = scenes.SELECTIVE.seen(**{s.LABEL_CANARY: during(s.CANARY_RUNS, s.CANARY_NOT_TRIED, start=2_000)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.CANARY_RUNS)
        assert seen(scene) == {s.LABEL_CANARY: s.CANARY_RUNS}

    def test_a_canary_never_tried_proves_nothing(self) -> None:
        """Without a canary the labels are unknown, and unknown never passes."""
        assert judged(scenes.SELECTIVE.seen(**{s.LABEL_CANARY: always(s.CANARY_NOT_TRIED)}))[0] is Verdict.UNPROVEN


class TestPowerCut:
    """Dark on the meter, and the controller agrees."""

    def test_the_ups_still_feeds(self) -> None:
        """The controller says off and the meter shows power past the limit: contradicted."""
        assert judged(scenes.POWER_CUT.seen(**{s.POWER: always(900)})) == (
            Verdict.CONTRADICTED,
            Cause.ACTIVE_AFTER_REPORT,
        )

    def test_a_ride_through_within_the_limit_is_measured(self) -> None:
        """Power that falls 1.2 s after the report, within the limit, is late power and no lie."""
        scene = scenes.POWER_CUT.seen(**{s.POWER: during(3, 900, start=3_600)})
        assert judged(scene) == (Verdict.VERIFIED, None)
        assert (judge_step(scene.inputs()).response_upper_ns or 0) >= 1_600 * MS

    def test_the_meter_is_dark_and_the_controller_says_on(self) -> None:
        """A dark meter beside a feed that is on may be a broken meter."""
        scene = replace(scenes.POWER_CUT, receipts=ACCEPTED_ONLY).seen(**{s.FEED: always(s.FEED_ON)})
        assert judged(scene) == (Verdict.UNPROVEN, Cause.FEED_ON)
        assert judged(scenes.POWER_CUT.seen(**{s.FEED: always(s.FEED_ON)})) == (Verdict.CONTRADICTED, Cause.FEED_ON)

    def test_a_meter_that_was_dark_before(self) -> None:
        """A meter that showed no power before the cut proves none."""
        assert judged(scenes.POWER_CUT.seen(**{s.POWER: always(3)})) == (Verdict.UNPROVEN, Cause.NO_LOAD)

    def test_work_that_goes_on_in_the_dark(self) -> None:
        """Work counted while the meter is dark contradicts the cut: the load hangs on another feed."""
        assert judged(scenes.POWER_CUT.seen(**{WORK: always(FULL)}))[0] is Verdict.CONTRADICTED

    def test_a_meter_alone_will_do(self) -> None:
        """Witnesses that see only meter and controller verify a cut: a dark site counts nothing."""
        dark = tuple(replace(w, covers=frozenset({s.POWER, s.FEED})) for w in scenes.POWER_CUT.witnesses)
        scene = replace(scenes.POWER_CUT, witnesses=dark)
        nothing = scene.inputs()
        for track in nothing.tracks.values():
            track.samples[:] = [replace(sample, counters={}) for sample in track.samples]
        assert judge_step(nothing).verdict is Verdict.VERIFIED

    def test_the_enforcers_own_witness_does_not_count(self) -> None:
        """Who cut it does not witness it."""
        for owner, verdict in (("owner-3", Verdict.VERIFIED), ("owner-2", Verdict.VERIFIED)):
            scene = replace(scenes.POWER_CUT, enforcers=scenes.enforcer(owner))
            result = judge_step(scene.inputs())
            assert result.verdict is verdict
            assert len(result.agreeing) == 2
        two = replace(scenes.POWER_CUT, witnesses=scenes.POWER_CUT.witnesses[:2], enforcers=scenes.enforcer("owner-2"))
        assert judged(two) == (Verdict.UNPROVEN, Cause.UNCOVERED)


class TestCensus:
    """Registered, answering and counted agree."""

    @pytest.mark.parametrize(
        ("fact", "value"),
        [
            (s.CENSUS_DOUBLED, "gpu-3"),
            (s.CENSUS_MISSING, "gpu-1 gpu-5"),
            (s.CENSUS_UNREGISTERED, "smuggled@slot-9"),
            (s.CENSUS_COUNT, "registered 8, answering 8, counted 9"),
        ],
    )
    def test_what_does_not_agree_is_named(self, fact: str, value: str) -> None:
        """A device that is doubled, missing or unregistered fails the census by name."""
        scene = scenes.CENSUS.seen(**{fact: always(value)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.CENSUS_DISAGREES)
        assert seen(scene) == {fact: value}
        assert value in explain(judge_step(scene.inputs()))

    def test_another_register_proves_nothing(self) -> None:
        """A census against another register than the record's is unknown."""
        scene = replace(scenes.CENSUS, digests={s.CENSUS_REGISTRY: "b" * 64})
        assert judged(scene) == (Verdict.UNPROVEN, Cause.NO_QUORUM)

    def test_one_that_sees_it_doubled_denies_it(self) -> None:
        """A single witness that sees a device answer twice is enough."""
        assert judged(scenes.CENSUS.one_sees(**{s.CENSUS_DOUBLED: always("gpu-3")}))[0] is Verdict.CONTRADICTED


class TestLease:
    """Quiet once no licence is renewed."""

    def test_it_works_on_past_the_expiry(self) -> None:
        """A site that prolongs its licence by itself is late, or never quiet."""
        late = replace(scenes.LEASE, limit_s=0.5, receipts=ACCEPTED_ONLY)
        assert judged(late.seen(**{WORK: during(0, FULL, start=4_700, stop=6_700)})) == (
            Verdict.LATE,
            Cause.OVER_LIMIT,
        )
        never = replace(scenes.LEASE, receipts=ACCEPTED_ONLY).seen(**{WORK: always(FULL)})
        assert judged(never)[0] is Verdict.UNPROVEN

    def test_it_stops_while_it_is_licensed(self) -> None:
        """Work that ends while licences still come is no dead man's switch."""
        scene = replace(scenes.LEASE, receipts=ACCEPTED_ONLY).seen(**{WORK: during(0, FULL, start=2_500, stop=6_700)})
        assert judged(scene) == (Verdict.UNPROVEN, Cause.LAPSED_EARLY)

    def test_a_site_that_is_early_has_zero(self) -> None:
        """A pause between the last renewal and the expiry counts from the expiry, and is never negative."""
        scene = replace(scenes.LEASE, receipts=ACCEPTED_ONLY).seen(**{WORK: during(0, FULL, start=3_100, stop=6_700)})
        result = judge_step(scene.inputs())
        assert (result.verdict, result.response_lower_ns, result.response_upper_ns) == (Verdict.VERIFIED, 0, 0)

    def test_nothing_counts_before_it_is_stopped(self) -> None:
        """While licences are renewed there is nothing to find."""
        renewed = replace(scenes.LEASE, stopped_ms=None, expires_ms=None, released_ms=None, ended_ms=3_500, live=True)
        result = judge_step(renewed.inputs())
        assert (result.cause, result.response_upper_ns) == (Cause.PENDING, None)


class TestIsolate:
    """Cut off inside and outside, and the agent still answers."""

    def test_seen_outside(self) -> None:
        """A canary that fails for its sender and arrives all the same was not blocked."""
        scene = scenes.ISOLATE.seen(**{s.EGRESS_OUTSIDE: always(s.EGRESS_SEEN)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.EGRESS_OPEN)

    def test_without_the_agents_report(self) -> None:
        """A site whose command path was cut too did not do what was ordered."""
        scene = replace(scenes.ISOLATE, receipts=ACCEPTED_ONLY)
        assert judged(scene) == (Verdict.UNPROVEN, Cause.NO_REPORT)

    def test_a_report_after_the_release(self) -> None:
        """An agent that could report only once it was connected again had lost its command path too."""
        scene = replace(scenes.ISOLATE, receipts=(*ACCEPTED_ONLY, (Outcome.HALTED, 6_100)))
        assert judged(scene) == (Verdict.UNPROVEN, Cause.NO_REPORT)

    def test_no_egress_before(self) -> None:
        """A site that had no way out before the order proves nothing by having none."""
        scene = scenes.ISOLATE.seen(**{s.EGRESS_OUTSIDE: always(s.EGRESS_SILENT)})
        assert judged(scene) == (Verdict.UNPROVEN, Cause.NO_LOAD)

    def test_it_stays_cut(self) -> None:
        """Work alone is no return: the egress must be open again."""
        course: Steps = ((0, s.EGRESS_SEEN), (2_300, s.EGRESS_SILENT))
        assert judged(scenes.ISOLATE.seen(**{s.EGRESS_OUTSIDE: course}))[0] is Verdict.NOT_RESTORED


class TestRunCap:
    """Above refused, below started."""

    def test_a_run_above_is_admitted(self) -> None:
        """A new run above the cap that starts contradicts the report."""
        scene = scenes.RUN_CAP.seen(**{s.RUN_ABOVE: always(s.RUN_STARTED)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.RUN_ADMITTED)

    def test_a_run_below_is_refused(self) -> None:
        """A site that refuses everything keeps no cap: it is closed."""
        scene = scenes.RUN_CAP.seen(**{s.RUN_BELOW: during(s.RUN_REFUSED, s.RUN_STARTED)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.RUN_TURNED_AWAY)

    def test_a_run_that_waits_is_neither(self) -> None:
        """A run above the cap that is queued was not refused: unknown."""
        scene = scenes.RUN_CAP.seen(**{s.RUN_ABOVE: during(s.RUN_QUEUED, s.RUN_STARTED)})
        assert judged(scene)[0] is Verdict.UNPROVEN

    def test_work_goes_on(self) -> None:
        """A site that suspends its running jobs does more than refuse new ones, and that is not what was ordered."""
        scene = replace(scenes.RUN_CAP, counters={WORK: during(0, FULL)})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.STEADY_BROKEN)

    def test_the_running_ones_must_be_listed(self) -> None:
        """A witness that does not list the running jobs above the cap does not count, and lists are passed on."""
        assert judged(scenes.RUN_CAP.seen(**{s.RUNS_OVER: always(None)}))[0] is Verdict.UNPROVEN
        assert seen(scenes.RUN_CAP) == {s.RUNS_OVER: "train-7"}


class TestDecommission:
    """Gone, and never back."""

    def test_armed_without_a_nonce(self) -> None:
        """An arming that yields no nonce cannot be fired."""
        assert judged(replace(scenes.ARM, report={})) == (Verdict.UNPROVEN, Cause.NOT_ARMED)

    def test_it_comes_back(self) -> None:
        """Devices that are back after the release were not destroyed."""
        scene = scenes.FIRE.seen(**{s.DEVICES: ((0, 8), (2_300, 0), (8_000, 8))})
        assert judged(scene) == (Verdict.BROKEN, Cause.CAME_BACK)

    def test_devices_that_stay(self) -> None:
        """One device left contradicts the report."""
        scene = scenes.FIRE.seen(**{s.DEVICES: ((0, 8), (2_300, 1))})
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.ACTIVE_AFTER_REPORT)

    def test_it_is_not_asked_back(self) -> None:
        """A site that stays gone past the restore limit did just what was ordered."""
        assert judge_step(scenes.FIRE.inputs()).restore_upper_ns is None


def test_shutdown_needs_a_checkpoint() -> None:
    """A shutdown whose report names no checkpoint may have lost the work."""
    assert judged(replace(scenes.SHUTDOWN, report={})) == (Verdict.UNPROVEN, Cause.NO_CHECKPOINT)


def test_a_slowdown_to_less_than_quiet_cannot_be_judged() -> None:
    """A cap that counts as quiet is refused before anything is ordered, and never verified."""
    scene = replace(scenes.SLOWDOWN, params=SlowdownParams(fraction=0.01))
    assert judged(scene)[1] is Cause.UNCOVERED


def test_isolate_is_not_judged_by_a_witness_without_the_outside() -> None:
    """A witness that sees only the inside does not cover an isolation."""
    inside = tuple(replace(w, covers=frozenset({WORK, s.EGRESS_INSIDE})) for w in scenes.ISOLATE.witnesses)
    scene = replace(scenes.ISOLATE, params=IsolateParams(), witnesses=inside)
    assert judged(scene) == (Verdict.UNPROVEN, Cause.UNCOVERED)
