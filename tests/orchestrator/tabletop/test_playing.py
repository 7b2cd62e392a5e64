"""Exercises played by a script: the same record for the same seed, and decisions that change what happens."""

from __future__ import annotations

import asyncio
from functools import cache

import pytest

from orchestrator.tabletop import record as r
from orchestrator.tabletop.after import AfterAction, after_action, results_of
from orchestrator.tabletop.after_html import render_page
from orchestrator.tabletop.after_markdown import render_markdown
from orchestrator.tabletop.assess import Rating
from orchestrator.tabletop.director import Choice, Director, Script
from orchestrator.tabletop.playing import Played, play
from orchestrator.tabletop.spec import Decision
from protocols.errors import JournalError
from tests.log_checks import checked_log
from tests.orchestrator.tabletop.made import TEXT, scenario


@cache
def played(decision: str = "wait", seed: int = 1) -> Played:
    """Play the small scenario, with its one decision taken so."""
    return play(scenario(), players=Script({"next": decision}), seed=seed, log=checked_log("mocksite"))


def kinds(done: Played) -> list[str]:
    """Return what was entered, in order."""
    return [one.entry.kind for one in done.record.entries]


def rating(report: AfterAction, objective: str) -> Rating | None:
    """Return an objective's rating."""
    return next(one.rating for one in report.assessment.objectives if one.objective == objective)


def test_the_real_drill_runs_and_finds_the_liar() -> None:
    """The site that reports a halt and works on is contradicted by its witnesses, the other one is verified."""
    (result,) = results_of(played()).values()
    assert {site.site: site.result.verdict.value for site in result.steps[0].sites} == {
        "north-1": "contradicted",
        "north-2": "verified",
    }
    assert kinds(played()) == ["began", "injected", "drill_began", "injected", "asked", "chose", "drill_ended", "ended"]


def test_the_same_seed_and_decisions_give_the_same_record_and_others_do_not() -> None:
    """What is in the report can be played again, by anyone, to the same digest."""
    again = play(scenario(), players=Script({"next": "wait"}), seed=1, log=checked_log("mocksite"))
    assert again.record.head == played().record.head
    assert again.drills["pause"].lines == played().drills["pause"].lines
    assert played(seed=2).record.head != played().record.head
    assert played("abort").record.head != played().record.head


def test_a_decision_changes_what_happens() -> None:
    """Aborted, the drill ends early, nothing is verified, and the report says what was given up."""
    (result,) = results_of(played("abort")).values()
    assert result.aborted
    report = after_action(played("abort"))
    assert rating(report, "calm") is Rating.U
    assert rating(after_action(played()), "calm") is Rating.P
    assert report.improvements[0].observed == "What now? Decided: Abort.. The evidence was given up."
    assert not after_action(played()).improvements


def test_nobody_who_decides_in_time_gets_what_not_deciding_amounts_to() -> None:
    """The clock decides when people do not, and the record says that it was the clock."""

    class Silent:
        async def decide(self, _decision: Decision) -> Choice:
            await asyncio.Event().wait()
            raise AssertionError

    done = play(scenario(), players=Silent(), log=checked_log("mocksite"))
    chose = next(one.entry for one in done.record.entries if isinstance(one.entry, r.Chose))
    assert (chose.option, chose.by, chose.after_s) == ("wait", r.TIMEKEEPER, 60.0)
    assert rating(after_action(done), "calm") is Rating.U


def test_what_the_facilitator_does_by_hand_is_in_the_record() -> None:
    """Injects by hand, comments and ratings are entered, and a person's rating stands above the evidence's."""

    def directed(director: Director) -> None:
        async def by_hand() -> None:
            await asyncio.sleep(50)
            assert await director.give_by_hand("press")
            assert not await director.give_by_hand("press")
            director.comment("chief", "Who called?")
            director.rate("facilitator", "notice", "M too late")

        tasks.append(asyncio.ensure_future(by_hand()))

    tasks: list[asyncio.Future[None]] = []
    done = play(scenario(), directed=directed, log=checked_log("mocksite"))
    report = after_action(done)
    assert rating(report, "notice") is Rating.M
    assert report.comments == ("chief: Who called?",)
    assert any("A journalist calls." in one.text for one in report.timeline)


def test_the_record_is_read_back_and_a_changed_one_is_refused() -> None:
    """The chain holds every entry; whoever changes one breaks it."""
    lines = played().record.lines
    assert r.read_record(lines).head == played().record.head
    assert [one.entry for one in r.read_record(lines).entries] == [one.entry for one in played().record.entries]
    bent = [*lines[:2], lines[2].replace(b"pause", b"pausf"), *lines[3:]]
    with pytest.raises(JournalError):
        r.read_record(bent)


def test_the_report_is_complete_and_escaped() -> None:
    """Every part is there in each format, and what a scenario says cannot become markup."""
    evil = scenario(("title: A small exercise", "title: A <script>alert(1)</script> | exercise"))
    done = play(evil, log=checked_log("mocksite"))
    report = after_action(done)
    page, text = render_page(report, results_of(done)), render_markdown(report)
    for heading in ("Objectives", "Decisions", "Evaluation", "Drills", "Timeline", "Hot wash", "Improvement plan"):
        assert f"<h2>{heading}</h2>" in page
        assert f"## {heading}" in text
    assert "<script>" not in page + text
    assert page.count("<svg") == 3
    assert AfterAction.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("effect", "said", "done"),
    [
        ("veto: {first: 1}", "north-1 refuse orders", True),
        ("cut: {regions: [north]}", "north-1, north-2 are cut off", True),
        ("broker: down", "the broker is down", True),
        ("steal_key: true", "a thief orders every site", True),
        ("unreachable: operations", "operations cannot be reached", True),
        ("lever: operations", "operations engages the safety lever", True),
        ("revoke: {drill: pause, owner: regulator}", "regulator revokes the warrant", True),
        ("begin: pause", "pause does not begin: it was begun before", False),
        ("extend_s: 50", "goes on for 50 s more", True),
        ("fault: {kind: deaf_agent, first: 1}", "the fault deaf_agent comes over north-1", True),
    ],
)
def test_every_effect_is_brought_about_and_entered(effect: str, said: str, done: bool) -> None:
    """Each effect is in the record with what caused it, also when it could not be brought about."""
    made = scenario(("    text: A site lies.\n", f"    text: A site lies.\n    effects:\n      - {effect}\n"))
    found = play(made, log=checked_log("mocksite"))
    happened = [one.entry for one in found.record.entries if isinstance(one.entry, r.Happened)]
    assert any(said in one.what and one.done is done and one.cause == "inject found" for one in happened), happened
    assert found.record.entries[-1].entry.kind == "ended"


def test_a_thief_with_the_dispatchers_key_halts_nobody() -> None:
    """Without the owners' approval the agents refuse: the stolen order changes no verdict of the drill."""
    made = scenario(("    text: A site lies.\n", "    text: A site lies.\n    effects:\n      - steal_key: true\n"))
    (stolen,) = results_of(play(made, log=checked_log("mocksite"))).values()
    (usual,) = results_of(played()).values()
    verdicts = [[site.result.verdict for site in one.steps[0].sites] for one in (stolen, usual)]
    assert verdicts[0] == verdicts[1]


def test_an_approver_who_cannot_be_reached_keeps_a_drill_from_beginning() -> None:
    """With one approval missing nothing is ordered, and the record says what was missing."""
    made = scenario(
        ("    challenge_s: 2\n", "    challenge_s: 2\n    approved_by: [operations]\n"),
        (
            "      - begin: pause\n",
            "      - unreachable: regulator\n      - approve: {drill: pause, owner: regulator}\n      - begin: pause\n",
        ),
    )
    found = play(made, log=checked_log("mocksite"))
    words = [one.entry.what for one in found.record.entries if isinstance(one.entry, r.Happened) and not one.entry.done]
    assert words == [
        "regulator cannot be reached, and so does not approve pause",
        "pause does not begin: 1 more owners must approve it first",
    ]
    assert after_action(found).drills[0].drill is None


@pytest.mark.parametrize("stop", ["lever: operations", "revoke: {drill: second, owner: operations}"])
def test_a_stop_is_heard_by_sites_that_rest(stop: str) -> None:
    """Long after a drill a lever or a revocation is still taken in: a drill that is begun then is refused."""
    second = TEXT[TEXT.index("  - name: pause\n    title") : TEXT.index("injects:")]
    second = second.replace("name: pause\n    title: A pause", "name: second\n    title: Another pause")
    later = (
        "  - name: late\n    at_s: 400\n    text: Much later.\n    effects:\n"
        f"      - {stop}\n      - begin: second\ndecisions:\n"
    )
    made = scenario(
        ("ends_at_s: 400", "ends_at_s: 700"), ("injects:\n", second + "injects:\n"), ("decisions:\n", later)
    )
    result = results_of(play(made, log=checked_log("mocksite")))["second"]
    assert {site.result.verdict.value for site in result.steps[0].sites} == {"refused"}
