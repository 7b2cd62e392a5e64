"""Folds a journal into its drill again, for the exporter and for reports.

The documents are checked by the trust rules, but against the root that the journal itself brings:
this is for whoever holds the journal. Whoever is handed a bundle uses the verifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.events import DocumentKind
from orchestrator.evidence.stating import Background
from orchestrator.journal.chain import ChainReader, Record, stamped_of
from protocols.envelope import parse_envelope
from protocols.errors import JournalError, UntrustedInput
from protocols.ids import parse_utc
from protocols.messages import Warrant
from protocols.trust import FleetTrust, check_warrant


@dataclass(frozen=True, slots=True)
class Folded:
    """A journal and the drill that it is."""

    drill: Drill
    background: Background


@dataclass(slots=True)
class Documents:
    """The documents that open a journal, by kind."""

    held: dict[DocumentKind, list[bytes]] = field(default_factory=lambda: {kind: [] for kind in DocumentKind})

    def take(self, event: ev.DocumentHeld) -> None:
        """Keep one."""
        self.held[event.kind].append(event.envelope.encode())

    def sole(self, kind: DocumentKind) -> bytes:
        """Return the only document of its kind.

        Raises:
            JournalError: There is none, or more than one.
        """
        listed = self.held[kind]
        if len(listed) != 1:
            raise JournalError(f"there must be one {kind.replace('_', ' ')}, there are {len(listed)}", where="journal")
        return listed[0]

    def open_fleet(self, now_ns: int, fleet: str | None = None) -> FleetTrust:
        """Check the root-signed documents as of `now_ns`.

        Raises:
            UntrustedInput: One of them is not to be trusted.
            JournalError: One of them is missing or doubled.
        """
        return FleetTrust.open(
            self.held[DocumentKind.ROOT],
            self.sole(DocumentKind.POLICY),
            self.sole(DocumentKind.FLEET_INDEX),
            self.held[DocumentKind.SITE_RECORD],
            now_ns=now_ns,
            fleet=fleet,
        )

    def open_warrant(self, trust: FleetTrust) -> tuple[Warrant, tuple[str, ...]]:
        """Check the warrant and return it with the owners who approved it, sorted.

        Raises:
            UntrustedInput: It is not approved.
            JournalError: It is missing or doubled.
        """
        envelope = parse_envelope(self.sole(DocumentKind.WARRANT))
        warrant, owners = check_warrant(envelope, trust.policy, trust.approvers, trust.fleet)
        return warrant, tuple(sorted(owners))


def fold_journal(lines: Iterable[bytes]) -> Folded:
    """Fold a journal's lines, closed or not.

    Raises:
        JournalError: The journal is damaged, empty, or contradicts itself.
    """
    reader = ChainReader()
    records = [reader.read(line) for line in lines]
    documents = Documents()
    opening = _opening(records, documents)
    event = opening.event
    if not isinstance(event, ev.DrillOpened):
        raise JournalError("it does not begin with documents and then the opening", where="journal")
    try:
        trust = documents.open_fleet(parse_utc(opening.at))
        warrant, approved_by = documents.open_warrant(trust)
        drill = Drill(trust, warrant)
        for record in records:
            drill.apply(stamped_of(record))
    except (UntrustedInput, KeyError) as error:
        raise JournalError(f"its own documents do not hold: {error}", where="journal") from error
    return Folded(drill, Background(approved_by, opening.at, records[-1].at, event.software))


def _opening(records: Sequence[Record], documents: Documents) -> Record:
    """Collect the documents and return the record after them."""
    for record in records:
        if not isinstance(record.event, ev.DocumentHeld):
            return record
        documents.take(record.event)
    raise JournalError("it holds no opened drill", where="journal", remedy="the drill ended before it was opened")
