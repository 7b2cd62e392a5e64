"""Verifies a bundle: recomputes everything in it and trusts nothing but the root.

The bundle is read once, from its first line to its last. Each record is checked on its own, against
the chain, and against the drill as folded so far; only what holds is folded in. At the end the
verdicts and figures are recomputed with the same core functions and compared byte for byte.

Pure: it reads no file and no clock, and any bytes at all give a report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.events import DocumentKind
from orchestrator.core.samples import Instant
from orchestrator.evidence.bundle import (
    BUNDLE_MAX_BYTES,
    BUNDLE_VERSION,
    LINES_MIN,
    Header,
    bundle_version,
    read_header,
)
from orchestrator.evidence.checks.spoken import Place, Spoken, demand
from orchestrator.evidence.dispatched import Dispatched
from orchestrator.evidence.documents import Anchor, check_opening, expired_since, open_anchor
from orchestrator.evidence.findings import Counts, Findings, VerifyReport
from orchestrator.evidence.fold import Documents
from orchestrator.evidence.heard import HeardCheck
from orchestrator.evidence.memo import Memo
from orchestrator.evidence.named import envelopes_in, named
from orchestrator.evidence.outcome import Outcome
from orchestrator.evidence.stating import Background
from orchestrator.evidence.timing import check_timing
from orchestrator.journal.chain import GENESIS, RECORD_MAX_BYTES, Record, decode_record, stamped_of
from protocols.errors import HaltdrillError, JournalError
from protocols.ids import digest_of, parse_utc
from protocols.messages import Closing, Message, Reading


def verify_bundle(
    raw: bytes,
    *,
    roots: Sequence[bytes] | None = None,
    fleet: str | None = None,
    now_ns: int | None = None,
    memo: Memo | None = None,
) -> VerifyReport:
    """Verify a bundle.

    Args:
        raw: The bundle's bytes.
        roots: The chain of roots that the caller trusts, version 1 first.
        fleet: The fleet id that the caller trusts: the digest of root version 1. One of the two
            must be given.
        now_ns: Wall time, only to say what has expired since the drill.
        memo: Keeps answers between verifications of near-equal bundles.

    Returns:
        What was found. It never raises because of what the bytes are.
    """
    check = _Verification(memo or Memo(0), now_ns)
    if len(raw) > BUNDLE_MAX_BYTES:
        check.findings.add(None, "bundle", "it is too large", f"{len(raw)} bytes, the limit is {BUNDLE_MAX_BYTES}")
        return check.report(0)
    try:
        check.anchor = open_anchor(roots, fleet)
    except HaltdrillError as error:
        check.findings.add(None, "trusted root", error.what, error.where)
        return check.report(0)
    return check.run(raw)


class _Verification:
    """The state of one verification."""

    def __init__(self, memo: Memo, now_ns: int | None) -> None:
        self.memo = memo
        self.findings = Findings()
        self.anchor = Anchor((), "")
        self._now_ns = now_ns
        self._header: Header | None = None
        self._documents = Documents()
        self._drill: Drill | None = None
        self._dispatched: Dispatched | None = None
        self._heard: HeardCheck | None = None
        self._background: Background | None = None
        self._previous: Record | None = None
        self._opened = False
        self._rank = 0
        self._seq = 0
        self._head = GENESIS
        self._outcome = Outcome(self.findings)
        self._said_in: dict[tuple[str, str], dict[int, int]] = {}
        self._cosigned = -1
        self._heads: dict[int, int] = {}

    def run(self, raw: bytes) -> VerifyReport:
        """Check every line."""
        if not raw.endswith(b"\n"):
            self.findings.add(raw.count(b"\n") + 1, "last line", "it has no end: the bundle is cut short")
        lines = raw.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if len(lines) < LINES_MIN:
            self.findings.add(len(lines) or None, "bundle", "it is cut short", f"it has {len(lines)} lines")
            return self.report(len(lines))
        if not self._read_header(lines[0]):
            return self.report(len(lines))
        for number, line in enumerate(lines[1:-2], start=2):
            self._read_record(number, line)
        self._finish(lines)
        return self.report(len(lines))

    def report(self, lines: int) -> VerifyReport:
        """Return what was found so far."""
        found = self.findings
        kept = found.in_order()
        counts = Counts(
            lines=lines,
            records=self._seq,
            events=dict(sorted(found.events.items())),
            envelopes=found.envelopes,
            verdicts=found.verdicts,
        )
        return VerifyReport(
            verified=found.total == 0,
            fleet=self.anchor.fleet,
            drill=self._drill.drill if self._drill is not None else "",
            findings=kept,
            more=found.total - len(kept),
            notes=tuple(found.notes),
            counts=counts,
            result=self._outcome.result,
        )

    # -- lines ------------------------------------------------------------------------------------

    def _read_header(self, line: bytes) -> bool:
        """Read the first line; tell whether it makes sense to go on."""
        version = bundle_version(line)
        if version is not None and version != BUNDLE_VERSION:
            what = f"it is a bundle of version {version}, and this program reads version {BUNDLE_VERSION}"
            self.findings.add(1, "header", what, "verify it with the release that wrote it")
            return False
        header = read_header(line)
        if header is None:
            self.findings.add(1, "header", "it is not the header of a bundle")
            return True
        if header.fleet != self.anchor.fleet:
            self.findings.add(1, "header", "the bundle is another fleet's than the root's", f"fleet {header.fleet}")
        self._header = header
        return True

    def _read_record(self, number: int, line: bytes) -> None:
        item = f"record {self._seq}"
        prev, seq = self._head, self._seq
        self._seq += 1
        self._head = digest_of(line)
        if len(line) > RECORD_MAX_BYTES:
            self.findings.add(number, item, "the line is too long", f"{len(line)} bytes")
            return
        try:
            record, stamped = self.memo.recall(("record", line), lambda: _decoded(line))
        except JournalError as error:
            self.findings.add(number, item, error.what)
            return
        item += named(record.event)
        self.findings.events[record.event.type] += 1
        self._check_chain(number, item, record, seq, prev)
        self._previous = record
        try:
            self._take(number, record, stamped, Place(seq, prev, stamped.wall_ns, Instant(stamped.epoch, stamped.t_ns)))
        except HaltdrillError as error:
            self.findings.add(number, item, error.what, error.where)

    def _check_chain(self, number: int, item: str, record: Record, seq: int, prev: str) -> None:
        before = self._previous
        if record.seq != seq:
            self.findings.add(number, item, "it is out of sequence", f"it says it is record {record.seq}")
        if record.prev != prev:
            self.findings.add(number, item, "it is not chained to the record before it")
        if self._header is not None and record.drill != self._header.drill:
            self.findings.add(number, item, "it belongs to another drill", record.drill)
        if before is None:
            return
        if record.epoch == before.epoch and record.t_ns < before.t_ns:
            self.findings.add(number, item, "its time runs backwards", f"{before.t_ns - record.t_ns} ns")
        step = 1 if isinstance(record.event, ev.DrillResumed) else 0
        if record.epoch != before.epoch + step:
            self.findings.add(number, item, "its clock epoch does not follow", f"{before.epoch}, then {record.epoch}")

    def _take(self, number: int, record: Record, stamped: ev.Stamped, place: Place) -> None:
        """Check a record against the drill so far, then fold it in.

        Raises:
            HaltdrillError: It doesn't fit; it isn't folded in.
        """
        event = record.event
        if isinstance(event, ev.DocumentHeld):
            demand(not self._opened, "a document stands after the opening")
            rank = tuple(DocumentKind).index(event.kind)
            demand(rank >= self._rank, "the documents are not in order")
            self._rank = rank
            self.findings.envelopes += 1
            self._documents.take(event)
            return
        if isinstance(event, ev.DrillOpened):
            demand(not self._opened, "the drill is opened twice")
            self._opened = True
            self._open(event, record)
        demand(self._opened, "it stands before the opening")
        drill = self._drill
        if drill is None:
            return  # the opening did not hold, which is a finding already: nothing can be checked against it
        now = place.now
        said, digest = self._said(event, place, now)
        check_timing(event, drill, now)
        if isinstance(event, ev.SiteJudged):
            self._outcome.judge(event, drill)
        drill.apply(stamped, said, digest)
        if isinstance(said, Reading | Closing):
            self._note(number, said)
        elif isinstance(event, ev.ChallengeIssued):
            self._heads[event.seq] = place.seq - 1

    def _open(self, event: ev.DrillOpened, record: Record) -> None:
        documents, now_ns = self._documents, parse_utc(record.at)
        held = tuple((kind, tuple(raws)) for kind, raws in documents.held.items())
        trust = self.memo.recall(
            ("fleet", held, now_ns, self.anchor), lambda: self.anchor.open_fleet(documents, now_ns)
        )
        warrant, approved_by = documents.open_warrant(trust)
        digest = warrant.digest()
        check_opening(event, trust, warrant, now_ns)
        demand(record.drill == event.drill, "it opens another drill than its record belongs to")
        if self._now_ns is not None:
            self.findings.notes += expired_since(trust, self._now_ns)
        self._drill = Drill(trust, warrant)
        self._dispatched = Dispatched(Spoken(self._drill, digest, self.memo))
        self._heard = HeardCheck(self._drill, self.memo)
        self._background = Background(approved_by, record.at, record.at, event.software)

    def _said(self, event: ev.Event, place: Place, now: Instant) -> tuple[Message | None, str | None]:
        """Check what an event holds; return its message and that message's digest, as far as they are known."""
        if self._dispatched is None or self._heard is None:
            return None, None
        self.findings.envelopes += envelopes_in(event)
        match event:
            case (
                ev.ChallengeIssued()
                | ev.OrderIssued()
                | ev.RungOrdered()
                | ev.RungPublished()
                | ev.BatteryIssued()
                | ev.LicenceIssued()
                | ev.LeaseStopped()
                | ev.ReleaseIssued()
                | ev.RecallIssued()
                | ev.Aborted()
            ):
                return self._dispatched.check(event, place), None
            case ev.LicenceRequested():
                return self._dispatched.licences.request(event, now), None
            case ev.ReceiptReceived() | ev.ReadingReceived() | ev.ClosingReceived():
                return self._heard.check(event, now)
            case (
                ev.DocumentHeld()
                | ev.DrillOpened()
                | ev.DrillResumed()
                | ev.OrderPublished()
                | ev.ReleasePublished()
                | ev.InputRejected()
                | ev.InputsIgnored()
                | ev.StepEnded()
                | ev.SiteJudged()
                | ev.DrillClosed()
            ):
                return None, None
            case _:
                assert_never(event)

    def _note(self, number: int, said: Reading | Closing) -> None:
        self._said_in.setdefault((said.site, said.witness), {}).setdefault(said.link.seq, number)
        if self._drill is not None and said.quotes.drill == self._drill.drill:
            self._cosigned = max(self._cosigned, self._heads.get(said.quotes.seq, -1))

    def _finish(self, lines: Sequence[bytes]) -> None:
        """Check what only the whole file shows."""
        drill, background, last = self._drill, self._background, self._previous
        if drill is None or background is None or last is None:
            self.findings.add(len(lines) - 2, "journal", "it opens no drill that could be checked")
            return
        self._outcome.finish(len(lines) - 2, drill, background, last, self._said_in)
        self.findings.notes.append(f"witnesses cosigned the journal up to record {self._cosigned} of {self._seq - 1}")
        self._outcome.compare(len(lines) - 1, lines[-2])
        self._outcome.check_seal(len(lines), lines, drill, self._head)


def _decoded(line: bytes) -> tuple[Record, ev.Stamped]:
    record = decode_record(line, where="")
    return record, stamped_of(record)
