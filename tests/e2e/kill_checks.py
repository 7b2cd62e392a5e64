"""What must hold whatever was killed: nothing written is lost, and no verdict says what was not so."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.store import FileDisk, Store
from protocols.ids import parse_utc
from tests.e2e.watching import EVERY_S, Work

EDGE_NS = 100_000_000
"""How far a sample's time and a journal's may be apart: two turns of the sampler."""

QUIET_SHARE = 0.02
"""The site records' own bound on quiet, as a share of one core."""

_ACCUSED = ("contradicted", "broken")
_HALTED = ("verified", "late")
_MOST = 0.7
_S = 1_000_000_000


# -- what was written ----------------------------------------------------------------------------------


class Journal:
    """A journal as it was seen so far, read with nothing but SQLite.

    Args:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, list[str]] = {}

    def drills(self) -> dict[str, bool]:
        """Return each drill, oldest first, and whether it is closed."""
        if not self.path.exists():
            return {}
        with closing(self._open()) as db:
            return {drill: bool(closed) for drill, closed in db.execute("SELECT drill, closed FROM drills ORDER BY 1")}

    def lines(self, drill: str) -> list[bytes]:
        """Return a drill's lines."""
        with closing(self._open()) as db:
            return [line for (line,) in db.execute("SELECT line FROM records WHERE drill = ? ORDER BY seq", (drill,))]

    def losses(self) -> Iterator[str]:
        """Look again, and say what is gone or changed since the last look."""
        drills = self.drills()
        for drill in self._known:
            if drill not in drills:
                yield f"the journal has lost drill {drill}"
        for drill in list(drills)[-2:]:
            lines = self.lines(drill)
            found = [hashlib.sha256(line).hexdigest() for line in lines]
            known = self._known.get(drill, [])
            if found[: len(known)] != known:
                yield f"the journal has lost or changed records of drill {drill}"
            yield from broken_chain(drill, lines)
            self._known[drill] = found

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=10.0)


def broken_chain(drill: str, lines: list[bytes]) -> Iterator[str]:
    """Say where a drill's records do not follow one another: nothing of the product's is used."""
    head = "0" * 64
    for place, line in enumerate(lines):
        record = json.loads(line)
        if (record["drill"], record["seq"], record["prev"]) != (drill, place, head):
            yield f"record {place} of drill {drill} does not follow the one before it"
            return
        head = hashlib.sha256(line).hexdigest()


class Stores:
    """The stores of agents, witnesses and enforcers, each looked at while its program is dead.

    Args:
        scratch: A folder to open copies in.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._known: dict[Path, bytes] = {}
        self.looked = 0

    def losses(self, kind: str, folder: Path) -> Iterator[str]:
        """Open a copy of each store of a dead party in `folder`, and say what is wrong with it."""
        for path in sorted(folder.glob("**/*.jsonl")):
            if kind in {"agent", "witness", "enforcer"} and path.parent != folder / "state":
                continue  # of another party, whose folder lies inside
            self.looked += 1
            copy = self._scratch / f"{secrets.token_hex(4)}.jsonl"
            shutil.copyfile(path, copy)
            yield from self._look(path, copy)

    def _look(self, path: Path, copy: Path) -> Iterator[str]:
        new_id = secrets.token_hex(16)
        raw = copy.read_bytes()
        try:
            store = Store.open(FileDisk(copy), lambda _body, _slot: None, new_id=new_id)
        except Exception as error:
            yield f"{path} does not open: {error}"
            return
        with closing(store):
            whole = raw[: raw.rfind(b"\n") + 1]
            known = self._known.get(path)
            if known is not None:
                if store.store_id == new_id or _header(known).get("store") != store.store_id:
                    yield f"{path} is another store than it was"
                # Compacted, it begins with another line, and only its id stays.
                elif whole.split(b"\n", 1)[0] == known.split(b"\n", 1)[0] and not whole.startswith(known):
                    yield f"{path} has lost records"
            if whole:
                self._known[path] = whole


def _header(raw: bytes) -> dict[str, Any]:
    found = json.loads(raw.split(b"\n", 1)[0])
    assert isinstance(found, dict)
    return found


# -- what was said -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Times:
    """When a drill of one step did what, by its journal: wall time, ns; None if never.

    Attributes:
        epochs: How many processes conducted it, one after the other.
    """

    ordered_ns: int | None
    released_ns: int | None
    ended_ns: int
    epochs: int

    @classmethod
    def of(cls, lines: list[bytes]) -> Times:
        """Read them from a drill's lines."""
        at: dict[str, int] = {}
        last_ns, epochs = 0, 0
        for line in lines:
            record = json.loads(line)
            epochs = record["epoch"]
            last_ns = parse_utc(record["at"])
            at.setdefault(record["event"]["type"], last_ns)
        ends = [at[name] for name in ("release.issued", "drill.aborted") if name in at]
        return cls(at.get("order.issued"), min(ends, default=None), last_ns, epochs)


def false_words(result: Mapping[str, Any], times: Times, works: Mapping[str, Work]) -> Iterator[str]:
    """Say which verdicts of a drill the truth does not bear out.

    Args:
        result: The drill's result.
        times: When it did what.
        works: The truth about each site of real processes.
    """
    for step in result["steps"]:
        for entry in step["sites"]:
            work, ordered_ns = works.get(entry["site"]), times.ordered_ns
            if work is None or ordered_ns is None:
                continue
            found = entry["result"]
            hold_ends_ns = min(times.released_ns or times.ended_ns, ordered_ns + step["hold_ns"])
            where = f"{result['drill']}, {entry['site']}: {found['verdict']} ({found['cause']})"
            for wrong in _false(found, step, work, ordered_ns, hold_ends_ns):
                yield f"{where}, but {wrong}"


def count_observed(result: Mapping[str, Any], times: Times, works: Mapping[str, Work]) -> int:
    """Return how many verdicts of a halt the truth is known for: somebody looked through most of what they claim."""
    count = 0
    for step in result["steps"]:
        for entry in step["sites"]:
            found, work = entry["result"], works.get(entry["site"])
            if work is None or times.ordered_ns is None or found["response_upper_ns"] is None:
                continue
            hold_ends_ns = min(times.released_ns or times.ended_ns, times.ordered_ns + step["hold_ns"])
            since_ns, until_ns = claimed_quiet(found, step, times.ordered_ns, hold_ends_ns)
            count += (
                found["verdict"] in _HALTED and work.seen_ns(since_ns, until_ns) > _MOST * (until_ns - since_ns) > 0
            )
    return count


def claimed_quiet(
    found: Mapping[str, Any], step: Mapping[str, Any], ordered_ns: int, hold_ends_ns: int
) -> tuple[int, int]:
    """Return the span in which a site that halted was quiet, by its verdict: from its bound to the hold's end, ns."""
    # With a lease the response counts from the end of the last licence; its dwell ends with the hold at the latest.
    lease = step["params"]["control"] == "lease"
    quiet_from_ns = hold_ends_ns - step["dwell_ns"] if lease else ordered_ns + found["response_upper_ns"]
    return quiet_from_ns + EDGE_NS, hold_ends_ns - EDGE_NS


def _false(
    found: Mapping[str, Any], step: Mapping[str, Any], work: Work, ordered_ns: int, hold_ends_ns: int
) -> Iterator[str]:
    verdict, upper_ns, lower_ns = found["verdict"], found["response_upper_ns"], found["response_lower_ns"]
    lease = step["params"]["control"] == "lease"
    if verdict in _ACCUSED:
        # Nobody here lies, and a kill may not end a hold: the one word is false, or the other deed was wrong.
        truly = _worked_in_hold(work, ordered_ns, hold_ends_ns)
        yield "it was quiet throughout" if truly is None else f"it had to be quiet: it worked in the hold, {truly}"
    if verdict == "not_restored":
        back_ns = work.first_after(hold_ends_ns + EDGE_NS)
        if back_ns is not None and back_ns - hold_ends_ns < step["restore_limit_ns"] - _S:
            yield f"it was back {(back_ns - hold_ends_ns) / _S:.2f} s after its release"
    if verdict in _HALTED and upper_ns is not None:
        since_ns, until_ns = claimed_quiet(found, step, ordered_ns, hold_ends_ns)
        did_ns = work.between(since_ns, until_ns)
        if did_ns > QUIET_SHARE * (until_ns - since_ns):
            yield f"it used {did_ns / _S:.3f} s of CPU time in the {(until_ns - since_ns) / _S:.2f} s that it claims"
        if lower_ns is not None and not lease:
            last_ns = work.last_before(ordered_ns + upper_ns + EDGE_NS)
            if last_ns is not None and last_ns < ordered_ns + lower_ns - EDGE_NS:
                early_s = (ordered_ns + lower_ns - last_ns) / _S
                yield f"it had halted {early_s:.2f} s before its response's lower bound"


def _worked_in_hold(work: Work, ordered_ns: int, hold_ends_ns: int) -> str | None:
    """Return what a site did within the hold after it had been quiet for a while, if anything."""
    rest_ns, step_ns, place_ns = 0, round(EVERY_S * _S), ordered_ns
    while place_ns < hold_ends_ns - EDGE_NS:
        did_ns = work.between(place_ns, place_ns + 4 * step_ns)
        if did_ns == 0:
            rest_ns += step_ns
        elif rest_ns > 6 * step_ns:
            return f"{(place_ns - ordered_ns) / _S:.2f} s after the order"
        else:
            rest_ns = 0
        place_ns += step_ns
    return None
