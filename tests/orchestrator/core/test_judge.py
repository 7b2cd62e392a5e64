"""Worked examples of the verdicts, one rule each.

The usual world: three honest witnesses of three owners sample every 200 ms, quorum 2, dwell 1 s.
The site works, is ordered at 2.0 s, truly halts at 2.3 s, is released at 6.0 s and is back at 6.2 s.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.grades import CAUSE_TEXT, Cause, Grade, SiteStepResult, Verdict, explain
from orchestrator.core.judge import LiveSite, StepInputs, judge_step
from orchestrator.core.samples import Instant
from protocols.controls import ShutdownParams
from protocols.messages import Outcome
from tests.orchestrator.core.world import CPU, MS, ON_OFF_ON, Load, Shot, Witness, World, at, regular, usual

ALWAYS_ON = Load(((0, 10_000),))
NEVER_ON = Load(())


def judged(world: World) -> SiteStepResult:
    """Judge a world at its end."""
    return judge_step(world.inputs())


def outcome(world: World) -> tuple[Verdict, Cause | None]:
    """Return the verdict and its cause."""
    result = judged(world)
    return result.verdict, result.cause


def with_first(world: World, **changes: object) -> World:
    """Return the world with its first witness changed."""
    return replace(world, witnesses=[replace(world.witnesses[0], **changes), *world.witnesses[1:]])  # type: ignore[arg-type]


def without_third(world: World) -> World:
    """Return the world with its two first witnesses only."""
    return replace(world, witnesses=world.witnesses[:2])


def lossy(world: World, lost_at_ms: int, refilled_ms: int | None) -> World:
    """Return the world with one reading of the first witness lost, and perhaps sent again."""
    shots = [
        replace(shot, lost=True, refilled_ms=refilled_ms) if shot.at_ms == lost_at_ms else shot
        for shot in world.witnesses[0].shots
    ]
    return with_first(world, shots=shots)


class TestVerified:
    """A site that halts, stays halted and comes back."""

    def test_a_quorum_verifies(self) -> None:
        """All goes well: verified, held, and the interval holds the true halt at 300 ms."""
        result = judged(usual())
        assert (result.verdict, result.cause, result.grade) == (Verdict.VERIFIED, None, Grade.HELD)
        assert result.passed
        assert result.agreeing == ("w1", "w2", "w3")
        assert (result.dissenting, result.unknown) == ((), ())

    def test_the_response_interval_is_that_of_the_brackets(self) -> None:
        """Upper: A of w2's reading after that at 2,430 ms. Lower: 2nd largest I (2,200) less the publish (2,001)."""
        result = judged(usual())
        assert result.response_upper_ns == 632 * MS
        assert result.response_lower_ns == 199 * MS

    def test_the_dwell_is_reported_apart(self) -> None:
        """The quorum saw quiet from 2,432 ms to the release at 6,000 ms."""
        assert judged(usual()).dwell_ns == 3_568 * MS

    def test_the_restore_interval_is_that_of_the_brackets(self) -> None:
        """Back by A of the reading at 6,430; the last quiet interval ended after I = 6,200."""
        load = Load(((0, 2_300), (6_300, 10_000)))
        result = judged(usual(load))
        assert result.restore_upper_ns == 432 * MS
        assert result.restore_lower_ns == 199 * MS

    def test_shutdown_needs_no_process_left(self) -> None:
        """Under shutdown the same world verifies, since the peak of live processes falls to 0."""
        world = replace(usual(), params=ShutdownParams(), report={"checkpoint": "c" * 64})
        assert outcome(world) == (Verdict.VERIFIED, None)

    def test_shutdown_leaves_a_checkpoint(self) -> None:
        """A site that is down without a checkpoint in its report may have lost its work."""
        assert outcome(replace(usual(), params=ShutdownParams())) == (Verdict.UNPROVEN, Cause.NO_CHECKPOINT)

    def test_a_site_that_is_quiet_from_the_order_on_has_a_short_interval(self) -> None:
        """A halt at the very order gives an interval that starts at zero and ends with the first quiet interval."""
        result = judged(usual(Load(((0, 1_990), (6_200, 10_000)))))
        assert result.verdict is Verdict.VERIFIED
        assert result.response_lower_ns == 0
        assert result.response_upper_ns == 232 * MS

    def test_a_refilled_reading_counts(self) -> None:
        """A reading that was lost and sent again closes the gap, although it came late."""
        world = without_third(lossy(usual(), 3_020, 8_000))
        assert outcome(world) == (Verdict.VERIFIED, None)

    def test_the_result_is_a_message(self) -> None:
        """A result survives its own JSON, since journals and bundles hold it."""
        result = judged(usual())
        assert SiteStepResult.model_validate_json(result.model_dump_json()) == result


class TestNeverVerified:
    """What must never come out as verified."""

    def test_no_load_in_preflight(self) -> None:
        """A site that was not working before the order proves nothing by being quiet."""
        result = judged(usual(Load(((6_200, 10_000),))))
        assert (result.verdict, result.cause) == (Verdict.UNPROVEN, Cause.NO_LOAD)
        assert result.grade is Grade.SELF_REPORTED
        assert not result.halted

    def test_load_that_ended_before_the_order(self) -> None:
        """A site that worked for most of preflight and then stopped by itself proves no halt either."""
        for stopped_ms in (700, 1_200, 1_600):
            world = usual(Load(((0, stopped_ms), (6_200, 10_000))))
            assert outcome(world) == (Verdict.UNPROVEN, Cause.NO_LOAD), stopped_ms

    def test_load_under_the_band(self) -> None:
        """A load of a tenth of the time is no steady state of a band that begins at 30 %."""
        on = tuple((ms, ms + 20) for ms in range(0, 2_000, 200))
        assert outcome(usual(Load((*on, (6_200, 10_000))))) == (Verdict.UNPROVEN, Cause.NO_LOAD)

    def test_load_over_the_band(self) -> None:
        """A rate over the band is no steady state either."""
        assert outcome(replace(usual(), band=(300_000, 900_000))) == (Verdict.UNPROVEN, Cause.NO_LOAD)

    def test_preflight_that_ended_long_before_the_order(self) -> None:
        """Steady state that nobody saw within the maximum gap before the order does not count."""
        world = usual()
        for witness in world.witnesses:
            witness.shots = [shot for shot in witness.shots if not 1_300 <= shot.at_ms < 2_000]
        assert outcome(world) == (Verdict.UNPROVEN, Cause.NO_LOAD)

    def test_one_witness_owner_is_no_quorum_of_two(self) -> None:
        """Two witnesses of one owner count once."""
        world = without_third(usual())
        world.witnesses[1].owner = "owner-1"
        assert outcome(world) == (Verdict.UNPROVEN, Cause.UNCOVERED)

    def test_two_witnesses_of_one_owner_beside_a_silent_one(self) -> None:
        """Nor do they when a third owner would have made the quorum but says nothing."""
        world = usual()
        world.witnesses[1].owner = "owner-1"
        world.witnesses[2].shots = []
        assert outcome(world) == (Verdict.UNPROVEN, Cause.NO_LOAD)

    def test_witnesses_of_the_site_owner_do_not_count(self) -> None:
        """The site's own witness cannot complete a quorum."""
        world = without_third(usual())
        world.witnesses[1].owner = world.site_owner
        assert outcome(world) == (Verdict.UNPROVEN, Cause.UNCOVERED)

    def test_a_witness_that_covers_too_little_does_not_count(self) -> None:
        """Shutdown is judged by live processes too, so a witness of CPU time alone covers nothing."""
        world = replace(without_third(usual()), params=ShutdownParams())
        world.witnesses[1].covers = (CPU,)
        assert outcome(world) == (Verdict.UNPROVEN, Cause.UNCOVERED)

    def test_a_reading_lost_for_good(self) -> None:
        """A gap that is never filled keeps its witness from agreeing."""
        assert outcome(without_third(lossy(usual(), 3_020, None))) == (Verdict.UNPROVEN, Cause.GAP)

    def test_no_closing(self) -> None:
        """A witness that stops before its closing does not agree."""
        assert outcome(without_third(with_first(usual(), closes=False))) == (Verdict.UNPROVEN, Cause.NO_CLOSING)

    def test_silent_witnesses(self) -> None:
        """Witnesses that say nothing say nothing good."""
        world = replace(usual(), witnesses=[replace(w, shots=[], closes=False) for w in usual().witnesses])
        assert outcome(world) == (Verdict.UNPROVEN, Cause.NO_CLOSING)

    def test_a_silent_agent(self) -> None:
        """A site whose agent never answered may be quiet for another reason."""
        result = judged(replace(usual(), receipts=[]))
        assert (result.verdict, result.cause, result.grade) == (Verdict.UNPROVEN, Cause.SILENT, Grade.HELD)

    def test_pulses_between_samples(self) -> None:
        """A load that works only between samples is seen by its counter all the same."""
        pulses = tuple((ms + 100, ms + 110) for ms in range(2_400, 6_000, 200))
        world = replace(usual(Load(((0, 2_300), *pulses, (6_200, 10_000)))), receipts=[(Outcome.ACCEPTED, 2_010)])
        assert outcome(world) == (Verdict.UNPROVEN, Cause.DISSENT)

    def test_a_bracket_gap_over_the_maximum(self) -> None:
        """Readings further apart than the maximum gap bridge nothing."""
        world = replace(without_third(usual()), max_gap_s=0.39)
        world.witnesses[0].shots = [Shot(ms + 20) for ms in range(0, 9_300, 400)]
        assert judged(world).verdict is Verdict.UNPROVEN

    def test_a_bracket_gap_of_just_the_maximum(self) -> None:
        """A gap of exactly the maximum still bridges: 20 ms + 2 ms + 200 ms from I to the next A."""
        assert outcome(replace(usual(), max_gap_s=0.247)) == (Verdict.VERIFIED, None)
        assert outcome(replace(without_third(usual()), max_gap_s=0.231))[0] is Verdict.UNPROVEN
        assert outcome(replace(without_third(usual()), max_gap_s=0.232)) == (Verdict.VERIFIED, None)

    def test_a_counter_that_begins_again(self) -> None:
        """A new counter epoch inside the hold ends the run; the dwell begins again after it."""
        world = without_third(with_first(usual(), epoch_changes_ms=(3_100,)))
        result = judged(world)
        assert result.response_upper_ns == (3_422 - 2_000) * MS
        assert result.verdict is Verdict.VERIFIED

    def test_counters_that_keep_beginning_again(self) -> None:
        """A sum that forgets the exited processes, and says so, is unknown and never quiet."""
        changes = tuple(range(2_100, 6_000, 200))
        world = without_third(with_first(usual(), epoch_changes_ms=changes))
        assert outcome(world) == (Verdict.UNPROVEN, Cause.DISSENT)

    def test_a_dwell_that_nobody_shares(self) -> None:
        """Two witnesses that are each quiet for a dwell, but not at once, are no quorum."""
        early = Load(((0, 2_300), (3_700, 10_000)))
        late = Load(((0, 3_900), (6_200, 10_000)))
        world = replace(usual(), receipts=[(Outcome.ACCEPTED, 2_010)])
        world.witnesses = [regular("w1", "owner-1", early), regular("w2", "owner-2", late)]
        result = judged(world)
        assert (result.verdict, result.cause) == (Verdict.UNPROVEN, Cause.DISSENT)
        assert result.grade is Grade.CORROBORATED

    def test_an_aborted_drill(self) -> None:
        """An aborted drill verifies nothing, however well it went until then."""
        assert outcome(replace(usual(), aborted=True)) == (Verdict.UNPROVEN, Cause.ABORTED)

    def test_a_site_never_released(self) -> None:
        """Without a release there is no recovery, so nothing is verified."""
        world = replace(usual(), released_ms=None, ended_ms=5_900)
        world.close_ms = 5_890
        for witness in world.witnesses:
            witness.shots = [shot for shot in witness.shots if shot.at_ms < 5_890]
        assert outcome(world) == (Verdict.UNPROVEN, Cause.NOT_RELEASED)

    def test_a_step_never_ordered(self) -> None:
        """A step whose preflight failed for all was not ordered, and says so."""
        inputs = replace(usual().inputs(), ordered=None, published=None, receipts=(), released=None)
        result = judge_step(inputs)
        assert (result.verdict, result.cause) == (Verdict.UNPROVEN, Cause.NOT_ORDERED)
        assert (result.response_lower_ns, result.response_upper_ns) == (None, None)

    def test_a_failed_driver(self) -> None:
        """An agent that says that it could not act is believed that much."""
        world = replace(usual(), receipts=[(Outcome.ACCEPTED, 2_010), (Outcome.FAILED, 2_300)])
        assert outcome(world) == (Verdict.UNPROVEN, Cause.DRIVER_FAILED)


class TestDissent:
    """A single witness that sees work stands against any number that do not."""

    def test_a_witness_that_sees_work_throughout(self) -> None:
        """Two quiet witnesses do not outvote one that sees work."""
        world = replace(usual(), receipts=[(Outcome.ACCEPTED, 2_010)])
        world.witnesses[2] = regular("w3", "owner-3", ALWAYS_ON)
        result = judged(world)
        assert (result.verdict, result.cause) == (Verdict.UNPROVEN, Cause.DISSENT)
        assert result.dissenting == ("w3",)

    def test_a_last_word_of_active_remains(self) -> None:
        """A witness that saw work and then fell silent remains a dissent."""
        world = usual()
        world.witnesses[2].shots = [shot for shot in world.witnesses[2].shots if shot.at_ms < 2_300]
        assert outcome(world) == (Verdict.UNPROVEN, Cause.DISSENT)

    def test_a_later_quiet_word_lifts_it(self) -> None:
        """Quiet proven over any positive span after it lifts the dissent; the silence after is unknown."""
        world = usual()
        world.witnesses[2].shots = [shot for shot in world.witnesses[2].shots if shot.at_ms < 2_900]
        result = judged(world)
        assert result.verdict is Verdict.VERIFIED
        assert result.unknown == ("w3",)

    def test_a_dissent_inside_the_span_moves_it(self) -> None:
        """Work that one witness sees after the others' quiet began puts the run off until after it."""
        world = replace(usual(), receipts=[(Outcome.ACCEPTED, 2_010)])
        world.witnesses[2] = regular("w3", "owner-3", Load(((0, 2_900), (6_200, 10_000))), offset_ms=45)
        result = judged(world)
        assert result.verdict is Verdict.VERIFIED
        assert result.response_upper_ns == (3_022 - 2_000) * MS

    def test_an_interval_that_began_before_the_span_is_no_dissent(self) -> None:
        """An active interval that straddles the span's start may have been active only before it."""
        world = without_third(usual())
        assert judged(world).response_upper_ns == 632 * MS
        straddling = regular("w3", "owner-3", Load(((0, 2_420), (6_200, 10_000))), offset_ms=50)
        assert judged(world.with_witness(straddling)).verdict is Verdict.VERIFIED

    def test_a_forked_witness_still_dissents(self) -> None:
        """Rolling a witness back does not silence the work it saw."""
        world = replace(usual(), receipts=[(Outcome.ACCEPTED, 2_010)])
        world.witnesses[2] = regular("w3", "owner-3", ALWAYS_ON)
        inputs = world.inputs()
        track = inputs.tracks["w3"]
        track.add(track.samples[3], "f" * 64, "e" * 64)
        assert track.forked
        assert judge_step(inputs).cause is Cause.DISSENT

    def test_a_forked_witness_cannot_agree(self) -> None:
        """Two messages with one number end a witness's say for quiet, for ever."""
        inputs = without_third(usual()).inputs()
        track = inputs.tracks["w1"]
        track.add(track.samples[3], "f" * 64, "e" * 64)
        assert judge_step(inputs).cause is Cause.FORKED

    def test_a_counter_that_falls_is_dishonest(self) -> None:
        """A counter that decreases within its epoch ends its witness's say for quiet."""
        inputs = without_third(usual()).inputs()
        track = inputs.tracks["w1"]
        track.samples[-3] = replace(track.samples[-3], counters={CPU: ("e0", 5)})
        assert judge_step(inputs).cause is Cause.DISHONEST


class TestLate:
    """The upper bound is judged against the response limit."""

    def test_over_the_limit(self) -> None:
        """Shown by 632 ms against a limit of 631 ms is late."""
        assert outcome(replace(usual(), response_limit_s=0.631)) == (Verdict.LATE, Cause.OVER_LIMIT)

    def test_at_the_limit(self) -> None:
        """Shown by 632 ms against a limit of 632 ms is in time."""
        assert outcome(replace(usual(), response_limit_s=0.632)) == (Verdict.VERIFIED, None)


class TestBroken:
    """Quiet, then active inside the hold."""

    def test_work_after_the_dwell(self) -> None:
        """A site that works again at 4.5 s, released at 6.0 s, broke its hold."""
        world = usual(Load(((0, 2_300), (4_500, 4_600), (6_200, 10_000))))
        result = judged(world)
        assert (result.verdict, result.cause) == (Verdict.BROKEN, Cause.ACTIVE_IN_HOLD)
        assert result.grade is Grade.WITNESSED
        assert not result.held
        assert result.dissenting == ("w1", "w2", "w3")

    def test_work_seen_by_one_alone(self) -> None:
        """One witness that sees the hold broken is enough."""
        world = usual()
        world.witnesses[0] = regular("w1", "owner-1", Load(((0, 2_300), (4_500, 4_600), (6_200, 10_000))))
        assert outcome(world)[0] is Verdict.BROKEN

    def test_a_dissent_does_not_hide_it(self) -> None:
        """A third witness that sees work throughout does not turn broken into a mere dissent."""
        world = replace(usual(), receipts=[(Outcome.ACCEPTED, 2_010)])
        world.witnesses[0] = regular("w1", "owner-1", Load(((0, 2_300), (4_500, 4_600), (6_200, 10_000))))
        world.witnesses[2] = regular("w3", "owner-3", ALWAYS_ON)
        assert outcome(world)[0] is Verdict.BROKEN

    def test_an_interval_that_ends_after_the_release(self) -> None:
        """Work that may have begun after the release breaks nothing."""
        assert outcome(usual(Load(((0, 2_300), (6_001, 10_000)))))[0] is Verdict.VERIFIED

    def test_restoring_when_the_hold_is_over_breaks_nothing(self) -> None:
        """The agent restores by itself after hold_s; a release that comes later accuses nobody."""
        world = replace(usual(Load(((0, 2_300), (6_100, 10_000)))), released_ms=7_000)
        assert outcome(world)[0] is Verdict.VERIFIED


class TestContradicted:
    """The loudest result: the agent reports a halt while a witness sees work."""

    def test_an_agent_that_lies(self) -> None:
        """Work proven after the report's arrival contradicts it."""
        result = judged(usual(ALWAYS_ON))
        assert (result.verdict, result.cause) == (Verdict.CONTRADICTED, Cause.ACTIVE_AFTER_REPORT)
        assert result.dissenting == ("w1", "w2", "w3")
        assert result.grade is Grade.SELF_REPORTED

    def test_work_before_the_report_contradicts_nothing(self) -> None:
        """An interval that began before the report arrived is no contradiction."""
        world = replace(usual(), receipts=[(Outcome.ACCEPTED, 2_010), (Outcome.HALTED, 2_305)])
        assert outcome(world) == (Verdict.VERIFIED, None)

    def test_a_report_too_early_contradicts_even_if_it_halts_later(self) -> None:
        """A report at 2.1 s of a halt at 3.3 s is false, although the site halts in the end."""
        world = replace(usual(Load(((0, 3_300), (6_200, 10_000)))), receipts=[(Outcome.HALTED, 2_100)])
        assert outcome(world)[0] is Verdict.CONTRADICTED

    def test_work_after_a_qualifying_run_is_broken_instead(self) -> None:
        """What was quiet for a dwell and then worked is broken, not contradicted."""
        world = usual(Load(((0, 2_300), (4_500, 4_600), (6_200, 10_000))))
        assert outcome(world)[0] is Verdict.BROKEN


class TestRestore:
    """The way back."""

    def test_a_site_that_stays_down(self) -> None:
        """A site not seen back within the limit is not restored."""
        assert outcome(usual(Load(((0, 2_300),)))) == (Verdict.NOT_RESTORED, Cause.NOT_SEEN_BACK)

    def test_one_burst_is_no_recovery(self) -> None:
        """Half a second of work after the release is no steady state over a dwell."""
        assert outcome(usual(Load(((0, 2_300), (6_200, 6_450))))) == (Verdict.NOT_RESTORED, Cause.NOT_SEEN_BACK)

    def test_back_too_late(self) -> None:
        """A site back after 1.7 s against a limit of 1.5 s is not restored in time."""
        result = judged(usual(Load(((0, 2_300), (7_700, 10_000)))))
        assert (result.verdict, result.cause) == (Verdict.NOT_RESTORED, Cause.RESTORED_LATE)

    def test_back_just_in_time(self) -> None:
        """Shown by 232 ms against limits of 232 and 231 ms; the lower bound is never negative."""
        assert judged(usual()).restore_lower_ns == 0
        assert outcome(replace(usual(), restore_limit_s=0.232)) == (Verdict.VERIFIED, None)
        assert outcome(replace(usual(), restore_limit_s=0.231))[0] is Verdict.NOT_RESTORED

    def test_a_quorum_must_see_it_back(self) -> None:
        """One witness of three that sees it back is no quorum of two."""
        stays = Load(((0, 2_300),))
        world = usual()
        world.witnesses = [w if w.name == "w1" else replace(w, load=stays) for w in world.witnesses]
        assert outcome(world)[0] is Verdict.NOT_RESTORED

    def test_observation_that_ends_early_is_unproven(self) -> None:
        """Nobody is blamed for not coming back when nobody watched until the limit."""
        world = replace(usual(Load(((0, 2_300),))), ended_ms=7_000, close_ms=6_990)
        for witness in world.witnesses:
            witness.shots = [shot for shot in witness.shots if shot.at_ms < 6_990]
        assert outcome(world) == (Verdict.UNPROVEN, Cause.RESTORE_UNPROVEN)


class TestRefused:
    """A signed refusal."""

    def test_a_refusal_says_why(self) -> None:
        """The reason that the agent signed reaches the reader."""
        world = replace(usual(ALWAYS_ON), receipts=[(Outcome.REFUSED, 2_010)])
        result = judged(world)
        assert (result.verdict, result.grade) == (Verdict.REFUSED, Grade.SILENT)
        assert explain(result).startswith("Refused")


class TestClockEpochs:
    """Times are never subtracted across a restart of the orchestrator."""

    def restarted(self, restart_ms: int) -> StepInputs:
        """Return the usual inputs, with a new clock epoch from `restart_ms` on."""

        def moved(instant: Instant | None) -> Instant | None:
            return None if instant is None else _moved(instant)

        def _moved(instant: Instant) -> Instant:
            return Instant(2, instant.ns - restart_ms * MS) if instant.ns >= restart_ms * MS else instant

        inputs = usual().inputs()
        for track in inputs.tracks.values():
            track.samples[:] = [replace(s, arrival=_moved(s.arrival)) for s in track.samples]
        return replace(
            inputs,
            issues={k: _moved(instant) for k, instant in inputs.issues.items()},
            ordered=moved(inputs.ordered),
            published=moved(inputs.published),
            released=moved(inputs.released),
            release_published=moved(inputs.release_published),
            ended=_moved(inputs.ended),
        )

    def test_a_restart_before_the_dwell_leaves_the_time_unknown(self) -> None:
        """The dwell restarts after it, and the response time has no upper bound."""
        result = judge_step(self.restarted(2_700))
        assert (result.verdict, result.cause) == (Verdict.UNPROVEN, Cause.CLOCK_RESTART)
        assert result.response_upper_ns is None
        assert result.halted

    def test_a_restart_after_the_dwell_breaks_only_the_hold(self) -> None:
        """A dwell that was complete stays complete; that it held to the end is unknown."""
        result = judge_step(self.restarted(5_000))
        assert (result.verdict, result.grade) == (Verdict.VERIFIED, Grade.WITNESSED)


class TestEdges:
    """Rules that show only where two others meet."""

    def test_a_dissent_in_every_dwell_leaves_no_run(self) -> None:
        """A witness that sees a pulse in each dwell, and quiet at the very end, still denies them all."""
        world = replace(usual(), receipts=[(Outcome.ACCEPTED, 2_010)])
        pulses = tuple((ms, ms + 50) for ms in range(2_500, 5_400, 300))
        world.witnesses[2] = regular("w3", "owner-3", Load(((0, 2_300), *pulses, (6_200, 10_000))), offset_ms=45)
        result = judged(world)
        assert (result.verdict, result.cause, result.grade) == (
            Verdict.UNPROVEN,
            Cause.DISSENT,
            Grade.CORROBORATED,
        )
        assert result.response_upper_ns is None

    def test_work_that_may_follow_the_release_contradicts_nothing(self) -> None:
        """A late halt, truly reported, released before its dwell was over: work after the release is fine."""
        world = replace(usual(Load(((0, 5_300), (6_001, 10_000)))), receipts=[(Outcome.HALTED, 5_450)])
        assert outcome(world)[0] is Verdict.UNPROVEN

    def test_no_load_comes_before_a_late_return(self) -> None:
        """A site that was idle in preflight has no steady state to be late for."""
        assert outcome(usual(Load(((7_700, 10_000),)))) == (Verdict.UNPROVEN, Cause.NO_LOAD)

    def test_nobody_is_blamed_without_a_quorum_that_could_tell(self) -> None:
        """A site not seen back by one witness, the other having no closing, is unproven."""
        world = without_third(with_first(usual(Load(((0, 2_300),))), closes=False))
        assert outcome(world) == (Verdict.UNPROVEN, Cause.NO_CLOSING)

    def test_an_idle_site_is_not_blamed_for_staying_idle(self) -> None:
        """A site without load before and after is unproven, not unrestored."""
        assert outcome(usual(NEVER_ON)) == (Verdict.UNPROVEN, Cause.NO_LOAD)

    def test_watched_until_just_the_limit(self) -> None:
        """Observation that ends exactly at the restore limit suffices to blame."""
        inputs = usual(Load(((0, 2_300),))).inputs()
        assert judge_step(replace(inputs, ended=at(7_500))).verdict is Verdict.NOT_RESTORED
        assert judge_step(replace(inputs, ended=at(7_499))).cause is Cause.RESTORE_UNPROVEN

    def test_held_needs_evidence_to_the_end_of_the_hold(self) -> None:
        """Readings that stop in the hold leave it witnessed; within the maximum gap of its end they hold it."""
        for last_ms, held in ((5_400, True), (5_200, False)):
            world = usual()
            for witness in world.witnesses:
                witness.shots = [shot for shot in witness.shots if shot.at_ms < last_ms + 100]
            assert judged(replace(world, max_gap_s=0.6)).held is held

    def test_held_needs_a_quorum(self) -> None:
        """One witness that reaches the end of the hold is not enough."""
        world = without_third(usual())
        world.witnesses[0].shots = [shot for shot in world.witnesses[0].shots if shot.at_ms < 4_500]
        assert judged(world).grade is Grade.WITNESSED

    def test_held_is_measured_at_the_release(self) -> None:
        """A witness that saw quiet until just the maximum gap before the release holds it."""
        world = without_third(usual())
        for witness in world.witnesses:
            witness.shots = [shot for shot in witness.shots if shot.at_ms < 5_500]
        assert judged(replace(world, max_gap_s=0.6)).held
        assert not judged(replace(world, max_gap_s=0.599)).held

    def test_a_forked_witness_does_not_vouch_for_load(self) -> None:
        """Steady state needs a quorum of witnesses that can be believed."""
        inputs = replace(without_third(usual(ALWAYS_ON)).inputs(1_900), ordered=None)
        assert LiveSite().steady(inputs)
        inputs.tracks["w1"].forked = True
        assert not LiveSite().steady(inputs)

    def test_one_owner_is_no_quorum_for_load(self) -> None:
        """Steady state seen by one owner is none."""
        inputs = replace(usual(ALWAYS_ON).inputs(1_900), ordered=None)
        assert not LiveSite().steady(replace(inputs, tracks={"w1": inputs.tracks["w1"]}))

    def test_the_censored_lower_bound(self) -> None:
        """A site never witnessed halted was at work at least until the 2nd largest I of the last activity."""
        result = judged(replace(usual(ALWAYS_ON), receipts=[(Outcome.ACCEPTED, 2_010)]))
        assert result.response_upper_ns is None
        assert result.response_lower_ns == (5_600 - 2_001) * MS

    def test_a_forked_witness_cannot_raise_the_censored_bound(self) -> None:
        """With one honest witness left no quorum says anything."""
        inputs = without_third(usual(ALWAYS_ON)).inputs()
        inputs.tracks["w1"].forked = True
        assert judge_step(inputs).response_lower_ns == 0

    def test_an_owner_counts_by_the_better_of_its_witnesses(self) -> None:
        """Of two witnesses of one owner the later last activity bounds the halt, and counts once."""
        world = usual()
        world.witnesses[2].owner = "owner-1"
        world.witnesses[2].shots = [shot for shot in world.witnesses[2].shots if not 2_100 < shot.at_ms < 2_430]
        world = replace(world, witnesses=[world.witnesses[n] for n in (2, 0, 1)])
        assert judged(world).response_lower_ns == 199 * MS

    def test_a_driver_failure_after_acceptance_is_no_refusal(self) -> None:
        """A refusal of a repeat after an acceptance is none: the site did obey."""
        world = usual()
        world.receipts = [*world.receipts, (Outcome.REFUSED, 2_500)]
        assert outcome(world) == (Verdict.VERIFIED, None)

    def test_a_refusing_site_is_not_blamed_for_its_return(self) -> None:
        """A site that refused and then fell idle by itself was not held by us."""
        world = replace(usual(Load(((0, 5_500),))), receipts=[(Outcome.REFUSED, 2_010)])
        assert outcome(world)[0] is Verdict.REFUSED
        late = replace(usual(Load(((0, 5_500), (7_700, 10_000)))), receipts=[(Outcome.REFUSED, 2_010)])
        assert outcome(late)[0] is Verdict.REFUSED

    def test_a_liar_cannot_shorten_the_restore_time(self) -> None:
        """The quorum's slower witness bounds the return from above, its earlier quiet from below."""
        world = usual(Load(((0, 2_300), (6_900, 10_000))))
        world.witnesses[2] = regular("w3", "owner-3", Load(((0, 2_300), (6_300, 10_000))), offset_ms=45)
        world.witnesses = [world.witnesses[2], world.witnesses[0]]
        result = judged(world)
        assert result.restore_upper_ns == (7_022 - 6_000) * MS
        assert result.restore_lower_ns == (6_200 - 6_001) * MS

    def test_a_site_seen_back_by_a_forked_witness_is_not_seen_back(self) -> None:
        """A witness that cannot agree cannot vouch for the return either."""
        inputs = usual().inputs()
        for name in ("w1", "w2"):
            inputs.tracks[name].forked = True
        assert judge_step(inputs).restore_upper_ns is None

    def test_the_fastest_quorum_bounds_the_return(self) -> None:
        """Three witnesses see it back; two suffice, so the slowest does not prolong the restore time."""
        world = usual()
        slow = Load(((0, 2_300), (7_100, 10_000)))
        world.witnesses[2] = regular("w3", "owner-3", slow, offset_ms=45)
        assert judged(world).restore_upper_ns == 232 * MS


class TestLive:
    """The same judgement while it runs."""

    def test_a_live_verdict_waits(self) -> None:
        """Live, the verdict is pending and the grade grows."""
        site, world = LiveSite(), usual()
        early = judge_step(world.inputs(2_200))
        later = site.judge([world.inputs(4_000)])
        assert (early.cause, early.grade) == (Cause.PENDING, Grade.ACCEPTED)
        assert (later.cause, later.grade) == (Cause.PENDING, Grade.WITNESSED)

    def test_a_contradiction_does_not_wait(self) -> None:
        """A lie is loud at once."""
        assert judge_step(usual(ALWAYS_ON).inputs(3_000)).verdict is Verdict.CONTRADICTED

    def test_steady_before_the_order(self) -> None:
        """The live view tells when preflight sees steady state, and when it does not."""
        working = replace(usual(ALWAYS_ON).inputs(1_900), ordered=None)
        idle = replace(usual(NEVER_ON).inputs(1_900), ordered=None)
        assert LiveSite().steady(working)
        assert not LiveSite().steady(idle)


def test_each_cause_has_its_words() -> None:
    """Every cause can be explained."""
    assert set(CAUSE_TEXT) == set(Cause)


@pytest.mark.parametrize("load", [ON_OFF_ON, ALWAYS_ON, NEVER_ON])
def test_a_result_explains_itself_in_one_sentence(load: Load) -> None:
    """Every result reads as a sentence."""
    text = explain(judged(usual(load)))
    assert text.endswith(".")
    assert "None" not in text


def test_quiet_paid_for_by_later_quiet_does_not_move_the_halt_earlier() -> None:
    """A burst right after a reading may not hide under eps times the long quiet that follows."""
    burst = Load(((0, 2_300), (2_600, 2_640), (6_200, 10_000)))
    world = replace(usual(burst), eps_per_s=15_000, receipts=[(Outcome.ACCEPTED, 2_010)])
    result = judged(world)
    assert result.verdict is Verdict.VERIFIED
    assert result.response_upper_ns is not None
    assert result.response_upper_ns >= 640 * MS


def test_witness_without_readings_is_unknown() -> None:
    """A witness of the record that never spoke is listed as unknown."""
    silent = Witness("w4", "owner-4", ON_OFF_ON, [], closes=False)
    assert judged(usual().with_witness(silent)).unknown == ("w4",)


def test_the_instant_of_another_epoch_is_never_subtracted() -> None:
    """Instants are ordered across epochs and have no distance."""
    assert at(5, epoch=1) < at(1, epoch=2)
    assert at(1, epoch=2).minus(at(5, epoch=1)) is None
    assert at(5).minus(at(2)) == 3 * MS


def test_another_dissent_does_not_hide_who_saw_the_hold_broken() -> None:
    """A witness that dissented early and saw work again after a later dwell still says `broken`."""
    world = replace(usual(), receipts=[(Outcome.ACCEPTED, 2_010)])
    relapse = Load(((0, 2_900), (4_500, 4_600), (6_200, 10_000)))
    world.witnesses[2] = regular("w3", "owner-3", relapse, offset_ms=45)
    assert outcome(world)[0] is Verdict.BROKEN
    assert outcome(world.with_witness(regular("w4", "owner-4", ALWAYS_ON)))[0] is Verdict.BROKEN
