"""Real journals for coverage: recorded drills on chosen days, in one SQLite file and a fleet's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import MappingProxyType

from orchestrator.core import events as ev
from orchestrator.core.grades import Grade, ReceiptSummary, SiteStepResult, Verdict
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.load import FleetDocuments
from orchestrator.journal.chain import ChainWriter, Line
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.opening import open_drill
from protocols.ids import digest_of
from protocols.messages import Warrant
from tests import kit
from tests.orchestrator.coverage.made import CAUSES, S_NS
from tests.orchestrator.recorder import Recorded, Recorder, Script

DAY_NS = 86_400 * S_NS


def record_on(day: int, script: Script | None = None) -> Recorded:
    """Record a drill that was held `day` days after the fleet was made."""

    class Dated(Recorder):
        warrant_changes = MappingProxyType({"nonce": digest_of(f"day {day}".encode())[:32]})

        @property
        def wall_ns(self) -> int:
            return super().wall_ns + day * DAY_NS

    return Dated(script or Script()).record()


def keep(store: SqliteJournal, drill: str, lines: Iterable[bytes], *, closed: bool = True) -> None:
    """Put a drill's lines into a store."""
    listed = list(lines)
    store.open_drill(drill, digest_of(drill.encode()))
    store.append(drill, [Line(seq, raw, digest_of(raw)) for seq, raw in enumerate(listed)])
    if closed:
        store.mark_closed(drill)


def keep_recorded(path: Path, recorded: Sequence[Recorded]) -> Path:
    """Write recorded drills into one journal."""
    store = SqliteJournal(path)
    for one in recorded:
        keep(store, one.drill, one.records)
    store.close()
    return path


def write_folder(folder: Path, fleet: kit.Fleet) -> Path:
    """Write the documents of a fleet into a folder of its own, as far as coverage reads it."""
    layout = FleetLayout(folder)
    layout.documents.sites.mkdir(parents=True)
    layout.config.write_text('journal = "journal.sqlite"\n\n[broker]\nhost = "127.0.0.1"\nport = 4222\n')
    layout.documents.root.write_bytes(fleet.raw_root + b"\n")
    layout.documents.policy.write_bytes(fleet.raw_policy)
    layout.documents.index.write_bytes(fleet.raw_index)
    for site, raw in fleet.raw_records.items():
        layout.documents.record(site).write_bytes(raw)
    return folder


def judged(verdict: Verdict = Verdict.VERIFIED, **changes: object) -> SiteStepResult:
    """Make a result: verified between 1 and 2 s, unless changed."""
    fields: dict[str, object] = {
        "grade": Grade.HELD,
        "verdict": verdict,
        "cause": CAUSES[verdict],
        "response_lower_ns": S_NS,
        "response_upper_ns": 2 * S_NS,
        "restore_lower_ns": 0,
        "restore_upper_ns": S_NS,
        "dwell_ns": S_NS,
        "agreeing": ("w1", "w2"),
        "dissenting": (),
        "unknown": (),
        "preflight_ok": True,
        "held": True,
        "receipts": ReceiptSummary(),
    }
    return SiteStepResult(**(fields | changes))  # type: ignore[arg-type]


def _as_it_is(event: ev.Event) -> ev.Event:
    return event


def lines_of(
    fleet: kit.Fleet,
    warrant: Warrant,
    events: Iterable[ev.Event],
    *,
    change: Callable[[ev.Event], ev.Event] = _as_it_is,
) -> list[bytes]:
    """Chain a drill's opening and some events, a second apart, each as `change` makes it."""
    documents = FleetDocuments(
        fleet.trust(), (fleet.raw_root,), fleet.raw_policy, fleet.raw_index, dict(fleet.raw_records)
    )
    opened = open_drill(
        documents,
        fleet.approve(warrant, kit.APPROVERS),
        kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0])),
        SqliteJournal(None),
        nonce=lambda: "c0ffee00" * 4,
        wall_ns=fleet.now_ns,
    )
    chain = ChainWriter(opened.issuer.drill)
    return [
        chain.encode(ev.Stamped(change(event), 1, number * S_NS, fleet.now_ns + number * S_NS)).raw
        for number, event in enumerate([*opened.events, *events])
    ]
