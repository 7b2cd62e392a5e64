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
from orchestrator.core.grades import SiteStepResult
from orchestrator.core.intake import check_sole
from orchestrator.core.samples import Instant
from orchestrator.evidence.bundle import BUNDLE_MAX_BYTES, LINES_MIN, Header, Seal, read_header
from orchestrator.evidence.clocks import check_clocks
from orchestrator.evidence.dispatched import Dispatched, Place, demand
from orchestrator.evidence.documents import Anchor, check_opening, expired_since, open_anchor
from orchestrator.evidence.findings import Counts, Findings, VerifyReport
from orchestrator.evidence.fold import Documents
from orchestrator.evidence.heard import HeardCheck
from orchestrator.evidence.memo import Memo
from orchestrator.evidence.result import Background, DrillResult, build_result
from orchestrator.evidence.timing import check_timing
from orchestrator.journal.chain import GENESIS, RECORD_MAX_BYTES, Record, decode_record, stamped_of
from protocols.envelope import open_envelope, parse_envelope
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
        self._fleet_seen = ""
        self._drill: Drill | None = None
        self._dispatched: Dispatched | None = None
        self._heard: HeardCheck | None = None
        self._background: Background | None = None
        self._previous: Record | None = None
        self._opened = False
        self._rank = 0
        self._seq = 0
        self._head = GENESIS
        self._judged: dict[tuple[int, str], SiteStepResult] = {}
        self._said_in: dict[tuple[str, str], dict[int, int]] = {}
        self._cosigned = -1
        self._heads: dict[int, int] = {}
        self._computed: DrillResult | None = None

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
        self._read_header(lines[0])
        for number, line in enumerate(lines[1:-2], start=2):
            self._read_record(number, line)
        self._finish(len(lines) - 2)
        self._read_result(len(lines) - 1, lines[-2])
        self._read_seal(len(lines), lines)
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
            result=self._computed,
        )

    # -- lines ------------------------------------------------------------------------------------

    def _read_header(self, line: bytes) -> None:
        header = read_header(line)
        if header is None:
            self.findings.add(1, "header", "it is not the header of a bundle that this program knows")
            return
        if header.fleet != self.anchor.fleet:
            self.findings.add(1, "header", "the bundle is another fleet's than the root's", f"fleet {header.fleet}")
        self._header = header

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
        item += _named(record.event)
        self.findings.events[record.event.type] += 1
        self._check_chain(number, item, record, seq, prev)
        self._previous = record
        try:
            self._take(number, record, stamped, Place(seq, prev, stamped.wall_ns))
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
        now = Instant(stamped.epoch, stamped.t_ns)
        said = self._said(event, place, now)
        check_timing(event, drill, now)
        if isinstance(event, ev.SiteJudged):
            self._judge(event, drill)
        drill.apply(stamped, said)
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
        self._dispatched = Dispatched(self._drill, digest, self.memo)
        self._heard = HeardCheck(self._drill, self.memo)
        self._background = Background(approved_by, record.at, record.at, event.software)

    def _said(self, event: ev.Event, place: Place, now: Instant) -> Message | None:
        """Check the envelope that an event holds, if it holds one, and return its message."""
        if self._dispatched is None or self._heard is None:
            return None
        said: Message | None
        match event:
            case ev.ChallengeIssued() | ev.OrderIssued() | ev.ReleaseIssued() | ev.RecallIssued() | ev.Aborted():
                said = self._dispatched.check(event, place)
            case ev.ReceiptReceived() | ev.ReadingReceived() | ev.ClosingReceived():
                said = self._heard.check(event, now)
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
                return None
            case _:
                assert_never(event)
        self.findings.envelopes += 1
        return said

    def _note(self, number: int, said: Reading | Closing) -> None:
        self._said_in.setdefault((said.site, said.witness), {}).setdefault(said.link.seq, number)
        if self._drill is not None and said.quotes.drill == self._drill.drill:
            self._cosigned = max(self._cosigned, self._heads.get(said.quotes.seq, -1))

    # -- verdicts ---------------------------------------------------------------------------------

    def _judge(self, event: ev.SiteJudged, drill: Drill) -> None:
        key = (event.step, event.site)
        demand(event.step < len(drill.warrant.steps), "the warrant has no such step")
        demand(event.site in drill.audience, "the site is not in the audience")
        demand(key not in self._judged, "a verdict on it was given before")
        computed = drill.judge(event.step, event.site)
        self._judged[key] = computed
        self.findings.verdicts += 1
        if computed != event.result:
            raise JournalError(_difference(event.result, computed))

    def _finish(self, last: int) -> None:
        """Check what only the whole journal shows."""
        drill, background = self._drill, self._background
        if drill is None or background is None or self._previous is None:
            self.findings.add(last, "journal", "it opens no drill that could be checked")
            return
        for site in drill.audience:
            check_clocks(drill, site, self._said_in, self.findings)
        self.findings.notes += [note for site in drill.audience if (note := _receipts_left_out(drill, site))]
        wanted = [(step, site) for step in range(len(drill.warrant.steps)) for site in drill.audience]
        for step, site in wanted:
            if (step, site) not in self._judged:
                self.findings.add(last, f"site {site}, step {step}", "there is no verdict on it")
        if drill.passed is None or not isinstance(self._previous.event, ev.DrillClosed):
            self.findings.add(last, "journal", "the drill does not come to its end")
        if all(key in self._judged for key in wanted):
            full = Background(background.approved_by, background.opened_at, self._previous.at, background.software)
            self._computed = build_result(drill, full, self._judged)
            self._check_closed(last, drill, self._computed)
        self.findings.notes.append(f"witnesses cosigned the journal up to record {self._cosigned} of {self._seq - 1}")

    def _check_closed(self, last: int, drill: Drill, computed: DrillResult) -> None:
        event = self._previous.event if self._previous is not None else None
        if isinstance(event, ev.DrillClosed) and (event.passed, event.aborted) != (computed.passed, drill.aborted):
            said = "passed" if event.passed else "not passed"
            self.findings.add(last, f"record {self._seq - 1}, drill.closed", "its outcome is not the evidence's", said)

    def _read_result(self, number: int, line: bytes) -> None:
        if self._computed is None:
            return  # why it could not be computed is a finding already
        if line == self._computed.encode():
            return
        if len(line) > 2 * len(self._computed.encode()):
            self.findings.add(number, "result", "it is not what the evidence gives", "it is much longer")
            return
        try:
            said = DrillResult.model_validate_json(line)
        except ValueError:
            self.findings.add(number, "result", "it is no result of a version that this program knows")
            return
        self.findings.add(number, "result", "it is not what the evidence gives", _difference(said, self._computed))

    def _read_seal(self, number: int, lines: Sequence[bytes]) -> None:
        drill = self._drill
        if drill is None:
            return
        try:
            envelope = parse_envelope(lines[-1])
            check_sole(envelope)
            seal, _ = open_envelope(envelope, Seal, {drill.dispatcher: drill.trust.dispatchers.keys[drill.dispatcher]})
            body = b"\n".join(lines[:-1]) + b"\n"
            demand(seal.fleet == drill.trust.fleet and seal.drill == drill.drill, "it seals another drill")
            demand(seal.lines == len(lines) - 1, f"it seals {seal.lines} lines, there are {len(lines) - 1}")
            demand(seal.journal_head == self._head, "it seals another journal")
            demand(seal.sha256 == digest_of(body), "the lines before it were changed since")
        except HaltdrillError as error:
            self.findings.add(number, "seal", error.what, error.where)
        else:
            self.findings.envelopes += 1


def _decoded(line: bytes) -> tuple[Record, ev.Stamped]:
    record = decode_record(line, where="")
    return record, stamped_of(record)


def _receipts_left_out(drill: Drill, site: str) -> str:
    """Say how many receipts an agent signed between those that are here; empty when there are none.

    They may answer anybody, so this is no failure; but one that reported a halt may be among them.
    """
    numbers = {receipt.link.seq for _, receipt in drill.receipts.get(site, ())}
    missing = max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0
    return f"site {site}: its agent signed {missing} more between the receipts that are here" if missing else ""


def _named(event: ev.Event) -> str:
    """Say which item an event is about."""
    parts = [f", {event.type}"]
    match event:
        case ev.DocumentHeld():
            parts.append(event.kind.replace("_", " "))
        case ev.ChallengeIssued():
            parts.append(f"challenge {event.seq}")
        case ev.OrderIssued() | ev.OrderPublished() | ev.ReleaseIssued() | ev.ReleasePublished() | ev.StepEnded():
            parts.append(f"step {event.step}")
        case ev.ReadingReceived() | ev.ClosingReceived() | ev.RecallIssued():
            parts.append(f"site {event.site}, witness {event.witness}")
        case ev.ReceiptReceived():
            parts.append(f"site {event.site}")
        case ev.SiteJudged():
            parts.append(f"step {event.step}, site {event.site}")
        case _:
            pass
    return ", ".join(parts)


def _difference(said: SiteStepResult | DrillResult, computed: SiteStepResult | DrillResult) -> str:
    """Name the first field that differs, with both values."""
    for name in type(said).model_fields:
        stated, found = getattr(said, name), getattr(computed, name)
        if stated != found:
            return f"{name} is stated as {_short(stated)}, the evidence gives {_short(found)}"
    return "the bytes are not its one encoding"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."  # noqa: PLR2004 - a line's worth
