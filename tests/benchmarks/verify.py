"""The verify benchmark: what checking a bundle costs, beside verifying the signatures in it and no more."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from orchestrator.evidence.verifier import verify_bundle
from orchestrator.runtime.leash import Leash
from protocols.keys import PublicKey
from protocols.messages import KeyRecord
from tests.benchmarks.drill_parts import all_signed_parts
from tests.benchmarks.measure import REPOSITORY, Table
from tests.benchmarks.timing import cpu_of_command
from tests.orchestrator.recorder import Recorded, Script, record_drill

SIZES = {
    "demo (5 sites, 3 witnesses each)": Script(
        sites=tuple(f"site-{number}" for number in range(5)), witnesses=3, hold_s=8.0, challenge_s=0.5
    ),
    "200 sites, 2 witnesses each": Script(
        sites=tuple(f"site-{number:03d}" for number in range(200)), witnesses=2, hold_s=4.0, challenge_s=0.5
    ),
}
"""What is verified by default."""


def _envelopes(bundle: bytes) -> Iterator[bytes]:
    """Yield every envelope in a bundle, wherever it stands, by code of its own."""
    for line in bundle.splitlines():
        found = json.loads(line)
        if "payloadType" in found:
            yield line
        envelope = found.get("event", {}).get("envelope")
        if envelope is not None:
            yield envelope.encode()


def _publics(found: Any) -> Iterator[str]:
    """Yield every public key that a document lists."""
    if isinstance(found, dict):
        if isinstance(found.get("public"), str):
            yield found["public"]
        for part in found.values():
            yield from _publics(part)
    elif isinstance(found, list):
        for part in found:
            yield from _publics(part)


def _checks(bundle: bytes) -> list[tuple[Ed25519PublicKey, bytes, bytes]]:
    """Return key, signature and signed bytes of every signature in a bundle."""
    parts = [part for envelope in _envelopes(bundle) for part in all_signed_parts(envelope)]
    keys: dict[str, Ed25519PublicKey] = {}
    for _, _, _, body in parts:
        for public in _publics(json.loads(body)):
            key = PublicKey.load(KeyRecord(public=public))
            keys.setdefault(key.key_id, Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)))
    return [(keys[key_id], signature, pae) for key_id, signature, pae, _ in parts if key_id in keys]


def _floor_s(checks: Sequence[tuple[Ed25519PublicKey, bytes, bytes]]) -> float:
    before_ns = time.process_time_ns()
    for key, signature, pae in checks:
        key.verify(signature, pae)
    return (time.process_time_ns() - before_ns) / 1e9


def _verify_s(recorded: Recorded) -> float:
    before_ns = time.process_time_ns()
    report = verify_bundle(recorded.bundle, roots=recorded.roots, now_ns=recorded.fleet.now_ns)
    assert report.verified, report
    return (time.process_time_ns() - before_ns) / 1e9


async def run(*, rounds: int = 3, sizes: dict[str, Script] | None = None) -> Table:
    """Run the benchmark."""
    table = Table(
        "verify",
        "CPU of checking a bundle inside one process, and of the whole command. Floor: bare Ed25519 (key objects\n"
        f"kept) verifies every signature in the bundle. Least of {rounds} rounds.",
    )
    with Leash() as leash, tempfile.TemporaryDirectory(prefix="haltdrill-bench-") as name:
        folder = Path(name)
        for size, script in (sizes or SIZES).items():
            recorded = record_drill(script)
            checks = _checks(recorded.bundle)
            floor_s = min(_floor_s(checks) for _ in range(rounds))
            (folder / "bundle.jsonl").write_bytes(recorded.bundle)
            (folder / "root.json").write_bytes(b"\n".join(recorded.roots) + b"\n")
            arguments = ("verify", str(folder / "bundle.jsonl"), "--root", str(folder / "root.json"), "--json")
            commands = [await cpu_of_command(leash, *arguments, cwd=REPOSITORY) for _ in range(rounds)]
            table.add(f"{size}: verifying", min(_verify_s(recorded) for _ in range(rounds)), "s", floor_s)
            table.add(f"{size}: `haltdrill verify`", min(commands), "s", floor_s)
            table.add(f"{size}: signatures", len(checks), "")
            table.add(f"{size}: bundle", len(recorded.bundle) / 1e6, "MB")
    return table
