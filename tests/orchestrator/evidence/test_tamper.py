"""Whatever is changed in a whole real bundle, `verify` fails."""

from __future__ import annotations

import json
from collections import Counter as Counted
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from pydantic import ValidationError

from orchestrator.core import events as ev
from orchestrator.core.events import EVENTS, DocumentKind
from orchestrator.core.grades import Verdict
from orchestrator.evidence.memo import Memo
from orchestrator.evidence.verifier import verify_bundle
from orchestrator.journal.chain import Record
from tests.orchestrator.evidence.scenes import Ladder, Lease, Refusal, payload_of
from tests.orchestrator.evidence.tamper import Forger, changes, dump, envelope_changes, line_changes, verdicts
from tests.orchestrator.recorder import Recorded, Script, record_drill

SCRIPT = Script(reject=1, recall=True)
PARTS = 8
WHOLE = 4
"""Lines of each kind of which every field is changed."""
SPARSE = 6
"""Of the others one field in so many, another one in each line."""


@cache
def recorded() -> Recorded:
    """The bundle that is tampered with: a passed drill with every kind of record but the rarest."""
    return record_drill(SCRIPT)


@cache
def memo() -> Memo:
    """One memory for all verifications."""
    return Memo()


def survives(bundle: bytes, of: Recorded | None = None) -> bool:
    """Tell whether a bundle verifies."""
    return verify_bundle(bundle, roots=(of or recorded()).roots, memo=memo()).verified


def kinds(lines: list[bytes]) -> list[str]:
    """Return what each line is: the type of its event; a line that is no record is a kind of its own."""
    read = [json.loads(line) for line in lines]
    return [one["event"]["type"] if "event" in one else f"line {place}" for place, one in enumerate(read)]


def strides(lines: list[bytes]) -> list[int]:
    """Return which fields of each line to change: all of the first few and the last of a kind, else one in `SPARSE`."""
    found = kinds(lines)
    last = {kind: place for place, kind in enumerate(found)}
    before: Counted[str] = Counted()
    listed = []
    for place, kind in enumerate(found):
        listed.append(1 if before[kind] < WHOLE or last[kind] == place else SPARSE)
        before[kind] += 1
    return listed


def mutants(lines: list[bytes], part: int) -> Iterator[tuple[str, bytes]]:
    """Yield single-field changes of every `PARTS`-th line, as a whole bundle."""
    sparse = strides(lines)
    for place in range(part, len(lines), PARTS):
        for number, (label, changed) in enumerate(line_changes(lines[place])):
            if changed != lines[place] and (number + place) % sparse[place] == 0:
                whole = [*lines[:place], changed, *lines[place + 1 :]]
                yield f"line {place + 1}: {label}: {changed[:300]!r}", b"\n".join(whole) + b"\n"


@pytest.mark.parametrize("part", range(PARTS))
def test_no_field_of_any_line_can_be_changed(part: int) -> None:
    """Each field of each kind of envelope and journal record is covered by something that verify checks."""
    lines = recorded().bundle.splitlines()
    assert survives(recorded().bundle)
    count = 0
    for label, mutant in mutants(lines, part):
        count += 1
        assert not survives(mutant), label
    assert count > 200


def test_no_line_can_be_removed_doubled_or_swapped() -> None:
    """Every line counts, once, and in its place."""
    lines = recorded().bundle.splitlines(keepends=True)
    for place, line in enumerate(lines):
        assert not survives(b"".join(lines[:place] + lines[place + 1 :])), f"removed {place + 1}"
        assert not survives(b"".join([*lines[:place], line, *lines[place:]])), f"doubled {place + 1}"
        if place:
            swapped = [*lines[: place - 1], line, lines[place - 1], *lines[place + 1 :]]
            assert not survives(b"".join(swapped)), f"swapped {place} and {place + 1}"


def test_a_bundle_cut_short_is_never_verified() -> None:
    """Truncation is noticed at the end of every line and inside it."""
    raw = recorded().bundle
    ends = [place for place, byte in enumerate(raw) if byte == ord("\n")]
    for end in ends[:-1]:
        for cut in (end, end + 1, end + 100):
            assert not survives(raw[:cut]), f"cut at {cut}"
    assert not survives(raw[:-1])
    assert not survives(raw + b"\n")


def test_a_flipped_byte_is_always_noticed() -> None:
    """Flipping one bit anywhere breaks verification, however little it changes."""
    raw = recorded().bundle
    for place in range(0, len(raw), 211):
        flipped = bytearray(raw)
        flipped[place] ^= 1 << (place % 8)
        assert not survives(bytes(flipped)), f"byte {place}"


# -- a forger who holds the dispatcher's key ---------------------------------------------------------

OTHERS = (ev.ReceiptReceived, ev.LicenceRequested, ev.ReadingReceived, ev.ClosingReceived, ev.DocumentHeld)
NEWER = (
    ev.RungOrdered,
    ev.RungPublished,
    ev.BatteryIssued,
    ev.LicenceRequested,
    ev.LicenceIssued,
    ev.LeaseStopped,
    ev.OrderIssued,
)
SCENES: dict[str, Callable[[], Recorded]] = {
    "ladder": lambda: Ladder().record(),
    "battery": lambda: Refusal().record(),
    "lease": lambda: Lease().record(),
}
"""Drills with the rarer kinds of record."""


@cache
def scene(name: str) -> Recorded:
    """Return a drill of `SCENES`."""
    return SCENES[name]()


def newer_places(forger: Forger) -> list[int]:
    """Return the place of the first and the last record of each of the rarer kinds, and an enforcer's receipts."""
    places: dict[str, list[int]] = {}
    for place, record in enumerate(forger.records):
        event = record.event
        if isinstance(event, NEWER):
            places.setdefault(event.type, []).append(place)
        elif isinstance(event, ev.ReceiptReceived) and '"by":"e1"' in payload_of(event.envelope):
            places.setdefault("enforcer", []).append(place)
    return sorted({place for listed in places.values() for place in (listed[0], listed[-1])})


@pytest.mark.parametrize("name", SCENES)
def test_no_field_of_a_rarer_record_can_be_changed(name: str) -> None:
    """Rungs, batteries, licences and enforcers' receipts are covered like everything else, in each field."""
    drill, count = scene(name), 0
    lines = drill.bundle.splitlines()
    assert survives(drill.bundle, drill)
    for place in newer_places(Forger(drill.records)):
        for label, changed in line_changes(lines[place + 1]):
            if changed != lines[place + 1]:
                count += 1
                mutant = b"\n".join([*lines[: place + 1], changed, *lines[place + 2 :]]) + b"\n"
                assert not survives(mutant, drill), f"line {place + 2}: {label}"
    assert count > 200


@pytest.mark.parametrize("name", SCENES)
def test_no_rarer_record_can_be_changed_hidden_or_doubled_by_a_forger(name: str) -> None:
    """Whoever holds the dispatcher's key can neither rewrite nor leave out a climb, a battery or a licence."""
    drill, forged = scene(name), 0
    forger = Forger(drill.records)
    last = cosigned_up_to(forger)
    for place in newer_places(forger):
        assert place < last
        candidates = [
            forger.with_event(place, lambda _, event=event: event)
            for _, event in changed_events(forger.records[place].event)
        ]
        for records in (*candidates, *_rearranged(forger.records, place)):
            bundle = forger.forge(records, judge=True)
            forged += bundle is not None
            assert bundle is None or not survives(bundle, drill), f"record {place}"
    assert forged > 3


def cosigned_up_to(forger: Forger) -> int:
    """Return the place of the last challenge: everything before is cosigned by who quotes it."""
    return max(place for place, record in enumerate(forger.records) if isinstance(record.event, ev.ChallengeIssued))


def representatives(forger: Forger) -> set[int]:
    """Return the places of every document, and of the first and the last of each other kind that others signed."""
    places: dict[object, list[int]] = {}
    for place, record in enumerate(forger.records):
        if isinstance(record.event, OTHERS):
            kind = place if isinstance(record.event, ev.DocumentHeld) else record.event.type
            places.setdefault(kind, []).append(place)
    return {place for listed in places.values() for place in (listed[0], listed[-1])}


def changed_events(event: ev.Event) -> Iterator[tuple[str, ev.Event]]:
    """Yield every event that differs in one field and is well formed."""
    for label, changed in changes(json.loads(event.model_dump_json())):
        try:
            other = EVENTS.validate_json(dump(changed))
        except ValidationError:
            continue
        if other != event:
            yield label, other


def test_what_others_signed_cannot_be_forged_with_the_dispatchers_key() -> None:
    """Receipts, readings, closings, warrant and documents stand by their own signatures, chain or no chain."""
    forger = Forger(recorded().records)
    seen = set()
    for place in representatives(forger):
        event = forger.records[place].event
        for label, text in envelope_changes(event.envelope):  # type: ignore[union-attr]
            records = forger.with_event(place, lambda e, text=text: e.model_copy(update={"envelope": text}))
            bundle = forger.forge(records, judge=True)
            if bundle is not None:
                seen.add(label)
                assert not survives(bundle), f"record {place}: {label}"
    assert seen


def test_no_record_before_the_last_challenge_can_be_rewritten() -> None:
    """A quote cosigns the journal: not even the dispatcher's own words and times can be changed afterwards."""
    forger = Forger(recorded().records)
    forged = 0
    for place in range(cosigned_up_to(forger)):
        record = forger.records[place]
        for label, event in changed_events(record.event):
            bundle = forger.forge(forger.with_event(place, lambda _, event=event: event), judge=True)
            forged += bundle is not None
            assert bundle is None or not survives(bundle), f"record {place}: {label}"
        for field, value in (("t_ns", record.t_ns + 1), ("t_ns", record.t_ns - 1), ("epoch", 2)):
            records = list(forger.records)
            records[place] = record.model_copy(update={field: value})
            bundle = forger.forge(records, judge=True)
            forged += bundle is not None
            assert bundle is None or not survives(bundle), f"record {place}: {field}"
    assert forged > 100


@pytest.mark.parametrize("script", [SCRIPT, Script(lying="beta"), Script(deaf=frozenset({("beta", "w1")}))])
def test_no_record_can_be_left_out_added_or_moved_by_a_forger(script: Script) -> None:
    """Up to the last quoted challenge nothing can be hidden; after it nothing gets better by hiding it."""
    drill = record_drill(script)
    before = verdicts(drill.result)
    forger = Forger(drill.records)
    last = cosigned_up_to(forger)
    for place in range(len(forger.records)):
        for records in _rearranged(forger.records, place):
            bundle = forger.forge(records, judge=True)
            if bundle is None:
                continue
            report = verify_bundle(bundle, roots=drill.roots, memo=memo())
            assert place > last or not report.verified, f"record {place}"
            if report.verified and report.result is not None:
                after = verdicts(report.result)
                assert all(after[key] == before[key] or after[key] != Verdict.VERIFIED for key in before)


def _rearranged(records: list[Record], place: int) -> Iterator[list[Record]]:
    yield records[:place] + records[place + 1 :]
    yield records[: place + 1] + records[place:]
    if place:
        yield [*records[: place - 1], records[place], records[place - 1], *records[place + 1 :]]


def test_a_forged_verdict_is_recomputed_and_caught() -> None:
    """Every field of every verdict, and the outcome, is compared with what the evidence gives."""
    drill = record_drill(Script(lying="beta"))
    forger = Forger(drill.records)
    forged = 0
    for place, record in enumerate(forger.records):
        if not isinstance(record.event, ev.SiteJudged | ev.DrillClosed):
            continue
        for label, event in changed_events(record.event):
            bundle = forger.forge(forger.with_event(place, lambda _, event=event: event), judge=False)
            forged += bundle is not None
            assert bundle is None or not survives(bundle, drill), f"record {place}: {label}"
    assert forged > 20


def test_arrivals_after_the_last_challenge_stay_inside_their_record() -> None:
    """Nobody cosigns the very last arrivals, so they are held to their challenge and to their record's time."""
    forger = Forger(recorded().records)
    last = cosigned_up_to(forger)
    for place in range(last + 1, len(forger.records)):
        event = forger.records[place].event
        if not isinstance(event, ev.ReadingReceived | ev.ClosingReceived):
            continue
        for arrival_ns in (forger.records[place].t_ns + 1, forger.records[last].t_ns - 1):
            records = forger.with_event(place, lambda e, at=arrival_ns: e.model_copy(update={"arrival_ns": at}))
            bundle = forger.forge(records, judge=True)
            assert bundle is None or not survives(bundle)


def test_an_unapproved_warrant_is_not_saved_by_resealing() -> None:
    """A warrant with one owner's approval only is found out however the bundle is sealed."""
    forger = Forger(recorded().records)
    place = next(
        place
        for place, record in enumerate(forger.records)
        if isinstance(record.event, ev.DocumentHeld) and record.event.kind is DocumentKind.WARRANT
    )
    outer = json.loads(forger.records[place].event.envelope)  # type: ignore[union-attr]
    alone = dump(outer | {"signatures": outer["signatures"][:1]}).decode()
    lines = recorded().bundle.splitlines()
    record = json.loads(lines[place + 1])
    record["event"]["envelope"] = alone
    lines[place + 1] = dump(record)
    report = verify_bundle(b"\n".join(lines) + b"\n", roots=recorded().roots, memo=memo())
    assert any("approved by 1 of the 2 distinct owners" in finding.what for finding in report.findings)
