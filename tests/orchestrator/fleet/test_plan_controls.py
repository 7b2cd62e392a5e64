"""Plans of all twelve controls and of ladders: refused where they could only fail, and said in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from orchestrator.fleet.explain import explain_warrant
from orchestrator.fleet.plan import parse_plan
from orchestrator.fleet.plan_check import all_dispatchers, check_plan, compile_plan
from orchestrator.fleet.plan_fire import Arming, fire_plan
from orchestrator.fleet.plan_steps import Pace, ladder_yaml, step_of, step_yaml
from protocols.controls import CATALOGUE, Control
from protocols.errors import ConfigError
from protocols.messages import SiteRecord, Warrant
from protocols.trust import FleetTrust, owners_required
from tests.orchestrator.fleet.conftest import NOW_NS
from tests.orchestrator.fleet.mocks import CLASSES, mixed_fleet

HEAD = """\
name: twelve
title: What is exercised
audience:
  sites: [{sites}]
window:
  not_before: 2026-11-24T15:00:00Z
  not_after: 2026-12-24T09:00:00Z
challenge_s: 0.5
uses: 1
min_between_uses_s: 60
max_total_held_s: 5000
steps:
"""
REAL, MOCK = "eu-north-1", "mock-eu-north-1"
PACE = Pace()


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> FleetTrust:
    """Two real and two simulated sites."""
    return mixed_fleet(tmp_path_factory.mktemp("mixed"))


def plan(steps: str, *sites: str) -> str:
    """Return a plan of these steps at these sites."""
    return HEAD.format(sites=", ".join(sites or (MOCK,))) + steps


def step(control: Control, *, protected: tuple[str, ...] = ("evals",)) -> str:
    """Return a sensible step."""
    return step_yaml(step_of(control, PACE, protected), PACE)


def warrant_of(text: str, trust: FleetTrust) -> Warrant:
    """Check a plan and compile it."""
    source = parse_plan(text.encode(), "p.yaml")
    check_plan(source, trust, now_ns=NOW_NS)
    return compile_plan(source.plan, trust, dispatchers=all_dispatchers(trust), nonce="7" * 32, now_ns=NOW_NS)


def words_of(text: str, trust: FleetTrust) -> str:
    """Return what an approver reads, in one line."""
    return " ".join(explain_warrant(warrant_of(text, trust), trust).split())


def changed(trust: FleetTrust, site: str, **fields: Any) -> FleetTrust:
    """Return the fleet with a site whose record says something else."""
    record = SiteRecord.model_validate(trust.records[site].model_copy(update=fields).model_dump())
    return replace(trust, records={**trust.records, site: record})


@pytest.mark.parametrize("control", Control)
def test_a_simulated_site_can_be_asked_for_every_control_and_a_real_one_for_what_it_does(
    trust: FleetTrust, control: Control
) -> None:
    """A plan is good exactly where the site's record lists the control."""
    assert warrant_of(plan(step(control)), trust).steps[0].params.control == control
    if control in trust.records[REAL].controls:
        warrant_of(plan(step(control), REAL), trust)
    else:
        with pytest.raises(ConfigError, match=r"line 14, .*steps\[0\]\.control: .*eu-north-1"):
            warrant_of(plan(step(control), REAL), trust)


def test_what_only_mock_sites_may_do_is_refused_at_a_real_one_that_lists_it(trust: FleetTrust) -> None:
    """A record that wrongly lists decommission does not make a real site a mock."""
    wrong = changed(trust, REAL, controls=tuple(Control))
    with pytest.raises(ConfigError, match="decommission is for mock sites only, and site eu-north-1 is none"):
        warrant_of(plan(step(Control.DECOMMISSION), REAL), wrong)


OBSTACLES: list[tuple[str, Control, dict[str, Any], str]] = [
    ("fraction: 0.01", Control.SLOWDOWN, {}, r"\.fraction: .*counts as quiet there \(150\): a slowdown is not a pause"),
    ("protected: [evals, chess]", Control.SELECTIVE_PAUSE, {}, r"\.protected: .*no class of work chess.*its classes"),
    (f"protected: [{', '.join(CLASSES)}]", Control.SELECTIVE_PAUSE, {}, r"\.protected: .*nothing would be paused"),
    ("", Control.POWER_CUT, {"enforcers": ()}, r"\.control: .*has no enforcer that could cut its power"),
    ("", Control.POWER_CUT, {"off_levels": ()}, r"\.control: .*does not say at which level it is switched off"),
    ("", Control.CENSUS, {"registry": None}, r"\.control: .*has no register of accelerators"),
    (
        "",
        Control.ISOLATE,
        {"owner": "peer-audit"},
        r"\.quorum: isolate could not be proved .*fewer than 2 witness owners",
    ),
]


@pytest.mark.parametrize(("parameters", "control", "fields", "words"), OBSTACLES)
def test_what_a_site_could_only_fail_is_refused_before_anybody_approves(
    trust: FleetTrust, parameters: str, control: Control, fields: dict[str, Any], words: str
) -> None:
    """Each obstacle is one sentence at its line that names the site; without it the plan is good."""
    good = step(control)
    warrant_of(plan(good), trust)
    name = parameters.partition(":")[0]
    lines = [f"    {parameters}" if name and line.strip().startswith(name) else line for line in good.splitlines()]
    with pytest.raises(ConfigError, match=words) as caught:
        warrant_of(plan("\n".join(lines)), changed(trust, MOCK, **fields))
    assert str(caught.value).startswith("p.yaml, line 1")
    assert MOCK in str(caught.value)


def ladder(*controls: Control) -> str:
    """Return a step with a ladder."""
    return ladder_yaml("escalating", [step_of(control, PACE, ("evals",)) for control in controls], PACE, climb_s=1.5)


def test_an_obstacle_to_a_rung_is_found_at_the_rung(trust: FleetTrust) -> None:
    """A ladder whose last rung nobody could climb is refused at that rung's line, not when it is needed."""
    text = plan(ladder(Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT))
    warrant_of(text, trust)
    with pytest.raises(
        ConfigError, match=r"steps\[0\]\.ladder\[1\]\.control: site mock-eu-north-1 has no enforcer"
    ) as caught:
        warrant_of(text, changed(trust, MOCK, enforcers=()))
    line = int(str(caught.value).split("line ")[1].split(",")[0])
    assert "power_cut" in text.splitlines()[line - 1]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("hold_s: 72", "hold_s: 65", r"steps\[0\]\.hold_s: is 65 s, but its rungs take 67 s"),
        ("uses: 1", "uses: 2", r"uses: is 2, and decommission is approved for one use only"),
        ("    phase: arm", "    phase: fire", r"steps\[0\]\.control: arm takes armed_for_s"),
    ],
)
def test_what_a_warrant_demands_of_all_steps_is_named_at_its_line(
    trust: FleetTrust, old: str, new: str, words: str
) -> None:
    """Rules of the warrant are one line at the plan's own line too, never a traceback."""
    which = ladder(Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT) if "hold" in old else step(Control.DECOMMISSION)
    text = plan(which)
    assert text.count(old) == 1, text
    with pytest.raises(ConfigError, match=words):
        warrant_of(text.replace(old, new), trust)


def fire(*sites: str) -> str:
    """Return a plan that fires."""
    arming = Arming(
        drill="20261124t140501z-arm-3fa9c1",
        nonces={site: f"{number:032x}" for number, site in enumerate(sites, 1)},
        until_ns=NOW_NS + 3600 * 1_000_000_000,
        quorum=2,
        challenge_s=0.5,
        limit_s=10,
        dwell_s=3,
        hold_s=18,
        restore_limit_s=30,
        max_gap_s=2,
    )
    return fire_plan(arming, "plans/fire.yaml", NOW_NS)


def test_a_plan_that_fires_quotes_each_nonce_and_does_nothing_else(trust: FleetTrust) -> None:
    """What `plan fire` writes is good as it is; a site without its nonce, or a stranger with one, is refused."""
    both = sorted(site for site, record in trust.records.items() if record.mock)
    text = fire(*both)
    warrant = warrant_of(text, trust)
    assert warrant.steps[0].params.model_dump()["armed"] == tuple(
        {"site": site, "nonce": f"{number:032x}"} for number, site in enumerate(both, 1)
    )
    words = words_of(text, trust)
    assert "THIS CANNOT BE UNDONE" in words
    assert "the approval of 3 owners, because of decommission" in words
    assert "restores by itself" not in words
    with pytest.raises(ConfigError, match=rf"\.armed: site {both[1]} is in the audience, and its nonce is missing"):
        warrant_of(fire(both[0]).replace(f"    - {both[0]}\n", f"    - {both[0]}\n    - {both[1]}\n"), trust)
    with pytest.raises(ConfigError, match=rf"armed\[1\]\.site: site {both[1]} is not in the plan's audience"):
        warrant_of(text.replace(f"    - {both[1]}\n", ""), trust)
    with pytest.raises(ConfigError, match="a plan that fires does nothing else"):
        warrant_of(text.replace("max_total_held_s: 18", "max_total_held_s: 99") + step(Control.PAUSE), trust)


WORDS: dict[Control, tuple[str, ...]] = {
    Control.STANDBY: (
        "authority, permissions, replay record, restore path",
        "steady state unbroken",
        "Nothing is halted",
    ),
    Control.REFUSAL: ("refused each order of the battery with the right reason", "Nothing is halted"),
    Control.CENSUS: (
        "every registered accelerator answers",
        "none missing, unregistered or doubled",
        "Nothing is halted",
    ),
    Control.SLOWDOWN: ("the cap is 0.5 of the least rate", "at or under the cap, and not quiet"),
    Control.RUN_CAP: ("the largest run that still starts is 50 accelerator-hours", "a run above the cap refused"),
    Control.SELECTIVE_PAUSE: ("these go on: evals", "a job under a false label caught"),
    Control.PAUSE: ("for 3 s witnesses of 2 owners see it quiet", "restores by itself"),
    Control.LEASE: ("a licence lasts 5 s", "renews it for 12 s after the order", "of the end of its last licence"),
    Control.ISOLATE: ("a canary fail from inside and not arrive outside", "its agent still answers"),
    Control.SHUTDOWN: ("not stopped after 5 s is killed", "the checkpoint's digest"),
    Control.POWER_CUT: ("none of them the enforcer's owner", "owned by grid-operator", "it alone restores it"),
    Control.DECOMMISSION: ("only arms it, for 1 hour", "a second warrant, approved afterwards", "Nothing is halted"),
}


@pytest.mark.parametrize("control", Control)
def test_the_words_say_what_is_ordered_what_proves_it_and_whose_threshold_it_takes(
    trust: FleetTrust, control: Control
) -> None:
    """Who approves a control reads its parameters, its proof, its end, and how many owners it takes."""
    text = words_of(plan(step(control)), trust)
    owners = CATALOGUE[control].default_threshold
    assert f"the approval of {owners} owner{'s' if owners > 1 else ''}, because of {control}" in text
    assert CATALOGUE[control].summary in text
    for words in WORDS[control]:
        assert words in text, (words, text)


def test_a_ladder_is_a_numbered_line_for_each_rung_with_its_limit(trust: FleetTrust) -> None:
    """Who approves a ladder reads how far it goes, when, who cuts, and that it takes the harshest rung's threshold."""
    text = explain_warrant(warrant_of(plan(ladder(Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT)), trust), trust)
    said = [line.strip() for line in text.splitlines()]
    assert "1. pause, within 10 s" in said
    assert any(line.startswith("2. shutdown: checkpoint all work") for line in said)
    assert any(line.startswith("3. power_cut: be cut off from power") for line in said)
    whole = " ".join(text.split())
    assert "Within 30 s 3." not in whole
    assert "not stopped after 5 s is killed. Within 15 s" in whole
    assert "whatever its agent does. Within 30 s" in whole
    assert "A site that a quorum saw quiet never climbs." in whole
    assert "the approval of 3 owners, because of power_cut" in whole


_seconds = st.sampled_from([0.5, 1, 3, 7.25, 60.125])
_names = st.lists(st.sampled_from(CLASSES), min_size=1, max_size=4, unique=True).map(tuple)
_halting = sorted((spec for spec in CATALOGUE.values() if spec.halts), key=lambda spec: spec.severity)


def _mostly(*good: Any, bad: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([*good * 9, *[bad] * len(good)])


_rungs = st.one_of(
    st.sampled_from(Control).map(lambda control: [control]),
    st.lists(st.sampled_from(_halting), min_size=2, unique=True).map(
        lambda specs: [spec.control for spec in sorted(specs, key=lambda spec: spec.severity)]
    ),
)


@st.composite
def plans(draw: st.DrawFn) -> str:
    """Any plan of steps and ladders, good more often than not."""
    pace = Pace(
        dwell_s=draw(_mostly(3, 5.5, bad=0.5)),
        limit_s=draw(_seconds),
        restore_limit_s=draw(_seconds),
        spare_s=draw(_seconds),
        max_gap_s=draw(_mostly(1, 3, bad=0.25)),
        grace_s=draw(_seconds),
        licence_s=draw(_seconds),
        renewed_s=draw(_seconds),
        armed_for_s=draw(_seconds),
    )
    protected = draw(_names)
    steps = []
    for number in range(draw(st.integers(1, 2))):
        texts = [step_of(control, pace, protected) for control in draw(_rungs)]
        climb_s = draw(_mostly(1.5, 60, bad=0))
        steps.append(ladder_yaml(f"s{number}", texts, pace, climb_s=climb_s, quorum=draw(_mostly(2, 1, bad=3))))
    text = plan("".join(steps), draw(_mostly(MOCK, bad=REAL)))
    title = draw(_mostly("Plain", "Größe 演習 \U0001f6d1", "a: [b", bad="a\u202eb"))
    return text.replace("title: What is exercised", f"title: '{title}'")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_plan_is_one_error_or_a_warrant_that_can_be_read(trust: FleetTrust, data: st.DataObject) -> None:
    """What plan check lets through makes a warrant, and is said without a character a terminal would act upon."""
    text = data.draw(plans())
    try:
        warrant = warrant_of(text, trust)
    except ConfigError as error:
        assert str(error).startswith("p.yaml") and "\n" not in str(error)  # noqa: PT017, PT018 - there may be none
        event("refused")
        return
    event("good")
    words = explain_warrant(warrant, trust)
    assert all(char.isprintable() or char == "\n" for char in words)
    assert f"the approval of {owners_required(trust.policy, warrant)} owner" in words
    for rung in (rung for step in warrant.steps for rung in step.rungs):
        assert rung.params.control in words
