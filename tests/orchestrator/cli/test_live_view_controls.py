"""The live view of controls that are no pause, and of a ladder: what is exercised now, loudly, and never `quiet`."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli import live_view
from orchestrator.cli.finishing import Finished, step_table, step_title, tell
from orchestrator.cli.live_view import Row, climbed, headline, particulars, render, row_of
from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.live import Live
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase
from protocols.controls import (
    Control,
    LeaseParams,
    Params,
    PowerCutParams,
    RefusalParams,
    ShutdownParams,
    StandbyParams,
)
from protocols.messages import Message, OffLevel, Rung
from protocols.signals import FEED, LIVE_PROCESSES, POWER
from tests.kit import CPU_SIGNAL, Fleet, make_fleet
from tests.orchestrator.report.results import drill_of, ladder_step, other_steps, standby_step
from tests.orchestrator.runtime.parts import OFF_W
from tests.orchestrator.runtime.scripted import Script, Stage
from tests.virtual import run_virtual

LADDER = (
    Rung(params=ShutdownParams(grace_s=1.0), response_limit_s=4.0),
    Rung(params=PowerCutParams(), response_limit_s=4.0),
)


def fleet_of(*sites: str) -> Fleet:
    """Make a fleet that supports every control and can be cut off."""
    return make_fleet(
        sites,
        enforcers=1,
        covers=(CPU_SIGNAL, LIVE_PROCESSES, POWER, FEED),
        off_levels=(OffLevel(signal=POWER, at_most=OFF_W + 10),),
        record={"controls": tuple(Control)},
    )


def drawn(stage: Stage, width: int = 80) -> str:
    """Return the whole view as a terminal without colour shows it."""
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        console.print(render(stage.running.drill, stage.running.live, stage.running.now()))
    return captured.get()


def play(fleet: Fleet, scripts: dict[str, Script], look: Callable[[Stage, ev.Event], None], **step: Any) -> Stage:
    """Run a drill of one step, and look at it after every event."""
    stage = Stage(fleet, scripts)

    def note(stamped: ev.Stamped, _said: Message | None) -> None:
        look(stage, stamped.event)

    run_virtual(stage.play(fleet.warrant(fleet.step(**step)), observers=[note]))
    return stage


def test_a_climb_is_loud_and_says_what_is_exercised_now() -> None:
    """A site on a higher rung shows which, in capitals, with the word of that control, and fits 80 columns."""
    rows: list[Row] = []
    views: list[str] = []
    said: dict[tuple[int, str, int], str] = {}
    counted: list[str] = []

    def look(stage: Stage, event: ev.Event) -> None:
        drill = stage.running.drill
        said.update(climbed(drill))
        if drill.phase is Phase.ORDERED and isinstance(event, ev.ReadingReceived) and event.witness == "w1":
            rows.append(row_of(drill, stage.running.live, "us-east-2"))
        if isinstance(event, ev.ReleaseIssued):
            views.append(drawn(stage))
            counted.extend(particulars(drill))

    fleet = fleet_of("eu-north-1", "us-east-2")
    play(fleet, {"us-east-2": Script(silent=True)}, look, hold_s=30.0, ladder=LADDER)
    assert {row.rung for row in rows} == {"", "2/3 SHUTDOWN", "3/3 POWER CUT"}
    assert any(row.rung == "3/3 POWER CUT" and row.state == "POWER OFF" for row in rows)
    assert not any(row.state == "HALTED" for row in rows)
    assert any(row.own.endswith("says done") and not row.own.startswith("says") for row in rows)
    assert said[0, "us-east-2", 1] == "us-east-2 CLIMBS to rung 2 of 3, shutdown: its agent answered nothing"
    assert {site for _, site, _ in said} == {"us-east-2"}
    assert counted == ["1 SITE ON RUNG 3 OF 3: POWER CUT"]
    line = next(line for line in views[0].splitlines() if line.startswith("us-east-2"))
    assert "POWER CUT" in line
    assert "\N{HORIZONTAL ELLIPSIS}" not in views[0]
    assert "a ladder of 3" in views[0]


@pytest.mark.parametrize(
    ("params", "state"),
    [(StandbyParams(), "STEADY"), (RefusalParams(), "STEADY"), (LeaseParams(licence_s=2.0, renewed_s=3.0), "HALTED")],
)
def test_each_control_has_its_own_words(params: Params, state: str) -> None:
    """What keeps working is steady and never quiet or halted, and there is nothing that it comes back from."""
    states: dict[Phase, set[str]] = {}
    views: list[str] = []

    def look(stage: Stage, event: ev.Event) -> None:
        drill = stage.running.drill
        if isinstance(event, ev.ReadingReceived) and event.site == "alpha" and event.witness == "w1":
            states.setdefault(drill.phase, set()).add(row_of(drill, stage.running.live, "alpha").state)
        if isinstance(event, ev.ReceiptReceived | ev.LeaseStopped | ev.ReleaseIssued | ev.StepEnded):
            views.append(drawn(stage))

    play(fleet_of("alpha"), {}, look, params=params, hold_s=15.0)
    assert state in states[Phase.ORDERED]
    whole = " ".join(views)
    if isinstance(params, LeaseParams):
        assert "licences are still renewed" in whole
        assert "no licence is renewed any more" in whole
        assert "BACK AT WORK" in states[Phase.RECOVERING]
        return
    assert "quiet" not in whole.lower()
    assert not any("halt" in said.lower() for found in states.values() for said in found)
    assert "coming back" not in whole
    if isinstance(params, RefusalParams):
        assert " refused" in whole


def test_who_is_in_trouble_comes_first_when_not_all_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more sites than rows, nobody who climbed or lies is hidden under the fold."""
    monkeypatch.setattr(live_view, "ROWS_MAX", 2)
    sites = [f"s-{number}" for number in range(4)]
    views: list[str] = []

    def look(stage: Stage, event: ev.Event) -> None:
        if isinstance(event, ev.ReleaseIssued):
            views.append(drawn(stage))

    play(make_fleet(sites, witnesses=2), {sites[-1]: Script(lies=True)}, look, hold_s=12.0)
    lines = views[0].splitlines()
    first = next(line for line in lines if line.startswith("s-"))
    assert first.startswith(sites[-1])
    assert "CONTRADICTED" in first
    assert "and 2 more sites" in views[0]


def shown(finished: Finished, width: int = 80) -> str:
    """Return how a drill's end is told."""
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        tell(finished, console, root=Path("root.json"), fleet=Path("headquarters"))
    return captured.get()


def test_the_end_tells_rungs_and_armed_nonces_and_nothing_hostile() -> None:
    """The table names the rung that each site came to; what parties said moves no cursor."""
    result = drill_of(ladder_step(), standby_step(), *other_steps())
    text = shown(Finished(result, Path("d"), Path("b.jsonl"), Path("r.html")))
    assert "3 of 3: power cut" in text
    assert "step-0, pause > shutdown > power cut: halted within 5 s" in text
    assert f"plan fire {result.drill} --fleet headquarters" in text
    arming = result.steps[4].model_copy(update={"name": "decommission"})
    assert step_title(arming).startswith("decommission (armed only): its armed nonce")
    assert "\u202e" not in text
    console = Console(width=80, file=io.StringIO())
    with console.capture() as captured:
        console.print(step_table(result.steps[0]))
    assert "\N{HORIZONTAL ELLIPSIS}" not in captured.get()


def test_nothing_is_claimed_of_a_drill_that_is_opening() -> None:
    """Before its first step the view draws, and says only that it opens."""
    fleet = fleet_of("alpha")
    drill = Drill(fleet.trust(), fleet.warrant())
    assert headline(drill, Instant(1, 0)) == "opening"
    assert (particulars(drill), climbed(drill)) == ([], {})
    assert render(drill, Live(drill), Instant(1, 0)).renderables
