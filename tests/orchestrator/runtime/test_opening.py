"""What is refused before anybody is spoken to, and who has to be there."""

from __future__ import annotations

import pytest

from orchestrator.runtime.battery import one_approval
from orchestrator.runtime.conduct import parties_of
from orchestrator.runtime.opening import check_can_do
from protocols.controls import (
    CensusParams,
    Control,
    DecommissionParams,
    IsolateParams,
    Params,
    PauseParams,
    PowerCutParams,
    SlowdownParams,
)
from protocols.envelope import open_envelope, parse_envelope, seal
from protocols.errors import ConfigError
from protocols.messages import OffLevel, Rung, Warrant
from protocols.signals import FEED, POWER
from tests.kit import APPROVERS, CPU_SIGNAL, approver_label, key_of, make_fleet

EVERY = tuple(Control)


@pytest.mark.parametrize(
    ("params", "record", "says"),
    [
        (IsolateParams(), {}, "does not support isolate"),
        (PowerCutParams(), {"controls": EVERY}, "no enforcer"),
        (CensusParams(), {"controls": EVERY}, "no register"),
        (SlowdownParams(fraction=0.1), {"controls": EVERY}, "counts as quiet"),
        (DecommissionParams(armed_for_s=60.0), {"controls": EVERY}, "mock sites only"),
        (PauseParams(), {"max_hold_s": 5.0}, "over the 5 s"),
    ],
    ids=lambda value: value.control if hasattr(value, "control") else "",
)
def test_what_could_only_fail_is_not_opened(params: Params, record: dict[str, object], says: str) -> None:
    """One sentence says what stands in the way, at which site and in which step, and no use is spent."""
    fleet = make_fleet(("alpha",), record=record)
    with pytest.raises(ConfigError, match=says) as caught:
        check_can_do(fleet.warrant(fleet.step(params=params), uses=1), ("alpha",), fleet.trust())
    assert caught.value.where == "site alpha, step halt"


def test_every_rung_is_checked() -> None:
    """A ladder whose last rung nobody could climb to is refused as a whole."""
    fleet = make_fleet(("alpha",), record={"controls": EVERY})
    ladder = (Rung(params=PowerCutParams(), response_limit_s=2.0),)
    with pytest.raises(ConfigError, match="no enforcer") as caught:
        check_can_do(fleet.warrant(fleet.step(ladder=ladder)), ("alpha",), fleet.trust())
    assert "rung 1" in caught.value.where


def test_enforcers_are_waited_for_where_one_may_act() -> None:
    """They have to be there for a plan with a power cut on any rung, and for no other."""
    fleet = make_fleet(
        ("alpha",),
        enforcers=1,
        covers=(CPU_SIGNAL, POWER, FEED),
        off_levels=(OffLevel(signal=POWER, at_most=30),),
        record={"controls": EVERY},
    )
    ladder = (Rung(params=PowerCutParams(), response_limit_s=2.0),)
    everybody = {("alpha", who) for who in ("agent", "w1", "w2", "w3")}
    assert parties_of(fleet.trust(), fleet.warrant(), ("alpha",)) == everybody
    assert parties_of(fleet.trust(), fleet.warrant(fleet.step(ladder=ladder)), ("alpha",)) == everybody | {
        ("alpha", "e1")
    }
    check_can_do(fleet.warrant(fleet.step(ladder=ladder)), ("alpha",), fleet.trust())


def test_a_stripped_warrant_keeps_one_approval_that_counts() -> None:
    """It is refused for its threshold and nothing else, whoever else signed the file."""
    fleet = make_fleet(("alpha",))
    approvers = fleet.trust().approvers
    approved = seal(fleet.warrant(), key_of("a stranger"), *(key_of(approver_label(owner)) for owner in APPROVERS))
    stripped = parse_envelope(one_approval(approved, approvers.keys))
    _, signed_by = open_envelope(stripped, Warrant, approvers.keys)
    assert len(stripped.signatures) == len(signed_by) == 1
    assert stripped.digest == parse_envelope(approved).digest
