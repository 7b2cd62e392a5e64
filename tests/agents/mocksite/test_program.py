"""`haltdrill mocksite`: from the folders of a fleet to running sites, and what it says of wrong ones."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agents.cli import main_agent, main_mocksite, main_witness
from agents.feed import FeedFile
from agents.mocksite.folder import read_site
from orchestrator.fleet.create import create_fleet
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.spec import FleetSpec, mock_sites
from protocols.errors import ConfigError, HaltdrillError, StoreBusy
from protocols.host.clock import SystemClock
from protocols.topics import Topics
from protocols.transport.mqtt import MqttTransport
from tests.agents.doubles import until
from tests.brokers import Nats

CLOCK = SystemClock()
REPOSITORY = Path(__file__).resolve().parents[3]


def made(folder: Path, *, sites: int = 2, port: int = 1) -> FleetLayout:
    """Make a fleet of simulated sites."""
    spec = FleetSpec(sites=mock_sites(sites), port=port, embedded=False)
    return create_fleet(folder / "fleet", spec, CLOCK.wall_ns())


@asynccontextmanager
async def mocksite(fleet: FleetLayout, log: Path, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the program on all sites of a fleet; at the end it is gone."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "orchestrator.entry", "mocksite", "--sites", str(fleet.sites), "--log", str(log), *more),
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_runs_and_stops(tmp_path: Path, nats: Nats) -> None:
    """Every agent, witness and enforcer of three sites is present, and SIGTERM ends them in good order."""
    fleet = made(tmp_path, sites=3, port=nats.config.port)
    topics = Topics(fleet.fleet_id.read_text().strip())
    expected = {
        topics.presence(site.name, who)
        for site in fleet.sites.iterdir()
        for who in ("agent", "regulator-lab", "peer-audit", "feed-control")
    }
    heard: set[str] = set()
    log = tmp_path / "mocksite.log"
    ears = MqttTransport(nats.config, [f"{topics.base}/#"], clock=CLOCK, client_id="ears")
    async with ears, mocksite(fleet, log) as process:
        while not expected <= heard:
            async with asyncio.timeout(20):
                heard |= {message.topic for message in await ears.receive(100)}
        process.send_signal(signal.SIGTERM)
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out, err) == (0, b"", b"")
    text = log.read_text()
    assert "mocksite.stopped" in text
    assert "Traceback" not in text


async def test_without_broker(tmp_path: Path) -> None:
    """Without a broker it runs all the same, and ends in good order; the enforcers may be left out."""
    fleet = made(tmp_path, sites=1)
    log = tmp_path / "mocksite.log"
    async with mocksite(fleet, log, "--no-enforcers") as process:
        await until(lambda: log.exists() and "witness.started" in log.read_text(), timeout_s=20)
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (0, b"")
    assert "enforcer" not in log.read_text()


def test_cut_feed_is_seen(tmp_path: Path) -> None:
    """The feed that an enforcer of another process switches is the one that the site hangs on."""
    fleet = made(tmp_path, sites=1)
    (site,) = fleet.sites.iterdir()
    feed = FeedFile(site / "feed.json", by="somebody", clock=CLOCK)
    feed.switch(on=False)
    folder = read_site(site, CLOCK, with_enforcers=False)
    assert folder.feed is not None
    assert not FeedFile(folder.feed, by="mocksite", clock=CLOCK).state()
    assert folder.enforcers == {}


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fleet as it is made is in order, site by site."""
    fleet = made(tmp_path)
    assert main_mocksite(["--sites", str(fleet.sites), "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.endswith("in order") for line in lines)


def _edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(site: Path) -> None:
        (path,) = site.glob(name)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return edit


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (_edit("mock.toml", "seed = ", "sede = "), "mock.toml"),
        (_edit("mock.toml", "feed.json", "other.json"), "does not switch the feed"),
        (_edit("mock.toml", 'site = "mock-', 'site = "else-'), "is for site"),
        (_edit("witness-peer-audit/register.json", "acc-0000", "acc-000o"), "register whose digest"),
        (_edit("witness-peer-audit/witness.toml", '"work", ', '"wrok", '), "witness.toml"),
        (_edit("enforcer-*/enforcer.toml", 'name = "feed-control"', 'name = "someone"'), "has no enforcer someone"),
        (lambda site: (site / "agent.key").chmod(0o644), "agent.key"),
        (lambda site: (site / "record.json").write_bytes((site / "policy.json").read_bytes()), "documents in"),
        (lambda site: (site / "agent.toml").unlink(), "agent.toml"),
        (lambda site: [path.unlink() for path in site.glob("witness-*/witness.toml")], "no witness"),
    ],
    ids=["key", "feed", "site", "register", "look", "enforcer", "mode", "record", "agent", "witness"],
)
def test_wrong_folder(tmp_path: Path, break_it: Callable[[Path], object], complaint: str) -> None:
    """Whatever does not fit is one clear error before anything runs, not a traceback."""
    fleet = made(tmp_path, sites=1)
    (site,) = fleet.sites.iterdir()
    break_it(site)
    with pytest.raises(HaltdrillError, match=complaint) as caught:
        main_mocksite(["--site", str(site), "--check"])
    assert caught.value.exit_code == ConfigError.exit_code


@pytest.mark.parametrize("arguments", [["--site"], ["--sites"]])
def test_wrong_place(tmp_path: Path, arguments: Sequence[str]) -> None:
    """A folder that holds no simulated site is named as such."""
    with pytest.raises(ConfigError, match=r"mock\.toml"):
        main_mocksite([*arguments, str(tmp_path)])


def test_given_twice(tmp_path: Path) -> None:
    """A site that is given twice is refused, because two agents would speak with one key."""
    fleet = made(tmp_path, sites=1)
    (site,) = fleet.sites.iterdir()
    with pytest.raises(ConfigError, match="given twice"):
        main_mocksite(["--site", str(site), "--sites", str(fleet.sites), "--check"])


async def test_second_start(tmp_path: Path) -> None:
    """A second program on the same sites is refused by their locked disks."""
    fleet = made(tmp_path, sites=1)
    log = tmp_path / "mocksite.log"
    async with mocksite(fleet, log):
        await until(lambda: log.exists() and "mocksite.started" in log.read_text(), timeout_s=20)
        with pytest.raises(StoreBusy):
            main_mocksite(["--sites", str(fleet.sites)])


def test_other_programs_say_where_to_go(tmp_path: Path) -> None:
    """`haltdrill agent` and `haltdrill witness` on a simulated site say which program runs it."""
    fleet = made(tmp_path, sites=1)
    (site,) = fleet.sites.iterdir()
    for main, path in ((main_agent, site / "agent.toml"), (main_witness, site / "witness-peer-audit/witness.toml")):
        with pytest.raises(ConfigError) as caught:
            main(["--config", str(path)])
        assert "haltdrill mocksite" in str(caught.value)
