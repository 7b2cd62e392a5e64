"""Floods: whoever may publish, with or without a good key, costs bounded memory and stops no drill.

Real orchestrators, agents, enforcers and witnesses in one process on virtual time. While they drill, somebody
publishes on every topic there is. Each drill must end, verify offline, and pass where nobody's key was stolen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path
from random import Random

from agents.state import RECEIPTS_MAX, REFUSALS_MAX
from orchestrator.core import events as ev
from orchestrator.core.concern import READINGS_PER_CHALLENGE, SPARE_READINGS
from orchestrator.core.states import Phase
from orchestrator.runtime.loop import REJECTIONS_KEPT, Runtime
from protocols.controls import PauseParams
from protocols.envelope import seal
from protocols.limits import ENVELOPE_MAX_BYTES, FRAME_MAX_BYTES, INBOX_MAX_MESSAGES
from protocols.messages import Closing, Link, Presence, Quoted, Reading, Role
from protocols.reasons import Reason
from tests import kit
from tests.hostile.mutation import FRAGMENTS
from tests.simulation.harness import Played, Simulation, names, step_of
from tests.virtual import run_virtual

MESSAGES = 100_000
MEMORY_MAX_BYTES = 110 * 1024 * 1024
"""What a flood may cost: some full inboxes, and an allocator's slack. The flood itself is twice as much."""
STORE_MAX_BYTES = 800 * 1024
BURST_S = 0.1

Flood = Callable[["Flooded", Runtime], Awaitable[None]]


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Flooded(Simulation):
    """A fleet whose broker anybody may write to; it keeps nothing of what is said there.

    Attributes:
        before_bytes: The memory of this process before the flood.
        most_bytes: The most that it grew by.
        bursts: How often something was published while the drill ran.
    """

    before_bytes: int = field(default_factory=_resident_bytes)
    most_bytes: int = 0
    bursts: int = 0

    async def _listen(self) -> None:
        """Keep nothing, so that what is kept is the product's own doing."""

    def topics_in_use(self) -> list[str]:
        """Return every topic that some party listens to."""
        topics = self.fleet.topics
        found = [topics.orders, topics.stops, topics.challenges, *self.topics_inwards()]
        for site in self.site_names:
            found += [topics.site_orders(site), topics.licences(site), topics.ask(site)]
        return found

    def topics_inwards(self) -> list[str]:
        """Return the topics that the orchestrator listens to, also such as nobody rightly speaks on."""
        topics, found = self.fleet.topics, []
        for site in self.site_names:
            found += [topics.agent(site), topics.enforcer(site, "e1"), topics.enforcer(site, "\u202e")]
            found += [topics.witness(site, "w1"), topics.witness(site, "w9"), topics.presence(site, "w1")]
        return found

    async def burst(self, runtime: Runtime, messages: Iterator[tuple[str, bytes]], number: int) -> None:
        """Publish some messages at once, past every limit that an honest client keeps, and let time pass."""
        self.bursts += runtime.drill.phase is not Phase.CLOSED
        for topic, payload in islice(messages, number):
            self.broker.route(topic, payload)
        self.most_bytes = max(self.most_bytes, _resident_bytes() - self.before_bytes)
        await self.clock.sleep(BURST_S)

    def store_sizes(self) -> dict[str, int]:
        """Return how large the memory of each agent and enforcer is on its disk."""
        parties = {site: built.agent for site, built in self.sites.items()}
        parties |= {f"{site}/e": one for site, built in self.sites.items() for one in built.enforcers.values()}
        return {name: party._ledger._store.size_bytes for name, party in parties.items()}

    def kept_receipts(self) -> int:
        """Return the most receipts that an agent keeps."""
        return max(len(site.agent.state.receipts) for site in self.sites.values())


def _drill(flood: Flood, sites: int = 2) -> tuple[Flooded, Played, Runtime]:
    """Drill a pause while there is a flood."""

    async def scene() -> tuple[Flooded, Played, Runtime]:
        running: list[Runtime] = []
        async with Flooded(names(sites)) as fleet:

            async def meanwhile(runtime: Runtime) -> None:
                running.append(runtime)
                await flood(fleet, runtime)

            played = await fleet.drill(fleet.warrant(step_of(fleet, PauseParams())), meanwhile=meanwhile)
            return fleet, played, running[0]

    return run_virtual(scene(), idle_cycles=0)


def _junk(fleet: Flooded, topics: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Make junk without end, each message its own: nonsense, half an envelope, a whole one that nobody signed."""
    rng = Random(4)
    places = cycle(topics)
    challenge = seal(fleet.fleet.challenge(1, drill="20261124t144358z-monthly-abcdef"), kit.key_of("stranger"))
    signed = json.loads(challenge)
    stolen_name = json.loads(challenge)
    stolen_name["signatures"][0]["keyid"] = kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0])).public_key.keyid
    padding = b" " * 2_000
    for number in count():
        match number % 50:
            case 0:
                body = json.dumps(stolen_name | {"n": number}).encode()
            case 1 | 2:
                body = json.dumps(stolen_name).encode()
            case 3 | 4 | 5:
                body = json.dumps(signed).encode() + b"\n" * (number % 3)
            case 6 | 7 | 8:
                body = challenge[: rng.randrange(len(challenge))]
            case 9:
                body = b"\n".join([challenge] * 8)
            case kind if kind < 20:
                body = b'{"payload":%b,"n":%d}' % (rng.choice(FRAGMENTS)[:4_000], number)
            case _:
                body = b"%d" % number
        yield next(places), body + padding


async def _steady_and_at_once(fleet: Flooded, runtime: Runtime) -> None:
    junk = _junk(fleet, fleet.topics_in_use())
    for _ in range(40):
        await fleet.burst(runtime, junk, 1_000)
    await fleet.burst(runtime, junk, 30_000)
    await fleet.burst(runtime, _junk(fleet, fleet.topics_inwards()), 30_000)


def test_a_hundred_thousand_junk_messages_cost_bounded_memory_and_stop_no_drill() -> None:
    """Strangers who may publish anywhere, steadily or all at once, delay no verdict and fill no memory."""
    fleet, played, runtime = _drill(_steady_and_at_once)
    assert fleet.bursts == 42
    assert played.drill.passed, played.failed()
    assert played.report.verified, played.report.findings
    assert fleet.most_bytes < MEMORY_MAX_BYTES
    assert len(played.events(ev.InputRejected)) == REJECTIONS_KEPT
    assert runtime.live.ignored > REJECTIONS_KEPT
    assert runtime._transport.dropped > 0
    assert max(fleet.store_sizes().values()) < STORE_MAX_BYTES
    assert fleet.kept_receipts() <= RECEIPTS_MAX + REFUSALS_MAX


async def _over_the_limit(fleet: Flooded, runtime: Runtime) -> None:
    topics = cycle(fleet.topics_in_use())
    large = b"[" * (FRAME_MAX_BYTES + 1)
    for _ in range(20):
        await fleet.burst(runtime, ((topic, large) for topic in topics), 200)


def test_what_is_too_large_is_dropped_before_anybody_parses_it() -> None:
    """A frame over the limit is not even rejected: nobody looks into it, and each is counted."""
    fleet, played, runtime = _drill(_over_the_limit)
    assert fleet.bursts == 20
    assert played.drill.passed, played.failed()
    assert played.report.verified
    assert played.drill.rejected == 0
    assert runtime._transport.oversized > 1_000


async def _at_the_limit(fleet: Flooded, runtime: Runtime) -> None:
    site = fleet.site_names[0]
    largest = b"x" * FRAME_MAX_BYTES, b"x" * (ENVELOPE_MAX_BYTES + 1), b"\n".join([b"{}"] * 65)
    messages = ((fleet.fleet.topics.agent(site), payload) for payload in largest)
    await fleet.burst(runtime, messages, len(largest))


def test_what_is_just_small_enough_is_told_apart_by_reading_it() -> None:
    """The limit drops nothing that is allowed: a frame of exactly that size is read, and rejected once."""
    _, played, _ = _drill(_at_the_limit, sites=1)
    assert played.drill.passed
    rejected = played.events(ev.InputRejected)
    assert len(rejected) == 3
    assert all(event.reason == "bad_envelope" for _, event in rejected)


async def _refused_orders(fleet: Flooded, runtime: Runtime) -> None:
    """Publish orders under a stolen dispatcher's key, each another, that no warrant allows, and old ones again."""
    made = fleet.fleet
    key = kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))
    warrant = made.warrant(made.step(), nonce="cd" * 16)
    approved = made.approve(warrant, kit.APPROVERS[:1])

    def orders() -> Iterator[tuple[str, bytes]]:
        for number in count():
            order = made.order(warrant, nonce=f"{number % 600:032x}")
            yield made.topics.orders, seal(order, key) + b"\n" + approved

    messages = orders()
    for _ in range(40):
        await fleet.burst(runtime, messages, 15)


def test_orders_without_end_that_are_refused_fill_no_site() -> None:
    """A thief of the dispatcher's key makes no agent answer, remember or write without end."""
    fleet, played, _ = _drill(_refused_orders)
    assert fleet.bursts == 40
    assert played.drill.passed, played.failed()
    assert played.report.verified
    assert 0 < fleet.kept_receipts() <= RECEIPTS_MAX + REFUSALS_MAX
    assert max(fleet.store_sizes().values()) < STORE_MAX_BYTES
    assert fleet.most_bytes < MEMORY_MAX_BYTES


END = 2**63 - 1


def _of_a_witness(fleet: Flooded, site: str, runtime: Runtime) -> Iterator[tuple[str, bytes]]:
    """Sign, as one witness, readings and presences without end, with numbers at both ends of numbers."""
    key, topics = kit.key_of(kit.witness_label(site, "w1")), fleet.fleet.topics
    for number in count():
        drill = runtime.drill
        common = {"fleet": fleet.fleet.fleet, "site": site, "at": fleet.fleet.at()}
        link = Link(
            seq=(END, END - number, number, 1)[number % 4],
            prev=f"{number:064x}",
            boot_id=fleet.clock.boot_id,
            boot_ns=END,
        )
        if number % 4 == 0:
            presence = Presence(
                role=Role.WITNESS,
                name="w1",
                store=f"{number:032x}",
                last_seq=link.seq,
                last_digest="0" * 64,
                boot_id=fleet.clock.boot_id,
                software="x",
                **common,
            )
            yield topics.presence(site, "w1"), seal(presence, key)
        if not drill.issued:
            continue
        asked = max(drill.nonces)
        quoted = Quoted(drill=drill.drill, seq=asked, nonce=drill.nonces[asked], digest=drill.challenges[asked])
        reading = Reading(witness="w1", link=link, quotes=quoted, signals=(), **common)
        closing = Closing(witness="w1", link=link, quotes=quoted, first=0, last=END, **common)
        yield topics.witness(site, "w1"), seal(closing if number % 5 == 0 else reading, key)


async def _chatter(fleet: Flooded, runtime: Runtime) -> None:
    messages = _of_a_witness(fleet, fleet.site_names[0], runtime)
    for _ in range(40):
        await fleet.burst(runtime, messages, 70)


def test_a_witness_that_signs_without_end_spoils_its_own_site_at_most() -> None:
    """What one stolen witness key can sign is bounded in the journal, and touches no other site's verdict."""
    fleet, played, _ = _drill(_chatter)
    honest = fleet.site_names[1]
    assert fleet.bursts == 40
    assert played.report.verified, played.report.findings
    assert played.results()[honest].passed
    taken = sum(event.site == fleet.site_names[0] for _, event in played.events(ev.ReadingReceived))
    assert 100 < taken <= SPARE_READINGS + READINGS_PER_CHALLENGE * len(played.drill.issued) + 1
    assert Reason.MEMORY_FULL in {event.reason for _, event in played.events(ev.InputRejected)}
    assert fleet.most_bytes < MEMORY_MAX_BYTES


def test_the_flood_is_larger_than_what_it_may_cost() -> None:
    """The bound on memory means something: whoever kept the flood would be far over it."""
    fleet = Flooded(names(1))
    some = [payload for _, payload in islice(_junk(fleet, fleet.topics_in_use()), 1_000)]
    assert sum(map(len, some)) / len(some) * MESSAGES > 2 * MEMORY_MAX_BYTES
    assert len(set(some)) > 800
    assert MESSAGES == 40 * 1_000 + 2 * 30_000
    assert INBOX_MAX_MESSAGES < 30_000
