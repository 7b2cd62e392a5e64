"""Whole drills through the real runtime on virtual time, with scripted sites."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core import events as ev
from orchestrator.core.concern import RECEIPTS_PER_RUNG
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Cause, Grade, Verdict
from orchestrator.core.states import Phase
from orchestrator.evidence.bundle import export_bundle
from orchestrator.evidence.verifier import verify_bundle
from orchestrator.journal.chain import ChainReader, decode_record, stamped_of
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.conduct import Conductor
from orchestrator.runtime.issuer import make_abort
from protocols.controls import Params, PauseParams, ShutdownParams
from protocols.envelope import seal
from protocols.errors import TransportError
from protocols.host.logs import get_logger
from protocols.ids import format_utc
from protocols.messages import Challenge, Link, Message, Outcome, Quoted, Reading, Receipt, Release
from protocols.reasons import Reason
from protocols.transport.memory import MemoryBroker, MemoryTransport
from tests.kit import (
    DISPATCHERS,
    WITNESS_OWNERS,
    Fleet,
    agent_label,
    approver_label,
    dispatcher_label,
    key_of,
    make_fleet,
    witness_label,
)
from tests.orchestrator.runtime.scripted import Chain, Script, Stage, documents_of
from tests.virtual import LoopClock, run_virtual


def two_sites() -> Fleet:
    """Make the fleet of these tests."""
    return make_fleet(("alpha", "beta"), witnesses=3)


def play(script: Script, *, params: PauseParams | ShutdownParams | None = None) -> Drill:
    """Run one step at two sites, of which the second follows `script`."""
    fleet = two_sites()
    stage = Stage(fleet, {"beta": script})
    return run_virtual(stage.play(fleet.warrant(params=params or PauseParams(), hold_s=12.0)))


def test_honest_sites_are_verified() -> None:
    """A drill with nothing wrong passes, and each response time holds the true 0.4 s."""
    drill = play(Script())
    assert drill.passed
    for site in ("alpha", "beta"):
        result = drill.results[0, site]
        assert (result.verdict, result.grade) == (Verdict.VERIFIED, Grade.HELD)
        assert result.response_lower_ns is not None
        assert result.response_upper_ns is not None
        assert result.response_lower_ns <= 400_000_000 <= result.response_upper_ns
        assert result.response_upper_ns - result.response_lower_ns < 600_000_000


def test_shutdown_is_verified_by_no_live_process() -> None:
    """A shutdown passes when work stands still and no process is left."""
    assert play(Script(), params=ShutdownParams()).passed


@pytest.mark.parametrize(
    ("script", "verdict", "cause"),
    [
        (Script(lies=True), Verdict.CONTRADICTED, Cause.ACTIVE_AFTER_REPORT),
        (Script(silent=True), Verdict.UNPROVEN, Cause.SILENT),
        (Script(refuses=True), Verdict.REFUSED, Cause.REFUSED),
        (Script(delay_s=6.0), Verdict.LATE, Cause.OVER_LIMIT),
        (Script(resumes_after_s=4.0), Verdict.BROKEN, Cause.ACTIVE_IN_HOLD),
        (Script(stays_down=True), Verdict.NOT_RESTORED, Cause.NOT_SEEN_BACK),
        (Script(idle=True), Verdict.UNPROVEN, Cause.NO_LOAD),
        (Script(mute=frozenset({"w1", "w2"})), Verdict.UNPROVEN, Cause.NO_CLOSING),
        (Script(no_closing=frozenset({"w1", "w2"})), Verdict.UNPROVEN, Cause.NO_CLOSING),
        (
            Script(
                lost={"w1": frozenset({20}), "w2": frozenset({20})},
                never_resends=frozenset({"w1", "w2"}),
            ),
            Verdict.UNPROVEN,
            Cause.GAP,
        ),
    ],
    ids=lambda value: str(value.value) if isinstance(value, Verdict) else "",
)
def test_each_fault_gets_its_verdict(script: Script, verdict: Verdict, cause: Cause) -> None:
    """Each thing that a site can do wrong is told apart, and never touches the other site's verdict."""
    drill = play(script)
    assert drill.passed is False
    assert (drill.results[0, "beta"].verdict, drill.results[0, "beta"].cause) == (verdict, cause)
    assert drill.results[0, "alpha"].verdict is Verdict.VERIFIED


def test_a_lying_minority_of_witnesses_cannot_make_a_pass() -> None:
    """One witness that always reports work lowers the verdict: dissent is never outvoted."""
    drill = play(Script(blind=frozenset({"w3"})))
    assert drill.results[0, "beta"].verdict is not Verdict.VERIFIED


@pytest.mark.parametrize(("mad", "passed"), [({"w1"}, True), ({"w1", "w2"}, False)], ids=["one", "two"])
def test_a_witness_with_a_mad_clock_counts_for_nothing(mad: set[str], passed: bool, tmp_path: Path) -> None:
    """One owner's mad clock spoils neither the drill nor its evidence; a quorum of them is an accusation."""
    fleet = two_sites()
    stage = Stage(fleet, {"beta": Script(mad_clock=frozenset(mad))})
    drill = run_virtual(stage.play(fleet.warrant(hold_s=12.0)))
    result = drill.results[0, "beta"]
    assert result.passed is passed
    assert mad.isdisjoint(result.agreeing)
    bundle = tmp_path / "bundle.jsonl"
    export_bundle(stage.store, drill.drill, key_of(dispatcher_label(DISPATCHERS[0])), bundle)
    found = verify_bundle(bundle.read_bytes(), fleet=fleet.fleet, now_ns=fleet.now_ns)
    assert found.verified is passed
    told = found.notes if passed else tuple(str(finding) for finding in found.findings)
    assert any("by the witness's own clock" in line and "witness w1" in line for line in told)


def test_the_sites_own_witness_is_no_owner_of_a_quorum_of_mad_clocks(tmp_path: Path) -> None:
    """A site's operator and one lying owner spoil the site's verdict, but not everybody's evidence."""
    fleet = make_fleet(("alpha", "beta"), witnesses=3, record={"owner": WITNESS_OWNERS[0]})
    stage = Stage(fleet, {"beta": Script(mad_clock=frozenset({"w1", "w2"}))})
    drill = run_virtual(stage.play(fleet.warrant(hold_s=12.0)))
    assert not drill.results[0, "beta"].passed
    bundle = tmp_path / "bundle.jsonl"
    export_bundle(stage.store, drill.drill, key_of(dispatcher_label(DISPATCHERS[0])), bundle)
    assert verify_bundle(bundle.read_bytes(), fleet=fleet.fleet, now_ns=fleet.now_ns).findings == ()


def test_a_refusal_that_anybody_can_provoke_does_not_end_the_asking() -> None:
    """Someone who strips the warrant's approvals on the way gets a refusal; the true order still comes."""
    drill = play(Script(provoked=True))
    refused = [receipt for _, receipt in drill.receipts["beta"] if receipt.outcome is Outcome.REFUSED]
    assert [receipt.reason for receipt in refused] == [Reason.UNDER_THRESHOLD]
    assert drill.passed


def test_lost_readings_are_recalled() -> None:
    """Readings lost on the wire are asked for again, and the site still passes."""
    assert play(
        Script(lost={"w1": frozenset({0, 1, 3, 4, 20}), "w2": frozenset({0, 9, 30}), "w3": frozenset({2})})
    ).passed


def test_two_steps_run_one_after_the_other() -> None:
    """A plan with a pause and a shutdown proves both at every site."""
    fleet = two_sites()
    steps = (
        fleet.step(name="pause", hold_s=8.0),
        fleet.step(name="stop", hold_s=8.0, params=ShutdownParams(grace_s=1.0)),
    )
    drill = run_virtual(Stage(fleet).play(fleet.warrant(*steps)))
    assert drill.passed
    assert set(drill.results) == {(step, site) for step in (0, 1) for site in ("alpha", "beta")}


def test_witnesses_are_told_what_is_exercised() -> None:
    """Each challenge names the running step's control, from preflight on, and the last ones name none."""
    fleet = two_sites()
    steps = (fleet.step(name="pause", hold_s=8.0), fleet.step(name="stop", hold_s=8.0, params=ShutdownParams()))
    told: list[Params | None] = []

    def note(stamped: ev.Stamped, said: Message | None) -> None:
        if isinstance(said, Challenge):
            assert (said.exercise is None) is said.final
            told.append(said.exercise)

    run_virtual(Stage(fleet).play(fleet.warrant(*steps), observers=[note]))
    assert [kind for kind, _ in itertools.groupby(told)] == [steps[0].params, steps[1].params, None]


def test_no_load_anywhere_orders_nothing() -> None:
    """When no site is at work, nothing could be proved, so nothing is ordered."""
    fleet = two_sites()
    stage = Stage(fleet, {site: Script(idle=True) for site in fleet.sites})
    drill = run_virtual(stage.play(fleet.warrant()))
    assert drill.passed is False
    assert all(run.ordered is None for run in drill.steps)
    assert {result.cause for result in drill.results.values()} == {Cause.NOT_ORDERED}


async def _abort_in_the_hold(stage: Stage) -> None:
    await stage.ordered.wait()
    await asyncio.sleep(3)
    stage.running.abort("a test says so")


def test_abort_releases_and_watches_the_recovery() -> None:
    """An abort in the hold restores every site, is no pass, and orders nothing more."""
    fleet = two_sites()
    seen: list[str] = []

    def note(stamped: ev.Stamped, _said: Message | None) -> None:
        seen.append(stamped.event.type)

    stage = Stage(fleet)
    steps = (fleet.step(name="one"), fleet.step(name="two"))
    drill = run_virtual(stage.play(fleet.warrant(*steps), observers=[note], meanwhile=_abort_in_the_hold))
    assert drill.aborted
    assert drill.passed is False
    assert all(site.load.active for site in stage.sites.values())
    assert seen.count("order.issued") == 1
    assert "order.issued" not in seen[seen.index("drill.aborted") :]
    assert all(result.restore_upper_ns is not None for (step, _), result in drill.results.items() if step == 0)


async def _approver_aborts(stage: Stage) -> None:
    await stage.ordered.wait()
    await asyncio.sleep(2)
    fleet, drill = stage.fleet, stage.running.drill
    _, envelope = make_abort(
        key_of(approver_label("safety")),
        fleet.fleet,
        drill.warrant.digest(),
        drill.use,
        "an approver says so",
        fleet.nonce(),
        stage.clock.wall_ns(),
    )
    stage.broker.route(fleet.topics.stops, envelope.encode())


def test_any_single_approver_aborts_over_the_wire() -> None:
    """An abort signed by one approver, from anywhere, ends the drill and is journalled with its envelope."""
    fleet = two_sites()
    drill = run_virtual(Stage(fleet).play(fleet.warrant(), meanwhile=_approver_aborts))
    assert drill.abort_reason == "an approver says so"


async def _junk(stage: Stage) -> None:
    topics = stage.fleet.topics
    for number in range(1500):
        stage.broker.route(topics.witness("alpha", "w1"), b"junk %d" % number)
        stage.broker.route(topics.witness("nowhere", "w1"), b"{}")
        if number % 50 == 0:
            await asyncio.sleep(0.1)


def test_junk_is_counted_and_stops_nothing() -> None:
    """Junk from the wire fills neither the journal nor the way of an honest drill."""
    fleet = two_sites()
    rejected = 0

    def note(stamped: ev.Stamped, _said: Message | None) -> None:
        nonlocal rejected
        rejected += isinstance(stamped.event, ev.InputRejected)

    drill = run_virtual(Stage(fleet).play(fleet.warrant(), observers=[note], meanwhile=_junk))
    assert drill.passed
    assert rejected == 1000
    assert drill.rejected == 3000


async def _chatter(stage: Stage) -> None:
    """Flood with what is rightly signed by one witness, and by one agent, of one site."""
    await stage.ordered.wait()
    drill, fleet = stage.running.drill, stage.fleet
    elsewhere = Quoted(drill="20200101t000000z-other-abcdef", seq=1, nonce="0" * 32, digest="0" * 64)
    challenge = len(drill.issued)
    here = Quoted(drill=drill.drill, seq=challenge, nonce=drill.nonces[challenge], digest=drill.challenges[challenge])
    for number in range(3000):
        # Links far ahead, and links that fork: neither is of any use.
        link = Link(seq=5 + (number % 2) * 1_000_000, prev="1" * 64, boot_id="0" * 8, boot_ns=number)
        reading = Reading(
            fleet=fleet.fleet,
            site="alpha",
            witness="w1",
            link=link,
            at=format_utc(stage.clock.wall_ns()),
            quotes=elsewhere if number % 2 else here,
            signals=(),
        )
        raw = seal(reading, key_of(witness_label("alpha", "w1")))
        stage.broker.route(fleet.topics.witness("alpha", "w1"), raw)
        receipt = Receipt(
            fleet=fleet.fleet,
            site="alpha",
            link=link,
            at=format_utc(stage.clock.wall_ns()),
            order=drill.step.order_digest,
            drill=drill.drill,
            use=drill.use,
            step=0,
            outcome=Outcome.RESTORED,
            reason=None,
            detail="",
            elapsed_ns=number,
        )
        stage.broker.route(fleet.topics.agent("alpha"), seal(receipt, key_of(agent_label("alpha"))))
        if number % 100 == 0:
            await asyncio.sleep(0.1)


def test_one_chatterbox_does_not_fill_the_journal() -> None:
    """Whoever holds one witness's and one agent's key can add only so much, whatever its messages say."""
    fleet = two_sites()
    taken = {"reading.received": 0, "receipt.received": 0}

    def note(stamped: ev.Stamped, _said: Message | None) -> None:
        event = stamped.event
        if isinstance(event, ev.ReadingReceived | ev.ReceiptReceived) and event.site == "alpha":
            taken[event.type] += 1

    drill = run_virtual(Stage(fleet).play(fleet.warrant(), observers=[note], meanwhile=_chatter))
    assert drill.results[0, "beta"].passed
    assert taken["reading.received"] < 2_000
    assert taken["receipt.received"] <= RECEIPTS_PER_RUNG


def test_the_journal_alone_gives_the_same_drill() -> None:
    """Replaying the journal folds to the same phase, figures and verdicts: the log is the drill."""
    fleet = two_sites()
    stage = Stage(fleet, {"beta": Script(lies=True)})
    drill = run_virtual(stage.play(fleet.warrant()))
    reader = ChainReader(drill.drill)
    again = Drill(fleet.trust(), drill.warrant)
    for raw in stage.store.lines(drill.drill):
        again.apply(stamped_of(reader.read(raw)))
    assert again.phase is Phase.CLOSED
    assert again.results == drill.results
    for (step, site), result in drill.results.items():
        assert again.judge(step, site) == result


def test_nothing_is_published_before_it_is_appended() -> None:
    """The order reaches the wire only after its event is in the store."""
    fleet = two_sites()
    stage = Stage(fleet)
    stored: list[int] = []
    append = stage.store.append
    sent: list[tuple[str, int]] = []
    route = stage.broker.route

    def recording_append(drill: str, lines: object) -> None:
        append(drill, lines)  # type: ignore[arg-type]
        stored.extend(line.seq for line in lines)  # type: ignore[attr-defined]

    def recording_route(topic: str, payload: bytes, *, retain: bool = False) -> None:
        sent.append((topic, len(stored)))
        route(topic, payload, retain=retain)

    stage.store.append = recording_append  # type: ignore[method-assign]
    stage.broker.route = recording_route  # type: ignore[method-assign]
    drill = run_virtual(stage.play(fleet.warrant()))
    order_seq = next(
        record.seq
        for raw in stage.store.lines(drill.drill)
        for record in [decode_record(raw, where="test")]
        if record.event.type == "order.issued"
    )
    first_publish = next(count for topic, count in sent if topic == fleet.topics.orders)
    assert first_publish > order_seq


def _tapped(stage: Stage, topic: str) -> list[bytes]:
    """Collect what is published on a topic, as anybody at the broker can."""
    heard: list[bytes] = []
    route = stage.broker.route

    def tap(to: str, payload: bytes, *, retain: bool = False) -> None:
        if to == topic:
            heard.append(payload)
        route(to, payload, retain=retain)

    stage.broker.route = tap  # type: ignore[method-assign]
    return heard


def test_replayed_readings_never_stand_in_for_fresh_ones() -> None:
    """A witness cut off in the hold, whose earlier readings are played again, agrees to nothing."""
    fleet = two_sites()
    quiet = frozenset({"w1", "w2"})
    stage = Stage(fleet, {"beta": Script(lies=True)})
    topics = {name: fleet.topics.witness("beta", name) for name in quiet}
    heard = {name: _tapped(stage, topic) for name, topic in topics.items()}

    async def replay(stage: Stage) -> None:
        await stage.ordered.wait()
        stage.sites["beta"].script.mute = frozenset({"w1", "w2", "w3"})
        while True:
            for name, topic in topics.items():
                stage.broker.route(topic, heard[name][0])
            await asyncio.sleep(0.25)

    drill = run_virtual(stage.play(fleet.warrant(hold_s=12.0), meanwhile=replay))
    assert drill.results[0, "beta"].agreeing == ()
    assert drill.results[0, "beta"].verdict in {Verdict.UNPROVEN, Verdict.CONTRADICTED}
    assert drill.results[0, "alpha"].passed


def test_readings_of_another_drill_do_not_count() -> None:
    """What a witness signed in an earlier drill, of a site truly quiet then, proves nothing in the next."""
    fleet = two_sites()
    stage = Stage(fleet)
    heard = _tapped(stage, fleet.topics.witness("beta", "w1"))
    warrant = fleet.warrant(hold_s=12.0)
    first = run_virtual(stage.play(warrant))
    assert first.passed
    old = list(heard)

    async def replay(stage: Stage) -> None:
        await stage.ordered.wait()
        for raw in old:
            stage.broker.route(fleet.topics.witness("beta", "w1"), raw)
            await asyncio.sleep(0.02)

    second = Stage(fleet, {"beta": Script(lies=True)}, store=stage.store)
    drill = run_virtual(second.play(warrant, meanwhile=replay))
    assert drill.use == 2
    assert drill.results[0, "beta"].verdict is Verdict.CONTRADICTED


def test_a_reading_by_another_sites_witness_is_rejected() -> None:
    """A rightly signed reading on the wrong site's topic is journalled as rejected and counts for nothing."""
    fleet = two_sites()
    stage = Stage(fleet, {"beta": Script(mute=frozenset({"w1", "w2"}))})
    alpha = _tapped(stage, fleet.topics.witness("alpha", "w1"))
    rejected: list[ev.InputRejected] = []

    def note(stamped: ev.Stamped, _said: Message | None) -> None:
        if isinstance(stamped.event, ev.InputRejected):
            rejected.append(stamped.event)

    async def misdirect(stage: Stage) -> None:
        sent = 0
        while True:
            for raw in alpha[sent:]:
                stage.broker.route(fleet.topics.witness("beta", "w1"), raw)
            sent = len(alpha)
            await asyncio.sleep(0.1)

    drill = run_virtual(stage.play(fleet.warrant(hold_s=12.0), observers=[note], meanwhile=misdirect))
    assert drill.results[0, "beta"].verdict is Verdict.UNPROVEN
    assert {event.reason for event in rejected} == {Reason.UNKNOWN_KEY}
    assert len(rejected) > 20


def test_an_order_that_the_agent_could_not_verify_is_answered_in_vain() -> None:
    """A refusal that anybody can provoke (it names no drill) does not count as the site's answer."""
    fleet = two_sites()
    stage = Stage(fleet)

    async def provoke(stage: Stage) -> None:
        await stage.ordered.wait()
        order = stage.running.drill.step.order_digest
        chain = Chain(agent_label("beta"), stage.clock)
        message = Receipt(
            fleet=fleet.fleet,
            site="beta",
            link=chain.link(),
            at=fleet.at(),
            order=order,
            drill=None,
            use=None,
            step=None,
            outcome=Outcome.REFUSED,
            reason=Reason.BAD_SIGNATURE,
            detail="",
            elapsed_ns=0,
        )
        stage.broker.route(fleet.topics.agent("beta"), chain.seal(message))

    drill = run_virtual(stage.play(fleet.warrant(hold_s=12.0), meanwhile=provoke))
    assert drill.results[0, "beta"].receipts.refused is None
    assert drill.passed


def _aborted_by(frame: Callable[[Stage], bytes]) -> Drill:
    """Run a drill in whose hold somebody publishes a stop."""
    fleet = two_sites()
    stage = Stage(fleet)

    async def meddle(stage: Stage) -> None:
        await stage.ordered.wait()
        await asyncio.sleep(3)
        stage.broker.route(fleet.topics.stops, frame(stage))

    return run_virtual(stage.play(fleet.warrant(hold_s=12.0), meanwhile=meddle))


def _foreign_release(stage: Stage) -> bytes:
    fleet, drill = stage.fleet, stage.running.drill
    release = Release(
        fleet=fleet.fleet,
        warrant=drill.warrant.digest(),
        use=drill.use,
        step=0,
        drill=drill.drill,
        nonce=fleet.nonce(),
        issued_at=format_utc(stage.clock.wall_ns()),
    )
    return seal(release, key_of(dispatcher_label(DISPATCHERS[0])))


def test_a_release_by_another_dispatcher_is_not_blamed_on_the_sites() -> None:
    """Sites that obey somebody else's release are not called broken: the drill ends as aborted."""
    drill = _aborted_by(_foreign_release)
    assert "not by this orchestrator" in drill.abort_reason
    assert {result.verdict for result in drill.results.values()} == {Verdict.UNPROVEN}


def _lever(age_s: float) -> Callable[[Stage], bytes]:
    def engage(stage: Stage) -> bytes:
        issued_at = format_utc(stage.clock.wall_ns() - round(age_s * 1e9))
        return seal(stage.fleet.lever(issued_at=issued_at), key_of(approver_label("safety")))

    return engage


def test_the_lever_ends_a_running_drill() -> None:
    """One approver's engagement is enough, and the record says why the drill ended."""
    assert "safety lever" in _aborted_by(_lever(0.0)).abort_reason


def test_an_old_engagement_played_again_ends_nothing() -> None:
    """A recording of the lever from long ago, which needs no key, does not stop a drill."""
    assert _aborted_by(_lever(3600.0)).passed


def test_a_drill_without_anybody_spends_no_use() -> None:
    """When no agent and no witness is there at all, nothing is opened, and one line says so."""
    fleet = two_sites()
    store = SqliteJournal(None)

    async def alone() -> None:
        clock = LoopClock()
        async with MemoryTransport(
            MemoryBroker(), fleet.topics.orchestrator_filters(), clock=clock, client_id="orchestrator"
        ) as transport:
            signer = key_of(dispatcher_label(DISPATCHERS[0]))
            conductor = Conductor(documents_of(fleet), signer, store, transport, clock, get_logger(), presence_s=3.0)
            await conductor.conduct(fleet.approve(fleet.warrant()))

    with pytest.raises(TransportError, match="none of the 8 parties"):
        run_virtual(alone())
    assert store.drills() == []
