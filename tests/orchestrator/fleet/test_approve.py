"""Approving: each owner once, only what they read, and nothing that somebody tampered with."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.fleet.approve import Approval, prepare_approval, warrant_path
from orchestrator.fleet.explain import explain_warrant
from orchestrator.fleet.explain_text import time_text
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.plan import load_plan
from protocols.envelope import parse_envelope, seal
from protocols.errors import ConfigError, TrustError, UntrustedInput
from protocols.host.files import read_private_key
from protocols.keys import generate_signer
from protocols.messages import Order
from protocols.phrases import duration_text
from protocols.trust import FleetTrust, check_warrant
from tests.orchestrator.fleet.conftest import NOW_NS, PLAN

Prepare = Callable[[str], Approval]


@pytest.fixture
def prepare(made: FleetLayout, trust: FleetTrust, plan_path: Path) -> Prepare:
    """Prepare the approval of the plan by one owner."""

    def _prepare(owner: str) -> Approval:
        signer = read_private_key(made.approver_key(owner))
        return prepare_approval(
            load_plan(plan_path), trust, signer, warrant_path(plan_path), nonce=lambda: "5" * 32, now_ns=NOW_NS
        )

    return _prepare


def test_two_owners_make_a_warrant_that_the_trust_rules_accept(
    prepare: Prepare, trust: FleetTrust, plan_path: Path
) -> None:
    """The file after two approvals is what agents take, and not before."""
    path = warrant_path(plan_path)
    first = prepare("regulator")
    assert not path.exists()
    assert first.missing == 1
    first.write()
    with pytest.raises(TrustError, match="approved by 1 of the 2"):
        check_warrant(parse_envelope(path.read_bytes()), trust.policy, trust.approvers, trust.fleet)
    second = prepare("operations")
    assert second.approved_by == ("operations", "regulator")
    assert second.missing == 0
    second.write()
    warrant, owners = check_warrant(parse_envelope(path.read_bytes()), trust.policy, trust.approvers, trust.fleet)
    assert owners == {"operations", "regulator"}
    assert warrant.digest() == first.warrant.digest() == second.warrant.digest()


def test_one_owner_twice_counts_once_and_changes_nothing(prepare: Prepare, plan_path: Path) -> None:
    """Approving again is harmless: the file stays byte for byte."""
    prepare("regulator").write()
    before = warrant_path(plan_path).read_bytes()
    again = prepare("regulator")
    assert again.already
    assert again.missing == 1
    again.write()
    assert warrant_path(plan_path).read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("hold_s: 60", "hold_s: 61", "steps"),
        ("grace_s: 3", "grace_s: 4", "steps"),
        ("[eu-north-1, us-east-1]", "[eu-north-1]", "audience"),
        ("uses: 2", "uses: 1", "uses"),
        ("2026-12-24", "2026-12-25", "not_after"),
        ("Monthly pause of", "Weekly pause of", "title"),
    ],
)
def test_a_plan_that_changed_since_the_first_approval_is_not_signed(
    prepare: Prepare, plan_path: Path, old: str, new: str, field: str
) -> None:
    """An owner signs what they read: a warrant that says something else gets no signature."""
    prepare("regulator").write()
    before = warrant_path(plan_path).read_bytes()
    plan_path.write_text(PLAN.replace(old, new))
    with pytest.raises(ConfigError, match=f"differ in {field}"):
        prepare("operations")
    assert warrant_path(plan_path).read_bytes() == before


def test_a_warrant_with_a_changed_payload_is_refused(prepare: Prepare, plan_path: Path) -> None:
    """A warrant whose payload was changed after a signature gets no second one."""
    prepare("regulator").write()
    path = warrant_path(plan_path)
    document = json.loads(path.read_bytes())
    for old, new in ((b'"uses":2', b'"uses":9'), (b'"nonce":"55', b'"nonce":"56')):
        changed = b64encode(b64decode(document["payload"]).replace(old, new)).decode()
        assert changed != document["payload"]
        path.write_text(json.dumps({**document, "payload": changed}))
        with pytest.raises(UntrustedInput) as caught:
            prepare("operations")
        assert str(path) in str(caught.value)


def test_rubbish_foreign_and_mistyped_warrants_are_refused(
    prepare: Prepare, made: FleetLayout, trust: FleetTrust, plan_path: Path
) -> None:
    """No signature is added to what is no warrant, is another fleet's, or was signed by a stranger."""
    path = warrant_path(plan_path)
    approval = prepare("regulator")
    signer = read_private_key(made.approver_key("regulator"))
    foreign = approval.warrant.model_copy(update={"fleet": "e" * 64})
    order = Order(
        fleet=trust.fleet,
        warrant="a" * 64,
        use=1,
        step=0,
        drill="20261124t140501z-x-3fa9c1",
        nonce="1" * 32,
        issued_at=approval.warrant.issued_at,
        expires_at=approval.warrant.not_after,
        status="exercise",
    )
    for content, words in (
        (b"", "is no warrant to sign"),
        (b"{}", "is no warrant to sign"),
        (b"x" * 100_000, "larger than the limit"),
        (seal(foreign, signer), "is a warrant for another fleet"),
        (seal(order, signer), "another type"),
        (seal(approval.warrant, generate_signer()), "signed by no key"),
        (seal(approval.warrant, signer, generate_signer()), "signed by a key that is no approver's"),
    ):
        path.write_bytes(content)
        with pytest.raises((UntrustedInput, ConfigError), match=words) as caught:
            prepare("operations")
        assert str(path) in str(caught.value)
        assert path.read_bytes() == content


def test_a_key_that_is_no_approvers_is_refused(made: FleetLayout, trust: FleetTrust, plan_path: Path) -> None:
    """A dispatcher, a root owner and a stranger approve nothing."""
    for signer in (
        read_private_key(made.dispatcher_key),
        read_private_key(made.root_key("regulator")),
        read_private_key(made.site("eu-north-1").operator_key),
        generate_signer(),
    ):
        with pytest.raises(ConfigError, match=r"no approver's.*operations, regulator, safety-board"):
            prepare_approval(
                load_plan(plan_path), trust, signer, warrant_path(plan_path), nonce=lambda: "5" * 32, now_ns=NOW_NS
            )


def test_a_warrant_that_changed_while_the_owner_was_reading_is_not_overwritten(
    prepare: Prepare, plan_path: Path
) -> None:
    """Two owners at once: the later one is told, and the earlier approval is kept."""
    one, other = prepare("regulator"), prepare("operations")
    one.write()
    kept = warrant_path(plan_path).read_bytes()
    with pytest.raises(ConfigError, match="changed by somebody else"):
        other.write()
    assert warrant_path(plan_path).read_bytes() == kept


def test_the_words_name_everything_that_matters(prepare: Prepare) -> None:
    """Who reads before signing learns sites, actions, times, numbers, dispatcher and missing owners."""
    prepare("regulator").write()
    text = " ".join(prepare("operations").text.split())
    for words in (
        "2 of 4: eu-north-1, us-east-1",
        "shutdown",
        "not stopped after 3 s is killed",
        "Held for 60 s at most",
        "Passes if within 10 s of the order",
        "for 3 s witnesses of 2 owners see it quiet",
        "the approval of 2 owners, because of shutdown",
        "2 drills, at least 60 s apart",
        "60 s in one drill and 3 minutes 20 s in all",
        "from 2026-11-24 14:00:00 UTC until 2026-12-24 09:00:00 UTC",
        "control-room",
        "by regulator (1 of the 2 owners it takes)",
        "1 more owner, any of: operations, safety-board",
        "demo",
    ):
        assert words in text, words


def test_a_selector_is_shown_as_the_sites_it_selects(made: FleetLayout, trust: FleetTrust, plan_path: Path) -> None:
    """Nobody approves `region is eu-north` without reading which sites that is."""
    plan_path.write_text(PLAN.replace("sites: [eu-north-1, us-east-1]", "match: {region: [eu-north, us-east]}"))
    approval = prepare_approval(
        load_plan(plan_path),
        trust,
        read_private_key(made.approver_key("regulator")),
        warrant_path(plan_path),
        nonce=lambda: "5" * 32,
        now_ns=NOW_NS,
    )
    text = " ".join(approval.text.split())
    assert "2 of 4: eu-north-1, us-east-1 all whose region is eu-north or us-east, as of fleet index 1" in text


def test_no_title_reaches_the_terminal_raw(prepare: Prepare, trust: FleetTrust) -> None:
    """A warrant made by hand cannot rewrite what the approver sees with terminal escapes."""
    evil = prepare("regulator").warrant.model_copy(update={"title": "a\x1b[2J\u202eb\rc"})
    text = explain_warrant(evil, trust)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "\\x1b[2J\\u202eb\\rc" in text


def test_durations_and_times_are_exact() -> None:
    """Words never round what is being approved."""
    assert [duration_text(value) for value in (0.5, 90, 120, 3_600, 5_401, 90_061, 121.5)] == [
        "0.5 s", "90 s", "2 minutes", "1 hour", "1 hour 30 minutes 1 s", "1 day 1 hour 1 minute 1 s", "121.5 s",
    ]  # fmt: skip
    assert time_text("2026-11-24T14:00:00.000000000Z") == "2026-11-24 14:00:00 UTC"
    assert time_text("2026-11-24T14:00:00.500000000Z") == "2026-11-24 14:00:00.5 UTC"
