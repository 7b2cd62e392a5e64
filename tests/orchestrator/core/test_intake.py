"""What is believed of what arrives, beyond its signature."""

from __future__ import annotations

import pytest

from orchestrator.core.intake import Heard, Unbelieved, examine
from protocols.envelope import seal
from protocols.messages import LicenceRequest, Link, Outcome, Presence, Receipt, Role
from protocols.reasons import Reason
from tests import kit

FLEET = kit.make_fleet(("alpha",), enforcers=1)


def presence(role: Role, name: str) -> Presence:
    """Make a presence of site alpha."""
    return Presence(
        fleet=FLEET.fleet,
        site="alpha",
        role=role,
        name=name,
        store="0" * 32,
        last_seq=0,
        last_digest="0" * 64,
        boot_id="0" * 8,
        at=FLEET.at(),
        software="test",
    )


def label_of(who: str) -> str:
    """Return the label of the key of a party of site alpha."""
    if who == "agent":
        return kit.agent_label("alpha")
    return kit.enforcer_label("alpha", who) if who.startswith("e") else kit.witness_label("alpha", who)


@pytest.mark.parametrize(
    ("who", "role", "name", "believed"),
    [
        ("agent", Role.AGENT, "agent", True),
        ("w1", Role.WITNESS, "w1", True),
        ("agent", Role.WITNESS, "w1", False),
        ("agent", Role.WITNESS, "agent", False),
        ("w1", Role.AGENT, "agent", False),
        ("w1", Role.WITNESS, "w2", False),
        ("e1", Role.ENFORCER, "e1", True),
        ("e1", Role.WITNESS, "e1", False),
        ("w1", Role.ENFORCER, "w1", False),
    ],
)
def test_nobody_is_present_for_another(who: str, role: Role, name: str, believed: bool) -> None:
    """A key says only of its own holder that it is there: else a rollback of another's disk could be hidden."""
    label = label_of(who)
    (found,) = examine(
        FLEET.topics.presence("alpha", who), seal(presence(role, name), kit.key_of(label)), 1, FLEET.trust()
    )
    if believed:
        assert isinstance(found, Heard)
    else:
        assert isinstance(found, Unbelieved)
        assert found.reason is Reason.WRONG_ROLE


@pytest.mark.parametrize(
    ("signer", "topic", "by", "reason"),
    [
        ("agent", "agent", "agent", None),
        ("e1", "e1", "e1", None),
        ("agent", "agent", "e1", Reason.WRONG_ROLE),
        ("e1", "e1", "agent", Reason.WRONG_ROLE),
        ("agent", "e1", "e1", Reason.UNKNOWN_KEY),
        ("e1", "agent", "agent", Reason.UNKNOWN_KEY),
        ("w1", "e1", "e1", Reason.UNKNOWN_KEY),
        ("e1", "e2", "e2", Reason.UNKNOWN_KEY),
    ],
)
def test_nobody_answers_for_another(signer: str, topic: str, by: str, reason: Reason | None) -> None:
    """An enforcer's receipt is never the agent's, nor the other way round, whatever it says of itself."""
    order = FLEET.order(FLEET.warrant())
    receipt = Receipt(
        fleet=FLEET.fleet,
        site="alpha",
        link=Link(seq=1, prev="0" * 64, boot_id="0" * 8, boot_ns=0),
        at=FLEET.at(),
        order=order.digest(),
        drill=order.drill,
        use=1,
        step=0,
        outcome=Outcome.HALTED,
        reason=None,
        detail="",
        elapsed_ns=0,
        by=by,
    )
    where = FLEET.topics.agent("alpha") if topic == "agent" else FLEET.topics.enforcer("alpha", topic)
    (found,) = examine(where, seal(receipt, kit.key_of(label_of(signer))), 1, FLEET.trust())
    assert isinstance(found, Heard) is (reason is None)
    assert not isinstance(found, Unbelieved) or found.reason is reason


@pytest.mark.parametrize(("signer", "believed"), [("agent", True), ("e1", False), ("w1", False)])
def test_only_an_agent_asks_for_licences(signer: str, believed: bool) -> None:
    """A witness or an enforcer cannot have its site work on."""
    order = FLEET.order(FLEET.warrant())
    asked = LicenceRequest(
        fleet=FLEET.fleet,
        site="alpha",
        order=order.digest(),
        drill=order.drill,
        nonce=FLEET.nonce(),
        at=FLEET.at(),
    )
    raw = seal(asked, kit.key_of(label_of(signer)))
    (found,) = examine(FLEET.topics.agent("alpha"), raw, 1, FLEET.trust())
    assert isinstance(found, Heard) is believed
    (found,) = examine(FLEET.topics.enforcer("alpha", "e1"), raw, 1, FLEET.trust())
    assert isinstance(found, Unbelieved)
