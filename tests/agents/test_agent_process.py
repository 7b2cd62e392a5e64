"""The real programs over real brokers with a real workload: crash, restart, stop, and bad starts."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from protocols.config import BrokerConfig
from protocols.controls import ShutdownParams
from protocols.envelope import split_frame
from protocols.messages import Closing, Outcome
from tests.agents.doubles import until
from tests.agents.sites import CLOCK, WITNESS, Dispatcher, SiteFolder
from tests.agents.workloads import Workload
from tests.brokers import RealBroker, free_port


@asynccontextmanager
async def running(
    folder: Path, workload: Workload, broker: RealBroker, **options: Any
) -> AsyncIterator[tuple[SiteFolder, Dispatcher]]:
    """Make a site and a dispatcher on a broker; at the end no program of it is left."""
    site = SiteFolder(folder / "site", workload.site, broker.config, **options)
    try:
        async with Dispatcher(site) as dispatcher:
            yield site, dispatcher
    finally:
        await site.end()


async def test_killed_in_the_hold_it_restores_on_time_after_its_restart(
    tmp_path: Path, workload: Workload, broker: RealBroker
) -> None:
    """SIGKILL of the agent leaves the site held, and the next agent ends the hold on time."""
    async with running(tmp_path, workload, broker) as (site, dispatcher):
        agent = await site.agent()
        await dispatcher.present("agent")
        await until(workload.computes)
        began_ns = CLOCK.boot_ns()
        await dispatcher.order(hold_s=8.0)
        await until(lambda: dispatcher.outcomes == [Outcome.ACCEPTED, Outcome.HALTED])
        assert workload.stands_still()
        agent.send_signal(signal.SIGKILL)
        await agent.wait()
        assert workload.stands_still()
        await site.agent()
        await until(lambda: len([m for m in dispatcher.heard if m.topic.endswith("presence/agent")]) > 1)
        assert workload.stands_still()
        await until(lambda: Outcome.RESTORED in dispatcher.outcomes, timeout_s=15)
        took_s = (CLOCK.boot_ns() - began_ns) / 1e9
        assert 8.0 <= took_s < 9.5
        assert workload.computes()
        receipts = dispatcher.receipts
        assert [receipt.link.prev for receipt in receipts[1:]] == [receipt.digest() for receipt in receipts[:-1]]


async def test_killed_and_gone_past_the_hold_it_restores_at_once_and_without_a_broker(
    tmp_path: Path, workload: Workload, mosquitto: RealBroker
) -> None:
    """Restoring comes before connecting."""
    async with running(tmp_path, workload, mosquitto) as (site, dispatcher):
        agent = await site.agent()
        await dispatcher.present("agent")
        await until(workload.computes)
        await dispatcher.order(hold_s=2.0, params=ShutdownParams(grace_s=1.0))
        await until(lambda: Outcome.HALTED in dispatcher.outcomes)
        agent.send_signal(signal.SIGKILL)
        await agent.wait()
        assert not workload.pids()
        accepted_ns = dispatcher.receipts[0].link.boot_ns
        await mosquitto.kill()
        await until(lambda: CLOCK.boot_ns() > accepted_ns + 2_000_000_000)
        await site.agent()
        await until(workload.computes, timeout_s=15)


async def test_asked_to_stop_it_restores_and_leaves_the_workload_running(
    tmp_path: Path, workload: Workload, mosquitto: RealBroker
) -> None:
    """SIGTERM ends the agent, never the work, and never leaves it paused."""
    async with running(tmp_path, workload, mosquitto) as (site, dispatcher):
        agent = await site.agent()
        await dispatcher.present("agent")
        await until(workload.computes)
        await dispatcher.order(hold_s=600.0)
        await until(lambda: Outcome.HALTED in dispatcher.outcomes)
        agent.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(agent.wait(), 10) == 0
        await until(lambda: dispatcher.outcomes[-1] is Outcome.RESTORED)
        assert workload.computes()
        events = [json.loads(line)["event.action"] for line in (site.folder / "agent.log").read_text().splitlines()]
        for event in (
            "agent.started",
            "agent.connected",
            "agent.order.accepted",
            "agent.halt.applied",
            "agent.restored",
            "agent.stopped",
        ):
            assert event in events
        assert "PRIVATE" not in (site.folder / "agent.log").read_text()


async def test_a_witness_answers_and_closes_over_a_real_broker(
    tmp_path: Path, workload: Workload, broker: RealBroker
) -> None:
    """The real witness sees the real workload work, and closes the drill."""
    async with running(tmp_path, workload, broker) as (site, dispatcher):
        await site.agent()
        witness = await site.witness()
        await dispatcher.present(WITNESS)
        await dispatcher.present("agent")
        topics = site.fleet.topics
        heard = topics.witness(site.site, WITNESS)

        def frames() -> list[bytes]:
            return [message.payload for message in dispatcher.heard if message.topic == heard]

        for seq in (1, 2, 3):
            await dispatcher.publish(topics.challenges, site.fleet.dispatch(site.fleet.challenge(seq, final=seq == 3)))
            await until(lambda expected=seq: len(frames()) >= expected)
        await until(lambda: len(frames()) == 4)
        assert split_frame(frames()[-1])[0].payload_type == Closing.payload_type()
        witness.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(witness.wait(), 10) == 0


async def test_bad_starts_say_one_line_and_their_exit_code(tmp_path: Path, workload: Workload) -> None:
    """Wrong key, wrong documents, a store in use: one clear line with the place, and the right code."""
    site = SiteFolder(tmp_path / "site", workload.site, BrokerConfig(host="127.0.0.1", port=free_port()))

    async def told(*arguments: str) -> tuple[int | None, str]:
        process = await site.run(*arguments)
        _, errors = await asyncio.wait_for(process.communicate(), 20)
        return process.returncode, errors.decode()

    check = ("agent", "--config", str(site.agent_config), "--check")
    assert await told(*check) == (0, "")
    (site.folder / "agent.key").chmod(0o644)
    code, said = await told(*check)
    assert (code, "chmod 600" in said, said.count("\n")) == (2, True, 1)
    (site.folder / "agent.key").chmod(0o600)
    (site.folder / "agent.key").write_bytes((site.folder / "witness.key").read_bytes())
    code, said = await told(*check)
    assert (code, "another key" in said, "agent.key" in said) == (2, True, True)
    (site.folder / "policy.json").write_bytes((site.folder / "record.json").read_bytes())
    code, said = await told(*check)
    assert (code, "Traceback" in said, "documents in" in said) == (2, False, True)
    code, said = await told("agent", "--config", str(site.folder / "none.toml"))
    assert (code, "none.toml" in said) == (2, True)
    assert (await told("agent"))[0] == 2


async def test_a_damaged_store_is_named_and_the_site_is_not_left_halted(
    tmp_path: Path, workload: Workload, mosquitto: RealBroker
) -> None:
    """An agent without its memory obeys nothing, but it undoes what it finds halted."""
    async with running(tmp_path, workload, mosquitto) as (site, dispatcher):
        agent = await site.agent()
        await dispatcher.present("agent")
        await until(workload.computes)
        await dispatcher.order(hold_s=600.0)
        await until(lambda: Outcome.HALTED in dispatcher.outcomes)
        agent.send_signal(signal.SIGKILL)
        await agent.wait()
        store = site.folder / "state" / "agent.jsonl"
        damaged = bytearray(store.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        store.write_bytes(damaged)
        again = await site.agent()
        _, errors = await asyncio.wait_for(again.communicate(), 20)
        assert again.returncode == 3
        assert "agent.jsonl, line" in errors.decode()
        assert workload.computes()


async def test_a_store_that_cannot_be_opened_does_not_leave_the_site_halted(
    tmp_path: Path, workload: Workload, mosquitto: RealBroker
) -> None:
    """An agent whose disk fails it altogether obeys nothing, but it undoes what it finds halted."""
    async with running(tmp_path, workload, mosquitto) as (site, dispatcher):
        agent = await site.agent()
        await dispatcher.present("agent")
        await until(workload.computes)
        await dispatcher.order(hold_s=600.0)
        await until(lambda: Outcome.HALTED in dispatcher.outcomes)
        agent.send_signal(signal.SIGKILL)
        await agent.wait()
        store = site.folder / "state" / "agent.jsonl"
        store.unlink()
        store.mkdir()  # as good as a disk that gives an error
        again = await site.agent()
        _, errors = await asyncio.wait_for(again.communicate(), 20)
        assert again.returncode == 3
        assert "agent.jsonl: cannot be opened" in errors.decode()
        assert workload.computes()


async def test_without_its_documents_it_does_not_leave_the_site_halted(
    tmp_path: Path, workload: Workload, mosquitto: RealBroker
) -> None:
    """An agent whose documents are no longer to be trusted obeys nothing, but undoes what it finds halted."""
    async with running(tmp_path, workload, mosquitto) as (site, dispatcher):
        agent = await site.agent()
        await dispatcher.present("agent")
        await until(workload.computes)
        await dispatcher.order(hold_s=600.0)
        await until(lambda: Outcome.HALTED in dispatcher.outcomes)
        agent.send_signal(signal.SIGKILL)
        await agent.wait()
        (site.folder / "policy.json").write_bytes((site.folder / "record.json").read_bytes())
        again = await site.agent()
        _, errors = await asyncio.wait_for(again.communicate(), 20)
        assert again.returncode == 2
        assert "documents in" in errors.decode()
        assert workload.computes()


async def test_a_second_agent_of_a_site_touches_nothing(
    tmp_path: Path, workload: Workload, mosquitto: RealBroker
) -> None:
    """Started twice by mistake, the second agent says so and leaves the first one's hold alone."""
    async with running(tmp_path, workload, mosquitto) as (site, dispatcher):
        await site.agent()
        await dispatcher.present("agent")
        await until(workload.computes)
        await dispatcher.order(hold_s=600.0)
        await until(lambda: Outcome.HALTED in dispatcher.outcomes)
        second = await site.agent()
        await asyncio.wait_for(second.communicate(), 20)
        assert second.returncode == 3
        assert workload.stands_still()
