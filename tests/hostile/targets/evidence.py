"""Ways in through what is handed on: journals and evidence bundles, bent by strangers and by the dispatcher itself.

A forger holds the dispatcher's key. His inputs are scripts, a JSON list a line, that change a recorded
drill; what is changed is then chained, signed, judged and sealed again as he would do it::

    ["set", 17, ["event", "arrival_ns"], 0]
    ["drop", 3]
    ["twice", 4]
    ["swap", 5, 9]
    ["say", 12, ["final"], true]
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from orchestrator.coverage.drills import read_drill
from orchestrator.evidence.bundle import encode_bundle, read_header
from orchestrator.evidence.fold import fold_journal
from orchestrator.evidence.memo import Memo
from orchestrator.evidence.result import DrillResult
from orchestrator.evidence.verifier import verify_bundle
from orchestrator.journal.chain import GENESIS, decode_record
from orchestrator.report.html import render_html
from protocols.errors import JournalError
from protocols.ids import digest_of
from tests import kit
from tests.hostile.mutation import bend, dump, paths
from tests.hostile.targets import scene
from tests.hostile.targets.base import LIMIT_S, Target, attempt
from tests.hostile.targets.wire import seal_as
from tests.orchestrator.evidence.scenes import Ladder, Lease, Refusal
from tests.orchestrator.evidence.tamper import Forger
from tests.orchestrator.recorder import Recorded, Script, record_drill

_MEMO = Memo(4_096)
_OPS_MAX = 12

Json = Any


@dataclass(frozen=True, slots=True)
class Base:
    """A recorded drill that inputs change.

    Attributes:
        lines: Its journal's records.
        passed: The places, by step and site, that really passed.
    """

    recorded: Recorded
    lines: tuple[bytes, ...]
    passed: frozenset[tuple[int, str]]

    @classmethod
    def of(cls, recorded: Recorded) -> Base:
        """Take a recorded drill."""
        return cls(recorded, tuple(recorded.records), _passed(recorded.result))


def _passed(result: DrillResult) -> frozenset[tuple[int, str]]:
    return frozenset((step.step, site.site) for step in result.steps for site in step.sites if site.result.passed)


_ONE = ("alpha",)
_PLAYED: dict[str, Callable[[], Recorded]] = {
    "abort": lambda: record_drill(Script(sites=_ONE, abort_at_s=0.5)),
    "ladder": lambda: Ladder().record(),
    "lease": lambda: Lease(Script(sites=_ONE)).record(),
    "lying": lambda: record_drill(Script(sites=_ONE, lying="alpha")),
    "pause": lambda: record_drill(Script(sites=_ONE, recall=True, reject=1)),
    "refusal": lambda: Refusal(Script(sites=_ONE)).record(),
    "restart": lambda: record_drill(Script(sites=_ONE, restart=True)),
}


@cache
def base(name: str) -> Base:
    """Return a recorded drill, recorded once."""
    return Base.of(_PLAYED[name]())


def _loads(line: bytes) -> Json:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _put(value: Json, path: Json, new: Json) -> Json:
    """Change what stands at a path, where there is such a place."""
    if not isinstance(path, list) or not path:
        return value
    try:
        inner = value
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]]  # only what is there is changed
        inner[path[-1]] = new
    except (LookupError, TypeError):
        pass
    return value


def _say(record: Json, path: Json, new: Json, label: str) -> None:
    """Change what an envelope says, and sign it again as its type, whoever it was."""
    event = record.get("event")
    holder = event if isinstance(event, dict) and "envelope" in event else None
    if isinstance(event, dict) and isinstance(event.get("orders"), list) and event["orders"]:
        holder = event["orders"][0]
    text = holder.get("envelope") if isinstance(holder, dict) else None
    envelope = _loads(text.encode("utf-8", "replace")) if isinstance(text, str) else None
    if not isinstance(holder, dict) or not isinstance(envelope, dict):
        return
    try:
        payload = _put(json.loads(base64.b64decode(envelope["payload"])), path, new)
        holder["envelope"] = seal_as(dump(payload), envelope["payloadType"], label).decode()
    except (KeyError, TypeError, ValueError, AttributeError):
        return


_TOOK_PART = {
    "dispatcher": scene.DISPATCHER,
    "agent": kit.agent_label("alpha"),
    "w1": kit.witness_label("alpha", "w1"),
    "approver": kit.approver_label("board"),
}


def edited(records: list[Json], script: bytes) -> tuple[list[Json], bool]:
    """Apply a script; also return whether it asks for verdicts to be given anew."""
    judge = False
    for line in script.split(b"\n")[:_OPS_MAX]:
        match _loads(line):
            case ["judge"]:
                judge = True
            case ["set", int() as at, path, new] if records:
                _put(records[at % len(records)], path, new)
            case ["say", int() as at, path, new] if records:
                _say(records[at % len(records)], path, new, scene.DISPATCHER)
            case ["say", int() as at, path, new, str() as who] if records and who in _TOOK_PART:
                _say(records[at % len(records)], path, new, _TOOK_PART[who])
            case ["drop", int() as at] if records:
                del records[at % len(records)]
            case ["twice", int() as at] if records:
                at %= len(records)
                records.insert(at, json.loads(json.dumps(records[at])))
            case ["swap", int() as at, int() as other] if records:
                at, other = at % len(records), other % len(records)
                records[at], records[other] = records[other], records[at]
            case ["move", int() as at, int() as other] if records:
                records.insert(other % len(records), records.pop(at % len(records)))
            case _:
                pass
    return records, judge


def chained(records: list[Json]) -> list[bytes]:
    """Number and chain records again, with the challenges signed over the new heads."""
    lines: list[bytes] = []
    head = GENESIS
    for seq, record in enumerate(records):
        record |= {"seq": seq, "prev": head}
        event = record.get("event")
        if isinstance(event, dict) and event.get("type") == "challenge.issued":
            _say(record, ["journal_seq"], seq - 1, scene.DISPATCHER)
            _say(record, ["journal_head"], head, scene.DISPATCHER)
        lines.append(dump(record))
        head = digest_of(lines[-1])
    return lines


def forged(name: str, script: bytes) -> tuple[list[bytes], bytes]:
    """Return the journal and the bundle that a forger makes of a recorded drill."""
    found = base(name)
    records, judge = edited([json.loads(line) for line in found.lines], script)
    lines = chained(records)
    bundle: bytes | None = None
    if judge:
        try:
            decoded = [decode_record(line, where="") for line in lines]
        except JournalError:
            decoded = []
        bundle = Forger(lines).forge(decoded, judge=True) if decoded else None
    if bundle is None:
        bundle = encode_bundle(lines or [b"{}"], found.recorded.result, scene.signer(scene.DISPATCHER))
    return lines, bundle


def check_forged(data: bytes) -> None:
    """Whoever holds the dispatcher's key passes no site that did not pass, and breaks no reader of evidence."""
    word, _, script = data.partition(b"\n")
    name = word.decode("ascii", "replace")
    name = name if name in _PLAYED else sorted(_PLAYED)[len(data) % len(_PLAYED)]
    lines, bundle = forged(name, script)
    attempt(fold_journal, lines, allowed=JournalError)
    attempt(read_drill, lines, allowed=JournalError)
    found = base(name)
    report = verify_bundle(bundle, roots=found.recorded.roots, memo=_MEMO)
    assert report.verified == (not report.findings)
    if report.result is not None:
        render_html(report.result)
    if report.verified:
        assert report.result is not None
        assert _passed(report.result) <= found.passed, "a forgery passes"


def check_bundle(data: bytes) -> None:
    """Any bytes at all give a report, and only the very bundle that was sealed verifies."""
    found = base("pause")
    report = verify_bundle(data, roots=found.recorded.roots, memo=_MEMO)
    assert report.verified == (data == found.recorded.bundle), "another bundle verifies"
    lines = data.split(b"\n")
    attempt(fold_journal, lines[1:-3], allowed=JournalError)
    attempt(read_drill, lines[1:-3], allowed=JournalError)
    read_header(lines[0])


_FOREIGN = (None, True, 0, -1, 1, 2, 2**31, 2**63 - 1, "", "x", "alpha", "beta", "w1", "e1", "agent", [], {}, "0" * 64)


def mutate_script(data: bytes, rng: Random) -> bytes:
    """Add one change to a script, or bend it like any text."""
    if rng.random() < 0.15:
        return bend(data, rng)
    word, _, script = data.partition(b"\n")
    name = word.decode("ascii", "replace")
    name = name if name in _PLAYED and rng.random() < 0.9 else rng.choice(sorted(_PLAYED))
    lines = base(name).lines
    at = rng.randrange(len(lines))
    other = min(len(lines) - 1, max(0, at + rng.choice((-3, -1, 1, 2, rng.randrange(len(lines))))))
    match rng.randrange(10):
        case 0:
            op: list[Any] = ["drop", at]
        case 1:
            op = ["twice", at]
        case 2:
            op = ["swap", at, other]
        case 3:
            op = ["move", at, other]
        case 4:
            op = ["judge"]
        case 5 | 6:
            payload = _payload(lines[at])
            path, new = _change(payload, rng)
            op = ["say", at, path, new]
            if rng.random() < 0.3:
                op.append(rng.choice(sorted(_TOOK_PART)))
        case _:
            path, new = _change(json.loads(lines[at]), rng)
            op = ["set", at, path, new]
    kept = [line for line in script.split(b"\n") if line][-(_OPS_MAX - 1) :]
    if kept and rng.random() < 0.4:
        kept = kept[1:]
    return b"\n".join([name.encode(), *kept, dump(op)])


def _payload(line: bytes) -> Json:
    event = json.loads(line)["event"]
    text = event.get("envelope") or next((order["envelope"] for order in event.get("orders", ())), "")
    envelope = _loads(text.encode())
    return json.loads(base64.b64decode(envelope["payload"])) if isinstance(envelope, dict) else {}


def _change(value: Json, rng: Random) -> tuple[list[Any], Any]:
    """Choose a place in a value, and what is to stand there."""
    path = list(rng.choice(paths(value)))
    inner = value
    for part in path:
        inner = inner[part]
    if isinstance(inner, bool):
        return path, not inner
    if isinstance(inner, int | float) and rng.random() < 0.7:
        return path, inner + rng.choice((-(10**9), -1, 1, 10**9, 10**12))
    if rng.random() < 0.3:
        other = value
        for part in rng.choice(paths(value)):
            other = other[part]
        return path, other
    return path, rng.choice(_FOREIGN)


TARGETS = (
    Target("bundle", check_bundle, lambda: [base("pause").recorded.bundle], limit_s=5 * LIMIT_S),
    Target(
        "forged-bundle",
        check_forged,
        lambda: [name.encode() + b"\n" for name in sorted(_PLAYED)],
        mutate=mutate_script,
        limit_s=5 * LIMIT_S,
    ),
)
