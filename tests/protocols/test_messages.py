"""Messages: one encoding each, strict in every field."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols import messages as package
from protocols.controls import (
    CATALOGUE,
    ArmedSite,
    Control,
    DecommissionParams,
    LeaseParams,
    PauseParams,
    PowerCutParams,
    ShutdownParams,
    control_of,
)
from protocols.errors import MessageError
from protocols.messages import (
    Challenge,
    FleetIndex,
    IndexEntry,
    Lever,
    Message,
    Order,
    Reading,
    Root,
    Rung,
    SiteRecord,
    Step,
)
from protocols.messages.orders import CLIMB_CHALLENGES
from tests.kit import make_fleet
from tests.protocols.strategies import any_message, halting, messages, params, plan_steps

relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
kinds = sorted(messages, key=lambda kind: kind.KIND)


def compact(fields: dict[str, Any]) -> bytes:
    """Write fields the way `encode` does."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def test_every_message_has_a_strategy() -> None:
    """No kind of message escapes these tests."""
    exported = {getattr(package, name) for name in package.__all__}
    assert {kind for kind in exported if isinstance(kind, type) and issubclass(kind, Message)} - {Message} == set(
        messages
    )


def test_every_control_has_a_strategy() -> None:
    """No control's parameters escape these tests, and each control has a row in the catalogue."""
    assert set(params) == set(Control) == set(CATALOGUE)


def test_payload_types_differ() -> None:
    """No two kinds share a payload type, so a signature over one is never one over another."""
    types = [kind.payload_type() for kind in kinds]
    assert len(set(types)) == len(types)
    assert Order.payload_type() == "application/vnd.haltdrill.order.v1+json"


@given(any_message)
@settings(relaxed, max_examples=300)
def test_a_message_survives_its_encoding(message: Message) -> None:
    """Decoding what was encoded gives the same message, digest and bytes."""
    again = type(message).decode(message.encode())
    assert again == message
    assert again.encode() == message.encode()
    assert again.digest() == message.digest()


@given(any_message, st.data())
@settings(relaxed, max_examples=150)
def test_another_encoding_of_the_same_is_refused(message: Message, data: st.DataObject) -> None:
    """Spaces, another order of fields, escapes or a doubled field: one meaning, one digest."""
    payload = message.encode()
    fields = json.loads(payload)
    turned = dict(reversed(fields.items()))
    others = [
        payload + b"\n",
        json.dumps(fields).encode(),
        compact(turned),
        payload[:-1] + b',"version":1}',
        b"\xef\xbb\xbf" + payload,
    ]
    with pytest.raises(MessageError):
        type(message).decode(data.draw(st.sampled_from(others)))


@pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.KIND)
@given(data=st.data())
@relaxed
def test_every_field_is_needed_and_no_other_taken(kind: type[Message], data: st.DataObject) -> None:
    """An unknown field, a missing one, or one of another type is refused, naming the kind."""
    fields = json.loads(data.draw(messages[kind]).encode())
    name = data.draw(st.sampled_from(sorted(fields)))
    wrong = [{"a": 1}, [[]], 1.5, -1, "", "\x00", True]
    changed = data.draw(st.sampled_from(wrong).filter(lambda value: not _plausible(fields[name], value)))
    without = {key: value for key, value in fields.items() if key != name}
    # Two fields came later, and are left out where they are not used.
    gone = [] if name in {"timekeepers", "standing_max_age_s"} else [without]
    for bad in (fields | {"extra": 1}, *gone, fields | {name: changed}):
        with pytest.raises(MessageError, match=kind.KIND):
            kind.decode(compact(bad))


def _plausible(old: object, new: object) -> bool:
    """Tell whether a changed field may be right: of the old one's type, or text that is free."""
    number = isinstance(old, float) and isinstance(new, float)
    text = isinstance(old, str) and isinstance(new, str)
    return type(old) is type(new) or number or text


@given(messages[Reading], messages[Challenge])
@relaxed
def test_a_message_is_no_other_message(reading: Message, challenge: Message) -> None:
    """The payload of one kind is never taken for another's."""
    with pytest.raises(MessageError):
        Challenge.decode(reading.encode())
    with pytest.raises(MessageError):
        Reading.decode(challenge.encode())


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"version":1}'])
@pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.KIND)
def test_rubbish_is_one_clear_error(kind: type[Message], payload: bytes) -> None:
    """Rubbish of any kind raises the one error, without echoing it at length."""
    with pytest.raises(MessageError) as caught:
        kind.decode(payload)
    assert len(str(caught.value)) < 400


@given(messages[Order])
@relaxed
def test_a_message_of_another_version_is_refused(order: Message) -> None:
    """Version 2 says something that we do not know."""
    with pytest.raises(MessageError):
        Order.decode(order.encode().replace(b'"version":1', b'"version":2', 1))


@given(messages[Root])
@relaxed
def test_a_root_needs_no_more_owners_than_it_has(root: Message) -> None:
    """A threshold that could never be met, or that counts one owner's keys, is refused."""
    fields = json.loads(root.encode())
    owners = {entry["owner"] for entry in fields["keys"]}
    with pytest.raises(MessageError, match="threshold"):
        Root.decode(compact(fields | {"threshold": len(owners) + 1}))


@given(messages[SiteRecord])
@relaxed
def test_a_site_record_names_each_witness_once(record: Message) -> None:
    """Two witnesses of one name could not be told apart in the evidence."""
    fields = json.loads(record.encode())
    fields["witnesses"] = [fields["witnesses"][0]] * 2
    with pytest.raises(MessageError, match="two witnesses"):
        SiteRecord.decode(compact(fields))


@given(messages[Lever])
@relaxed
def test_only_a_disengage_quotes_what_it_lifts(lever: Message) -> None:
    """An engagement that quotes one, or a disengage that quotes none, is refused."""
    fields = json.loads(lever.encode())
    for bad in ({"engaged": False}, {"disengages": "0" * 64}):
        with pytest.raises(MessageError, match="disengage"):
            Lever.decode(compact(fields | bad))


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=4))
@relaxed
def test_an_index_is_sorted_and_names_each_site_once(names: list[str]) -> None:
    """A site that stands in the index twice could have two records."""
    fine = names == sorted(set(names))
    fields = {
        "fleet": "0" * 64,
        "index_version": 1,
        "issued_at": "2026-11-24T00:00:00.000000000Z",
        "expires_at": "2027-11-24T00:00:00.000000000Z",
    }
    entries = tuple(IndexEntry(site=name, record="0" * 64) for name in names)
    if fine:
        assert FleetIndex(**fields, sites=entries).sites == entries
    else:
        with pytest.raises(ValueError, match="sorted"):
            FleetIndex(**fields, sites=entries)


# -- what a plan may hold ------------------------------------------------------------------------

TIMES: dict[str, Any] = {
    "name": "halt",
    "hold_s": 86_400.0 * 3,
    "response_limit_s": 5.0,
    "dwell_s": 2.0,
    "restore_limit_s": 10.0,
    "quorum": 2,
    "max_gap_s": 1.0,
}


@given(st.lists(st.sampled_from(Control), min_size=2, max_size=4), st.data())
@relaxed
def test_a_ladder_rises_through_controls_that_halt(controls: list[Control], data: st.DataObject) -> None:
    """Whatever stands on a ladder halts work, and each rung is harsher than the one before."""
    specs = [CATALOGUE[control] for control in controls]
    rising = all(low.severity < high.severity for low, high in pairwise(specs))
    first, *rest = [data.draw(params[control]) for control in controls]
    rungs = tuple(Rung(params=rung, response_limit_s=1.0) for rung in rest)
    fields = TIMES | {"params": first, "ladder": rungs}
    if rising and all(spec.halts for spec in specs):
        assert Step(**fields).rungs[1:] == rungs
    else:
        with pytest.raises(ValueError, match="every rung of a ladder"):
            Step(**fields)


@pytest.mark.parametrize(
    ("changes", "reach_s"),
    [
        ({"params": PauseParams()}, 7.0),
        ({"params": LeaseParams(licence_s=4.0, renewed_s=20.0)}, 31.0),
        (
            {
                "params": PauseParams(),
                "ladder": (
                    Rung(params=ShutdownParams(), response_limit_s=30.0),
                    Rung(params=PowerCutParams(), response_limit_s=8.0),
                ),
            },
            7.0 + 32.0 + 10.0,
        ),
    ],
)
def test_a_hold_covers_the_last_rung_and_the_licences(changes: dict[str, Any], reach_s: float) -> None:
    """A step that would end before its last rung was witnessed is no step."""
    assert Step(**(TIMES | changes | {"hold_s": reach_s})).reach_s == reach_s
    with pytest.raises(ValueError, match="hold_s must be at least"):
        Step(**(TIMES | changes | {"hold_s": reach_s - 0.001}))


def test_a_warrant_leaves_time_for_each_climb() -> None:
    """Deciding that a site climbs takes challenges, and they are part of the hold that was approved."""
    fleet = make_fleet()
    ladder = (Rung(params=ShutdownParams(), response_limit_s=5.0),)
    least_s = 2 * (5.0 + 2.0) + CLIMB_CHALLENGES * 0.25
    assert fleet.warrant(fleet.step(ladder=ladder, hold_s=least_s))
    with pytest.raises(ValueError, match="each climb takes"):
        fleet.warrant(fleet.step(ladder=ladder, hold_s=least_s - 0.001))


FIRE = DecommissionParams(phase="fire", armed=(ArmedSite(site="alpha", nonce="ab" * 16),))
ARM = DecommissionParams(phase="arm", armed_for_s=60.0)


def test_what_cannot_be_undone_is_approved_for_one_use_and_fired_alone() -> None:
    """No schedule may hold it, and nobody fires on the way to something else."""
    fleet = make_fleet()
    arm, fire = (fleet.step(name=name, params=params) for name, params in (("arm", ARM), ("fire", FIRE)))
    for step in (arm, fire):
        assert fleet.warrant(step, uses=1)
        with pytest.raises(ValueError, match="one use only"):
            fleet.warrant(step, uses=2)
    assert fleet.warrant(fleet.step(), arm, uses=1)
    for steps in ((fleet.step(), fire), (arm, fire)):
        with pytest.raises(ValueError, match="does nothing else"):
            fleet.warrant(*steps, uses=1)


@pytest.mark.parametrize(
    "fields",
    [
        {"phase": "arm"},
        {"phase": "fire"},
        {"phase": "fire", "armed": FIRE.armed, "armed_for_s": 60.0},
        {"phase": "arm", "armed": FIRE.armed, "armed_for_s": 60.0},
        {"phase": "fire", "armed": FIRE.armed * 2},
    ],
)
def test_arming_and_firing_are_told_apart_by_all_their_parameters(fields: dict[str, Any]) -> None:
    """What is neither the one nor the other, or names a site twice, is no parameters at all."""
    with pytest.raises(ValueError, match="arm"):
        DecommissionParams(**fields)


def test_a_nonce_is_one_sites_own() -> None:
    """A site that the warrant does not name is fired by nothing."""
    assert FIRE.nonce_for("alpha") == "ab" * 16
    assert FIRE.nonce_for("beta") is None


@given(plan_steps())
@relaxed
def test_only_controls_of_the_catalogue_that_halt_can_be_climbed(step: Step) -> None:
    """The ladder that a step shows is its own control and then its harsher rungs, with their own limits."""
    assert step.rungs[0] == Rung(params=step.params, response_limit_s=step.response_limit_s)
    if step.ladder:
        assert {control_of(rung.params) for rung in step.rungs} <= {spec.control for spec in halting}
    assert step.hold_s >= step.reach_s


@given(messages[SiteRecord])
@settings(relaxed, max_examples=20)
def test_no_enforcer_takes_the_name_of_another_party(record: Message) -> None:
    """An enforcer called `agent`, or as a witness is, could pass for it in the evidence."""
    fields = json.loads(record.encode())
    witness = fields["witnesses"][0]
    for name in (witness["name"], "agent"):
        taken = {"name": name, "owner": witness["owner"], "key": witness["key"]}
        with pytest.raises(MessageError, match=r"one name|may be called"):
            SiteRecord.decode(compact(fields | {"enforcers": [taken]}))


@given(messages[SiteRecord])
@settings(relaxed, max_examples=20)
def test_a_signal_is_limited_once(record: Message) -> None:
    """A counter of work that is an off level too, or is given twice, would have two limits."""
    fields = json.loads(record.encode())
    level = {"signal": fields["work"][0]["signal"], "at_most": 1}
    for bad in ({"work": fields["work"] + fields["work"][:1]}, {"off_levels": [level]}):
        with pytest.raises(MessageError, match="given twice"):
            SiteRecord.decode(compact(fields | bad))
