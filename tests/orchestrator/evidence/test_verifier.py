"""What verifies, what doesn't, and that each failure names the item."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.core import events as ev
from orchestrator.core.grades import Verdict
from orchestrator.evidence.bundle import claimed_fleet, encode_bundle, export_bundle, result_of
from orchestrator.evidence.documents import check_opening
from orchestrator.evidence.findings import FINDINGS_MAX, VerifyReport
from orchestrator.evidence.fold import Documents
from orchestrator.evidence.memo import Memo
from orchestrator.evidence.result import DrillResult
from orchestrator.evidence.verifier import verify_bundle
from orchestrator.journal.chain import decode_record
from protocols.envelope import seal
from protocols.errors import JournalError
from protocols.ids import format_utc, parse_utc
from protocols.messages import Challenge, Order, Recall, Release, Warrant
from protocols.trust import FleetTrust
from tests import kit
from tests.orchestrator.evidence.tamper import changes, dump, verdicts
from tests.orchestrator.recorder import Recorded, Recorder, Script, record_drill

SCRIPTS = {
    "passed": (Script(), Verdict.VERIFIED),
    "two steps": (Script(steps=2), Verdict.VERIFIED),
    "late reading asked for again": (Script(recall=True, reject=2), Verdict.VERIFIED),
    "a third witness that never closes": (
        Script(witnesses=3, deaf=frozenset({("beta", "w3")})),
        Verdict.VERIFIED,
    ),
    "lying": (Script(lying="beta"), Verdict.CONTRADICTED),
    "refusing": (Script(refusing="beta"), Verdict.REFUSED),
    "silent": (Script(silent="beta"), Verdict.UNPROVEN),
    "without load": (Script(idle="beta"), Verdict.UNPROVEN),
    "slow": (Script(slow="beta", hold_s=1.5), Verdict.LATE),
    "a gap": (Script(lossy=frozenset({("beta", "w1")})), Verdict.UNPROVEN),
    "no closing": (Script(deaf=frozenset({("beta", "w1")})), Verdict.UNPROVEN),
    "aborted": (Script(abort_at_s=0.5), Verdict.UNPROVEN),
    "restarted": (Script(restart=True), Verdict.UNPROVEN),
}


def check(drill: Recorded, bundle: bytes | None = None) -> VerifyReport:
    """Verify a recorded drill's bundle against its own root."""
    return verify_bundle(bundle or drill.bundle, roots=drill.roots)


@pytest.mark.parametrize("name", SCRIPTS)
def test_honest_evidence_verifies_whatever_the_drill_found(name: str) -> None:
    """A drill that failed is as good evidence as one that passed, and both give the same result again."""
    script, expected = SCRIPTS[name]
    drill = record_drill(script)
    report = check(drill)
    assert report.findings == ()
    assert report.verified
    assert report.result == drill.result
    assert verdicts(drill.result)[0, "beta"] == expected
    assert drill.result.passed == (expected is Verdict.VERIFIED)


def test_the_fleet_id_alone_is_trust_enough() -> None:
    """Whoever knows the digest of root version 1 needs no file."""
    drill = record_drill()
    assert verify_bundle(drill.bundle, fleet=drill.fleet.fleet).verified
    wrong = verify_bundle(drill.bundle, fleet="0" * 64)
    assert not wrong.verified
    assert wrong.findings[0].item == "header"


def test_another_fleets_root_verifies_nothing() -> None:
    """A bundle is worth no more than the root it is checked against."""
    drill = record_drill()
    other = kit.make_fleet(("gamma",), now_ns=kit.NOW_NS + 1_000_000_000)
    assert not verify_bundle(drill.bundle, roots=[other.raw_root]).verified
    assert not verify_bundle(drill.bundle, roots=[other.raw_root], fleet=drill.fleet.fleet).verified
    assert not verify_bundle(drill.bundle, roots=[b"{}"]).verified
    assert not verify_bundle(drill.bundle).verified


def newer_root(drill: Recorded, offset_s: float) -> bytes:
    """Return root version 2 of a drill's fleet, issued so long after the drill's time."""
    signers = [kit.key_of(kit.root_label(owner)) for owner in kit.ROOT_OWNERS[:2]]
    at = format_utc(kit.NOW_NS + round(offset_s * 1e9))
    changes = {"fleet": drill.fleet.fleet, "root_version": 2, "issued_at": at}
    return seal(drill.fleet.root.model_copy(update=changes), *signers)


def test_a_root_that_was_replaced_before_the_drill_is_no_anchor() -> None:
    """Whoever holds the newer root is not taken in by documents of the older one's keys."""
    drill = record_drill()
    before, after = newer_root(drill, -60), newer_root(drill, 60)
    assert verify_bundle(drill.bundle, roots=[*drill.roots, after]).verified
    found = verify_bundle(drill.bundle, roots=[*drill.roots, before])
    assert any("had been replaced" in finding.what for finding in found.findings)


def test_receipts_left_out_between_others_are_noted() -> None:
    """A dispatcher who hides the receipt that makes a site `contradicted` leaves a hole in its agent's chain."""

    class Hiding(Recorder):
        def decided(self, event: ev.Event) -> list[ev.Event]:
            hidden = isinstance(event, ev.ReceiptReceived) and event.site == "beta" and self.agents["beta"].seq == 2
            return [] if hidden else [event]

    drill = Hiding(Script(lying="beta")).record()
    assert verdicts(drill.result)[0, "beta"] is Verdict.UNPROVEN
    assert any("site beta: its agent signed 1 more" in note for note in check(drill).notes)
    assert not any("its agent signed" in note for note in check(record_drill()).notes)


def test_documents_that_expired_since_are_noted_and_no_failure() -> None:
    """A drill of years ago still verifies: documents must have been valid then, not now."""
    drill = record_drill()
    later = parse_utc(drill.fleet.policy.expires_at)
    report = verify_bundle(drill.bundle, roots=drill.roots, now_ns=later)
    assert report.verified
    assert any("the policy has expired since the drill" in note for note in report.notes)


class ShortHold(Recorder):
    """Releases before the hold is over."""

    held_s = 0.75


class NoPreflight(Recorder):
    """Orders before it has watched for steady state."""

    preflight_s = 0.0


class Impostor(Recorder):
    """Signs lies as the dispatcher, or writes other events than what happened."""

    def __init__(self, script: Script, kind: type, lies: dict[str, object], *, again: bool = False) -> None:
        super().__init__(script)
        self.kind, self.lies, self.again = kind, lies, again

    def spoken(self, made):
        said, _ = made
        if not isinstance(said, self.kind):
            return made
        changed = said.model_copy(update=self.lies)
        return changed, seal(changed, kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))).decode()

    def decided(self, event: ev.Event) -> list[ev.Event]:
        if not isinstance(event, self.kind):
            return [event]
        changed = event.model_copy(update=self.lies)
        return [changed, changed] if self.again else [changed]


@pytest.mark.parametrize(
    ("recorder", "what"), [(ShortHold(Script()), "the hold lasted"), (NoPreflight(Script()), "preflight lasted")]
)
def test_rules_of_time_hold_against_the_dispatcher(recorder: Recorder, what: str) -> None:
    """A dishonest orchestrator that breaks a rule while the drill runs is found out, with honest witnesses."""
    report = check(recorder.record())
    assert any(what in finding.what for finding in report.findings), report.findings


OTHER_DRILL = "20261124t144358z-monthly-000000"
ZEROS = "0" * 64
LATE = format_utc(kit.NOW_NS - 60_000_000_000)
LIES = [
    (Order, {"status": "actual"}, "it is no exercise"),
    (Order, {"use": 2}, "it is for use 2"),
    (Order, {"step": 1}, "it orders step 1"),
    (Order, {"warrant": ZEROS}, "it names another warrant"),
    (Order, {"fleet": ZEROS}, "it is for another fleet"),
    (Order, {"drill": OTHER_DRILL}, "it is for another drill"),
    (Order, {"expires_at": format_utc(kit.NOW_NS + 200_000_000_000)}, "it lives"),
    (Order, {"issued_at": LATE}, "from its record's time"),
    (Release, {"fleet": ZEROS}, "it is for another fleet"),
    (Release, {"use": 2}, "it is for use 2"),
    (Release, {"warrant": ZEROS}, "it names another warrant"),
    (Release, {"step": 1}, "it releases step 1"),
    (Release, {"drill": OTHER_DRILL}, "it is for another drill"),
    (Release, {"issued_at": LATE}, "from its record's time"),
    (Challenge, {"fleet": ZEROS}, "it is for another fleet"),
    (Challenge, {"nonce": "0" * 32}, "its nonce was used before"),
    (Challenge, {"drill": OTHER_DRILL}, "it is for another drill"),
    (Challenge, {"issued_at": LATE}, "from its record's time"),
    (Challenge, {"journal_seq": 0}, "as the newest"),
    (Challenge, {"journal_head": ZEROS}, "another journal head"),
    (Recall, {"fleet": ZEROS}, "it is for another fleet"),
    (Recall, {"drill": OTHER_DRILL}, "it is for another drill"),
    (Recall, {"witness": "w2"}, "it asks another witness"),
    (Recall, {"first": 4}, "it asks for nothing"),
    (ev.RecallIssued, {"site": "gamma"}, "it asks another witness"),
    (ev.ReadingReceived, {"arrival_ns": 0}, "it arrived before challenge"),
    (ev.ReceiptReceived, {"arrival_ns": 0}, "it arrived before the order"),
    (ev.StepEnded, {"ordered": False}, "it says otherwise whether the step was ordered"),
    (ev.DrillClosed, {"passed": False}, "its outcome is not the evidence's"),
    (ev.DrillClosed, {"aborted": True}, "its outcome is not the evidence's"),
    (ev.DrillOpened, {"use": 11}, "it is use 11, the warrant allows 10"),
    (ev.DrillOpened, {"warrant": ZEROS}, "it names another warrant"),
    (ev.DrillOpened, {"drill": "20261124t144358z-weekly-32070a"}, "its drill id names another plan"),
    (ev.DrillOpened, {"drill": OTHER_DRILL}, "it opens another drill"),
    (ev.DrillOpened, {"audience": ("alpha", "beta", "beta")}, "its audience is not the one"),
]


@pytest.mark.parametrize(("kind", "lies", "what"), LIES)
def test_a_dispatcher_who_lies_from_the_start_is_found_out(kind: type, lies: dict[str, object], what: str) -> None:
    """An orchestrator can choose nothing: each field it signs or writes is held to warrant, journal and time."""
    report = check(Impostor(Script(recall=True), kind, lies).record())
    assert any(what in finding.what for finding in report.findings), report.findings[:3]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (ev.OrderPublished, "the order's first publish ended before already"),
        (ev.ReceiptReceived, "it stands in the journal twice"),
        (ev.ReadingReceived, "it stands in the journal twice"),
        (ev.ClosingReceived, "it stands in the journal twice"),
        (ev.SiteJudged, "a verdict on it was given before"),
    ],
)
def test_nothing_counts_twice(kind: type, what: str) -> None:
    """What may come once is refused the second time, even in an unbroken chain."""
    report = check(Impostor(Script(), kind, {}, again=True).record())
    assert any(what in finding.what for finding in report.findings), report.findings[:3]


class Hasty(Recorder):
    """Judges without waiting for the last words."""

    def wait(self, milliseconds: int) -> None:
        super().wait(min(milliseconds, 100))


def test_judging_before_the_last_words_is_found_out() -> None:
    """Verdicts come when every witness has closed or has had its time."""
    report = check(Hasty(Script(deaf=frozenset({("beta", "w1")}))).record())
    assert any("judged before the witnesses had closed" in finding.what for finding in report.findings)


def opening(drill: Recorded) -> tuple[ev.DrillOpened, FleetTrust, Warrant]:
    """Return a drill's opening, and what it is checked against."""
    events = [decode_record(line, where="").event for line in drill.records]
    documents = Documents()
    for event in events:
        if isinstance(event, ev.DocumentHeld):
            documents.take(event)
    trust = documents.open_fleet(kit.NOW_NS)
    warrant, _ = documents.open_warrant(trust)
    return next(event for event in events if isinstance(event, ev.DrillOpened)), trust, warrant


def test_an_opening_is_held_to_the_warrant() -> None:
    """Nobody is left out, and neither dispatcher nor window can be chosen."""
    event, trust, warrant = opening(record_drill())
    check_opening(event, trust, warrant, kit.NOW_NS)
    with pytest.raises(JournalError, match="it leaves out beta"):
        check_opening(event.model_copy(update={"audience": ("alpha",)}), trust, warrant, kit.NOW_NS)
    with pytest.raises(JournalError, match="the policy has no such dispatcher"):
        check_opening(event.model_copy(update={"dispatcher": ZEROS}), trust, warrant, kit.NOW_NS)
    narrow = warrant.model_copy(update={"dispatchers": (ZEROS,)})
    with pytest.raises(JournalError, match="the warrant does not name its dispatcher"):
        check_opening(event.model_copy(update={"warrant": narrow.digest()}), trust, narrow, kit.NOW_NS)
    with pytest.raises(JournalError, match="outside the warrant's window"):
        check_opening(event, trust, warrant, parse_utc(warrant.not_after))


@pytest.mark.parametrize("pace", [0.7, 1.5])
def test_a_clock_that_the_orchestrator_bends_breaks_the_witnesses_clocks(pace: float) -> None:
    """Claimed times that run faster or slower than the witnesses' own clocks are found out."""
    report = check(record_drill(Script(pace=pace, hold_s=2.0)))
    assert any("by the witness's own clock" in finding.what for finding in report.findings)


def test_a_small_drift_of_clocks_is_honest() -> None:
    """Real clocks differ by some parts in a million, and that is no accusation."""
    assert check(record_drill(Script(pace=1.0004))).verified


def test_a_finding_names_line_record_site_and_witness() -> None:
    """Whoever reads a failure knows where to look."""
    drill = record_drill()
    lines = drill.bundle.splitlines()
    place = next(n for n, line in enumerate(lines) if b'"reading.received"' in line)
    record = json.loads(lines[place])
    envelope = json.loads(record["event"]["envelope"])
    signature = envelope["signatures"][0]["sig"]
    envelope["signatures"][0]["sig"] = ("A" if signature[0] != "A" else "B") + signature[1:]
    record["event"]["envelope"] = json.dumps(envelope, separators=(",", ":"))
    lines[place] = json.dumps(record, separators=(",", ":")).encode()
    first = check(drill, b"\n".join(lines) + b"\n").findings[0]
    assert first.line == place + 1
    assert first.item == f"record {place - 1}, reading.received, site alpha, witness w1"
    assert first.what == "a signature that does not verify"


def test_findings_come_in_the_files_order_and_are_bounded() -> None:
    """A file that is wrong everywhere gives a readable list, and says how much more there is."""
    drill = record_drill()
    lines = [line.replace(b'"v":1', b'"v":2') for line in drill.bundle.splitlines()]
    report = check(drill, b"\n".join(lines) + b"\n")
    places = [finding.line for finding in report.findings if finding.line is not None]
    assert len(report.findings) == FINDINGS_MAX
    assert report.more > 0
    assert places == sorted(places)


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_a_report(raw: bytes) -> None:
    """The verifier lives on, whatever it is handed."""
    assert not verify_bundle(raw, fleet="0" * 64).verified


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_any_mangled_line_gives_a_report(data: st.DataObject) -> None:
    """Bytes put into the middle of a real bundle are a finding, never a crash."""
    drill = _shared()
    lines = drill.bundle.splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    line = lines[place]
    cut = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(cut, len(line)))
    junk = data.draw(
        st.one_of(st.binary(max_size=20), st.sampled_from([b"null", b"-1", b"9" * 30, b"[" * 3000, b'""']))
    )
    lines[place] = line[:cut] + junk + line[end:]
    mangled = b"\n".join(lines) + b"\n"
    assert mangled == drill.bundle or not check(drill, mangled).verified


_SHARED: list[Recorded] = []


def _shared() -> Recorded:
    if not _SHARED:
        _SHARED.append(record_drill())
    return _SHARED[0]


def test_an_open_drill_is_not_exported(tmp_path) -> None:
    """Verdicts are final at the close, so there is no bundle before."""
    drill = record_drill()
    lines = list(drill.store.lines(drill.drill))
    with pytest.raises(JournalError, match="has not come to its end"):
        result_of(lines[:-1])
    path = tmp_path / "bundle.jsonl"
    exported = export_bundle(drill.store, drill.drill, kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0])), path)
    assert exported.result == drill.result
    assert path.read_bytes() == drill.bundle
    assert path.read_bytes().splitlines()[1:-2] == lines
    assert claimed_fleet(drill.bundle) == drill.fleet.fleet
    assert claimed_fleet(b"x" * 5000) == ""


class Skipper(Recorder):
    """Leaves out a number between two challenges, as if one had never been issued."""

    def spoken(self, made):
        said, text = made
        if not isinstance(said, Challenge):
            return said, text
        changed = said.model_copy(update={"seq": said.seq + 1})
        return changed, seal(changed, kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))).decode()

    def decided(self, event: ev.Event) -> list[ev.Event]:
        if isinstance(event, ev.ChallengeIssued):
            return [event.model_copy(update={"seq": event.seq + 1})]
        return [event]


def test_no_challenge_can_be_left_out() -> None:
    """Challenges are numbered without a gap, so none is kept back from the journal."""
    report = check(Skipper(Script()).record())
    assert report.findings[0].what == "expected challenge 1, found 2"


class Doodler(Recorder):
    """Writes its own envelopes in a form of its own."""

    def spoken(self, made):
        said, text = made
        return said, json.dumps(json.loads(text))


def test_the_dispatchers_envelopes_have_one_form() -> None:
    """Bytes that say the same in another way would let two bundles differ and both be true."""
    report = check(Doodler(Script()).record())
    assert "in the one form of an envelope" in report.findings[0].what


class Finisher(Recorder):
    """Calls its challenges final from the start."""

    def spoken(self, made):
        said, text = made
        if not isinstance(said, Challenge):
            return said, text
        changed = said.model_copy(update={"final": True})
        return changed, seal(changed, kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))).decode()

    def decided(self, event: ev.Event) -> list[ev.Event]:
        return [event.model_copy(update={"final": True}) if isinstance(event, ev.ChallengeIssued) else event]


def test_only_closing_challenges_are_final() -> None:
    """Witnesses cannot be made to close early, before the drill is over."""
    report = check(Finisher(Script()).record())
    assert report.findings[0].what == "only the challenges of the closing are final"


class Stranger(Recorder):
    """Asks a witness that no site of the audience has."""

    def spoken(self, made):
        said, text = made
        if not isinstance(said, Recall):
            return said, text
        changed = said.model_copy(update={"witness": "w9"})
        return changed, seal(changed, kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))).decode()

    def decided(self, event: ev.Event) -> list[ev.Event]:
        return [event.model_copy(update={"witness": "w9"}) if isinstance(event, ev.RecallIssued) else event]


def test_a_recall_asks_a_witness_of_the_audience() -> None:
    """Whom a recall names is checked like everything else."""
    report = check(Stranger(Script(recall=True)).record())
    assert report.findings[0].what == "the audience has no such witness"


def test_an_order_is_issued_inside_the_window() -> None:
    """A drill that was opened just in time cannot order after the window has closed."""
    recorder = Recorder(Script())
    recorder.warrant_changes = {"not_after": format_utc(kit.NOW_NS + 300_000_000)}
    report = check(recorder.record())
    assert report.findings[0].what == "it was issued outside the warrant's window"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"fleet": ZEROS}, "it is for another fleet"),
        ({"warrant": ZEROS}, "it names another warrant"),
        ({"use": 2}, "it is for use 2"),
        ({"reason": "nobody coughed"}, "its reason is another"),
    ],
)
def test_an_abort_is_of_this_use_of_this_warrant(changes: dict[str, object], what: str) -> None:
    """Nobody's old abort explains away a drill that went wrong."""
    recorder = Recorder(Script(abort_at_s=0.5))
    recorder.abort_changes = changes
    report = check(recorder.record())
    assert what in report.findings[0].what


def test_every_field_of_the_reported_result_is_recomputed() -> None:
    """A result that flatters is found out, although the dispatcher sealed it."""
    drill = record_drill(Script(lying="beta"))
    signer = kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))
    memo, tried = Memo(), 0
    for label, changed in changes(json.loads(drill.result.encode())):
        try:
            result = DrillResult.model_validate_json(dump(changed))
        except ValidationError:
            continue
        if result == drill.result:
            continue
        tried += 1
        report = verify_bundle(encode_bundle(drill.records, result, signer), roots=drill.roots, memo=memo)
        in_header = label in {"drill", "fleet"}  # the header says those too, and is read first
        assert any(finding.item == "result" or in_header for finding in report.findings), label
    assert tried > 80
