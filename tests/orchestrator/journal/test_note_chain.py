"""The service's own chain: what was written is what is read, and nothing else passes for it."""

from __future__ import annotations

import pytest

from orchestrator.journal.chain import RECORD_MAX_BYTES
from orchestrator.journal.note_chain import NoteReader
from protocols.errors import JournalError
from tests.orchestrator.journal.stores import Said, SaidRecord, notes


def test_notes_go_round_and_the_chain_goes_on() -> None:
    """What a note says comes back, and a restarted service chains its next note to the last one."""
    written = notes(3)
    reader = NoteReader(SaidRecord)
    assert [reader.read(line.raw).note.words for line in written[:2]] == ["number 0", "number 1"]
    assert (reader.next_seq, reader.head) == (2, written[1].digest)
    after = reader.writer().encode(Said(words="after"), wall_ns=0)
    assert reader.read(after.raw).note == Said(words="after")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.replace(b'"v":1', b'"v":2'), "not a service note: v"),
        (lambda raw: raw.replace(b'"seq":1', b'"seq":7'), "expected number 1, found 7"),
        (lambda raw: raw.replace(b'"prev":"', b'"prev": "'), "one encoding"),
        (lambda _raw: notes(1)[0].raw.replace(b'"seq":0', b'"seq":1'), "not chained"),
        (lambda _raw: b"x" * (RECORD_MAX_BYTES + 1), "over the limit"),
        (lambda _raw: b"", "not a service note"),
    ],
    ids=["version", "sequence", "encoding", "chain", "size", "empty"],
)
def test_what_is_no_next_note_is_refused(change, words: str) -> None:
    """A note that was changed, moved, re-encoded or invented ends the reading with one clear error."""
    written = notes(2)
    reader = NoteReader(SaidRecord)
    reader.read(written[0].raw)
    with pytest.raises(JournalError, match=words):
        reader.read(change(written[1].raw))
