"""Ways in through what lies on a disk: a site's stores and small files, the orchestrator's database."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing
from functools import cache
from random import Random

from agents.actuators.marks import MarkFile
from agents.chain import Chain, Said
from agents.decide import decide
from agents.decision import OrderFrame, StopEnvelope
from agents.drivers.records import Records
from agents.feed import FeedFile
from agents.held import HELD_NAME, take_documents
from agents.ledger import Identity, Ledger
from agents.mocksite.folder import _register
from agents.reconcile import memory_of
from agents.state import prune, snapshot
from agents.store import Store, _header, _lines
from orchestrator.coverage.drills import read_drill
from orchestrator.evidence.fold import fold_journal
from orchestrator.journal.sqlite import SqliteJournal
from protocols.errors import ConfigError, DriverError, JournalError, StoreError
from protocols.host.clock import ManualClock
from protocols.ids import digest_of
from protocols.mock_config import register_of
from tests import kit
from tests.agents.doubles import MemoryDisk
from tests.agents.mocksite.rig import config_of
from tests.hostile.mutation import bend
from tests.hostile.targets import scene
from tests.hostile.targets.base import Target, attempt, chosen, with_word
from tests.hostile.targets.scene import FLEET, NOW, SITE, SITE_TRUST
from tests.hostile.targets.written import folder
from tests.orchestrator.recorder import Script, record_drill

_ID = "ab" * 16
_IDENTITY = Identity(FLEET.fleet, SITE, scene.signer(kit.agent_label(SITE)))


def open_ledger(data: bytes) -> Ledger:
    """Open an agent's memory on a disk that holds these bytes."""
    return Ledger.open(MemoryDisk(data), _IDENTITY, new_id=_ID, now_ns=kit.NOW_NS)


def _use_ledger(ledger: Ledger) -> None:
    """Do with an agent's memory what the agent does: it must serve, or have been refused before."""
    state = ledger.state
    memory_of(prune(state, NOW.wall_ns), NOW)
    snapshot(state)
    for happened in (OrderFrame(scene.FRAMES["order"]), StopEnvelope(scene.ENVELOPES["lever"])):
        decision = decide(ledger.state, happened, SITE_TRUST, NOW)
        ledger.commit(decision, NOW)
    ledger.compact(kit.NOW_NS)


def check_store(data: bytes) -> None:
    """A damaged store is one clear error; else everything in it is chained, and opens again to the same."""
    word, raw = chosen(data, ("agent", "witness"))
    if word == "agent":
        ledger = attempt(open_ledger, raw, allowed=StoreError)
        if ledger is not None:
            _use_ledger(ledger)
    else:
        disk = MemoryDisk(raw)
        chain = attempt(Chain.open, disk, new_id=_ID, allowed=StoreError)
        if chain is not None:
            again = Chain.open(MemoryDisk(disk.data), new_id=_ID)
            assert (again.seq, again.head, again.drills) == (chain.seq, chain.head, chain.drills)


def rechained(bodies: bytes) -> bytes:
    """Return a store whose records are these lines, with all digests right."""
    header = _header(_ID, "0" * 64)
    data, _, _ = _lines([line for line in bodies.split(b"\n") if line], digest_of(header), len(header) + 1)
    return header + b"\n" + data


def check_records(data: bytes) -> None:
    """A store whose digests are right and whose records say anything is one clear error, or serves."""
    word, bodies = chosen(data, ("agent", "witness"))
    check_store(with_word(word, rechained(bodies)))


_FILES = ("cut-mark", "driver-mark", "driver-workload", "feed", "held", "register")
_MOCK = config_of(site=SITE)
_CLOCK = ManualClock()


def check_file(data: bytes) -> None:
    """A small file that a program left itself is one clear error when it is damaged."""
    word, content = chosen(data, _FILES)
    place = folder() / "state"
    place.mkdir(exist_ok=True)
    match word:
        case "cut-mark":
            mark = MarkFile(place)
            mark.path.write_bytes(content)
            attempt(mark.load, allowed=DriverError)
        case "driver-mark":
            records = Records(place)
            records.mark_path.write_bytes(content)
            attempt(records.mark, allowed=DriverError)
        case "driver-workload":
            records = Records(place)
            records.workload_path.write_bytes(content)
            attempt(records.workload, allowed=DriverError)
        case "feed":
            feed = FeedFile(place / "feed", by="e1", clock=_CLOCK)
            feed.path.write_bytes(content)
            attempt(feed.state, allowed=DriverError)
        case "held":
            (place / HELD_NAME).write_bytes(content)
            attempt(take_documents, place, SITE_TRUST)
        case _:
            path = place / "register"
            path.write_bytes(content)
            record = FLEET.records[SITE].model_copy(update={"registry": digest_of(content)})
            attempt(_register, path, record, allowed=ConfigError)


@cache
def recorded() -> bytes:
    """Return the bytes of a database with one whole drill."""
    drill = record_drill(Script(sites=(SITE,)))
    path = folder() / "made.sqlite"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as target:
        drill.store._db.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    return path.read_bytes()


def _patched(data: bytes) -> bytes:
    """Apply patches to the database: three bytes of place, one of length, and as many bytes as that says."""
    base = bytearray(recorded())
    while len(data) >= 5:
        at, length = int.from_bytes(data[:3]) % len(base), min(16, data[3] or 1)
        chunk = data[4 : 4 + length]
        base[at : at + len(chunk)] = chunk
        data = data[4 + length :]
    return bytes(base)


def _read_database(path: object, *, read_only: bool) -> None:
    with closing(SqliteJournal(path, read_only=read_only)) as store:
        for known in store.drills():
            with contextlib.suppress(JournalError):
                fold_journal(store.lines(known.drill))
            with contextlib.suppress(JournalError):
                read_drill(store.lines(known.drill))
        if not read_only:
            store.remember_party(SITE, "w1", _ID, 3)
            store.open_drill("20261124t144358z-monthly-000000", "0" * 64)


def check_database(data: bytes) -> None:
    """A damaged database is one clear error, whoever reads it."""
    word, patches = chosen(data, ("read", "write", "whole"))
    path = folder() / "x.sqlite"
    for leftover in folder().glob("x.sqlite*"):
        leftover.unlink()
    path.write_bytes(patches if word == "whole" else _patched(patches))
    attempt(_read_database, path, read_only=word == "read", allowed=JournalError)


def mutate_database(data: bytes, rng: Random) -> bytes:
    """Add a patch: of the file's first pages, of a page's header, or anywhere."""
    if rng.random() < 0.2:
        return bend(data, rng)
    size = len(recorded())
    page = rng.randrange(max(1, size // 4096)) * 4096
    at = rng.choice((rng.randrange(100), rng.randrange(size), page + rng.randrange(64)))
    length = rng.choice((1, 1, 2, 4, 8))
    word, mark, rest = data.partition(b"\n")
    patch = at.to_bytes(3) + bytes([length]) + rng.choice((rng.randbytes(length), b"\xff" * length, b"\0" * length))
    return word + (mark or b"\n") + rest + patch


def _agent_store() -> bytes:
    disk = MemoryDisk()
    ledger = Ledger.open(disk, _IDENTITY, new_id=_ID, now_ns=kit.NOW_NS)
    for happened in (
        OrderFrame(scene.FRAMES["order"]),
        OrderFrame(scene.FRAMES["rung-order"]),
        StopEnvelope(scene.ENVELOPES["release"]),
        StopEnvelope(scene.ENVELOPES["abort"]),
        StopEnvelope(scene.ENVELOPES["lever"]),
    ):
        ledger.commit(decide(ledger.state, happened, SITE_TRUST, NOW), NOW)
    return disk.data


def _compacted() -> bytes:
    disk = MemoryDisk(_agent_store())
    Ledger.open(disk, _IDENTITY, new_id=_ID, now_ns=kit.NOW_NS).compact(kit.NOW_NS)
    return disk.data


def _witness_store() -> bytes:
    disk = MemoryDisk()
    chain = Chain.open(disk, new_id=_ID)
    spoken = (("reading", 1, scene.READING), ("reading", 2, scene.READING), ("closing", 3, scene.CLOSING))
    for kind, seq, message in spoken:
        chain.append(
            Said(
                kind=kind,
                seq=seq,
                digest=message.digest(),
                drill=message.quotes.drill,
                challenge=seq,
                envelope=scene.ENVELOPES[kind].decode(),
            )
        )
    return disk.data


def _bodies(store: bytes) -> bytes:
    bodies: list[bytes] = []
    Store.open(MemoryDisk(store), lambda body, _: bodies.append(body), new_id=_ID)
    return b"\n".join(bodies)


_HELD = b'{"v":1,"fleet":"%b","root_version":1,"policy_version":1,"record_version":1}'

TARGETS = (
    Target(
        "store",
        check_store,
        lambda: [
            with_word("agent", _agent_store()),
            with_word("agent", _compacted()),
            with_word("witness", _witness_store()),
            b"agent\n",
        ],
    ),
    Target(
        "records",
        check_records,
        lambda: [
            with_word("agent", _bodies(_agent_store())),
            with_word("agent", _bodies(_compacted())),
            with_word("witness", _bodies(_witness_store())),
        ],
    ),
    Target(
        "file",
        check_file,
        lambda: [
            b'cut-mark\n{"version":1,"cut":true,"confirmed":false}',
            b'driver-mark\n{"version":1,"action":"slowdown","cap_per_s":5}',
            b'driver-workload\n{"version":1,"boot_id":"x","pid":7,"start_ticks":9,"cgroup":null}',
            b'feed\n{"version":1,"feed":"off","by":"e1","at":"2026-11-24T13:43:58.000000000Z"}\n',
            with_word("held", _HELD % FLEET.fleet.encode()),
            with_word("register", register_of(_MOCK).encode()),
        ],
    ),
    Target(
        "database",
        check_database,
        lambda: [b"read\n", b"write\n", b"whole\nSQLite format 3\0"],
        mutate=mutate_database,
    ),
)
