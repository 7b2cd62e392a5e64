"""Ways to tamper with a bundle: every field of every line, every line, and a forger with the dispatcher's key."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.evidence.bundle import encode_bundle
from orchestrator.evidence.fold import Documents
from orchestrator.evidence.result import DrillResult
from orchestrator.evidence.stating import Background, build_result
from orchestrator.journal.chain import GENESIS, ChainWriter, Record, decode_record, stamped_of
from protocols.envelope import parse_envelope, seal
from protocols.errors import HaltdrillError
from protocols.ids import format_utc, parse_utc
from protocols.messages import Challenge, Closing, LicenceRequest, Message, Reading, Receipt
from tests import kit

Json = Any
OTHER_HEX = {"0": "1", "1": "0"}


def dump(value: Json) -> bytes:
    """Write JSON as the bundle does."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def tweaks(value: Json, name: str = "") -> Iterator[Json]:
    """Yield other values of the same type that are as likely as can be to be accepted."""
    match value:
        case bool():
            yield not value
        case int():
            yield value - 1 if value > 1 else value + 1
        case float():
            yield value * 2 + 1
        case None:
            yield 1 if name.endswith("_ns") else "veto"
        case str() if not value:
            yield "x"
        case str() if name in {"at", "issued_at", "expires_at", "not_before", "not_after", "opened_at", "ended_at"}:
            yield format_utc(parse_utc(value) + 1)
        case str():
            yield value[:-1] + OTHER_HEX.get(value[-1], "0")
        case _:
            return


def paths(value: Json, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside a JSON value."""
    match value:
        case dict():
            for name, inner in value.items():
                yield (*at, name)
                yield from paths(inner, (*at, name))
        case list():
            for place, inner in enumerate(value):
                yield (*at, place)
                yield from paths(inner, (*at, place))
        case _:
            return


def at_path(value: Json, path: tuple[Any, ...]) -> Json:
    """Return what stands at a path."""
    for part in path:
        value = value[part]
    return value


def replaced(value: Json, path: tuple[Any, ...], new: Json) -> Json:
    """Return a copy with one value changed."""
    changed = copy.deepcopy(value)
    at_path(changed, path[:-1])[path[-1]] = new
    return changed


def shapes(value: Json) -> Iterator[Json]:
    """Yield lists with a member removed, doubled or two swapped, and objects with a field removed or added."""
    match value:
        case list() if value:
            yield value[1:]
            yield [*value, value[-1]]
            if len(value) > 1 and value[0] != value[1]:
                yield [value[1], value[0], *value[2:]]
        case list():
            yield ["x"]
        case dict():
            for name in value:
                yield {key: inner for key, inner in value.items() if key != name}
            yield value | {"extra": 1}
        case _:
            return


def changes(value: Json) -> Iterator[tuple[str, Json]]:
    """Yield every single change of a JSON value: each field's value, each list and each object's shape."""
    for shape in shapes(value):
        yield "shape", shape
    for path in paths(value):
        inner, name = at_path(value, path), str(path[-1])
        label = ".".join(str(part) for part in path)
        for new in (*tweaks(inner, name), *shapes(inner)):
            yield label, replaced(value, path, new)


def _other_char(text: str, place: int) -> str:
    new = "A" if text[place] != "A" else "B"
    return text[:place] + new + text[place + 1 :]


def envelope_changes(text: str) -> Iterator[tuple[str, str]]:
    """Yield every single change of an envelope: of its payload's fields, its base64, its signatures."""
    outer = json.loads(text)
    payload = json.loads(base64.b64decode(outer["payload"]))
    for label, changed in changes(payload):
        encoded = base64.b64encode(dump(changed)).decode()
        yield f"payload.{label}", dump(outer | {"payload": encoded}).decode()
    for label, changed in changes(outer):
        yield label, dump(changed).decode()
    for place in {0, len(outer["payload"]) // 2, len(outer["payload"]) - 3}:
        yield "payload base64", dump(outer | {"payload": _other_char(outer["payload"], place)}).decode()
    for number, signature in enumerate(outer["signatures"]):
        for place in {0, 40, len(signature["sig"]) - 3}:
            new = replaced(outer, ("signatures", number, "sig"), _other_char(signature["sig"], place))
            yield "sig base64", dump(new).decode()
    stranger = outer["signatures"][0] | {"keyid": "ab" * 32}
    yield "a stranger's signature", dump(outer | {"signatures": [*outer["signatures"], stranger]}).decode()
    yield "spaces", json.dumps(outer)


def line_changes(line: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield every single change of one line of a bundle."""
    value = json.loads(line)
    if "payload" in value:
        for label, text in envelope_changes(line.decode()):
            yield label, text.encode()
        return
    for label, changed in changes(value):
        yield label, dump(changed)
    envelope = value.get("event", {}).get("envelope")
    if envelope is not None:
        for label, text in envelope_changes(envelope):
            yield f"envelope {label}", dump(replaced(value, ("event", "envelope"), text))
    for number, order in enumerate(value.get("event", {}).get("orders", ())):
        for label, text in envelope_changes(order["envelope"]):
            changed = replaced(value, ("event", "orders", number, "envelope"), text)
            yield f"order {number} envelope {label}", dump(changed)
    yield "spaces", json.dumps(value, ensure_ascii=False).encode()


class Forger:
    """Somebody who holds the dispatcher's key and the journal, and rewrites it afterwards.

    Args:
        records: The journal's lines.
    """

    def __init__(self, records: list[bytes]) -> None:
        self.records = [decode_record(line, where="") for line in records]
        self._said: dict[str, Message] = {}
        self.signer = kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))

    def forge(self, records: list[Record], *, judge: bool) -> bytes | None:
        """Chain, sign, judge and seal records again; None if they fold into no drill at all.

        Args:
            records: The journal as the forger wants it.
            judge: Whether verdicts and outcome are computed anew.
        """
        chain = ChainWriter(records[0].drill)
        documents, drill = Documents(), None
        background = Background((), "", "", "")
        lines: list[bytes] = []
        results: dict[tuple[int, str], Any] = {}
        try:
            for record in records:
                stamped, event = stamped_of(record), record.event
                match event:
                    case ev.DocumentHeld():
                        documents.take(event)
                    case ev.DrillOpened():
                        trust = documents.open_fleet(stamped.wall_ns)
                        warrant, owners = documents.open_warrant(trust)
                        drill = Drill(trust, warrant)
                        background = Background(owners, record.at, records[-1].at, event.software)
                    case ev.ChallengeIssued():
                        event = self._challenge(event, chain)
                    case ev.SiteJudged() if judge and drill is not None:
                        event = event.model_copy(update={"result": drill.judge(event.step, event.site)})
                    case ev.DrillClosed() if judge and drill is not None:
                        passed = not drill.aborted and all(result.passed for result in results.values())
                        event = event.model_copy(update={"passed": passed})
                    case _:
                        pass
                if isinstance(event, ev.SiteJudged):
                    results[event.step, event.site] = event.result
                stamped = ev.Stamped(event, stamped.epoch, stamped.t_ns, stamped.wall_ns)
                if drill is not None:
                    drill.apply(stamped, self._decoded(event))
                lines.append(chain.encode(stamped).raw)
            result = build_result(drill, background, results) if drill is not None else None
        except (HaltdrillError, KeyError, ValueError):
            return None
        return encode_bundle(lines, result, self.signer) if result is not None else None

    def _challenge(self, event: ev.ChallengeIssued, chain: ChainWriter) -> ev.ChallengeIssued:
        """Sign a challenge again, with its old nonce, over the journal's new head."""
        said = Challenge.decode(parse_envelope(event.envelope.encode()).payload)
        again = said.model_copy(
            update={
                "journal_seq": chain.next_seq - 1,
                "journal_head": chain.head if chain.next_seq else GENESIS,
            }
        )
        return event.model_copy(update={"envelope": seal(again, self.signer).decode()})

    def _decoded(self, event: ev.Event) -> Message | None:
        """Decode an input's message once: the same few hundred are folded again and again."""
        kinds = {
            ev.ReceiptReceived: Receipt,
            ev.ReadingReceived: Reading,
            ev.ClosingReceived: Closing,
            ev.LicenceRequested: LicenceRequest,
        }
        kind = kinds.get(type(event))
        text = getattr(event, "envelope", "")
        if kind is None:
            return None
        if text not in self._said:
            self._said[text] = kind.decode(parse_envelope(text.encode()).payload)
        return self._said[text]

    def with_event(self, place: int, change: Callable[[ev.Event], ev.Event]) -> list[Record]:
        """Return the records with one event changed."""
        record = self.records[place]
        changed = record.model_copy(update={"event": change(record.event)})
        return [*self.records[:place], changed, *self.records[place + 1 :]]


def verdicts(result: DrillResult) -> dict[tuple[int, str], str]:
    """Return the verdict on each site in each step."""
    return {(step.step, site.site): site.result.verdict for step in result.steps for site in step.sites}
