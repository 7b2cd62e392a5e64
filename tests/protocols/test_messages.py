"""Messages: one encoding each, strict in every field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols import messages as package
from protocols.errors import MessageError
from protocols.messages import Challenge, FleetIndex, IndexEntry, Lever, Message, Order, Reading, Root, SiteRecord
from tests.protocols.strategies import any_message, messages

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
    for bad in (fields | {"extra": 1}, without, fields | {name: changed}):
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
