"""The ladder: who climbs, how far, and who has to answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.agenda import release_after_s
from orchestrator.core.climbs import answered, speakers
from orchestrator.core.grades import Cause
from orchestrator.core.intents import ClimbRung, IssueRelease, RepeatOrder, RepeatRung
from orchestrator.core.states import Phase
from protocols.controls import (
    LeaseParams,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    ShutdownParams,
)
from protocols.errors import JournalError
from protocols.messages import AGENT, Outcome, Rung, Step
from protocols.reasons import Reason
from tests.kit import make_fleet
from tests.orchestrator.core.standing import SITES, Standing

LADDER = (
    Rung(params=ShutdownParams(), response_limit_s=4.0),
    Rung(params=PowerCutParams(), response_limit_s=2.0),
)
KIT = make_fleet(SITES)
STEP: Step = KIT.step(hold_s=60.0, ladder=LADDER)


def climbing() -> Standing:
    """Return a drill whose pause was ordered, with two harsher rungs above it."""
    return Standing((STEP,)).ordered()


def climbs(standing: Standing, at_s: float) -> list[tuple[str, int]]:
    """Return which sites are to climb now, and to which rung."""
    return [(intent.site, intent.rung) for intent in standing.due(at_s) if isinstance(intent, ClimbRung)]


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("fail"), st.sampled_from(SITES), st.sampled_from([Cause.SILENT, Cause.REFUSED])),
        st.tuples(st.just("mend"), st.sampled_from(SITES)),
        st.tuples(st.just("abort")),
        st.tuples(st.just("release")),
        st.tuples(st.just("wait"), st.floats(0.1, 20.0)),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(ACTS)
def test_a_site_climbs_rung_by_rung_and_never_past_its_warrant(acts: list[tuple]) -> None:
    """Whatever fails and whenever: one rung at a time, only while the step holds, never over the ladder's end."""
    standing = climbing()
    failed: set[str] = set()
    for act in acts:
        if act[0] == "fail":
            standing.causes[act[1]] = act[2]
            failed.add(act[1])
        elif act[0] == "mend":
            standing.causes.pop(act[1], None)
        elif act[0] == "abort" and standing.drill.phase in {Phase.ORDERED, Phase.RECOVERING}:
            standing.aborted()
        elif act[0] == "release" and standing.drill.phase is Phase.ORDERED:
            standing.released()
        elif act[0] == "wait":
            standing.at_s += act[1]
        tops = {site: standing.drill.step.top(site) for site in SITES}
        found = climbs(standing, standing.at_s)
        if standing.drill.phase is not Phase.ORDERED:
            assert found == []
        for site, rung in found:
            assert site in standing.causes
            assert rung == tops[site] + 1 <= len(LADDER)
            standing.climb(site, rung, standing.causes[site])
    assert {site for site in SITES if standing.drill.step.top(site)} <= failed


@pytest.mark.parametrize(
    ("site", "rung"), [("alpha", 2), ("alpha", 1), ("gamma", 1)], ids=["skipped", "twice", "outside the audience"]
)
def test_a_journal_in_which_a_site_jumps_is_no_journal(site: str, rung: int) -> None:
    """A rung is folded in only after the one before it, once, at a site of the audience."""
    standing = climbing()
    if (site, rung) == ("alpha", 1):
        standing.climb("alpha", 1)
    with pytest.raises(JournalError):
        standing.climb(site, rung)


def test_a_ladder_ends() -> None:
    """A site that fails on its last rung too is not ordered anything more, and a journal cannot say so."""
    standing = climbing()
    standing.climb("alpha", 1)
    standing.climb("alpha", 2)
    standing.causes = {"alpha": Cause.SILENT}
    assert climbs(standing, 30.0) == []
    with pytest.raises(JournalError):
        standing.climb("alpha", 3)


@pytest.mark.parametrize(
    ("step", "rung", "who"),
    [
        (STEP, 0, {AGENT, "e1", "e2"}),
        (STEP, 1, {AGENT, "e1", "e2"}),
        (STEP, 2, {"e1", "e2"}),
        (KIT.step(), 0, {AGENT}),
        (KIT.step(params=PowerCutParams()), 0, {"e1", "e2"}),
    ],
    ids=["first", "second", "last", "without a ladder", "power cut alone"],
)
def test_who_has_to_answer(step: Step, rung: int, who: set[str]) -> None:
    """Whoever acts on a rung, and every enforcer that acts on a later one and must have seen this one before."""
    record = make_fleet(("alpha",), enforcers=2).records["alpha"]
    assert speakers(step, rung, record) == who


def test_an_order_is_repeated_until_the_enforcers_noted_it_too() -> None:
    """An enforcer that never saw the first rung could not act on the last."""
    standing = climbing()
    for site in SITES:
        standing.hear(standing.answer(site, standing.order, Outcome.ACCEPTED))
        standing.hear(standing.answer(site, standing.order, Outcome.NOTED, by="e1"))
    assert RepeatOrder() in standing.due(2.0)
    for site in SITES:
        standing.hear(standing.answer(site, standing.order, Outcome.NOTED, by="e2"))
    assert RepeatOrder() not in standing.due(4.0)


@pytest.mark.parametrize(
    ("reason", "again"), [(None, True), (Reason.RUNG_TOO_SOON, True), (Reason.BUSY, True), (Reason.VETO, False)]
)
def test_a_rung_is_repeated_until_it_is_answered(reason: Reason | None, again: bool) -> None:
    """Whoever still waits out the rung before, by its own clock, is asked again, until the order expires."""
    standing = climbing()
    order = standing.climb("alpha", 1)
    for name in ("e1", "e2"):
        standing.hear(standing.answer("alpha", order, Outcome.NOTED, by=name))
    if reason is not None:
        standing.hear(standing.answer("alpha", order, Outcome.REFUSED, reason))
    assert answered(standing.drill, "alpha", 1) is not again
    assert (RepeatRung("alpha", 1) in standing.due(2.0)) is again
    standing.agenda.pacing.rungs["alpha"] = standing.drill.now.ns
    assert RepeatRung("alpha", 1) not in standing.due(standing.at_s + 61.0)


def test_the_release_leaves_time_for_the_whole_ladder() -> None:
    """A site that fails on every rung as late as it can is still witnessed on the last."""
    per_climb_s = 3 * 0.25
    assert release_after_s(STEP.model_copy(update={"hold_s": 1.0}), 0.25) == STEP.reach_s + 2 * per_climb_s
    assert release_after_s(STEP, 0.25) == STEP.hold_s - 0.25
    lease = KIT.step(params=LeaseParams(licence_s=2.0, renewed_s=5.0), hold_s=14.0)
    assert release_after_s(lease, 0.25) == 14.0
    assert release_after_s(KIT.step(params=RefusalParams(), hold_s=900.0), 0.25) == 7.0


def test_no_site_climbs_once_the_release_is_due() -> None:
    """What would be cut off now would be restored at once."""
    standing = climbing()
    standing.causes = {"alpha": Cause.SILENT}
    assert standing.due(STEP.hold_s) == [IssueRelease(0)]


def test_rungs_are_judged_by_who_acts_on_them() -> None:
    """An enforcer's note is no account of the agent's, nor a receipt for one rung one for another."""
    standing = climbing()
    standing.hear(standing.answer("alpha", standing.order, Outcome.ACCEPTED))
    standing.hear(standing.answer("alpha", standing.order, Outcome.NOTED, by="e1"))
    standing.at_s = 10.0
    shutdown = standing.climb("alpha", 1, Cause.REFUSED)
    standing.hear(standing.answer("alpha", shutdown, Outcome.FAILED, Reason.DRIVER_FAILED))
    standing.at_s = 20.0
    cut = standing.climb("alpha", 2, Cause.DRIVER_FAILED)
    standing.hear(standing.answer("alpha", cut, Outcome.REFUSED, Reason.BUSY))
    standing.hear(standing.answer("alpha", cut, Outcome.HALTED, by="e2"))
    rungs = standing.drill.rung_inputs(0, "alpha", final=False)
    assert [[seen.outcome for seen in rung.receipts] for rung in rungs] == [
        [Outcome.ACCEPTED],
        [Outcome.FAILED],
        [Outcome.HALTED],
    ]
    assert [(rung.rung, rung.why_next) for rung in rungs] == [
        (0, Cause.REFUSED),
        (1, Cause.DRIVER_FAILED),
        (2, None),
    ]
    assert [rung.climbed for rung in rungs] == [rungs[1].ordered, rungs[2].ordered, None]
    assert [type(rung.params) for rung in rungs] == [PauseParams, ShutdownParams, PowerCutParams]
    assert len(standing.drill.rung_inputs(0, "beta", final=False)) == 1
