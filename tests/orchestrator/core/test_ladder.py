"""Ladders: who climbs, who never does, and what the verdict on a site that climbed is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.causes import Cause
from orchestrator.core.grades import RungResult, SiteStepResult, Verdict, explain, ladder_verdict
from orchestrator.core.judge import LiveSite, StepInputs, judge_ladder
from protocols import signals as s
from protocols.controls import Control, PauseParams, PowerCutParams, ShutdownParams
from protocols.messages import OffLevel, Outcome, Rung
from protocols.reasons import Reason
from tests.orchestrator.core import scenes
from tests.orchestrator.core.scene import FULL, WORK, Scene, Steps, always, during
from tests.orchestrator.core.world import MS, at

MARGIN_NS = 600 * MS
CLIMB_MS = 2_000 + 1_000 + 1_000 + 600
"""Order, limit, dwell and margin."""

ON: Steps = always(FULL)
FIRST = Scene(
    PauseParams(),
    counters={WORK: during(0, FULL, start=5_000, stop=9_300)},
    peaks={s.POWER: during(3, 900, start=5_000, stop=9_300)},
    facts={s.FEED: during(s.FEED_OFF, s.FEED_ON, start=5_000, stop=9_200)},
    receipts=((Outcome.ACCEPTED, 2_010),),
    ladder=(Rung(params=PowerCutParams(), response_limit_s=2.0),),
    limit_s=1.0,
    released_ms=9_000,
    ended_ms=12_500,
    off_levels=(OffLevel(signal=s.POWER, at_most=10),),
    enforcers=scenes.enforcer("utility"),
    witnesses=tuple(replace(watcher, until_ms=12_500) for watcher in scenes.PAUSE.witnesses),
    climbed_ms=4_700,
    why_next=Cause.OVER_LIMIT,
)
SECOND = replace(
    FIRST,
    rung=1,
    ordered_ms=4_700,
    receipts=((Outcome.ACCEPTED, 4_710), (Outcome.HALTED, 5_100)),
    climbed_ms=None,
    why_next=None,
)


def climbed(first: Scene = FIRST, second: Scene = SECOND) -> SiteStepResult:
    """Judge a site that climbed once."""
    return judge_ladder([first.inputs(), second.inputs()])


class TestVerdict:
    """What a ladder ends with."""

    def test_a_site_that_only_the_cut_halted_is_late(self) -> None:
        """Each rung has its own times, and the total counts from the first order."""
        result = climbed()
        assert (result.verdict, result.cause) == (Verdict.LATE, Cause.ESCALATED)
        assert (result.control, result.rung) == (Control.POWER_CUT, 1)
        pause, cut = result.rungs
        assert (pause.control, pause.verdict, pause.why_next) == (Control.PAUSE, Verdict.UNPROVEN, Cause.OVER_LIMIT)
        assert pause.response_upper_ns is None
        assert (cut.control, cut.verdict, cut.response_limit_s) == (Control.POWER_CUT, Verdict.VERIFIED, 2.0)
        assert cut.response_upper_ns is not None
        assert 300 * MS <= cut.response_upper_ns <= 900 * MS
        assert result.total_upper_ns == cut.response_upper_ns + 2_700 * MS
        assert SiteStepResult.model_validate_json(result.model_dump_json()) == result

    def test_the_words(self) -> None:
        """The sentence names each rung and why it was not enough."""
        text = explain(climbed())
        assert "pause, escalated to power_cut (over limit)" in text
        assert "without power" in text
        assert "after the first order" in text

    def test_a_rung_that_was_contradicted_stays_so(self) -> None:
        """An agent that lied on the first rung is not excused by the cut that worked."""
        liar = replace(FIRST, receipts=((Outcome.ACCEPTED, 2_010), (Outcome.HALTED, 2_200)))
        assert (climbed(liar).verdict, climbed(liar).cause) == (Verdict.CONTRADICTED, Cause.ACTIVE_AFTER_REPORT)

    def test_who_lied_on_the_first_rung_is_named_and_nobody_else(self) -> None:
        """The agent that lied is accused, on its own rung; not the enforcer that then cut, nor who saw the cut."""
        liar = replace(FIRST, receipts=((Outcome.ACCEPTED, 2_010), (Outcome.HALTED, 2_200)))
        text = explain(climbed(liar))
        assert text.startswith(
            "Contradicted: its agent reported a halt while a witness saw it at work, on rung 1 (pause) [pause, "
        )
        assert "enforcer" not in text

    def test_an_enforcer_that_lied_on_the_last_rung_is_named(self) -> None:
        """A cut that was reported and not seen accuses the enforcer, with the witnesses that saw it otherwise."""
        text = explain(climbed(FIRST.seen(**{WORK: ON}), SECOND.seen(**{s.POWER: always(900), WORK: ON})))
        assert text.startswith("Contradicted: its enforcer reported a halt while a witness saw it at work (")
        assert "under power or at work according to w1" in text
        assert "agent" not in text

    def test_what_came_after_the_climb_accuses_no_earlier_rung(self) -> None:
        """The first rung's window ends when the site climbed."""
        late_liar = replace(FIRST, receipts=((Outcome.ACCEPTED, 2_010), (Outcome.HALTED, 4_750)))
        assert climbed(late_liar).rungs[0].verdict is Verdict.UNPROVEN

    def test_a_cut_that_failed_too(self) -> None:
        """When the last rung fails, the verdict is the last rung's."""
        ups = SECOND.seen(**{s.POWER: always(900), WORK: ON})
        assert climbed(FIRST.seen(**{WORK: ON}), ups).verdict is Verdict.CONTRADICTED
        silent = replace(ups, receipts=())
        result = climbed(FIRST.seen(**{WORK: ON}), silent)
        assert (result.verdict, result.cause, result.total_upper_ns) == (Verdict.UNPROVEN, Cause.SILENT, None)

    def test_a_cut_that_stays(self) -> None:
        """Who cut restores: a site left dark is not restored, whatever the first rung did."""
        dark: Steps = ((0, FULL), (5_000, 0))
        assert climbed(FIRST, SECOND.seen(**{WORK: dark})).verdict is Verdict.NOT_RESTORED

    def test_preflight_is_that_of_the_first_order(self) -> None:
        """A site half drained when it climbs had its load before the step's own order, and that counts."""
        drained: Steps = ((0, FULL), (2_300, 100), (5_000, 0), (9_300, FULL))
        result = climbed(FIRST.seen(**{WORK: drained}), SECOND.seen(**{WORK: drained}))
        assert result.preflight_ok
        assert result.verdict is Verdict.LATE

    @pytest.mark.parametrize("last", list(Verdict))
    @pytest.mark.parametrize("first", [Verdict.UNPROVEN, Verdict.REFUSED, Verdict.LATE, Verdict.VERIFIED])
    def test_the_rule(self, first: Verdict, last: Verdict) -> None:
        """Without a loud rung it is the last one's, but never verified."""

        def rung(number: int, verdict: Verdict) -> RungResult:
            return RungResult(
                rung=number,
                control=Control.PAUSE,
                verdict=verdict,
                cause=None,
                response_lower_ns=None,
                response_upper_ns=None,
                response_limit_s=1.0,
            )

        word, cause = ladder_verdict((rung(0, first), rung(1, last)))
        assert (word, cause) == ((Verdict.LATE, Cause.ESCALATED) if last is Verdict.VERIFIED else (last, None))
        for loud in (Verdict.CONTRADICTED, Verdict.BROKEN):
            assert ladder_verdict((rung(0, loud), rung(1, first)))[0] is loud


class TestClimb:
    """When a site must climb."""

    def cause(self, scene: Scene, now_ms: int) -> Cause | None:
        """Return why it must climb at a time."""
        inputs = replace(scene, ended_ms=now_ms, released_ms=None, climbed_ms=None, live=True).inputs()
        return LiveSite().climb_cause(inputs, MARGIN_NS)

    def test_a_site_that_works_on(self) -> None:
        """Not before limit, dwell and margin have passed; then because it was seen at work past its limit."""
        assert self.cause(FIRST, CLIMB_MS - 1) is None
        assert self.cause(FIRST, CLIMB_MS) is Cause.OVER_LIMIT

    @pytest.mark.parametrize(
        ("receipts", "cause"),
        [
            ((), Cause.SILENT),
            (((Outcome.ACCEPTED, 2_010), (Outcome.FAILED, 2_300)), Cause.DRIVER_FAILED),
            (((Outcome.ACCEPTED, 2_010), (Outcome.HALTED, 2_300)), Cause.ACTIVE_AFTER_REPORT),
        ],
    )
    def test_each_failure_has_its_name(self, receipts: tuple[tuple[Outcome, int], ...], cause: Cause) -> None:
        """Silence, a failed driver and a lie are told apart."""
        assert self.cause(replace(FIRST, receipts=receipts), CLIMB_MS) is cause

    def test_a_refusal_waits_for_the_limit_only(self) -> None:
        """There is nothing more to wait for, but who refuses may still halt in time."""
        scene = replace(FIRST, receipts=((Outcome.REFUSED, 2_010),))
        assert self.cause(scene, 2_999) is None
        assert self.cause(scene, 3_000) is Cause.REFUSED

    def test_witnesses_that_say_nothing(self) -> None:
        """A site that nobody sees climbs: no quorum has seen it quiet."""
        blind = tuple(replace(watcher, until_ms=2_200) for watcher in FIRST.witnesses)
        assert self.cause(replace(FIRST, witnesses=blind), CLIMB_MS) is Cause.NO_QUORUM

    @pytest.mark.parametrize("receipts", [(), ((Outcome.REFUSED, 2_010),), ((Outcome.ACCEPTED, 2_010),)])
    def test_a_site_that_a_quorum_saw_quiet_never_climbs(self, receipts: tuple[tuple[Outcome, int], ...]) -> None:
        """Not if one dissents, not if its agent says nothing or refuses, and not if it works again later."""
        quiet = replace(FIRST, receipts=receipts).seen(**{WORK: during(0, FULL, start=2_300, stop=4_500)})
        dissent = quiet.one_sees(**{WORK: ON})
        for scene in (quiet, dissent):
            for now_ms in (CLIMB_MS, 6_000, 8_900):
                assert self.cause(scene, now_ms) is None

    def test_two_of_three_that_see_work_are_no_quorum_for_quiet(self) -> None:
        """One witness that sees quiet does not keep a site from climbing."""
        one_quiet = FIRST.one_sees(**{WORK: during(0, FULL, start=2_300, stop=9_300)})
        assert self.cause(one_quiet, CLIMB_MS) is Cause.OVER_LIMIT

    def test_nobody_climbs_after_the_end(self) -> None:
        """After a release or an abort nothing is ordered any more."""
        inputs = replace(FIRST, climbed_ms=None).inputs()
        assert LiveSite().climb_cause(inputs, MARGIN_NS) is None
        running = replace(FIRST, ended_ms=CLIMB_MS, released_ms=None, climbed_ms=None, live=True).inputs()
        assert LiveSite().climb_cause(replace(running, aborted=True), MARGIN_NS) is None
        assert LiveSite().climb_cause(replace(running, ordered=None), MARGIN_NS) is None

    def test_a_restart_only_delays_it(self) -> None:
        """After a restart of the orchestrator the wait begins again with the first challenge of the new epoch."""
        inputs = replace(FIRST, ended_ms=CLIMB_MS, released_ms=None, climbed_ms=None, live=True).inputs()
        moved = {
            k: at(issued.ns / MS, epoch=2) if issued >= at(3_000) else issued for k, issued in inputs.issues.items()
        }

        def cause(now_ms: int) -> Cause | None:
            later = replace(inputs, issues=moved, ended=at(now_ms, epoch=2))
            return LiveSite().climb_cause(later, MARGIN_NS)

        assert cause(5_599) is None
        assert cause(5_600) is not None


def test_live_equals_batch_on_a_ladder() -> None:
    """One LiveSite that follows the ladder says at each time what a fresh judgement says."""
    site, first = LiveSite(), FIRST.inputs()
    shared = {"tracks": first.tracks, "issues": first.issues}
    for closed in (None, first.closed):
        for scenes_ in ([FIRST], [FIRST, SECOND]):
            rungs: list[StepInputs] = [replace(scene.inputs(), closed=closed, **shared) for scene in scenes_]
            assert site.judge(rungs) == judge_ladder(rungs)


def test_a_ladder_of_three() -> None:
    """The last of three rungs decides, and each is listed."""
    ladder = (
        Rung(params=ShutdownParams(grace_s=0.1), response_limit_s=1.0),
        Rung(params=PowerCutParams(), response_limit_s=2.0),
    )
    peaks = {
        s.LIVE_PROCESSES: during(0, 4, start=8_000, stop=13_300),
        s.POWER: during(3, 900, start=8_000, stop=13_300),
    }
    base = replace(
        FIRST,
        ladder=ladder,
        counters={WORK: during(0, FULL, start=8_000, stop=13_300)},
        peaks=peaks,
        facts={s.FEED: during(s.FEED_OFF, s.FEED_ON, start=8_000, stop=13_200)},
        released_ms=13_000,
        ended_ms=16_500,
        witnesses=tuple(replace(watcher, until_ms=16_500) for watcher in FIRST.witnesses),
    )
    rungs = [
        base,
        replace(base, rung=1, ordered_ms=4_700, climbed_ms=7_400, why_next=Cause.SILENT, receipts=()),
        replace(
            SECOND,
            **{
                name: getattr(base, name)
                for name in ("ladder", "counters", "peaks", "facts", "released_ms", "ended_ms", "witnesses")
            },
        ),
    ]
    rungs[2] = replace(
        rungs[2], rung=2, ordered_ms=7_400, receipts=((Outcome.ACCEPTED, 7_410), (Outcome.HALTED, 8_100))
    )
    result = judge_ladder([scene.inputs() for scene in rungs])
    assert (result.verdict, result.cause) == (Verdict.LATE, Cause.ESCALATED)
    assert [rung.cause for rung in result.rungs] == [Cause.DISSENT, Cause.SILENT, None]
    assert [rung.control for rung in result.rungs] == [Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT]


def test_a_refused_rung_stays_refused() -> None:
    """A refusal, and a silence, stay in the line of the rung that they answered."""
    first = replace(FIRST.inputs(), receipts=())
    refused = replace(FIRST, receipts=((Outcome.REFUSED, 2_010),), why_next=Cause.REFUSED).inputs()
    refused = replace(refused, receipts=tuple(replace(seen, reason=Reason.VETO) for seen in refused.receipts))
    assert judge_ladder([first, SECOND.inputs()]).rungs[0].cause is Cause.SILENT
    result = judge_ladder([refused, SECOND.inputs()])
    assert (result.rungs[0].verdict, result.verdict) == (Verdict.REFUSED, Verdict.LATE)
