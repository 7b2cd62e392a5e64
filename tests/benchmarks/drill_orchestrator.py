"""A process that is the orchestrator of a drill, and says what that cost it."""

from __future__ import annotations

import asyncio
import cProfile
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Grade
from orchestrator.core.live import Live
from orchestrator.core.samples import Instant
from orchestrator.journal.chain import decode_record, stamped_of
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.logbook.writer import LogbookWriter
from orchestrator.runtime.loop import Runtime
from orchestrator.runtime.opening import open_drill
from protocols.host.clock import SystemClock
from protocols.host.logs import configure, get_logger
from protocols.messages import Warrant
from protocols.transport.mqtt import MqttTransport
from protocols.trust import FleetTrust
from tests.benchmarks.drill_parts import Scale
from tests.benchmarks.measure import say, status_kb, wait_for_word
from tests.kit import DISPATCHERS, dispatcher_label, key_of
from tests.orchestrator.runtime.scripted import documents_of

PROFILE = "HALTDRILL_BENCH_PROFILE"
"""Set to a file's name, the orchestrator's main thread is profiled into it (and its figures are worth nothing)."""

_HEARD = (ev.ReceiptReceived, ev.ReadingReceived, ev.ClosingReceived)


class Replay:
    """Folds a journal again, as a live view would have seen it, to find when the last site was witnessed.

    It is done afterwards, so that looking costs nothing of what is measured.
    """

    def __init__(self, trust: FleetTrust, warrant: Warrant) -> None:
        self.drill = Drill(trust, warrant)
        self.live = Live(self.drill)
        self.counts: Counter[str] = Counter()
        self.ordered_ns = 0
        self.ordered_after = 0
        self.heard = 0
        self.witnessed_ns = 0
        self.witnessed_after = 0
        self._next = 0

    def take(self, stamped: ev.Stamped) -> None:
        """Fold one event in."""
        event = stamped.event
        self.drill.apply(stamped)
        self.live.note(event)
        self.live.refresh(Instant(stamped.epoch, stamped.t_ns))
        self.counts[event.type] += 1
        if isinstance(event, ev.OrderIssued):
            self.ordered_ns, self.ordered_after = stamped.t_ns, self.heard
        if isinstance(event, _HEARD):
            self.heard += 1
            if self.ordered_ns and not self.witnessed_ns and self._all_witnessed():
                self.witnessed_ns, self.witnessed_after = stamped.t_ns, self.heard

    def _all_witnessed(self) -> bool:
        """Look from the first site that was not witnessed when last seen."""
        audience = self.drill.audience
        while self._next < len(audience):
            found = self.live.result(audience[self._next])
            if found is None or found.grade not in {Grade.WITNESSED, Grade.HELD}:
                return False
            self._next += 1
        return True


def _profiled() -> Callable[[], None]:
    path = os.environ.get(PROFILE)
    if not path:
        return lambda: None
    profile = cProfile.Profile()
    profile.enable()
    return lambda: profile.dump_stats(path)


async def main(scale: Scale) -> None:
    """Run one drill when told, and report."""
    configure("orchestrator", path=Path(scale.folder) / "log", level="info", json=True)
    fleet, clock = scale.fleet(), SystemClock()
    store = SqliteJournal(Path(scale.folder) / "journal.sqlite")
    documents, warrant = documents_of(fleet), fleet.approve(scale.warrant(fleet))
    filters = fleet.topics.orchestrator_filters()
    async with MqttTransport(scale.broker, filters, clock=clock, client_id="orchestrator") as transport:
        say({"ready": True})
        await wait_for_word()
        dump = _profiled()
        before_ns, began_ns = time.process_time_ns(), time.monotonic_ns()
        signer = key_of(dispatcher_label(DISPATCHERS[0]))
        opened = open_drill(documents, warrant, signer, store, nonce=fleet.nonce, wall_ns=clock.wall_ns())
        runtime = Runtime(
            opened,
            store,
            transport,
            clock,
            tick_s=min(0.05, scale.challenge_s / 4),
        )
        LogbookWriter(runtime, get_logger()).attach()
        drill = await runtime.run()
        spent_s, took_s = (time.process_time_ns() - before_ns) / 1e9, (time.monotonic_ns() - began_ns) / 1e9
        dump()
        rss_peak_kb = status_kb("self", "VmHWM")
    watch = Replay(documents.trust, drill.warrant)
    for line in store.lines(drill.drill):
        watch.take(stamped_of(decode_record(line, where="journal")))
    store.close()
    say(
        {
            "passed": bool(drill.passed),
            "verdicts": dict(Counter(str(result.verdict) for result in drill.results.values())),
            "cpu_s": spent_s,
            "wall_s": took_s,
            "heard": watch.heard,
            "events": dict(watch.counts),
            "witnessed_s": (watch.witnessed_ns - watch.ordered_ns) / 1e9 if watch.witnessed_ns else None,
            "span_messages": watch.witnessed_after - watch.ordered_after,
            "rss_peak_kb": rss_peak_kb,
            "dropped": transport.dropped,
        }
    )


if __name__ == "__main__":
    asyncio.run(main(Scale.read(sys.argv[1])))
