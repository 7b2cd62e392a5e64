"""The lease: work goes on only under licences that were asked for just now, and the halt ends by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.lease import REQUESTS_MAX, LicenceKeeper
from agents.observation import SiteState
from protocols.controls import LeaseParams
from protocols.envelope import seal
from protocols.messages import Order, Outcome
from protocols.reasons import Reason
from tests import kit
from tests.agents.bench import ALL_CONTROLS, SITE, Bench, on_bench

LICENCE_S = 3.0
HOLD_S = 60.0

# -- the keeper ----------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "licence", "replay", "unknown"]), st.integers(0, 12), st.integers(0, 4)),
        max_size=60,
    )
)
@settings(deadline=None)
def test_no_licence_lasts_longer_than_from_when_it_was_asked_for(moves: list[tuple[str, int, int]]) -> None:
    """However licences are delayed, kept, sent again or made up: the end is the newest answered request's own end."""
    keeper = LicenceKeeper("0" * 64, licence_ns=10, until_ns=10)
    now, until = 0, 10
    sent: list[tuple[str, int]] = []
    answered: list[str] = []
    for number, (move, place, step) in enumerate(moves):
        now += step
        works = now < until
        match move:
            case "ask":
                sent.append((f"{number:032x}", now))
                keeper.ask(*sent[-1])
            case "licence" if sent:
                nonce, at = sent[place % len(sent)]
                fresh = works and nonce not in answered and at + 10 > until
                answered.append(nonce)
                assert keeper.accept(nonce, now) == fresh
                until = at + 10 if fresh else until
            case "replay" if answered:
                assert not keeper.accept(answered[place % len(answered)], now)
            case _:
                assert not keeper.accept("f" * 32, now)
        assert keeper.until_ns == until
        assert keeper.licensed(now) == (now < until)


def test_the_keeper_remembers_only_so_many_requests() -> None:
    """Requests that nobody answers cost bounded memory, and the newest count."""
    keeper = LicenceKeeper("0" * 64, licence_ns=1000, until_ns=1000)
    for number in range(REQUESTS_MAX + 1):
        keeper.ask(f"{number:032x}", number)
    assert not keeper.accept(f"{0:032x}", 100)
    assert keeper.accept(f"{REQUESTS_MAX:032x}", 100)


# -- the agent -----------------------------------------------------------------------------------


def lease(bench: Bench, *, partition: bool = False, renewed_s: float = 10.0) -> Order:
    """Order a lease now."""
    params = LeaseParams(licence_s=LICENCE_S, renewed_s=renewed_s, partition=partition)
    order, _ = bench.issue(params=params, hold_s=HOLD_S)
    return order


def answer(bench: Bench, order: Order, nonce: str, **changes: Any) -> None:
    """Publish the licence for a request."""
    site = changes.pop("site", SITE)
    licence = bench.fleet.licence(order, site, nonce, **changes)
    bench.publish(bench.fleet.topics.licences(SITE), bench.fleet.dispatch(licence))


async def renew(bench: Bench, order: Order, seconds: float) -> list[str]:
    """Answer every request for so long, and return the nonces that were answered."""
    answered: list[str] = []
    for _ in range(round(seconds / 0.1)):
        await asyncio.sleep(0.1)
        for request in bench.requests[len(answered) :]:
            assert request.order == order.digest()
            answer(bench, order, request.nonce)
            answered.append(request.nonce)
    return answered


def test_work_goes_on_while_licences_come_and_halts_when_they_stop() -> None:
    """Renewed it runs, long past one licence; not renewed it halts within one, until the order's hold ends."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order = lease(bench)
        answered = await renew(bench, order, 20.0)
        assert len(set(answered)) == len(answered) >= 20 / LICENCE_S * 3 - 2
        assert not bench.driver.history
        await asyncio.sleep(LICENCE_S + 0.1)
        assert bench.driver.history == [SiteState.PAUSED]
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.HALTED]
        asked = len(bench.requests)
        for request in bench.requests:
            answer(bench, order, request.nonce)
        await asyncio.sleep(30)
        assert bench.driver.state is SiteState.PAUSED, "no licence undoes a lapse"
        assert len(bench.requests) == asked, "nobody asks any more"
        await asyncio.sleep(HOLD_S - 53)
        assert bench.driver.history == [SiteState.PAUSED, SiteState.RUNNING]
        assert bench.outcomes[2:] == [Outcome.RESTORED]

    on_bench(scenario, record=ALL_CONTROLS)


@pytest.mark.parametrize(
    "how", ["silence", "replayed", "late", "made up", "another order", "another site", "another drill", "a stranger's"]
)
def test_only_a_fresh_licence_for_this_very_order_prolongs(how: str) -> None:
    """Whatever else comes on the topic, the site halts when its own last licence ends."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order = lease(bench)
        answered = await renew(bench, order, 2.0)
        other = bench.fleet.order(bench.fleet.warrant())
        for _ in range(30):
            await asyncio.sleep(0.1)
            nonce = bench.requests[-1].nonce
            match how:
                case "silence":
                    pass
                case "replayed":
                    answer(bench, order, answered[-1])
                case "late":
                    if bench.driver.history:
                        answer(bench, order, nonce)
                case "made up":
                    answer(bench, order, "ab" * 16)
                case "another order":
                    answer(bench, other, nonce)
                case "another site":
                    answer(bench, order, nonce, site="beta")
                case "another drill":
                    answer(bench, order, nonce, drill=order.drill[:-6] + "fedcba")
                case _:
                    licence = bench.fleet.licence(order, SITE, nonce)
                    bench.publish(bench.fleet.topics.licences(SITE), seal(licence, kit.key_of("stranger")))
        await asyncio.sleep(0.2)
        assert bench.driver.history == [SiteState.PAUSED]

    on_bench(scenario, record=ALL_CONTROLS)


def test_a_licence_counts_from_when_its_nonce_was_sent() -> None:
    """One that was held back for two thirds of its life gives the last third."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order = lease(bench)
        await asyncio.sleep(2.9)
        answer(bench, order, bench.requests[1].nonce)
        await asyncio.sleep(1.0)
        assert not bench.driver.history
        await asyncio.sleep(0.2)
        assert bench.driver.history == [SiteState.PAUSED]

    on_bench(scenario, record=ALL_CONTROLS)


@pytest.mark.parametrize("lapsed", [True, False])
def test_a_restart_keeps_no_licence_and_forgets_no_lapse(lapsed: bool) -> None:
    """An agent that comes back in the hold is unlicensed, so it halts, or stays halted, until the hold ends."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order = lease(bench)
        await renew(bench, order, 6.0)
        assert not bench.driver.history
        if lapsed:
            await asyncio.sleep(5)
        await bench.crash()
        bench.start()
        await asyncio.sleep(0.2)
        assert bench.driver.history == [SiteState.PAUSED]
        await renew(bench, order, 10.0)
        assert bench.driver.history == [SiteState.PAUSED]
        await asyncio.sleep(HOLD_S)
        assert bench.driver.history == [SiteState.PAUSED, SiteState.RUNNING]

    on_bench(scenario, record=ALL_CONTROLS)


@pytest.mark.parametrize("after_the_lapse", [True, False])
def test_a_release_ends_a_lease_as_any_other_order(after_the_lapse: bool) -> None:
    """Released, nobody needs a licence any more; before the lapse nothing was ever halted."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order = lease(bench)
        await asyncio.sleep(LICENCE_S + 1 if after_the_lapse else 1)
        bench.publish(bench.fleet.topics.stops, bench.fleet.dispatch(bench.fleet.release(order)))
        await asyncio.sleep(20)
        assert bench.driver.history == ([SiteState.PAUSED, SiteState.RUNNING] if after_the_lapse else [])
        assert bench.outcomes[-1] is Outcome.RESTORED
        assert len(bench.requests) <= 4

    on_bench(scenario, record=ALL_CONTROLS)


def test_a_full_disk_keeps_no_lease_from_lapsing() -> None:
    """A dead man's switch must not wait for a disk."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        lease(bench)
        await asyncio.sleep(1)
        bench.disk.full = True
        await asyncio.sleep(LICENCE_S)
        assert bench.driver.history == [SiteState.PAUSED]
        bench.disk.full = False
        await asyncio.sleep(1)
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.HALTED]

    on_bench(scenario, record=ALL_CONTROLS)


def test_without_a_lease_nobody_asks_for_a_licence() -> None:
    """Neither a site that runs nor one under another order needs one, or says anything about it."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(10)
        bench.issue(hold_s=20.0)
        await asyncio.sleep(30)
        assert not bench.requests
        assert bench.driver.history == [SiteState.PAUSED, SiteState.RUNNING]

    on_bench(scenario, record=ALL_CONTROLS)


# -- a partition ---------------------------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
def test_a_partitioned_site_halts_unreachable_and_comes_back_restored(restarts: bool) -> None:
    """It leaves by itself, halts alone, hears no release, restores alone, and then tells all of it."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order = lease(bench, partition=True, renewed_s=6.0)
        await renew(bench, order, 5.8)
        assert bench.outcomes == [Outcome.ACCEPTED]
        await asyncio.sleep(10)
        assert bench.driver.history == [SiteState.PAUSED]
        if restarts:
            await bench.crash()
            bench.start()
        bench.publish(bench.fleet.topics.stops, bench.fleet.dispatch(bench.fleet.release(order)))
        await asyncio.sleep(HOLD_S - 16.5)
        assert bench.driver.history == [SiteState.PAUSED], "it heard no release"
        assert bench.outcomes == [Outcome.ACCEPTED]
        await asyncio.sleep(3)
        assert bench.driver.history == [SiteState.PAUSED, SiteState.RUNNING]
        assert bench.outcomes[-2:] == [Outcome.HALTED, Outcome.RESTORED]

    on_bench(scenario, record=ALL_CONTROLS)


def test_a_site_that_is_away_lapses_to_the_moment() -> None:
    """With nobody to ask it does not sleep past the end of its last licence."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order, _ = bench.issue(params=LeaseParams(licence_s=2.0, renewed_s=2.0, partition=True), hold_s=HOLD_S)
        answered = await renew(bench, order, 1.0)
        assert len(answered) == 2, "the last was asked for after two thirds of a second, and lasts for two"
        await asyncio.sleep(1.5)
        assert not bench.driver.history
        await asyncio.sleep(0.3)
        assert bench.driver.history == [SiteState.PAUSED]

    on_bench(scenario, record=ALL_CONTROLS)


def test_what_ended_before_it_left_does_not_make_it_leave() -> None:
    """A site that was released stays reachable, however long its driver takes to restore it."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order = lease(bench, partition=True, renewed_s=6.0)
        await asyncio.sleep(4)
        assert bench.driver.state is SiteState.PAUSED
        bench.driver.fail_restore = 10
        bench.publish(bench.fleet.topics.stops, bench.fleet.dispatch(bench.fleet.release(order)))
        await asyncio.sleep(6)
        assert bench.driver.state is SiteState.PAUSED
        bench.issue()
        await asyncio.sleep(1)
        assert bench.receipts[-1].reason is Reason.BUSY, "it still answers"

    on_bench(scenario, record=ALL_CONTROLS)


def test_the_operators_veto_works_in_a_partition() -> None:
    """What needs no connection ends the halt, and with it the partition."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        lease(bench, partition=True, renewed_s=6.0)
        await asyncio.sleep(10)
        assert bench.driver.state is SiteState.PAUSED
        bench.veto = True
        await asyncio.sleep(3)
        assert bench.driver.state is SiteState.RUNNING
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.HALTED, Outcome.RESTORED]

    on_bench(scenario, record=ALL_CONTROLS)
