"""Envelopes: DSSE as the reference library writes and reads it, and strict where it is lenient."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as LibraryEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from protocols.envelope import (
    add_signature,
    join_frame,
    open_envelope,
    parse_envelope,
    seal,
    split_frame,
    valid_keys,
)
from protocols.errors import EnvelopeError, HaltdrillError, TrustError
from protocols.keys import PublicKey, Signer, generate_signer, record_of
from protocols.limits import ENVELOPE_MAX_BYTES, FRAME_MAX_BYTES, FRAME_MAX_ENVELOPES, SIGNATURES_MAX
from protocols.messages import Abort, Message, Release
from protocols.reasons import Reason
from tests.protocols.strategies import any_message

relaxed = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ALICE, BOB = generate_signer(), generate_signer()
ABORT = Abort(
    fleet="0" * 64, warrant="1" * 64, use=1, nonce="2" * 32, issued_at="2026-11-24T00:00:00.000000000Z", reason="stop"
)
SEALED = seal(ABORT, ALICE)


def keys_of(*signers: Signer) -> dict[str, PublicKey]:
    """Return the public keys of signers, by id."""
    keys = [PublicKey.load(record_of(signer)) for signer in signers]
    return {key.key_id: key for key in keys}


def changed(change: Callable[[dict[str, Any]], None], sealed: bytes = SEALED) -> bytes:
    """Return an envelope's JSON after a change."""
    document = json.loads(sealed)
    change(document)
    return json.dumps(document).encode()


@given(any_message)
@relaxed
def test_the_reference_library_accepts_ours(message: Message) -> None:
    """What we seal, securesystemslib verifies: payload, type, encoding and signature."""
    library = LibraryEnvelope.from_dict(json.loads(seal(message, ALICE, BOB)))
    accepted = library.verify([ALICE.public_key, BOB.public_key], 2)
    assert set(accepted) == {ALICE.public_key.keyid, BOB.public_key.keyid}
    assert library.payload == message.encode()
    assert library.payload_type == message.payload_type()
    with pytest.raises(VerificationError):
        library.verify([generate_signer().public_key], 1)


@given(any_message)
@relaxed
def test_we_accept_the_reference_librarys(message: Message) -> None:
    """What securesystemslib signs and writes, with spaces too, we open."""
    library = LibraryEnvelope(message.encode(), message.payload_type(), {})
    library.sign(ALICE)
    for text in (json.dumps(library.to_dict()), json.dumps(library.to_dict(), indent=2, sort_keys=True)):
        opened, signers = open_envelope(parse_envelope(text.encode()), type(message), keys_of(ALICE, BOB))
        assert opened == message
        assert signers == {record_of(ALICE).key_id}


@given(st.binary(max_size=200), st.text(st.characters(codec="ascii"), max_size=40))
def test_the_signed_bytes_are_dsses(payload: bytes, payload_type: str) -> None:
    """The pre-authentication encoding is the one of the DSSE specification, byte for byte."""
    document = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": "0" * 64, "sig": ""}],
    }
    expected = b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)
    assert parse_envelope(json.dumps(document).encode()).pae() == expected


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
@settings(max_examples=1500, deadline=None)
def test_no_changed_byte_goes_unnoticed(position: int, flip: int) -> None:
    """Any byte changed in any way is refused, or leaves payload, type and signer as they were."""
    bent = bytearray(SEALED)
    bent[position] ^= flip
    try:
        envelope = parse_envelope(bytes(bent))
        opened, signers = open_envelope(envelope, Abort, keys_of(ALICE, BOB))
    except HaltdrillError:
        return
    assert (envelope.payload, envelope.payload_type) == (ABORT.encode(), Abort.payload_type())
    assert (opened, signers) == (ABORT, {record_of(ALICE).key_id})


@given(st.integers(0, len(SEALED) - 1))
def test_no_cut_goes_unnoticed(length: int) -> None:
    """An envelope cut short anywhere is none."""
    with pytest.raises(EnvelopeError):
        parse_envelope(SEALED[:length])


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_rubbish_is_no_envelope(rubbish: bytes) -> None:
    """Any bytes at all raise the one error."""
    with pytest.raises(EnvelopeError):
        parse_envelope(rubbish)


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"null", b"[]", b"[" * 60_000, b'{"a":' * 10_000, b"9" * 60_000, b"\xff\xfe{}", b"NaN", b'{"payload":1e999}'],
    ids=["empty", "null", "list", "deep list", "deep object", "long number", "utf-16", "nan", "infinity"],
)
def test_hostile_json_is_no_envelope(rubbish: bytes) -> None:
    """Deep nesting, endless numbers and other encodings end in the one error."""
    with pytest.raises(EnvelopeError):
        parse_envelope(rubbish)


def test_a_doubled_field_is_refused() -> None:
    """Two readers that each take another of two payloads would verify one and obey the other."""
    text = SEALED.decode()
    outer = text.replace('{"payload":', '{"payload":"e30=","payload":', 1)
    inner = text.replace('"keyid":', f'"keyid":"{"0" * 64}","keyid":', 1)
    for doubled in (outer, inner):
        assert json.loads(doubled)
        with pytest.raises(EnvelopeError, match="twice"):
            parse_envelope(doubled.encode())


@pytest.mark.parametrize("extra", ["unsigned", "payload_type", "Payload"])
def test_an_unknown_field_is_refused(extra: str) -> None:
    """Nothing rides along outside the signature."""
    with pytest.raises(EnvelopeError, match="exactly"):
        parse_envelope(changed(lambda document: document.update({extra: "x"})))
    with pytest.raises(EnvelopeError, match="exactly"):
        parse_envelope(changed(lambda document: document["signatures"][0].update({extra: "x"})))


@pytest.mark.parametrize("name", ["payload", "payloadType", "signatures"])
@pytest.mark.parametrize("value", [None, 1, True, {}, [1], [], ["x"]])
def test_a_field_of_another_type_is_refused(name: str, value: object) -> None:
    """Each field has one type."""
    with pytest.raises(EnvelopeError):
        parse_envelope(changed(lambda document: document.update({name: value})))


def _bend_base64(text: str) -> list[str]:
    padded = base64.b64encode(base64.b64decode(text) + b"\1").decode()
    last = text.rstrip("=")[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bent = [text + "=", text + "\n", " " + text, text[:4] + "\n" + text[4:], padded.rstrip("="), text + "é"]
    if text.endswith("="):
        # The last letter's unused bits: another text for the same bytes.
        bent.append(text.rstrip("=")[:-1] + alphabet[alphabet.index(last) + 1] + "=" * text.count("="))
    return bent


@pytest.mark.parametrize("which", range(7))
def test_base64_has_one_form(which: int) -> None:
    """A second spelling of the same bytes would give one envelope two digests in an archive."""
    signature = json.loads(SEALED)["signatures"][0]["sig"]
    assert signature.endswith("=")
    bent = _bend_base64(signature)[which]
    with pytest.raises(EnvelopeError, match="base64"):
        parse_envelope(changed(lambda document: document["signatures"][0].update(sig=bent)))
    payload = base64.b64encode(b"{}..").decode()
    with pytest.raises(EnvelopeError, match="base64"):
        parse_envelope(changed(lambda document: document.update(payload=_bend_base64(payload)[which])))


def test_one_keyid_signs_once() -> None:
    """The same key id twice is refused, whatever its signatures are."""
    with pytest.raises(EnvelopeError, match="twice"):
        parse_envelope(changed(lambda document: document["signatures"].append(document["signatures"][0])))


@pytest.mark.parametrize("keyid", ["", "0" * 63, "0" * 65, "alice"])
def test_a_keyid_has_the_length_of_one(keyid: str) -> None:
    """A chosen key id is no key id."""
    with pytest.raises(EnvelopeError, match="keyid"):
        parse_envelope(changed(lambda document: document["signatures"][0].update(keyid=keyid)))


def test_one_key_under_two_ids_counts_once() -> None:
    """The reference library lets one key meet a threshold of two; with derived ids it cannot."""
    alias = "f" * 64
    public = {"public": record_of(ALICE).public}
    doubled = changed(
        lambda document: document["signatures"].append({"keyid": alias, "sig": document["signatures"][0]["sig"]})
    )
    library = LibraryEnvelope.from_dict(json.loads(doubled))
    assert len(library.verify([ALICE.public_key, SSlibKey(alias, "ed25519", "ed25519", public)], 2)) == 2
    assert valid_keys(parse_envelope(doubled), keys_of(ALICE, BOB)) == {record_of(ALICE).key_id}


def test_a_wrong_signature_of_a_known_key_spoils_it() -> None:
    """It is not skipped in favour of a right one beside it: somebody tried something."""
    both = json.loads(seal(ABORT, ALICE, BOB))
    both["signatures"][1]["sig"] = both["signatures"][0]["sig"]
    with pytest.raises(TrustError) as caught:
        valid_keys(parse_envelope(json.dumps(both).encode()), keys_of(ALICE, BOB))
    assert caught.value.reason == Reason.BAD_SIGNATURE


def test_a_strangers_signature_changes_nothing() -> None:
    """Keys that may not speak here are ignored, and alone they are not enough."""
    envelope = parse_envelope(seal(ABORT, ALICE, BOB))
    assert open_envelope(envelope, Abort, keys_of(BOB)) == (ABORT, {record_of(BOB).key_id})
    with pytest.raises(TrustError) as caught:
        open_envelope(envelope, Abort, keys_of(generate_signer()))
    assert caught.value.reason == Reason.UNKNOWN_KEY


def test_the_caller_says_which_type_it_is() -> None:
    """A rightly signed abort is no release, and retyping it breaks its signature."""
    with pytest.raises(TrustError) as caught:
        open_envelope(parse_envelope(SEALED), Release, keys_of(ALICE))
    assert caught.value.reason == Reason.WRONG_TYPE
    retyped = changed(lambda document: document.update(payloadType=Release.payload_type()))
    with pytest.raises(TrustError) as caught:
        open_envelope(parse_envelope(retyped), Release, keys_of(ALICE))
    assert caught.value.reason == Reason.BAD_SIGNATURE


def test_a_signature_more_changes_no_identity() -> None:
    """Payload and digest stay byte for byte; the signers add up."""
    before = parse_envelope(SEALED)
    after = parse_envelope(add_signature(before, BOB))
    assert (after.payload, after.digest) == (before.payload, before.digest)
    assert valid_keys(after, keys_of(ALICE, BOB)) == {record_of(ALICE).key_id, record_of(BOB).key_id}


def test_size_is_checked_before_parsing() -> None:
    """One byte over the limit is refused for its size, whatever it holds; at the limit it is read."""
    padded = SEALED + b" " * (ENVELOPE_MAX_BYTES - len(SEALED))
    assert parse_envelope(padded).payload == ABORT.encode()
    with pytest.raises(EnvelopeError, match="over the limit"):
        parse_envelope(padded + b" ")
    with pytest.raises(EnvelopeError, match="over the limit"):
        parse_envelope(b"[" * (ENVELOPE_MAX_BYTES + 1))


def test_signatures_are_bounded() -> None:
    """Nobody makes us verify more signatures than the limit."""

    def fill(document: dict[str, Any], count: int) -> None:
        document["signatures"] = [{"keyid": f"{number:064x}", "sig": ""} for number in range(count)]

    assert len(parse_envelope(changed(lambda document: fill(document, SIGNATURES_MAX))).signatures) == SIGNATURES_MAX
    with pytest.raises(EnvelopeError, match="signatures"):
        parse_envelope(changed(lambda document: fill(document, SIGNATURES_MAX + 1)))


def test_a_frame_is_its_envelopes_in_order() -> None:
    """Several envelopes travel as one message and come apart as they were."""
    other = seal(ABORT, BOB)
    assert [envelope.raw for envelope in split_frame(join_frame([SEALED, other]))] == [SEALED, other]


def test_frames_are_bounded() -> None:
    """Too many envelopes, too many bytes or an empty line: the frame is refused as a whole."""
    split_frame(join_frame([SEALED] * FRAME_MAX_ENVELOPES))
    with pytest.raises(EnvelopeError, match="over the limit"):
        split_frame(join_frame([SEALED] * (FRAME_MAX_ENVELOPES + 1)))
    with pytest.raises(EnvelopeError, match="over the limit"):
        split_frame(b"\n" * (FRAME_MAX_BYTES + 1))
    for bad in (b"", SEALED + b"\n", SEALED + b"\n{}"):
        with pytest.raises(EnvelopeError):
            split_frame(bad)
