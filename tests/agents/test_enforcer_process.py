"""The real `haltdrill enforcer` over real brokers: it waits out the rung before, cuts, and restores."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.feed import FeedFile
from protocols.config import BrokerConfig
from protocols.controls import Control, PowerCutParams
from protocols.envelope import seal, split_frame
from protocols.ids import format_utc, seconds_to_ns
from protocols.messages import Order, Outcome, Receipt, Rung, Warrant
from protocols.reasons import Reason
from tests import kit
from tests.agents.actuators.conftest import Controller
from tests.agents.doubles import receipt_of, until
from tests.agents.sites import CLOCK, Dispatcher, SiteFolder
from tests.brokers import RealBroker, free_port

SITE = "t-dark"
NAME = "e1"
LIMIT_S = 1.0


class EnforcerFolder(SiteFolder):
    """Writes and runs one site's enforcer, which switches a feed file.

    Args:
        folder: Where its files go.
        broker: The broker.
        name: What it is called in its configuration.
    """

    def __init__(self, folder: Path, broker: BrokerConfig, *, name: str = NAME) -> None:
        controls = {"controls": (Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT)}
        super().__init__(folder, SITE, broker, enforcers=1, record=controls)
        self._write_key("enforcer.key", kit.enforcer_label(SITE, NAME))
        self.feed = FeedFile(folder / "feed.json", by="somebody", clock=CLOCK)
        self.head = f"""\
site = "{SITE}"
name = "{name}"
key = "enforcer.key"
state = "enforcer-state"
veto = "veto"
root = "root.json"
policy = "policy.json"
record = "record.json"

[broker]
host = "{broker.host}"
port = {broker.port}

[actuator]
"""
        self.config.write_text(f'{self.head}kind = "feed"\nfile = "feed.json"\n')

    @property
    def config(self) -> Path:
        """The enforcer's configuration file."""
        return self.folder / "enforcer.toml"

    async def enforcer(self) -> asyncio.subprocess.Process:
        """Start the enforcer."""
        return await self.run("enforcer", "--config", str(self.config), "--log", str(self.folder / "enforcer.log"))

    async def told(self, *arguments: str) -> tuple[int | None, str]:
        """Run the enforcer with these arguments; return its exit code and what it complained of."""
        process = await self.run("enforcer", *arguments)
        _, errors = await asyncio.wait_for(process.communicate(), 20)
        return process.returncode, errors.decode()


class Climbing(Dispatcher):
    """Dispatches the rungs of one ladder, pause and then power cut, and hears the enforcer."""

    def __init__(self, site: SiteFolder, *, hold_s: float = 600.0) -> None:
        super().__init__(site)
        ladder = (Rung(params=PowerCutParams(), response_limit_s=LIMIT_S),)
        times = {"response_limit_s": LIMIT_S, "dwell_s": 0.25, "max_gap_s": 0.25}
        step = site.fleet.step(ladder=ladder, hold_s=hold_s, **times)
        self._warrant: Warrant = site.fleet.warrant(step)

    @property
    def receipts(self) -> list[Receipt]:
        """Every receipt of the enforcer, each chained message once."""
        topic = self.site.fleet.topics.enforcer(SITE, NAME)
        frames = [message.payload for message in self.heard if message.topic == topic]
        label = kit.enforcer_label(SITE, NAME)
        found = [receipt_of(envelope, SITE, label) for frame in frames for envelope in split_frame(frame)]
        return sorted({receipt.link.seq: receipt for receipt in found}.values(), key=lambda one: one.link.seq)

    async def rung(self, number: int) -> Order:
        """Order a rung: the first is for all, a higher one for this site."""
        fleet = self.site.fleet
        now_ns = CLOCK.wall_ns()
        dated = {"issued_at": format_utc(now_ns), "expires_at": format_utc(now_ns + seconds_to_ns(60))}
        if number:
            order, topic = fleet.rung_order(self._warrant, SITE, number, **dated), fleet.topics.site_orders(SITE)
        else:
            order, topic = fleet.order(self._warrant, **dated), fleet.topics.orders
        frame = fleet.order_frame(order, fleet.approve(self._warrant, kit.APPROVERS[:3]))
        await self.publish(topic, frame)
        return order

    async def climb(self) -> Order:
        """Order both rungs, the second again and again until it is obeyed, as an orchestrator does.

        Returns:
            The first rung's order.
        """
        first = await self.rung(0)
        await until(lambda: Outcome.NOTED in self.outcomes)
        while Outcome.HALTED not in self.outcomes:
            await self.rung(1)
            await CLOCK.sleep(0.2)  # the pace of repeats
        return first


@asynccontextmanager
async def running(
    folder: Path, broker: RealBroker, *, hold_s: float = 600.0
) -> AsyncIterator[tuple[EnforcerFolder, Climbing]]:
    """Start an enforcer and a dispatcher on a broker; at the end no program of them is left."""
    site = EnforcerFolder(folder / "site", broker.config)
    try:
        async with Climbing(site, hold_s=hold_s) as dispatcher:
            await site.enforcer()
            await dispatcher.present(NAME)
            yield site, dispatcher
    finally:
        await site.end()


async def test_a_top_rung_first_is_refused_until_the_rung_before_was_waited_out(
    tmp_path: Path, broker: RealBroker
) -> None:
    """Whoever steals a dispatcher's key cannot begin at the top; and the hold's end restores what was cut."""
    async with running(tmp_path, broker, hold_s=4.0) as (site, dispatcher):
        await dispatcher.rung(1)
        await until(lambda: len(dispatcher.receipts) == 1)
        refused = dispatcher.receipts[0]
        assert (refused.outcome, refused.reason, refused.by) == (Outcome.REFUSED, Reason.RUNG_TOO_SOON, NAME)
        assert site.feed.last() is None, "nobody touched the feed"

        noted_ns = CLOCK.boot_ns()
        await dispatcher.climb()
        cut_ns = CLOCK.boot_ns()
        assert cut_ns - noted_ns >= LIMIT_S * 1e9
        assert not site.feed.state()
        last = site.feed.last()
        assert last is not None
        assert last.by == NAME
        noted = next(receipt for receipt in dispatcher.receipts if receipt.outcome is Outcome.NOTED)
        assert {proof.step for proof in noted.proofs} >= {"feed-state", "restore-path"}
        assert all(proof.ok for proof in noted.proofs)
        halted = next(receipt for receipt in dispatcher.receipts if receipt.outcome is Outcome.HALTED)
        assert (halted.by, halted.rung) == (NAME, 1)

        await until(lambda: Outcome.RESTORED in dispatcher.outcomes, timeout_s=15)
        assert site.feed.state()
        # The step's hold counts from the first rung seen here, not from the cut.
        assert 3.5 <= (CLOCK.boot_ns() - noted_ns) / 1e9 < 6.0


async def test_killed_in_the_hold_it_restores_on_time_after_its_restart(tmp_path: Path, broker: RealBroker) -> None:
    """SIGKILL of the enforcer leaves the site dark, and the next one ends the hold on time."""
    async with running(tmp_path, broker, hold_s=6.0) as (site, dispatcher):
        began_ns = CLOCK.boot_ns()
        await dispatcher.climb()
        site.processes[-1].send_signal(signal.SIGKILL)
        await site.processes[-1].wait()
        heard = len(dispatcher.heard)
        await site.enforcer()
        await until(lambda: any(message.topic.endswith(f"presence/{NAME}") for message in dispatcher.heard[heard:]))
        assert not site.feed.state(), "starting must not undo a hold"
        await until(lambda: Outcome.RESTORED in dispatcher.outcomes, timeout_s=15)
        assert site.feed.state()
        assert 5.5 <= (CLOCK.boot_ns() - began_ns) / 1e9 < 8.5
        receipts = dispatcher.receipts
        assert [receipt.link.prev for receipt in receipts[1:]] == [receipt.digest() for receipt in receipts[:-1]]


@pytest.mark.parametrize("how", ["release", "abort", "lever", "veto"])
async def test_every_way_to_end_a_hold_early_restores(tmp_path: Path, mosquitto: RealBroker, how: str) -> None:
    """Stopping takes one approver, the operator's lever or the veto of whoever runs the enforcer."""
    async with running(tmp_path, mosquitto) as (site, dispatcher):
        fleet, order = site.fleet, await dispatcher.climb()
        assert not site.feed.state()
        now = {"issued_at": format_utc(CLOCK.wall_ns())}
        match how:
            case "release":
                await dispatcher.publish(fleet.topics.stops, fleet.dispatch(fleet.release(order, **now)))
            case "abort":
                approver = kit.key_of(kit.approver_label(kit.APPROVERS[0]))
                await dispatcher.publish(fleet.topics.stops, seal(fleet.abort(order, **now), approver))
            case "lever":
                operator = kit.key_of(kit.operator_label(SITE))
                await dispatcher.publish(fleet.topics.stops, seal(fleet.lever(site=SITE, **now), operator))
            case _:
                (site.folder / "veto").touch()
        await until(lambda: Outcome.RESTORED in dispatcher.outcomes)
        assert site.feed.state()


async def test_asked_to_stop_it_restores_its_own_cut_and_nobody_elses(tmp_path: Path, mosquitto: RealBroker) -> None:
    """SIGTERM in the hold brings the power back; a feed that somebody else cut stays cut over start and stop."""
    async with running(tmp_path, mosquitto) as (site, dispatcher):
        await dispatcher.climb()
        enforcer = site.processes[-1]
        enforcer.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(enforcer.wait(), 10) == 0
        assert site.feed.state()

        site.feed.switch(on=False)
        enforcer = await site.enforcer()
        await until(lambda: _said(site, "enforcer.connected") == 2)
        enforcer.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(enforcer.wait(), 10) == 0
        assert not site.feed.state(), "it switched on what it did not cut"


async def test_an_operators_own_slow_controller_is_cut_and_restored(tmp_path: Path, mosquitto: RealBroker) -> None:
    """Through `command`: halted is said only once the controller says off, and on again after the restart."""
    controller = Controller(tmp_path)
    site = EnforcerFolder(tmp_path / "site", mosquitto.config)
    program = {verb: json.dumps(list(getattr(controller.config(), verb))) for verb in ("on", "off", "state")}
    site.config.write_text(
        f'{site.head}kind = "command"\n' + "".join(f"{verb} = {argv}\n" for verb, argv in program.items())
    )
    try:
        async with Climbing(site, hold_s=6.0) as dispatcher:
            enforcer = await site.enforcer()
            await dispatcher.present(NAME)
            controller.lag(3)
            await dispatcher.climb()
            assert controller.state == "off"
            enforcer.send_signal(signal.SIGKILL)
            await enforcer.wait()
            await site.enforcer()
            await until(lambda: Outcome.RESTORED in dispatcher.outcomes, timeout_s=15)
            assert controller.state == "on"
            assert [call for call in controller.calls if call != "state"] == ["off", "on"]
    finally:
        await site.end()


def _said(site: EnforcerFolder, event: str) -> int:
    lines = (site.folder / "enforcer.log").read_text().splitlines()
    return sum(json.loads(line)["event.action"] == event for line in lines)


async def test_without_its_documents_it_does_not_leave_the_site_dark(tmp_path: Path, mosquitto: RealBroker) -> None:
    """An enforcer whose documents are no longer to be trusted obeys nothing, but undoes its own cut."""
    async with running(tmp_path, mosquitto) as (site, dispatcher):
        await dispatcher.climb()
        site.processes[-1].send_signal(signal.SIGKILL)
        await site.processes[-1].wait()
        (site.folder / "policy.json").write_bytes((site.folder / "record.json").read_bytes())
        again = await site.enforcer()
        _, errors = await asyncio.wait_for(again.communicate(), 20)
        assert again.returncode == 2
        assert "documents in" in errors.decode()
        assert site.feed.state()


async def test_check_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    """Another key, another name, a feed that is off, a program that is missing: each named before it runs."""
    broker = BrokerConfig(host="127.0.0.1", port=free_port())
    site = EnforcerFolder(tmp_path / "site", broker)
    check = ("--config", str(site.config), "--check")
    assert await site.told(*check) == (0, "")
    site.feed.switch(on=False)
    code, said = await site.told(*check)
    assert (code, "the feed is off" in said, said.count("\n")) == (2, True, 1)
    program = f'["{sys.executable}", "-c", "print(\'on\')"]'
    site.config.write_text(
        f'{site.head}kind = "command"\non = ["no-such-program"]\noff = {program}\nstate = {program}\n'
    )
    code, said = await site.told(*check)
    assert (code, "no-such-program" in said, "restore-path" in said, said.count("\n")) == (2, True, True, 1)
    site.config.write_text(f'{site.head}kind = "command"\non = {program}\noff = {program}\nstate = {program}\n')
    assert await site.told(*check) == (0, "")
    (site.folder / "enforcer.key").write_bytes((site.folder / "agent.key").read_bytes())
    code, said = await site.told(*check)
    assert (code, "another key" in said, "enforcer.key" in said) == (2, True, True)
    other = EnforcerFolder(tmp_path / "other", broker, name="nobody")
    code, said = await other.told("--config", str(other.config), "--check")
    assert (code, "no enforcer nobody" in said, said.count("\n")) == (2, True, 1)
