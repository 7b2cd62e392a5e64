"""Resumes a drill from its journal after the orchestrator crashed: the journal is all that it goes by.

A new clock epoch begins, and no time is ever subtracted across it. What that means in each phase:

- opening: nothing was ever appended, so nothing was ever said. It is closed as never opened; its use
  of the warrant stays spent, since nobody can tell a crash from somebody who wanted another try.
- preflight: the sites are watched anew, for a whole dwell.
- ordered: the step is released at once. Nobody knows how long the sites were held, and no order, rung
  or licence is published again. What was not seen is `unproven`, and nobody's fault.
- recovering, aborting: the release or the abort is published again, and the way back is watched anew.
- closing: challenges go on by number, and witnesses have the whole time again for their last word.
- closed: only that it is closed is noted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.states import Phase
from orchestrator.fleet.load import FleetDocuments
from orchestrator.journal.base import DrillSummary, JournalStore
from orchestrator.journal.chain import ChainReader, ChainWriter, Record, stamped_of
from orchestrator.runtime.issuer import Issuer
from orchestrator.runtime.opening import Opened, documents_held
from protocols.envelope import parse_envelope
from protocols.errors import ConfigError, JournalError, UntrustedInput
from protocols.ids import parse_utc
from protocols.keys import Signer
from protocols.trust import check_warrant


@dataclass(slots=True)
class _Past:
    """What a journal says of a drill before it is folded.

    Attributes:
        documents: The documents that it was opened with.
        rest: The record that opened it, and all after it.
        reader: Stands at the end of the chain.
    """

    documents: list[ev.Event] = field(default_factory=list)
    rest: list[Record] = field(default_factory=list)
    reader: ChainReader = field(default_factory=ChainReader)

    @property
    def opening(self) -> tuple[Record, ev.DrillOpened]:
        record = self.rest[0] if self.rest else None
        if record is None or not isinstance(record.event, ev.DrillOpened):
            raise JournalError("it does not begin with documents and then the opening", where="journal")
        return record, record.event


def unfinished(store: JournalStore) -> list[DrillSummary]:
    """Return the drills that did not come to their end, oldest first.

    Raises:
        JournalError: The journal cannot be read.
    """
    return [drill for drill in store.drills() if not drill.closed]


def resume_drill(
    documents: FleetDocuments,
    drill_id: str,
    signer: Signer,
    store: JournalStore,
    *,
    nonce: Callable[[], str],
    wall_ns: int,
) -> Opened | None:
    """Take up a drill where its journal stands.

    Args:
        documents: The fleet as it is now; it must be what it was when the drill was opened.
        drill_id: The drill.
        signer: The dispatcher that opened it.
        store: Its journal, which nobody else may be writing.
        nonce: Makes 128 unpredictable bits in hex.
        wall_ns: Now.

    Returns:
        The drill, to be run to its end; or None if it was registered and never opened: then it is
        closed now, and its use of the warrant is spent.

    Raises:
        ConfigError: The dispatcher's key or the fleet's documents are not those that it was opened with.
        JournalError: The journal is damaged, or cannot be read or written.
        UntrustedInput: Its warrant does not hold.
    """
    past = _read(store, drill_id)
    if not past.documents and not past.rest:
        store.mark_closed(drill_id)
        return None
    record, opening = past.opening
    if signer.public_key.keyid != opening.dispatcher:
        raise ConfigError(
            f"it was opened with dispatcher key {opening.dispatcher[:16]}, this is {signer.public_key.keyid[:16]}",
            where=f"drill {drill_id}",
            remedy="set dispatcher_key in haltdrill.toml to the key that opened it, until it is finished",
        )
    raw = _warrant_of(past)
    if past.documents != documents_held(documents, raw.encode()):
        raise ConfigError(
            "the fleet's documents are not those that it was opened with",
            where=f"drill {drill_id}",
            remedy="put those of that time back until it is finished; its sites restore by themselves meanwhile",
        )
    envelope = parse_envelope(raw.encode())
    warrant, _ = check_warrant(envelope, documents.trust.policy, documents.trust.approvers, documents.trust.fleet)
    drill = _fold(Drill(documents.trust, warrant), past)
    closed = drill.phase is Phase.CLOSED
    return Opened(
        drill,
        () if closed else (ev.DrillResumed(),),
        Issuer(signer, nonce, warrant, envelope.digest, drill_id, opening.use),
        raw,
        min(wall_ns, parse_utc(record.at)),
        ChainWriter(drill_id, seq=past.reader.next_seq, head=past.reader.head),
        drill.now.epoch + (0 if closed else 1),
    )


def _read(store: JournalStore, drill_id: str) -> _Past:
    """Read a drill's lines and check their chain."""
    past = _Past(reader=ChainReader(drill_id))
    for line in store.lines(drill_id):
        record = past.reader.read(line)
        if past.rest or not isinstance(record.event, ev.DocumentHeld):
            past.rest.append(record)
        else:
            past.documents.append(record.event)
    return past


def _warrant_of(past: _Past) -> str:
    for event in past.documents:
        if isinstance(event, ev.DocumentHeld) and event.kind is ev.DocumentKind.WARRANT:
            return event.envelope
    raise JournalError("it holds no warrant", where="journal")


def _fold(drill: Drill, past: _Past) -> Drill:
    """Fold a drill's records in.

    Raises:
        JournalError: They contradict themselves.
    """
    try:
        for record in past.rest:
            drill.apply(stamped_of(record))
    except (UntrustedInput, KeyError) as error:
        raise JournalError(f"its own records do not hold: {error}", where="journal") from error
    return drill
