"""Controls that change nothing, in both directions: work goes on unbroken, and the answers are the proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.core.battery import BatteryCase, CaseAnswer
from orchestrator.core.causes import Cause
from orchestrator.core.grades import Verdict, explain
from orchestrator.core.judge import judge_step
from protocols.messages import Outcome, Proof
from protocols.reasons import Reason
from tests.orchestrator.core import scenes
from tests.orchestrator.core.scene import FULL, WORK, Scene, during
from tests.orchestrator.core.test_controls import ACCEPTED_ONLY, judged

IDLE = during(0, FULL, start=3_000, stop=4_500)
"""Work that stands still for 1.5 s in the middle of the hold."""


class TestStandby:
    """Prove it, and touch nothing."""

    def test_a_proof_that_failed(self) -> None:
        """A part of the path that would not have worked is named, whichever receipt says so."""
        broken = Proof(step="restore-path", ok=False, detail="no checkpoint directory")
        for kind in (Outcome.HALTED, Outcome.FAILED):
            scene = replace(
                scenes.STANDBY,
                receipts=((Outcome.ACCEPTED, 2_010), (kind, 2_400)),
                report={"proofs": (*scenes.PROOFS[:3], broken)},
            )
            assert judged(scene) == (Verdict.UNPROVEN, Cause.PROOF_FAILED)
            assert "no checkpoint directory" in explain(judge_step(scene.inputs()))

    def test_a_proof_that_is_missing(self) -> None:
        """All four are demanded; and the report itself."""
        scene = replace(scenes.STANDBY, report={"proofs": scenes.PROOFS[:3]})
        assert judged(scene) == (Verdict.UNPROVEN, Cause.PROOF_MISSING)
        assert judged(replace(scenes.STANDBY, receipts=ACCEPTED_ONLY)) == (Verdict.UNPROVEN, Cause.NO_REPORT)

    def test_over_the_limit(self) -> None:
        """Proofs that come after the response limit are late."""
        assert judged(replace(scenes.STANDBY, limit_s=0.399)) == (Verdict.LATE, Cause.OVER_LIMIT)

    @pytest.mark.parametrize("name", ["standby", "refusal", "decommission, arm"])
    def test_work_that_stood_still(self, name: str) -> None:
        """A site that halts under an order that changes nothing broke its steady state; one witness suffices."""
        scene = scenes.HONEST[name]
        assert judged(scene.seen(**{WORK: IDLE})) == (Verdict.BROKEN, Cause.STEADY_BROKEN)
        assert judged(scene.one_sees(**{WORK: IDLE})) == (Verdict.BROKEN, Cause.STEADY_BROKEN)
        assert "quiet" not in explain(judge_step(scene.seen(**{WORK: IDLE}).inputs()))

    @pytest.mark.parametrize("after_ms", range(500, 900, 20))
    def test_work_that_is_back_after_the_release(self, after_ms: int) -> None:
        """A dwell whose average is in band is no proof that a site stood still no more when that began."""
        scene = scenes.STANDBY
        idle = during(0, FULL, start=3_000, stop=(scene.released_ms or 0) + after_ms)
        upper_ns = judge_step(scene.seen(**{WORK: idle}).inputs()).restore_upper_ns
        assert upper_ns is not None
        assert upper_ns >= after_ms * 1_000_000

    def test_a_gap_in_the_middle(self) -> None:
        """Steady state that nobody saw for longer than the maximum gap is not unbroken."""
        inputs = scenes.STANDBY.inputs()
        for track in inputs.tracks.values():
            track.samples[:] = [sample for sample in track.samples if not 18 <= sample.seq < 22]
        assert judge_step(inputs).cause is Cause.STEADY_UNPROVEN


class TestRefusal:
    """Every order refused, and for the right reason."""

    def answered(self, **changes: object) -> Scene:
        """Return the battery with one answer changed."""
        first, *rest = scenes.REFUSAL.battery
        return replace(scenes.REFUSAL, battery=(first.model_copy(update=changes), *rest))

    def test_one_is_obeyed(self) -> None:
        """An order that nobody may obey, obeyed, is the loudest there is."""
        scene = self.answered(obeyed=True, refused=None)
        assert judged(scene) == (Verdict.CONTRADICTED, Cause.OBEYED)
        assert "forged was obeyed" in explain(judge_step(scene.inputs()))
        assert judged(replace(scenes.REFUSAL, receipts=ACCEPTED_ONLY)) == (Verdict.CONTRADICTED, Cause.OBEYED)

    def test_for_another_reason(self) -> None:
        """An order refused for the wrong reason leaves open what its agent would do with a better one."""
        assert judged(self.answered(refused=Reason.EXPIRED)) == (Verdict.UNPROVEN, Cause.WRONG_REASON)

    def test_one_is_not_answered(self) -> None:
        """Silence is no refusal."""
        assert judged(self.answered(refused=None)) == (Verdict.UNPROVEN, Cause.UNANSWERED)
        silent = tuple(CaseAnswer(case=case) for case in BatteryCase)
        assert judged(replace(scenes.REFUSAL, battery=silent)) == (Verdict.UNPROVEN, Cause.SILENT)

    def test_steady_after_the_release_too(self) -> None:
        """The spent and the replayed orders follow the release: a halt then is seen as well."""
        late = during(0, FULL, start=7_200, stop=8_700)
        assert judged(scenes.REFUSAL.seen(**{WORK: late})) == (Verdict.BROKEN, Cause.STEADY_BROKEN)
