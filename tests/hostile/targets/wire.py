"""Ways in over the broker: at the orchestrator, at an agent or an enforcer, at a witness."""

from __future__ import annotations

from typing import Any

from securesystemslib.dsse import Envelope as LibraryEnvelope

from agents.chain import Chain
from agents.courier import Courier, Parcel
from agents.decide import decide
from agents.decision import Decision, OrderFrame, StopEnvelope
from agents.events import LeverEngaged, LeverLifted, OrderAccepted, RungSeen, StepReleased, UseAborted
from agents.lessee import Lessee
from agents.state import AgentState, fold_event
from agents.witness import Witness, WitnessParts
from orchestrator.core import events as ev
from orchestrator.core.intake import Heard, Unbelieved, examine
from protocols import messages as package
from protocols.controls import Actor
from protocols.envelope import one_form, open_envelope, parse_envelope, valid_keys
from protocols.errors import EnvelopeError, MessageError
from protocols.host.clock import ManualClock
from protocols.keys import PublicKey
from protocols.messages import Message, Order, Outcome
from protocols.transport.base import Inbound
from tests import kit
from tests.agents.doubles import FakeProbe, MemoryDisk, quiet_log
from tests.hostile.targets import scene
from tests.hostile.targets.base import Target, attempt, chosen, with_word
from tests.hostile.targets.scene import FLEET, NOW, SIGNED, SITE, SITE_TRUST, TRUST

KINDS: dict[str, type[Message]] = {
    kind.KIND: kind
    for name in package.__all__
    if isinstance(kind := getattr(package, name), type) and issubclass(kind, Message) and kind is not Message
}
_BY_TYPE = {kind.payload_type(): kind for kind in KINDS.values()}
_LABELS = (
    scene.DISPATCHER,
    *scene.APPROVERS,
    *scene.ROOTS,
    *(kit.operator_label(site) for site in FLEET.sites),
    *(kit.agent_label(site) for site in FLEET.sites),
    kit.enforcer_label(SITE, "e1"),
    kit.witness_label(SITE, "w1"),
)
KEYS = {key.key_id: key for label in _LABELS for key in (PublicKey.load(kit.public_of(label)),)}


def check_envelope(data: bytes) -> None:
    """An envelope is read, or is one clear error; nothing that verifies was not signed as it is."""
    envelope = attempt(parse_envelope, data, allowed=EnvelopeError)
    if envelope is None:
        return
    again = parse_envelope(one_form(envelope))
    assert (again.payload, again.payload_type, again.signatures) == (
        envelope.payload,
        envelope.payload_type,
        envelope.signatures,
    )
    if attempt(valid_keys, envelope, KEYS):
        assert envelope.payload in SIGNED, "a forgery verifies"
        kind = _BY_TYPE[envelope.payload_type]
        opened = attempt(open_envelope, envelope, kind, KEYS)
        assert opened is not None
        assert opened[0].encode() == envelope.payload


def check_message(data: bytes) -> None:
    """A payload has one encoding, or is one clear error."""
    word, payload = chosen(data, sorted(KINDS))
    message = attempt(KINDS[word].decode, payload, allowed=MessageError)
    if message is not None:
        assert message.encode() == payload
        assert KINDS[word].decode(message.encode()) == message


_TOPICS = {
    "stops": FLEET.topics.stops,
    "agent": FLEET.topics.agent(SITE),
    "enforcer": FLEET.topics.enforcer(SITE, "e1"),
    "witness": FLEET.topics.witness(SITE, "w1"),
    "presence": FLEET.topics.presence(SITE, "w1"),
    "nobody": f"{FLEET.topics.base}/sites/{SITE}/witness/w1/x",
    "stranger": FLEET.topics.agent("\u202e\x00"),
}


def check_intake(data: bytes) -> None:
    """The orchestrator believes only what was signed; what it rejects can be written into its journal."""
    word, frame = chosen(data, sorted(_TOPICS))
    for item in examine(_TOPICS[word], frame, 1, TRUST):
        match item:
            case Heard(said=said, envelope=text):
                assert said.encode() in SIGNED, "a forgery is believed"
                assert text.encode() in frame
            case Unbelieved():
                rejected = ev.InputRejected(
                    reason=item.reason, detail=item.detail, topic=item.topic, digest=item.digest
                )
                assert ev.EVENTS.validate_json(rejected.model_dump_json()) == rejected


def _hold_decision(decision: Decision, known: frozenset[str]) -> None:
    for event in decision.events:
        match event:
            case OrderAccepted() | RungSeen():
                assert event.order in known, "a forged order is obeyed"
            case LeverEngaged() | LeverLifted() | StepReleased() | UseAborted():
                pass
            case _:
                raise AssertionError(f"an order brings {event}")
    for draft in decision.drafts:
        assert draft.outcome is Outcome.REFUSED or draft.order in known
        assert len(draft.detail) <= 500
    state = AgentState()
    for event in decision.events:
        state = fold_event(state, event)


_KNOWN = frozenset(order.digest() for order in scene.ORDERS)


def check_order(data: bytes) -> None:
    """An agent and an enforcer obey no order that was not signed, whatever else arrives."""
    for actor in Actor:
        _hold_decision(decide(AgentState(), OrderFrame(data), SITE_TRUST, NOW, actor=actor), _KNOWN)


def seal_as(payload: bytes, payload_type: str, *labels: str) -> bytes:
    """Sign any payload as any type, as whoever has the keys can."""
    library = LibraryEnvelope(payload, payload_type, {})
    for label in labels:
        library.sign(scene.signer(label))
    return one_form(_parsed(library))


def _parsed(library: LibraryEnvelope) -> Any:
    import json  # noqa: PLC0415

    return parse_envelope(json.dumps(library.to_dict()).encode())


def check_stolen_order(data: bytes) -> None:
    """Whoever has the dispatcher's key can choose nothing that the warrant leaves open."""
    if len(data) > 30_000:
        return
    frame = seal_as(data, Order.payload_type(), scene.DISPATCHER) + b"\n" + scene.APPROVED
    decision = decide(AgentState(), OrderFrame(frame), SITE_TRUST, NOW)
    for event in decision.events:
        assert isinstance(event, OrderAccepted)
        order = Order.decode(data)
        assert (order.warrant, order.status, order.standing) == (scene.WARRANT.digest(), "exercise", None)
        assert (order.fleet, order.site, order.rung) == (FLEET.fleet, None, 0)
        assert order.use <= scene.WARRANT.uses
        step = scene.WARRANT.steps[order.step]
        assert event.params == step.params
        assert event.hold_ns == round(step.hold_s * 1e9)


def check_stop(data: bytes) -> None:
    """Nothing stops, and no lever moves, by what nobody entitled has signed."""
    for actor in Actor:
        decision = decide(AgentState(), StopEnvelope(data), SITE_TRUST, NOW, actor=actor)
        if decision.events:
            assert parse_envelope(data).payload in SIGNED, "a forged stop counts"


class _Party:
    """A witness and the agent's lessee, without a connection."""

    def __init__(self) -> None:
        clock = ManualClock(wall_ns=kit.NOW_NS)

        def connect() -> Any:
            raise AssertionError("nobody connects")

        self.witness = Witness(
            WitnessParts(
                name="w1",
                trust=SITE_TRUST,
                signer=scene.signer(kit.witness_label(SITE, "w1")),
                chain=Chain.open(MemoryDisk(), new_id=scene.NONCE),
                probe=FakeProbe(),
                clock=clock,
                log=quiet_log(),
                connect=connect,
                software="x",
            )
        )
        self.courier = Courier(
            connect,
            clock=clock,
            log=quiet_log(),
            program="agent",
            take=lambda _: None,
            presence=lambda: Parcel("x", b""),
            waiting_max=4,
        )
        agent = scene.signer(kit.agent_label(SITE))
        self.lessee = Lessee(SITE_TRUST, agent, self.courier, clock=clock, log=quiet_log(), nonce=lambda: scene.NONCE)
        self.clock = clock


def check_witness(data: bytes) -> None:
    """A witness answers no challenge and no recall that nobody signed, and no junk makes it remember anything."""
    word, frame = chosen(data, ("challenges", "ask"))
    topic = FLEET.topics.challenges if word == "challenges" else FLEET.topics.ask(SITE)
    witness = _Party().witness
    witness._take(Inbound(topic, frame, 1))
    believed = [*witness._pending.values(), *witness._recalls]
    assert all(message.encode() in SIGNED for message in believed), "a forged challenge is believed"


def _leased() -> AgentState:
    frame = scene.FRAMES["lease-order"]
    state = AgentState()
    for event in decide(state, OrderFrame(frame), SITE_TRUST, NOW).events:
        state = fold_event(state, event)
    return state


def check_licence(data: bytes) -> None:
    """No licence prolongs anything that the dispatcher did not sign for this order and this request."""
    party, state = _Party(), _leased()
    party.lessee.turn(state, NOW)
    before_ns = party.lessee._keeper.until_ns
    party.clock.advance(1.0)
    party.lessee.take(data, state, NOW)
    if party.lessee._keeper.until_ns != before_ns:
        assert parse_envelope(data).payload == scene.LICENCE.encode(), "a forged licence counts"


def _with(word: str, *names: str) -> list[bytes]:
    return [with_word(word, scene.ENVELOPES[name]) for name in names]


TARGETS = (
    Target("envelope", check_envelope, lambda: [*scene.ENVELOPES.values(), *scene.DOCUMENTS.values()]),
    Target(
        "message",
        check_message,
        lambda: [
            with_word(_BY_TYPE[envelope.payload_type].KIND, envelope.payload)
            for envelope in map(parse_envelope, [*scene.ENVELOPES.values(), *scene.DOCUMENTS.values()])
        ],
    ),
    Target(
        "intake",
        check_intake,
        lambda: [
            *_with("stops", "release", "abort", "lever"),
            *_with("agent", "receipt", "request"),
            *_with("enforcer", "noted"),
            *_with("witness", "reading", "closing"),
            *_with("presence", "presence"),
            with_word("witness", scene.ENVELOPES["reading"] + b"\n" + scene.ENVELOPES["closing"]),
        ],
    ),
    Target("order", check_order, lambda: list(scene.FRAMES.values())),
    Target("stolen-order", check_stolen_order, lambda: [order.encode() for order in scene.ORDERS]),
    Target("stop", check_stop, lambda: [scene.ENVELOPES[name] for name in ("release", "abort", "site-lever", "lever")]),
    Target(
        "witness",
        check_witness,
        lambda: [*_with("challenges", "challenge", "final-challenge"), *_with("ask", "recall")],
    ),
    Target("licence", check_licence, lambda: [scene.ENVELOPES["licence"]]),
)
