"""The evidence bundle: one file of JSON lines that holds everything a verifier needs but the root.

::

    {"haltdrill-bundle":2,"drill":"...","fleet":"..."}     header
    {"v":1,"drill":"...","seq":0,"prev":"...",...}         every journal record, byte for byte
    ...
    {"type":"drill.result","v":2,...}                      what the drill reported
    {"payload":"...","payloadType":"...seal...",...}       the dispatcher's seal over all lines above

The seal says who handed the bundle over; it is not what makes the evidence true. Whoever holds the
dispatcher's key can seal anything, so the verifier believes only what others signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field, ValidationError

from orchestrator.evidence.fold import fold_journal
from orchestrator.evidence.result import DrillResult
from orchestrator.evidence.stating import build_result
from orchestrator.journal.base import JournalStore
from protocols.envelope import seal
from protocols.errors import JournalError
from protocols.host.files import write_atomic
from protocols.ids import Digest, DrillId, Int63, digest_of
from protocols.keys import Signer
from protocols.messages.base import Message, Part

BUNDLE_NAME = "bundle.jsonl"
BUNDLE_VERSION: Final = 2
"""Changes with anything in it that an older program could not check."""

BUNDLE_MAX_BYTES = 1024**3
HEADER_MAX_BYTES = 1024
LINES_MIN = 4
"""A header, a record, a result and a seal."""

_VERSION = re.compile(rb'\{"haltdrill-bundle":([0-9]{1,9})[,}]')


class Header(Part):
    """The first line."""

    version: Literal[2] = Field(default=BUNDLE_VERSION, alias="haltdrill-bundle")
    drill: DrillId
    fleet: Digest

    def encode(self) -> bytes:
        """Return its one encoding."""
        return self.model_dump_json(by_alias=True).encode()


class Seal(Message):
    """The last line, signed by the drill's dispatcher: the bundle is whole.

    Attributes:
        lines: Lines before this one.
        sha256: SHA-256 of all bytes before this line.
        journal_head: Digest of the last journal record.
    """

    KIND: ClassVar[str] = "seal"
    version: Literal[1] = 1
    fleet: Digest
    drill: DrillId
    lines: Int63
    sha256: Digest
    journal_head: Digest


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written.

    Attributes:
        path: The file.
        result: What the drill found.
    """

    path: Path
    result: DrillResult


def encode_bundle(records: Iterable[bytes], result: DrillResult, signer: Signer) -> bytes:
    """Put a bundle together and seal it.

    Args:
        records: The journal's lines, as they are on disk.
        result: What the drill found.
        signer: The key of the drill's dispatcher.
    """
    listed = list(records)
    header = Header(drill=result.drill, fleet=result.fleet)
    lines = [header.encode(), *listed, result.encode()]
    body = b"".join(line + b"\n" for line in lines)
    last = Seal(
        fleet=result.fleet,
        drill=result.drill,
        lines=len(lines),
        sha256=digest_of(body),
        journal_head=digest_of(listed[-1]),
    )
    return body + seal(last, signer) + b"\n"


def result_of(records: Iterable[bytes]) -> DrillResult:
    """Return the result of a closed drill from its journal's lines.

    Raises:
        JournalError: The journal is damaged, or the drill is not closed.
    """
    folded = fold_journal(records)
    if folded.drill.passed is None:
        raise JournalError(
            "the drill has not come to its end, so there are no verdicts", where=f"drill {folded.drill.drill}"
        )
    return build_result(folded.drill, folded.background, folded.drill.results)


def read_header(line: bytes) -> Header | None:
    """Read a bundle's first line; None if it is no header that this program knows."""
    if len(line) > HEADER_MAX_BYTES:
        return None
    try:
        header = Header.model_validate_json(line)
    except ValidationError:
        return None
    return header if header.encode() == line else None


def bundle_version(line: bytes) -> int | None:
    """Return the version that a bundle's first line states, known or not; None if it states none."""
    found = _VERSION.match(line)
    return None if found is None else int(found[1])


def claimed_fleet(bundle: bytes) -> str:
    """Return the fleet that a bundle says it is of: believed by nobody; empty if it says none."""
    header = read_header(bundle[: HEADER_MAX_BYTES + 1].split(b"\n", 1)[0])
    return header.fleet if header is not None else ""


def export_bundle(store: JournalStore, drill: str, signer: Signer, path: Path) -> Exported:
    """Write the bundle of a closed drill, as a whole or not at all.

    Raises:
        JournalError: There is no such drill, it is not closed, or its journal is damaged.
        ConfigError: The file cannot be written.
    """
    records = list(store.lines(drill))
    result = result_of(records)
    write_atomic(path, encode_bundle(records, result, signer))
    return Exported(path, result)
