"""A drill against the one before: each change told once, and never a change where the evidence shows none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.grades import Verdict
from orchestrator.report.compare import Change, compare
from orchestrator.report.compared import comparison
from orchestrator.report.context import NOT_LOOKED, Context
from orchestrator.report.html import render_html
from protocols.controls import PauseParams, ShutdownParams
from tests.orchestrator.report.made import fleet_of, lying, pause_of, quick, silent
from tests.orchestrator.report.results import S_NS, drill_of, step
from tests.orchestrator.report.test_report import Page

BEFORE = {
    "better": lying(),
    "worse": quick(0, S_NS),
    "faster": quick(2 * S_NS, 3 * S_NS),
    "slower": quick(0, S_NS),
    "same": quick(0, 2 * S_NS),
    "gone": quick(0, S_NS),
}
NOW = {
    "better": quick(0, S_NS),
    "worse": silent(),
    "faster": quick(0, S_NS),
    "slower": quick(2 * S_NS, 3 * S_NS),
    "same": quick(S_NS, 3 * S_NS),
    "new": quick(0, S_NS),
}


def test_each_site_changes_as_its_name_says() -> None:
    """Verdicts go before times, overlapping intervals are the same, and nobody is left out."""
    (change,) = compare(pause_of(NOW), pause_of(BEFORE))
    assert {site.site: site.change.value for site in change.sites} == {name: name for name in {**BEFORE, **NOW}}
    assert change.before is not None
    assert change.now is not None
    assert (change.before.passed, change.now.passed) == (5, 5)
    assert change.now.slowest_ns == 3 * S_NS


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_forth_and_back_are_mirrors(first: int, second: int) -> None:
    """What is better one way is worse the other way, whatever the drills."""
    mirror = {
        Change.BETTER: Change.WORSE,
        Change.FASTER: Change.SLOWER,
        Change.NEW: Change.GONE,
        Change.SAME: Change.SAME,
    }
    mirror |= {value: key for key, value in mirror.items()}
    one, other = fleet_of(12, seed=first, faulty=0.5)[0], fleet_of(10, seed=second, faulty=0.5)[0]
    (there,), (back,) = compare(one, other), compare(other, one)
    assert {site.site: site.change for site in there.sites} == {site.site: mirror[site.change] for site in back.sites}


def test_steps_are_matched_by_name_and_control() -> None:
    """A step that asks for something else under the same name is new, and the old one is gone."""
    before = drill_of(step(0, PauseParams(), {}, name="halt"), step(1, PauseParams(), {}, name="again"))
    now = drill_of(step(0, ShutdownParams(), {}, name="halt"), step(1, PauseParams(), {}, name="again", quorum=3))
    changes = {(change.name, change.control): change for change in compare(now, before)}
    assert changes["halt", "shutdown"].before is None
    assert changes["halt", "pause"].now is None
    assert changes["again", "pause"].asked_otherwise == ("quorum 2 then, 3 now",)


def test_the_section_names_who_is_worse_and_what_was_asked_otherwise() -> None:
    """A director sees at once which sites fell back, from which verdict to which."""
    before = pause_of(BEFORE)
    before = before.model_copy(
        update={"steps": (before.steps[0].model_copy(update={"response_limit_ns": 9 * S_NS}),), "drill": "earlier"}
    )
    said = Page("".join(comparison(pause_of(NOW), Context(previous=before)))).text
    assert "worse (verified to unproven)" in said
    assert "better (contradicted to verified)" in said
    assert "response limit 9 s then, 4 s now" in said
    assert "1 worse" in said


def test_without_an_earlier_drill_the_report_says_so() -> None:
    """An absent comparison is no good news, so it is never just left out."""
    assert NOT_LOOKED in Page(render_html(pause_of(NOW))).text
    assert "nothing like it" in Page(render_html(pause_of(NOW), Context(alone="nothing like it"))).text


def test_verdicts_rank_as_they_are_declared() -> None:
    """The order of the verdicts is what better and worse mean; another order would turn reports around."""
    assert next(iter(Verdict)) is Verdict.VERIFIED
    assert list(Verdict)[-1] is Verdict.CONTRADICTED
