"""Plans: what people get wrong is named with its line, and no text breaks the parser."""

import contextlib
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.demo.plan import PACE, demo_plan
from orchestrator.fleet.plan import PlanFile, parse_moment, parse_plan
from orchestrator.fleet.plan_check import all_dispatchers, check_plan, compile_plan, held_in_all_s
from orchestrator.fleet.plan_examples import pause_plan
from orchestrator.fleet.yaml_tree import YAML_MAX_BYTES, parse_yaml
from protocols.controls import Control, DecommissionParams
from protocols.errors import ConfigError
from protocols.ids import format_utc
from protocols.messages import NamedSites, SelectedSites, Threshold
from protocols.trust import FleetTrust
from tests.orchestrator.fleet.conftest import NOW_NS, PLAN


def _parse(text: str) -> PlanFile:
    return parse_plan(text.encode(), "p.yaml")


def test_a_good_plan_is_read_whole() -> None:
    """Every value of the YAML arrives in the model, times in UTC."""
    plan = _parse(PLAN).plan
    assert plan.audience.sites == ("eu-north-1", "us-east-1")
    assert plan.window.not_before == "2026-11-24T14:00:00.000000000Z"
    assert plan.steps[0].params.model_dump() == {"control": "shutdown", "grace_s": 3.0}
    assert (plan.uses, plan.challenge_s, plan.max_total_held_s) == (2, 0.5, 200)


MISTAKES = [
    # what is replaced, by what, the line and words that the error must have
    ("grace_s: 3", "grace: 3", 15, ["steps[0].grace", "did you mean grace_s?"]),
    ("grace_s: 3", "zzz: 3", 15, ["allowed here: name, control, grace_s, hold_s"]),
    ("control: shutdown", "control: pause", 15, ["steps[0].grace_s", "no key"]),
    (
        "control: shutdown",
        "control: shutdwon",
        14,
        ["must be one of: standby, refusal, census", "did you mean shutdown?"],
    ),
    ("control: shutdown", "control: 7", 14, ["must be one of: standby, refusal, census"]),
    ("control: shutdown", "control: [pause]", 14, ["must be one of: standby, refusal, census"]),
    ("    control: shutdown\n", "", 13, ["steps[0].control", "is missing"]),
    ("    hold_s: 60\n", "", 13, ["steps[0].hold_s", "is missing"]),
    ("hold_s: 60", "hold_s: 1 minute", 16, ["steps[0].hold_s", "number"]),
    ("hold_s: 60", "hold_s: -1", 16, ["greater than 0"]),
    ("hold_s: 60", "hold_s: .inf", 16, ["number"]),
    ("hold_s: 60", "hold_s: true", 16, ["number"]),
    ("hold_s: 60", "hold_s: 12", 13, ["hold_s must be at least response_limit_s + dwell_s"]),
    ("max_gap_s: 2", "max_gap_s: 4", 13, ["max_gap_s must not exceed dwell_s"]),
    ("name: monthly-pause", "name: Monthly Pause", 1, ["name", "lower-case"]),
    ("name: monthly-pause", "name: 2026", 1, ["name", "put it in quotes"]),
    ("name: monthly-pause", "nome: monthly-pause", 1, ["nome", "did you mean name?"]),
    ("title: Monthly pause of the north", 'title: "a\\e[2Jb"', 2, ["title", "control characters"]),
    ("title: Monthly pause of the north", 'title: "a\\u202eb"', 2, ["title", "control characters"]),
    ("title: Monthly pause of the north", "title:", 2, ["title: has no value"]),
    ("[eu-north-1, us-east-1]", "eu-north-1", 4, ["audience.sites", "list"]),
    ("[eu-north-1, us-east-1]", "[]", 4, ["audience.sites"]),
    ("[eu-north-1, us-east-1]", "[eu-north-1, UP]", 4, ["audience.sites[1]"]),
    ("[eu-north-1, us-east-1]", "[eu-north-1, eu-north-1]", 4, ["named twice"]),
    ("  sites: [eu-north-1, us-east-1]", "  sites: [a]\n  match: {region: [x]}", 4, ["either sites or match"]),
    ("  sites: [eu-north-1, us-east-1]", "  mach: {region: [x]}", 4, ["audience.mach", "did you mean match?"]),
    ("+01:00", "", 6, ["window.not_before", "offset"]),
    ("2026-12-24T09:00:00Z", "2026-02-30T09:00:00Z", 7, ["window.not_after", "no such time"]),
    ("2026-12-24T09:00:00Z", "2026-12-24", 7, ["window.not_after", "offset"]),
    ("2026-12-24T09:00:00Z", "2026-11-24T14:00:00Z", 6, ["not_before must be before not_after"]),
    ("uses: 2", "uses: 0", 9, ["uses"]),
    ("uses: 2", "uses: 2.0", 9, ["uses", "integer"]),
    ("uses: 2", "uses: 2\nuses: 2", 10, ["a second time, first in line 9"]),
    ("uses: 2", "uses: &u 2", 9, ["anchors and aliases"]),
    ("uses: 2", "uses: !!int 2", 9, ["tags"]),
    ("uses: 2", "uses: !!python/object/apply:os.system [ls]", 9, ["tags"]),
    ("uses: 2", f"uses: {'9' * 5000}", 9, ["number of more than"]),
    ("uses: 2", "uses: [", 11, ["not YAML", "in what began in line 9"]),
    ("uses: 2", "? [uses]\n: 2", 9, ["key must be plain text"]),
    ("    grace_s: 3\n", "    grace_s: 3\n\thold_s: 60\n", 16, ["not YAML"]),
    ("steps:", "---\nsteps:", 12, ["second document"]),
    ("steps:\n", "steps: 3\nfoo:\n", 12, ["steps", "list"]),
]

LADDER = """\
    ladder:
      - control: power_cut
        response_limit_s: 15
"""

N = "a" * 32
FIRE = (
    "control: shutdown\n    grace_s: 3",
    f"control: decommission\n    phase: fire\n    armed:\n      - site: eu-north-1\n        nonce: {N}",
)

CONTROL_MISTAKES = [
    # what the plan's control and grace_s are replaced by, the line and the words of the error
    ("control: slowdown\n    fraction: 1", 15, ["steps[0].fraction", "less than 1"]),
    ("control: slowdown\n    fration: 0.5", 15, ["steps[0].fration", "did you mean fraction?"]),
    (
        "control: run_cap\n    unit: flops",
        15,
        ["steps[0].unit", "must be 'accelerator_hours' or 'flop'", "did you mean flop?"],
    ),
    ("control: run_cap\n    limit: 0", 15, ["steps[0].limit", "greater than 0"]),
    ("control: run_cap\n    units: flop", 15, ["steps[0].units", "did you mean unit?"]),
    ("control: selective_pause", 13, ["steps[0].protected", "is missing"]),
    ("control: selective_pause\n    protected: evals", 15, ["steps[0].protected", "list"]),
    ("control: selective_pause\n    protected: []", 15, ["steps[0].protected", "at least 1"]),
    ("control: selective_pause\n    protected: [evals, Red Team]", 15, ["steps[0].protected[1]", "lower-case"]),
    ("control: lease\n    licence_s: 0.1", 15, ["steps[0].licence_s", "greater than or equal to 0.5"]),
    ("control: lease\n    license_s: 5", 15, ["steps[0].license_s", "did you mean licence_s?"]),
    ("control: lease\n    renewed_s: soon", 15, ["steps[0].renewed_s", "number"]),
    ("control: lease\n    partition: 3", 15, ["steps[0].partition", "boolean"]),
    ("control: standby\n    grace_s: 3", 15, ["steps[0].grace_s", "no key"]),
    ("control: decommission", 14, ["steps[0].control", "arm takes armed_for_s"]),
    ("control: decommission\n    phase: arms\n    armed_for_s: 9", 15, ["steps[0].phase", "did you mean arm?"]),
    ("control: decommission\n    phase: fire\n    armed: []", 14, ["fire takes armed"]),
    (
        "control: decommission\n    phase: fire\n    armed: [{site: a, nonce: xyz}]",
        16,
        ["steps[0].armed[0].nonce", "32 lower-case hex"],
    ),
    ("control: decommission\n    phase: fire\n    armed: [{site: a, nonces: xyz}]", 16, ["armed[0]", "nonce"]),
    (
        f"control: decommission\n    phase: fire\n    armed: [{{site: a, nonce: {N}}}, {{site: a, nonce: {N}}}]",
        14,
        ["names a site twice"],
    ),
]

LADDER_MISTAKES = [
    # what is replaced in the plan with a ladder, by what, the line and the words of the error
    ("control: power_cut", "control: powercut", 23, ["steps[0].ladder[0].control", "did you mean power_cut?"]),
    (
        "control: power_cut",
        "control: standby",
        23,
        ["ladder[0].control", "standby is no rung", "rungs can be: slowdown"],
    ),
    (
        "control: power_cut",
        "control: pause",
        23,
        ["ladder[0].control", "pause is no harsher than the rung before, shutdown"],
    ),
    (
        "control: power_cut",
        "control: power_cut\n        grace_s: 3",
        24,
        ["ladder[0].grace_s", "allowed here: control, response_limit_s"],
    ),
    ("control: power_cut\n        ", "", 23, ["ladder[0].control", "is missing"]),
    ("        response_limit_s: 15\n", "", 23, ["ladder[0].response_limit_s", "is missing"]),
    ("response_limit_s: 15", "response_limit: 15", 24, ["ladder[0].response_limit", "did you mean response_limit_s?"]),
    ("response_limit_s: 15", "response_limit_s: long", 24, ["ladder[0].response_limit_s", "number"]),
    (
        "      - control: power_cut\n        response_limit_s: 15\n",
        "      power_cut\n",
        23,
        ["steps[0].ladder", "list"],
    ),
    ("    ladder:", "    lader:", 22, ["steps[0].lader", "did you mean ladder?"]),
    ("control: shutdown\n    grace_s: 3", "control: isolate", 14, ["steps[0].control", "isolate is no rung"]),
    ("hold_s: 60", "hold_s: 30", 13, ["summed over all rungs"]),
]


@pytest.mark.parametrize(("text", "line", "words"), CONTROL_MISTAKES)
def test_each_mistake_in_a_controls_parameters_is_named_with_its_line(text: str, line: int, words: list[str]) -> None:
    """The parameters of every control are checked where they stand, with a guess where one is near."""
    _named(PLAN.replace("control: shutdown\n    grace_s: 3", text), line, words)


@pytest.mark.parametrize(("old", "new", "line", "words"), LADDER_MISTAKES)
def test_each_mistake_in_a_ladder_is_named_with_its_line(old: str, new: str, line: int, words: list[str]) -> None:
    """A rung is written like a step, and a slip in it is found at the rung, not at the step."""
    whole = PLAN + LADDER
    assert whole.count(old) == 1
    _named(whole.replace(old, new), line, words)


def test_rungs_and_armed_sites_arrive_in_the_model() -> None:
    """What is written flat becomes the rung's own parameters and limit, and the nonces of the sites."""
    step = _parse(PLAN + LADDER).plan.steps[0]
    assert [(rung.params.control, rung.response_limit_s) for rung in step.rungs] == [
        ("shutdown", 10),
        ("power_cut", 15),
    ]
    params = _parse(PLAN.replace(*FIRE)).plan.steps[0].params
    assert isinstance(params, DecommissionParams)
    assert params.nonce_for("eu-north-1") == "a" * 32


def _named(text: str, line: int, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        _parse(text)
    said = str(caught.value)
    assert said.startswith(f"p.yaml, line {line},"), said
    for word in words:
        assert word in said, said
    assert "\n" not in said


@pytest.mark.parametrize(("old", "new", "line", "words"), MISTAKES)
def test_each_mistake_is_named_with_its_line(old: str, new: str, line: int, words: list[str]) -> None:
    """A person finds the slip at the line the error names, and reads what would be right."""
    assert PLAN.count(old) == 1
    _named(PLAN.replace(old, new), line, words)


def test_a_list_with_a_wrong_item_is_not_also_called_too_short() -> None:
    """One slip is one error: what only follows from it is not counted."""
    with pytest.raises(ConfigError) as caught:
        _parse(PLAN.replace("hold_s: 60", "hold_s: x"))
    assert "more" not in str(caught.value)


def test_several_mistakes_give_the_first_line_and_a_count() -> None:
    """People see that one fix will not be all."""
    with pytest.raises(ConfigError, match=r"uses: .*; and 1 more"):
        _parse(PLAN.replace("uses: 2", "uses: x").replace("quorum: 2", "quorum: 99"))


def test_hostile_sizes_are_refused_quickly() -> None:
    """Huge files, deep nesting, many values and alias bombs cost bounded time and memory."""
    bomb = "a: &a [x, x]\n" + "".join(f"k{n}: &k{n} [*a, *a]\n" for n in range(50))
    began = time.monotonic()
    for text in (
        "[" * 50_000,
        "x: " * 1_000,
        "- " * 5_000 + "x",
        "a: " + "{b: " * 2_000,
        bomb,
        "x" * (YAML_MAX_BYTES + 1),
    ):
        with pytest.raises(ConfigError):
            _parse(text)
    with pytest.raises(ConfigError, match="more than"):
        _parse("[" + "1," * 30_000 + "]")
    assert time.monotonic() - began < 20


def test_bytes_that_are_no_text_are_named_by_line() -> None:
    """A file in another encoding is told apart from a wrong plan."""
    with pytest.raises(ConfigError, match="line 2: is not UTF-8"):
        parse_plan(b"a: 1\nb: \xff\xfe\n", "p.yaml")
    with pytest.raises(ConfigError, match="is empty"):
        parse_plan(b"# only a comment\n", "p.yaml")


_SNIPPETS = st.sampled_from(
    [
        *PLAN.splitlines(),
        "- ",
        "? ",
        ": ",
        "&a ",
        "*a",
        "!t ",
        "|",
        ">",
        "'",
        '"',
        "\\U",
        "%YAML 1.1",
        "---",
        "...",
        "\t",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(_SNIPPETS, max_size=30).map("\n".join),
        st.text("[]{}:,-?&*!|>'\"%@`# \n\t\\Uu0a", max_size=80),
    )
)
def test_no_text_raises_anything_but_a_config_error(text: str) -> None:
    """Whatever a plan file holds, a person reads one clear line."""
    try:
        _parse(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    except ConfigError as error:
        assert str(error).startswith("p.yaml")  # noqa: PT017 - there may be no error at all


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_config_error(data: bytes) -> None:
    """The same for files that are no text at all."""
    with contextlib.suppress(ConfigError):
        parse_yaml(data, "p.yaml")


def test_plain_scalars_mean_what_yaml_1_2_says() -> None:
    """`no` is a word, `1_0` and `0x1` are text, quoted numbers are text."""
    tree = parse_yaml(b"a: no\nb: 1_0\nc: 0x1\nd: '1'\ne: 1e3\nf: ~\ng: -4\nh: 010\ni: .5", "x")
    assert tree.value == {
        "a": "no", "b": "1_0", "c": "0x1", "d": "1", "e": 1000.0, "f": None, "g": -4, "h": 10, "i": 0.5,
    }  # fmt: skip


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000_000))
def test_times_survive_the_way_through_text(wall_ns: int) -> None:
    """A time written in UTC is read back to the nanosecond."""
    assert parse_moment(format_utc(wall_ns)) == wall_ns


def test_offsets_are_subtracted() -> None:
    """+01:00 is an hour earlier in UTC, -05:30 is later, and impossible ones are refused."""
    assert parse_moment("1970-01-01T01:00:00+01:00") == 0
    assert parse_moment("1970-01-01T00:00:00-05:30") == 19_800_000_000_000
    for text in (
        "1970-01-01T00:00:00+01:00",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T25:00:00Z",
        "٢٠٢٦-01-01T00:00:00Z",
    ):
        with pytest.raises(ValueError):
            parse_moment(text)


CROSS = [
    ("[eu-north-1, us-east-1]", "[eu-north-1, atlantis]", 4, "audience.sites[1]: the fleet has no site atlantis"),
    ("sites: [eu-north-1, us-east-1]", "match: {planet: [mars]}", 4, "audience.match.planet: no site has this"),
    ("sites: [eu-north-1, us-east-1]", "match: {region: [mars]}", 4, "audience: no site"),
    ("[eu-north-1, us-east-1]", "[lonely]", 16, "steps[0].hold_s: is 60 s, over the 50 s that site lonely allows"),
    ("quorum: 2", "quorum: 3", 20, "fewer than 3 witness owners"),
    ("challenge_s: 0.5", "challenge_s: 1.5", 21, "make it at least 3"),
    ("max_total_held_s: 200", "max_total_held_s: 139", 11, "make it at least 140"),
    ("min_between_uses_s: 60", "min_between_uses_s: 9000000", 6, "window: is"),
    ("2026-12-24T09:00:00Z", "2026-11-24T14:30:00Z", 7, "window.not_after: is over already"),
]


@pytest.mark.parametrize(("old", "new", "line", "words"), CROSS)
def test_what_the_fleet_cannot_do_is_refused_by_line(
    trust: FleetTrust, old: str, new: str, line: int, words: str
) -> None:
    """A plan that could only fail is refused before anybody approves it, at its line."""
    assert PLAN.count(old) == 1
    source = _parse(PLAN.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        check_plan(source, trust, now_ns=NOW_NS)
    assert words in str(caught.value)
    assert f"p.yaml, line {line}," in str(caught.value)
    with pytest.raises(ConfigError):
        check_plan(source.plan, trust, now_ns=NOW_NS)


def test_a_control_that_a_site_does_not_support_is_refused(trust: FleetTrust) -> None:
    """The site record's list of controls is heeded before anybody approves."""
    record = trust.records["us-east-1"].model_copy(update={"controls": (Control.PAUSE,)})
    narrow = replace(trust, records={**trust.records, "us-east-1": record})
    with pytest.raises(ConfigError, match=r"line 14, .*us-east-1 does not support shutdown.*it supports: pause"):
        check_plan(_parse(PLAN), narrow, now_ns=NOW_NS)


def test_more_owners_than_there_are_is_refused(trust: FleetTrust) -> None:
    """A plan that nobody could ever approve is told so."""
    policy = trust.policy.model_copy(update={"thresholds": (Threshold(control=Control.SHUTDOWN, owners=4),)})
    with pytest.raises(ConfigError, match="approval of 4 owners, and the policy names 3"):
        check_plan(_parse(PLAN), replace(trust, policy=policy), now_ns=NOW_NS)


def test_a_sites_own_witness_never_counts_for_the_quorum(trust: FleetTrust) -> None:
    """Two witnesses of which one is the site's own are one owner."""
    text = PLAN.replace("[eu-north-1, us-east-1]", "[lonely]").replace("hold_s: 60", "hold_s: 20")
    with pytest.raises(ConfigError, match="fewer than 2 witness owners"):
        check_plan(_parse(text), trust, now_ns=NOW_NS)
    assert check_plan(_parse(text.replace("quorum: 2", "quorum: 1")), trust, now_ns=NOW_NS) == ("lonely",)
    many = text.replace("quorum: 2", "quorum: 1").replace("uses: 2", "uses: 5")
    with pytest.raises(ConfigError, match="90 s that site lonely allows under one warrant"):
        check_plan(_parse(many), trust, now_ns=NOW_NS)


def test_the_warrant_says_all_that_the_plan_says(trust: FleetTrust) -> None:
    """Nothing is lost or changed between the plan and what is approved."""
    plan = _parse(PLAN).plan
    warrant = compile_plan(plan, trust, dispatchers=all_dispatchers(trust), nonce="a" * 32, now_ns=NOW_NS)
    assert warrant.audience == NamedSites(sites=("eu-north-1", "us-east-1"))
    assert warrant.steps == plan.steps
    for name in ("title", "challenge_s", "uses", "min_between_uses_s", "max_total_held_s"):
        assert getattr(warrant, name) == getattr(plan, name)
    assert (warrant.not_before, warrant.not_after) == (plan.window.not_before, plan.window.not_after)
    assert (warrant.fleet, warrant.plan) == (trust.fleet, plan.name)


def test_a_selector_is_bound_to_the_index_and_the_order_of_sites_does_not_matter(trust: FleetTrust) -> None:
    """The same audience in another order is the same warrant, and a selector names its index version."""

    def warrant(text: str) -> object:
        return compile_plan(_parse(text).plan, trust, dispatchers=all_dispatchers(trust), nonce="a" * 32, now_ns=NOW_NS)

    assert warrant(PLAN) == warrant(PLAN.replace("[eu-north-1, us-east-1]", "[us-east-1, eu-north-1]"))
    chosen = PLAN.replace("sites: [eu-north-1, us-east-1]", "match: {region: [us-east, eu-north]}")
    bound = compile_plan(_parse(chosen).plan, trust, dispatchers=all_dispatchers(trust), nonce="a" * 32, now_ns=NOW_NS)
    assert isinstance(bound.audience, SelectedSites)
    assert bound.audience.index_version == trust.index.index_version
    assert bound.audience.match[0].values == ("eu-north", "us-east")


def test_an_audience_too_large_for_an_envelope_is_refused(trust: FleetTrust) -> None:
    """A warrant that agents would refuse for its size is not made."""
    longest = [f"{'s' * 58}{number:04d}" for number in range(1000)]
    records = {name: trust.records["eu-north-1"].model_copy(update={"site": name}) for name in longest}
    wide = replace(trust, records=records)
    text = PLAN.replace("[eu-north-1, us-east-1]", f"[{', '.join(longest)}]")
    with pytest.raises(ConfigError, match="too large"):
        check_plan(_parse(text), wide, now_ns=NOW_NS)


def test_every_way_back_but_the_last_counts_as_held() -> None:
    """A plan whose sites take all the time that they may to come back is refused at none of them."""
    assert held_in_all_s(_parse(PLAN).plan) == 2 * 60 + 20
    for text in (
        demo_plan(["eu-north-1"], [Control.PAUSE, Control.SHUTDOWN], NOW_NS, PACE),
        pause_plan(["eu-north-1"], NOW_NS),
    ):
        example = _parse(text).plan
        assert held_in_all_s(example) <= example.max_total_held_s
