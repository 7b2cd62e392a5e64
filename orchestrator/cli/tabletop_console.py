"""The facilitator's console: injects and decisions as they come, and the clock in the facilitator's hands."""

from __future__ import annotations

import asyncio
import select
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from orchestrator.tabletop import record as r
from orchestrator.tabletop.after_markdown import clock
from orchestrator.tabletop.director import Choice, Director
from orchestrator.tabletop.loop import Pace
from orchestrator.tabletop.playing import Played, play
from orchestrator.tabletop.spec import Decision, Inject, Scenario

POLL_S = 0.2

HELP = """\
  Enter               where everything stands
  p, g, x 10          let time stand still; let it go; ten times as fast as life
  j                   jump to what comes next
  d OPTION [words]    take down a decision that waits, with what was said to it
  i NAME              give an inject, or ask a decision, now
  c WHO words         take down what somebody said
  r OBJECTIVE P words rate an objective: P, S, M or U
  q                   end the exercise"""


@dataclass
class Desk:
    """The console of one exercise. What it does to the exercise it orders on the exercise's own loop."""

    scenario: Scenario
    screen: Console
    pace: Pace
    speed: float
    director: Director | None = None
    waiting: dict[str, asyncio.Future[Choice]] = field(default_factory=dict)
    ended: bool = False
    _giving: asyncio.Future[None] | None = None

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self.screen.print(Text(text, style=style), soft_wrap=True, highlight=False)

    # -- on the exercise's loop ---------------------------------------------------------------------------

    def directed(self, director: Director) -> None:
        """Take part in an exercise."""
        self.director = director
        director.told.append(self._inject)
        director.record.told.append(self._entered)

    def _inject(self, inject: Inject) -> None:
        to = ", ".join(inject.to) or "nobody"
        self.say(f"\n[{self._now()}] INJECT for {to}: {inject.text}", "bold")
        if inject.expected:
            self.say(f"            expected: {inject.expected}", "dim")

    def _entered(self, one: r.Stamped) -> None:
        match one.entry:
            case r.Happened(what=what, done=done):
                self.say(f"[{clock(one.at_s)}] {what}", "" if done else "red")
            case r.DrillBegan(name=name):
                self.say(f"[{clock(one.at_s)}] drill {name} is ordered", "cyan")
            case r.DrillEnded(name=name, verdicts=verdicts):
                counts = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in verdicts.items())
                self.say(f"[{clock(one.at_s)}] drill {name} is over: {counts}", "cyan")
            case r.Chose(decision=name, option=option, by=by):
                self.say(f"[{clock(one.at_s)}] {name}: {option}, by {by}", "green")
            case _:
                pass

    async def decide(self, decision: Decision) -> Choice:
        """Wait for the facilitator to take the decision down. Time stands still meanwhile only if told so."""
        future: asyncio.Future[Choice] = asyncio.get_running_loop().create_future()
        self.waiting[decision.name] = future
        self.say(
            f"\n[{self._now()}] DECISION for {decision.to}, within {decision.within_s:g} s: {decision.question}", "bold"
        )
        for option in decision.options:
            mark = "  (expected)" if option.expected else ""
            self.say(f"    d {option.name:20} {option.text}{mark}")
        try:
            return await future
        finally:
            del self.waiting[decision.name]

    def _now(self) -> str:
        return clock(self.director.now_s) if self.director is not None else "0:00:00"

    # -- in the room --------------------------------------------------------------------------------------

    def command(self, line: str) -> None:
        """Do what the facilitator typed."""
        word, _, rest = line.strip().partition(" ")
        doers: dict[str, Callable[[str], None]] = {
            "": lambda _rest: self.pace.order(self._status),
            "?": lambda _rest: self.say(HELP),
            "p": lambda _rest: self._paced(0.0),
            "g": lambda _rest: self._paced(self.speed),
            "x": self._faster,
            "j": lambda _rest: self.pace.order(self._jump),
            "d": lambda rest: self.pace.order(lambda: self._decided(rest)),
            "i": lambda rest: self.pace.order(lambda: self._give(rest)),
            "c": lambda rest: self.pace.order(lambda: self._comment(rest)),
            "r": lambda rest: self.pace.order(lambda: self._rate(rest)),
            "q": lambda _rest: self._quit(),
        }
        doer = doers.get(word)
        if doer is None:
            self.say(f"there is no command {word!r}; ? lists them", "red")
        else:
            doer(rest.strip())

    def _paced(self, factor: float) -> None:
        self.pace.set(factor)
        self.say("time stands still" if factor == 0 else f"time goes {factor:g} times as fast as life")

    def _faster(self, rest: str) -> None:
        try:
            speed = float(rest)
        except ValueError:
            speed = 0.0
        if not 0.1 <= speed <= 600:  # noqa: PLR2004 - what --pace takes
            self.say("x takes a number from 0.1 to 600", "red")
            return
        self.speed = speed
        self._paced(speed)

    def _quit(self) -> None:
        self.ended = True

        def end() -> None:
            if self.director is not None:
                self.director.end()

        self.pace.order(end)
        self.pace.set(None)

    # -- ordered on the exercise's loop -------------------------------------------------------------------

    def _status(self) -> None:
        director = self.director
        if director is None:
            return
        self.say(f"[{self._now()}] of {clock(self.scenario.ends_at_s)}; time x {self.pace.factor:g}")
        for name, driven in director.drills.all.items():
            counts: dict[str, int] = {}
            for stands in driven.standings().values():
                counts[stands.value] = counts.get(stands.value, 0) + 1
            words = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in counts.items())
            self.say(f"    {name}: {driven.phase or 'not begun'}{': ' + words if words else ''}")
        for name in self.waiting:
            self.say(f"    waits for a decision: {name}", "yellow")

    def _jump(self) -> None:
        director = self.director
        if director is None:
            return
        listed = (*self.scenario.injects, *self.scenario.decisions)
        later = [one.at_s for one in listed if one.at_s is not None and one.at_s > director.now_s]
        target_s = min([*later, self.scenario.ends_at_s])
        self.say(f"jumping to {clock(target_s)}")
        self.pace.jump(target_s)

    def _decided(self, rest: str) -> None:
        option, _, why = rest.partition(" ")
        for decision in self.scenario.decisions:
            if decision.name in self.waiting and option in {one.name for one in decision.options}:
                self.waiting[decision.name].set_result(Choice(option, decision.to, why))
                return
        options = [one.name for d in self.scenario.decisions if d.name in self.waiting for one in d.options]
        self.say(f"no decision that waits has an option {option!r}; there is {', '.join(options) or 'none'}", "red")

    def _give(self, rest: str) -> None:
        director = self.director
        if director is None:
            return

        async def give() -> None:
            if not await director.give_by_hand(rest):
                names = [*(one.name for one in self.scenario.injects), *(one.name for one in self.scenario.decisions)]
                left = ", ".join(name for name in names if name not in director.given)
                self.say(f"there is no {rest!r} that was not given; left: {left or 'nothing'}", "red")

        self._giving = asyncio.ensure_future(give())

    def _comment(self, rest: str) -> None:
        who, _, text = rest.partition(" ")
        if self.director is None or not text:
            self.say("c takes who said it, and the words", "red")
            return
        self.director.comment(who, text)

    def _rate(self, rest: str) -> None:
        about, _, answer = rest.partition(" ")
        known = [one.name for one in self.scenario.objectives]
        if self.director is None or about not in known or answer[:1].upper() not in set("PSMU"):
            self.say(f"r takes an objective ({', '.join(known)}), then P, S, M or U", "red")
            return
        self.director.rate(r.FACILITATOR, about, answer)


def facilitated(scenario: Scenario, *, seed: int | None, pace: float, screen: Console) -> Played:
    """Play a scenario with a facilitator at the terminal.

    Args:
        scenario: The scenario.
        seed: The seed of this run; the scenario's own if not given.
        pace: How many times faster than life it goes at first.
        screen: Where it is shown.
    """
    clockwork = Pace(pace)
    console = Desk(scenario, screen, clockwork, pace)
    console.say(scenario.title, "bold")
    console.say(scenario.situation)
    for role in scenario.roles:
        console.say(f"  {role.name}: {role.title}. {role.brief}")
    console.say(HELP, "dim")
    done: list[Played] = []
    failed: list[BaseException] = []

    def exercise() -> None:
        try:
            done.append(play(scenario, players=console, seed=seed, pace=clockwork, directed=console.directed))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=exercise, name="exercise", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            line = _typed(POLL_S)
            if line is None:
                continue
            if not line:
                console.say("Nothing more is typed: it plays on to its end at this pace; Ctrl-C ends it.", "yellow")
                break
            console.command(line)
        thread.join()
    except KeyboardInterrupt:
        console.command("q")
        thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _typed(timeout_s: float) -> str | None:
    """Return a line that was typed; None if there was none within the time, empty at the end."""
    ready, _, _ = select.select([sys.stdin], [], [], timeout_s)
    return sys.stdin.readline() if ready else None
