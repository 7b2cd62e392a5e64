"""What is believed of what arrives, beyond its signature."""

from __future__ import annotations

import pytest

from orchestrator.core.intake import Heard, Unbelieved, examine
from protocols.envelope import seal
from protocols.messages import Presence, Role
from protocols.reasons import Reason
from tests import kit

FLEET = kit.make_fleet(("alpha",))


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


@pytest.mark.parametrize(
    ("who", "role", "name", "believed"),
    [
        ("agent", Role.AGENT, "agent", True),
        ("w1", Role.WITNESS, "w1", True),
        ("agent", Role.WITNESS, "w1", False),
        ("agent", Role.WITNESS, "agent", False),
        ("w1", Role.AGENT, "agent", False),
        ("w1", Role.WITNESS, "w2", False),
    ],
)
def test_nobody_is_present_for_another(who: str, role: Role, name: str, believed: bool) -> None:
    """A key says only of its own holder that it is there: else a rollback of another's disk could be hidden."""
    label = kit.agent_label("alpha") if who == "agent" else kit.witness_label("alpha", who)
    (found,) = examine(
        FLEET.topics.presence("alpha", who), seal(presence(role, name), kit.key_of(label)), 1, FLEET.trust()
    )
    if believed:
        assert isinstance(found, Heard)
    else:
        assert isinstance(found, Unbelieved)
        assert found.reason is Reason.WRONG_ROLE
