"""Keys: Ed25519 as others test it, and ids that nobody chooses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from protocols.keys import PublicKey, generate_signer, record_of
from protocols.messages import KeyRecord

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "ed25519_wycheproof.json").read_text())
CASES = [(group["publicKey"]["pk"], test) for group in VECTORS["testGroups"] for test in group["tests"]]


@pytest.mark.parametrize(("public", "case"), CASES, ids=lambda value: str(value["tcId"]) if "tcId" in value else "")
def test_wycheproof(public: str, case: dict[str, Any]) -> None:
    """We accept what the Ed25519 vectors call valid, and only that."""
    key = PublicKey.load(KeyRecord(public=public))
    verified = key.verifies(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
    assert verified == (case["result"] == "valid"), case["comment"]


def test_all_vectors_are_there() -> None:
    """The file is whole, and holds both kinds."""
    assert len(CASES) == VECTORS["numberOfTests"] == 151
    assert {case["result"] for _, case in CASES} == {"valid", "invalid"}


def test_a_key_id_is_derived() -> None:
    """The id is a digest over scheme and key, as SECURITY.md and other tools compute it."""
    record = KeyRecord(public="00" * 31 + "01")
    expected = hashlib.sha256(b"ed25519\0" + bytes(31) + b"\1").hexdigest()
    assert record.key_id == PublicKey.load(record).key_id == expected


def test_a_signer_signs_for_its_record() -> None:
    """What a signer signs verifies with the public record made from it, and with no other."""
    signer, other = generate_signer(), generate_signer()
    signature = signer.sign(b"message")
    assert signature.keyid == record_of(signer).key_id
    raw = bytes.fromhex(signature.signature)
    assert PublicKey.load(record_of(signer)).verifies(raw, b"message")
    assert not PublicKey.load(record_of(signer)).verifies(raw, b"Message")
    assert not PublicKey.load(record_of(other)).verifies(raw, b"message")


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_none(length: int) -> None:
    """A wrong length is an answer, not an exception."""
    assert not PublicKey.load(record_of(generate_signer())).verifies(bytes(length), b"")
