"""Each benchmark runs at a tiny size, so that none can rot. How fast anything is, no test says."""

from __future__ import annotations

import pytest

from tests.benchmarks import agent, days, drill, latency, looking, verify
from tests.benchmarks.__main__ import main
from tests.benchmarks.measure import Table, quantile
from tests.components import require
from tests.orchestrator.recorder import Script


def value(table: Table, name: str) -> float:
    """Return one figure of a table."""
    (row,) = (row for row in table.rows if row.name == name)
    return row.value


async def test_drill() -> None:
    """The drill benchmark's sites are all verified, and everything that they send is heard."""
    mosquitto = require("mosquitto", package="mosquitto")
    small = {"sites": 3, "challenge_s": 0.2, "dwell_s": 0.6, "response_limit_s": 1.0, "hold_s": 2.0}
    table = await drill.run(mosquitto, rounds=1, **small)
    assert value(table, "sites not verified") == 0
    assert value(table, "messages received") == value(table, "messages sent by the sites") > 30
    assert all(row.ratio is None or row.ratio > 0 for row in table.rows)


async def test_latency() -> None:
    """The latency benchmark's agent accepts every order, over both brokers."""
    table = await latency.run(require("mosquitto", package="mosquitto"), count=2)
    assert all(row.value > 0 for row in table.rows)


async def test_agent() -> None:
    """The agent benchmark finds both programs there, and larger than what they import."""
    table = await agent.run(rounds=1)
    assert value(table, "agent: resident memory") > 10
    # Memory is steady; of a start-up time, one round on a machine with other work to do says only so much.
    least = {"MB": 0.9}
    assert all(row.ratio is None or row.ratio > least.get(row.unit, 0.4) for row in table.rows)


async def test_verify() -> None:
    """The verify benchmark's bundle holds, in the process and by the command."""
    table = await verify.run(rounds=1, sizes={"small": Script()})
    assert value(table, "small: signatures") > 50


async def test_days() -> None:
    """The benchmark's service runs every drill that is due, and leaves no descriptor, task or thread behind."""
    table = await days.run(plans=3, days=2)
    assert value(table, "drills") == 12
    assert value(table, "drills not closed") == 0
    for name in ("descriptors after the last day", "tasks after the last day", "tasks after its end"):
        (row,) = (row for row in table.rows if row.name == name)
        assert row.ratio == 1.0


def test_wrong_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A benchmark that does not exist is refused, not passed over."""
    with pytest.raises(SystemExit):
        main(["drills"])
    assert "no benchmark 'drills'" in capsys.readouterr().err


def test_quantile() -> None:
    """Quantiles are values that were measured."""
    assert (quantile([3, 1, 2], 0.5), quantile([3, 1, 2], 0.95), quantile([7], 0.5)) == (2, 3, 7)


async def test_looking() -> None:
    """The looking benchmark opens a log by the command, and says how much of it there was."""
    table = await looking.run(sites=20)
    assert table.rows[0].name.startswith("opening 20 sites")
    assert table.rows[0].value > 0
