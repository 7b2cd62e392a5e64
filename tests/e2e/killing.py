"""Programs of a drill that are killed with SIGKILL at random moments, and started again as systemd would."""

from __future__ import annotations

import contextlib
import heapq
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.e2e.fleets import ExternalBroker, OwnFleet
from tests.e2e.processes import Running

DOWN_S = (0.05, 1.5)
"""How long what was killed stays down."""

TRACEBACK = "Traceback (most recent call last)"

_TURN_S = 0.02


class Program(Protocol):
    """Something that can be killed."""

    kind: str

    @property
    def runs(self) -> bool:
        """Whether it runs at this moment."""
        ...

    def kill(self) -> None:
        """Kill it with SIGKILL, and see it gone."""
        ...

    def start(self) -> None:
        """Start it again; does nothing for what starts itself again."""
        ...


class Party:
    """An agent, witness, enforcer or simulated site, started from its configuration file.

    Args:
        kind: What it is, for the table.
        fleet: Whose it is.
        folder: Where it runs; its state lies under it.
        command: Its command line.
    """

    def __init__(self, kind: str, fleet: OwnFleet, folder: Path, *command: str | Path) -> None:
        self.kind = kind
        self.folder = folder
        self._fleet = fleet
        self._command = (*command, "--log", folder / f"{kind}.log")
        self._running: Running | None = None

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.runs

    def said(self) -> str:
        """Return what it printed last, this time."""
        return "" if self._running is None else self._running.said()[-2000:]

    def start(self) -> None:
        """Start it."""
        self._running = self._fleet.processes.start(*self._command, folder=self.folder)

    def kill(self) -> None:
        """Kill it."""
        assert self._running is not None
        self._running.kill()


class Broker:
    """mosquitto.

    Args:
        broker: The running one.
    """

    kind = "mosquitto"

    def __init__(self, broker: ExternalBroker) -> None:
        self._broker = broker
        self.runs = True

    def kill(self) -> None:
        """Kill it."""
        self._broker.kill()
        self.runs = False

    def start(self) -> None:
        """Start it on the same port."""
        self._broker.restart()
        self.runs = True


class Orchestrator:
    """Whichever `haltdrill run` or `resume` is at work; who started it starts the next."""

    kind = "orchestrator"

    def __init__(self) -> None:
        self.current: Running | None = None

    @property
    def runs(self) -> bool:
        """Whether one runs."""
        return self.current is not None and self.current.runs

    def kill(self) -> None:
        """Kill it."""
        assert self.current is not None
        self.current.kill()

    def start(self) -> None:
        """Leave that to who waits for its end."""


def parties_of(fleet: OwnFleet) -> list[Party]:
    """Return every program of a fleet's sites; a simulated site is one, and each of its enforcers another."""
    parties = []
    for site in sorted(fleet.layout.sites.iterdir()):
        if (site / "mock.toml").exists():
            parties.append(Party("mocksite", fleet, site, "mocksite", "--site", site, "--no-enforcers"))
        else:
            configs = [site / "agent.toml", *sorted(site.glob("*/witness.toml"))]
            parties += [Party(config.stem, fleet, config.parent, config.stem, "--config", config) for config in configs]
        for config in sorted(site.glob("*/enforcer.toml")):
            parties.append(Party("enforcer", fleet, config.parent, "enforcer", "--config", config))
    return parties


@dataclass(slots=True)
class Toll:
    """What a campaign did so far, and what it found.

    Attributes:
        kills: By kind of program.
        verdicts: By verdict, over all sites of all drills.
        killed_at: When something was killed, wall time, ns.
        drills: How many drills came to their end.
        resumed: How many of them were taken up again after their orchestrator was killed.
        checked: How many verdicts were held against what the kernel said of the site's workers.
        slowest_s: The longest time from a kill until every site was at work again, holds included.
        overrun_s: The longest time that a site rested beyond its hold.
        notes: How often something happened that is no violation, by what it was.
        violations: What must never happen, and did.
    """

    kills: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    killed_at: list[int] = field(default_factory=list)
    drills: int = 0
    resumed: int = 0
    checked: int = 0
    slowest_s: float = 0.0
    overrun_s: float = 0.0
    notes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Killer:
    """Kills and restarts in a thread of its own, and sees that nothing ends by itself.

    Args:
        programs: What it may kill.
        toll: Where it counts.
        chance: Where its choices come from.
        seen_dead: Called with each party that it has just killed, while nobody writes its state.
    """

    def __init__(
        self, programs: list[Program], toll: Toll, chance: random.Random, seen_dead: Callable[[Party], None]
    ) -> None:
        self._programs = programs
        self._toll = toll
        self._chance = chance
        self._seen_dead = seen_dead
        self._down: set[int] = set()
        self._planned: list[float] = []
        self._restarts: list[tuple[float, int]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer", daemon=True)
        self.failure: BaseException | None = None

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Supervise, and kill what is planned."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def plan(self, kills: int, within_s: float) -> None:
        """Plan kills at random moments of the next `within_s` seconds."""
        now_s = time.monotonic()
        with self._lock:
            self._planned = sorted(now_s + self._chance.uniform(0.0, within_s) for _ in range(kills))

    def forget(self) -> None:
        """Plan no more kills."""
        with self._lock:
            self._planned = []

    @property
    def quiet(self) -> bool:
        """Whether everything that was killed runs again."""
        with self._lock:
            return not self._down

    def _run(self) -> None:
        try:
            while not self._stop.wait(_TURN_S):
                self._turn()
        except BaseException as error:
            self.failure = error
            raise

    def _turn(self) -> None:
        now_s = time.monotonic()
        while self._restarts and self._restarts[0][0] <= now_s:
            _, place = heapq.heappop(self._restarts)
            self._programs[place].start()
            with self._lock:
                self._down.discard(place)
        with self._lock:
            due = bool(self._planned) and self._planned[0] <= now_s
            if due:
                self._planned.pop(0)
        if due:
            self._kill_one(now_s)
        self._see_who_ended(now_s)

    def _kill_one(self, now_s: float) -> None:
        alive = {}
        for place, program in enumerate(self._programs):
            if place not in self._down and program.runs:
                alive.setdefault(program.kind, []).append(place)
        # By kind first: there are many witnesses, and one orchestrator.
        kind = self._chance.choice(sorted(alive))
        place = self._chance.choice(alive[kind])
        program = self._programs[place]
        program.kill()
        self._toll.kills[kind] += 1
        self._toll.killed_at.append(time.time_ns())
        if isinstance(program, Party):
            self._seen_dead(program)
        if kind != Orchestrator.kind:
            self._be_down(place, now_s)

    def _be_down(self, place: int, now_s: float) -> None:
        with self._lock:
            self._down.add(place)
        heapq.heappush(self._restarts, (now_s + self._chance.uniform(*DOWN_S), place))

    def _see_who_ended(self, now_s: float) -> None:
        for place, program in enumerate(self._programs):
            if isinstance(program, Party) and place not in self._down and not program.runs:
                self._toll.violations.append(f"{program.kind} in {program.folder} ended by itself: {program.said()}")
                self._be_down(place, now_s)
