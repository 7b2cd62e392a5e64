"""One power cut over each kind of feed, and an operator's program that misbehaves on demand."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.actuators.command import CommandSwitch
from agents.actuators.cutoff import Cutoff
from agents.actuators.marks import MarkFile, Marks, MemoryMark
from agents.actuators.switch import FeedSwitch, Switch
from agents.feed import FeedFile, MemoryFeed
from protocols.config import CommandActuatorConfig
from protocols.host.clock import SystemClock
from protocols.host.logs import get_logger

CLOCK = SystemClock()
PROGRAM = textwrap.dedent("""\
    import json, os, sys, time
    folder, verb = sys.argv[1:]
    controller = json.load(open(os.path.join(folder, "controller.json")))
    def save():
        with open(os.path.join(folder, "new"), "w") as file:
            json.dump(controller, file)
        os.replace(os.path.join(folder, "new"), os.path.join(folder, "controller.json"))
    controller["calls"].append(verb)
    save()
    mode = controller["modes"].get(verb, "")
    if mode == "fail":
        print("some noise\\nthe relay \\x1b[31m is welded", file=sys.stderr)
        sys.exit(3)
    if mode == "hang":
        if os.fork() == 0:
            open(os.path.join(folder, "grandchild"), "w").write(str(os.getpid()))
        time.sleep(600)
    if mode == "chatty":
        while True: sys.stdout.write("on" * 10_000)
    if mode.startswith("say "):
        sys.stdout.write(mode.removeprefix("say "))
        sys.exit(0)
    if mode == "environment":
        json.dump({"environment": sorted(os.environ), "argv": sys.argv[1:]}, open(os.path.join(folder, "seen"), "w"))
    if verb == "state":
        if controller["lag"] > 0 and controller["is"] != controller["told"]:
            controller["lag"] -= 1
        else:
            controller["is"] = controller["told"]
        save()
        print(controller["is"])
    elif verb in ("on", "off") and mode != "stuck":
        controller["told"] = verb
        save()
""")


class Controller:
    """The operator's program and its state, in a folder.

    Args:
        folder: Where it lives.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "program.py").write_text(PROGRAM)
        self._save({"is": "on", "told": "on", "lag": 0, "modes": {}, "calls": []})

    def config(self, *, limit_s: float = 10.0, settle_s: float = 5.0, check: bool = False) -> CommandActuatorConfig:
        """Return what an enforcer is configured with."""
        on, off, state, checks = (
            (sys.executable, "-S", "-E", str(self.folder / "program.py"), str(self.folder), verb)
            for verb in ("on", "off", "state", "check")
        )
        return CommandActuatorConfig(
            on=on, off=off, state=state, check=checks if check else None, limit_s=limit_s, settle_s=settle_s
        )

    def misbehave(self, **modes: str) -> None:
        """Let verbs misbehave from now on."""
        self._save(self._load() | {"modes": modes})

    def lag(self, looks: int) -> None:
        """Let a switch show only after its state was asked so many times."""
        self._save(self._load() | {"lag": looks})

    def switch(self, word: str) -> None:
        """Switch it by hand, as somebody else."""
        self._save(self._load() | {"is": word, "told": word})

    @property
    def state(self) -> str:
        """What the feed really is."""
        return str(self._load()["is"])

    @property
    def calls(self) -> list[str]:
        """The verbs that it was called with."""
        calls: list[str] = self._load()["calls"]
        return calls

    def _load(self) -> dict:
        return json.loads((self.folder / "controller.json").read_text())

    def _save(self, content: dict) -> None:
        (self.folder / "controller.json").write_text(json.dumps(content))


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    """The operator's program, behaving."""
    return Controller(tmp_path)


class Bench:
    """One feed, which can be switched by hand, and actuators made over it as each start makes them."""

    def __init__(self, switch: Switch, marks: Callable[[], Marks], by_hand: Callable[[bool], None]) -> None:
        self.switch = switch
        self.by_hand = by_hand
        self._marks = marks

    def start(self) -> Cutoff:
        """Start an actuator over what is on disk."""
        actuator = cutoff(self.switch, self._marks())
        actuator.start()
        return actuator


def cutoff(switch: Switch, marks: Marks) -> Cutoff:
    """Make an actuator on the real clock."""
    return Cutoff(switch, marks, log=get_logger(), clock=CLOCK)


def command_switch(controller: Controller, **settings: float | bool) -> CommandSwitch:
    """Return a switch that runs the operator's program."""
    config = controller.config(**settings)  # type: ignore[arg-type]
    return CommandSwitch(config, base=controller.folder, search_path="/usr/bin:/bin", clock=CLOCK)


@pytest.fixture(params=["file", "memory", "command"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Each kind of feed in turn."""
    kept = MemoryMark()
    if request.param == "memory":
        feed = MemoryFeed()
        return Bench(FeedSwitch(feed), lambda: kept, lambda on: feed.switch(on=on))
    if request.param == "file":
        path = tmp_path / "feed.json"
        somebody = FeedFile(path, by="somebody", clock=CLOCK)
        ours = FeedSwitch(FeedFile(path, by="e1", clock=CLOCK))
        return Bench(ours, lambda: MarkFile(tmp_path / "state"), lambda on: somebody.switch(on=on))
    controller = Controller(tmp_path)
    return Bench(
        command_switch(controller, settle_s=1.0),
        lambda: MarkFile(tmp_path / "state"),
        lambda on: controller.switch("on" if on else "off"),
    )
