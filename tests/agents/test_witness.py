"""The witness over the memory transport, on virtual time: latch, sample, sign, keep, say again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from agents.chain import Chain
from agents.witness import Witness, WitnessParts
from protocols.controls import IsolateParams, RunCapParams
from protocols.envelope import Envelope, join_frame, open_envelope, seal, split_frame
from protocols.ids import drill_id
from protocols.keys import PublicKey
from protocols.messages import Challenge, Closing, Reading
from protocols.transport.base import Inbound
from protocols.transport.memory import MemoryBroker, MemoryTransport
from tests import kit
from tests.agents.doubles import FakeProbe, MemoryDisk
from tests.log_checks import checked_log
from tests.virtual import LoopClock, run_virtual

SITE = "alpha"
NAME = "w1"
T = TypeVar("T")
OTHER_DRILL = drill_id(kit.NOW_NS, "weekly", "fedcba")


class Bench:
    """One witness, its broker, and somebody who listens."""

    def __init__(self) -> None:
        self.fleet = kit.make_fleet()
        self.clock = LoopClock()
        self.broker = MemoryBroker()
        self.disk = MemoryDisk()
        self.probe = FakeProbe()
        self.heard: list[Inbound] = []
        self._task: asyncio.Task[None] | None = None
        self._ears: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._ears is None:
            self._ears = asyncio.create_task(self._listen())
        self.chain = Chain.open(self.disk, new_id="cd" * 16)
        parts = WitnessParts(
            name=NAME,
            trust=self.fleet.site_trust(SITE),
            signer=kit.key_of(kit.witness_label(SITE, NAME)),
            chain=self.chain,
            probe=self.probe,
            clock=self.clock,
            log=checked_log("witness", site=SITE, witness=NAME),
            connect=lambda: MemoryTransport(
                self.broker, self.fleet.topics.witness_filters(SITE), clock=self.clock, client_id="witness"
            ),
            software="haltdrill test",
            offload=self.offload,
        )
        self._task = asyncio.create_task(Witness(parts).run(asyncio.Event()))
        await asyncio.sleep(1)

    async def offload(self, call: Callable[[], T]) -> T:
        self.probe.began.set()
        if self.probe.gate is not None:
            await self.probe.gate.wait()
        return call()

    async def crash(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def close(self) -> None:
        for task in (self._task, self._ears):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _listen(self) -> None:
        ears = MemoryTransport(self.broker, [f"{self.fleet.topics.base}/#"], clock=self.clock, client_id="ears")
        async with ears:
            while True:
                self.heard += await ears.receive(100)

    @property
    def frames(self) -> list[bytes]:
        topic = self.fleet.topics.witness(SITE, NAME)
        return [message.payload for message in self.heard if message.topic == topic]

    @property
    def envelopes(self) -> list[Envelope]:
        return [envelope for frame in self.frames for envelope in split_frame(frame)]

    @property
    def said(self) -> list[Reading | Closing]:
        record = kit.public_of(kit.witness_label(SITE, NAME))
        keys = {record.key_id: PublicKey.load(record)}
        messages: list[Reading | Closing] = []
        for envelope in self.envelopes:
            kind = Reading if envelope.payload_type == Reading.payload_type() else Closing
            messages.append(open_envelope(envelope, kind, keys)[0])
        return messages

    @property
    def quoted(self) -> list[int]:
        return [message.quotes.seq for message in self.said]

    def challenge(self, seq: int, **changes: Any) -> Challenge:
        challenge = self.fleet.challenge(seq, **changes)
        self.broker.route(self.fleet.topics.challenges, self.fleet.dispatch(challenge))
        return challenge

    def recall(self, first: int, last: int, name: str = NAME) -> None:
        recall = self.fleet.recall(SITE, name, first, last)
        self.broker.route(self.fleet.topics.ask(SITE), self.fleet.dispatch(recall))


def on_bench(test: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    """Run a test on virtual time, with a witness that is cleared away afterwards."""

    async def run() -> None:
        bench = Bench()
        try:
            await bench.start()
            await test(bench)
        finally:
            await bench.close()

    run_virtual(run())


def assert_chained(said: list[Reading | Closing]) -> None:
    """Hold a witness's messages to be one chain without a gap."""
    assert [message.link.seq for message in said] == list(range(said[0].link.seq, said[0].link.seq + len(said)))
    assert [message.link.prev for message in said[1:]] == [message.digest() for message in said[:-1]]


def test_each_challenge_is_answered_with_a_reading_that_quotes_it() -> None:
    """The quote holds the challenge's nonce and digest; what was seen is in the reading."""

    async def scenario(bench: Bench) -> None:
        challenges = []
        for seq in (1, 2, 3):
            challenges.append(bench.challenge(seq))
            await asyncio.sleep(0.25)
        assert [message.quotes.nonce for message in bench.said] == [challenge.nonce for challenge in challenges]
        assert [message.quotes.digest for message in bench.said] == [challenge.digest() for challenge in challenges]
        assert_chained(bench.said)

    on_bench(scenario)


def test_the_probe_is_given_the_challenge_that_its_reading_quotes() -> None:
    """A canary must carry the nonce of the very challenge, and be what the exercise asks to be tried."""

    async def scenario(bench: Bench) -> None:
        given = []
        for seq, exercise in enumerate((None, RunCapParams(limit=8.0), IsolateParams()), start=1):
            given.append(bench.challenge(seq, exercise=exercise))
            await asyncio.sleep(0.1)
        assert bench.probe.challenges == given
        assert [sampled.digest() for sampled in bench.probe.challenges] == [said.quotes.digest for said in bench.said]

    on_bench(scenario)


def test_a_challenge_that_comes_during_the_sample_is_not_quoted_by_it() -> None:
    """The latch rule: else a reading could claim to be younger than what it saw."""

    async def scenario(bench: Bench) -> None:
        bench.probe.gate = asyncio.Event()
        bench.challenge(1)
        await bench.probe.began.wait()
        bench.challenge(2)
        bench.challenge(3)
        await asyncio.sleep(1)
        assert bench.probe.samples == 0
        bench.probe.gate.set()
        await asyncio.sleep(1)
        assert bench.quoted == [1, 3], "the sample under way quotes 1; of those that waited the newest is latched"
        assert bench.probe.samples == 2

    on_bench(scenario)


def test_old_and_repeated_challenges_are_ignored_also_after_a_restart() -> None:
    """A replayed challenge must not make a reading look old, nor make the chain grow."""

    async def scenario(bench: Bench) -> None:
        for seq in (5, 5, 4):
            bench.challenge(seq)
            await asyncio.sleep(0.25)
        assert bench.quoted == [5]
        await bench.crash()
        await bench.start()
        for seq in (5, 3, 6):
            bench.challenge(seq)
            await asyncio.sleep(0.25)
        assert bench.quoted == [5, 6]
        assert_chained(bench.said)

    on_bench(scenario)


def test_challenges_by_nobody_entitled_are_ignored() -> None:
    """Only a dispatcher of the policy can make a witness speak."""

    async def scenario(bench: Bench) -> None:
        forged = seal(bench.fleet.challenge(1), kit.key_of(kit.approver_label("safety")))
        foreign = bench.fleet.dispatch(bench.fleet.challenge(1, fleet="f" * 64))
        wrong = bench.fleet.dispatch(bench.fleet.release(bench.fleet.order(bench.fleet.warrant())))
        for raw in (forged, foreign, wrong, b"", b"\xff\n{}"):
            bench.broker.route(bench.fleet.topics.challenges, raw)
        await asyncio.sleep(1)
        assert not bench.said
        assert bench.probe.samples == 0

    on_bench(scenario)


def test_the_final_challenge_brings_a_reading_and_the_closing() -> None:
    """The closing says which messages belong to the drill, and is said again in the same bytes."""

    async def scenario(bench: Bench) -> None:
        bench.challenge(1, drill=OTHER_DRILL)
        await asyncio.sleep(0.25)
        for seq in (1, 2):
            bench.challenge(seq)
            await asyncio.sleep(0.25)
        bench.challenge(3, final=True)
        await asyncio.sleep(0.25)
        assert_chained(bench.said)
        closing = bench.said[-1]
        assert isinstance(closing, Closing)
        assert (closing.first, closing.last, closing.quotes.seq) == (2, 4, 3)
        frame = bench.frames[-1]
        bench.challenge(3, final=True)
        bench.challenge(4, final=True)
        bench.challenge(5)
        await asyncio.sleep(0.25)
        assert bench.frames[-2:] == [frame, frame]
        assert bench.chain.seq == 5
        await bench.crash()
        await bench.start()
        bench.challenge(6, final=True)
        await asyncio.sleep(0.25)
        assert bench.frames[-1] == frame

    on_bench(scenario)


def test_a_crash_between_the_last_reading_and_the_closing_still_closes() -> None:
    """A repeated final challenge brings the closing that the crash swallowed."""

    async def scenario(bench: Bench) -> None:
        bench.challenge(1)
        await asyncio.sleep(0.25)
        before = bench.disk.data
        bench.challenge(2, final=True)
        await asyncio.sleep(0.25)
        await bench.crash()
        whole = bench.disk.data
        reading_only = whole[: whole.index(b"\n", len(before)) + 1]
        assert len(before) < len(reading_only) < len(whole)
        bench.disk.data = reading_only
        await bench.start()
        bench.challenge(2, final=True)
        await asyncio.sleep(0.25)
        closing = bench.said[-1]
        assert isinstance(closing, Closing)
        assert closing.first == 1
        assert closing.last == closing.link.seq - 1

    on_bench(scenario)


def test_a_recall_brings_back_the_same_bytes() -> None:
    """What was lost on the way is sent again, a frame at a time, exactly as it was signed."""

    async def scenario(bench: Bench) -> None:
        for seq in range(1, 151):
            bench.challenge(seq)
            await asyncio.sleep(0.25)
        first = list(bench.envelopes)
        bench.heard.clear()
        bench.recall(11, 10_000)
        bench.recall(1, 5, name="w2")
        await asyncio.sleep(5)
        assert [envelope.raw for envelope in bench.envelopes] == [envelope.raw for envelope in first[10:]]
        assert 1 < len(bench.frames) < 10

    on_bench(scenario)


def test_readings_lost_while_the_broker_was_away_can_be_recalled_after_a_restart() -> None:
    """The disk outlives connection and process."""

    async def scenario(bench: Bench) -> None:
        for seq in (1, 2, 3):
            bench.challenge(seq)
            await asyncio.sleep(0.25)
        raws = [envelope.raw for envelope in bench.envelopes]
        await bench.crash()
        await bench.start()
        bench.heard.clear()
        bench.recall(1, 3)
        await asyncio.sleep(1)
        assert bench.frames == [join_frame(raws)]

    on_bench(scenario)


def test_a_probe_that_fails_is_not_quiet() -> None:
    """Without an observation the reading has no signals, so that nobody takes it for rest."""

    async def scenario(bench: Bench) -> None:
        bench.probe.fail = True
        bench.challenge(1)
        await asyncio.sleep(0.25)
        (reading,) = bench.said
        assert isinstance(reading, Reading)
        assert reading.signals == ()

    on_bench(scenario)


def test_what_is_not_on_the_disk_is_not_said() -> None:
    """A full disk makes a witness silent, never one whose chain forks; room again, and it goes on."""

    async def scenario(bench: Bench) -> None:
        bench.challenge(1)
        await asyncio.sleep(0.25)
        bench.disk.full = True
        bench.challenge(2, final=True)
        await asyncio.sleep(0.25)
        assert bench.quoted == [1]
        bench.disk.full = False
        bench.challenge(2, final=True)
        await asyncio.sleep(0.25)
        assert bench.quoted == [1, 2, 2]
        assert_chained(bench.said)

    on_bench(scenario)


def test_a_drill_that_is_never_ended_does_not_fill_the_disk(monkeypatch: Any) -> None:
    """Whoever holds a dispatcher's key and never sends a final challenge costs bounded space."""
    for name, most in (("COMPACT_MESSAGES", 20), ("DURING_DRILL_MESSAGES", 30), ("KEEP_MESSAGES", 10)):
        monkeypatch.setattr(f"agents.chain.{name}", most)

    async def scenario(bench: Bench) -> None:
        for seq in range(1, 101):
            bench.challenge(seq)
            await asyncio.sleep(0.25)
        assert bench.chain.seq == 100
        assert bench.chain.oldest > 70
        assert_chained(bench.said)

    on_bench(scenario)


def test_compaction_keeps_the_chain_going(monkeypatch: Any) -> None:
    """Old messages go, the head and the newest stay, and the sequence continues."""
    monkeypatch.setattr("agents.chain.COMPACT_MESSAGES", 20)
    monkeypatch.setattr("agents.chain.KEEP_MESSAGES", 10)

    async def scenario(bench: Bench) -> None:
        for seq in range(1, 31):
            bench.challenge(seq)
            await asyncio.sleep(0.25)
        size_bytes = len(bench.disk.data)
        await bench.crash()
        await bench.start()
        assert len(bench.disk.data) < size_bytes / 2
        assert (bench.chain.seq, bench.chain.oldest) == (30, 21)
        bench.challenge(31)
        await asyncio.sleep(0.25)
        assert_chained(bench.said)
        raws = [envelope.raw for envelope in bench.envelopes]
        bench.heard.clear()
        bench.recall(1, 31)
        await asyncio.sleep(1)
        assert [envelope.raw for envelope in bench.envelopes] == raws[20:]

    on_bench(scenario)
