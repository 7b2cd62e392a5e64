"""Real drills over mosquitto, in which every program is killed with SIGKILL at random moments.

`python -m tests.e2e.kills --kills 200` (`make kills`) makes a fleet of two sites of real processes and
a simulated one with its enforcer, runs drills of four kinds one after the other, kills orchestrator,
agents, witnesses, enforcer, simulated site and mosquitto, restarts each soon after, and holds every
drill to what the README promises. It prints a table, and exits 1 at the first broken promise.

The moments are drawn from `--seed`; what they hit depends on the machine, so a seed repeats the
choices and not the run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.fleet.spec import DEFAULT_OWNERS
from protocols.host.clock import SystemClock
from tests.brokers import free_port
from tests.e2e.fleets import ExternalBroker, OwnFleet, external_broker
from tests.e2e.kill_checks import Journal, Stores, Times, count_observed, false_words
from tests.e2e.kill_plans import KINDS, SIMULATED_TIMES, Kind
from tests.e2e.killing import DOWN_S, TRACEBACK, Broker, Killer, Orchestrator, Party, Program, Toll, parties_of
from tests.e2e.processes import Ended, Processes, until
from tests.e2e.watching import Watch

BACK_S = 8.0
"""How much longer than its hold a site may rest: its agent is down, then it starts, on a busy machine."""

DRILL_S = 120.0
"""A drill with all its restarts must be over by then."""

ATTEMPTS = 14
KILLS_A_DRILL = (1, 2, 3, 5, 7, 9)

_SIGKILLED = -9
_RATE_SPAN_S = 1.0
_RATE_BACK = 0.25
"""Which part of its rate before a drill a site must show again after it; the machine has others to serve."""

_S = 1_000_000_000


class Campaign:
    """A fleet whose programs are killed while it is drilled.

    Args:
        folder: Where everything lies.
        fleet: The fleet.
        broker: Its mosquitto.
        watch: The truth about its sites of real processes.
        chance: Where all choices come from.
        kinds: The drills that are run in turn.
        progress: Whether to print how it goes.
    """

    def __init__(
        self,
        folder: Path,
        fleet: OwnFleet,
        broker: ExternalBroker,
        watch: Watch,
        chance: random.Random,
        *,
        kinds: Sequence[Kind],
        progress: bool,
    ) -> None:
        self.fleet = fleet
        self.toll = Toll()
        self._watch = watch
        self._chance = chance
        self._progress = progress
        self._since_s = time.monotonic()
        self._journal = Journal(fleet.layout.folder / "journal.sqlite")
        scratch = folder / "scratch"
        scratch.mkdir()
        self.stores = Stores(scratch)
        self._parties = parties_of(fleet)
        self._orchestrator = Orchestrator()
        programs: list[Program] = [*self._parties, Broker(broker), self._orchestrator]
        self._killer = Killer(programs, self.toll, chance, self._seen_dead)
        self._plans = [(kind, self._approved(kind)) for kind in kinds]

    # -- before ------------------------------------------------------------------------------------

    def _approved(self, kind: Kind) -> Path:
        sites = [site for site in self.fleet.sites if (kind.mock if site not in self._watch.work else kind.real)]
        path = self.fleet.layout.plans / f"killed-{kind.name}.yaml"
        path.write_text(kind.text(sites, SystemClock().wall_ns()))
        for owner in DEFAULT_OWNERS[:3]:
            self.fleet.approve(path, owner).expect(0)
        return path

    def run(self, kills: int, kills_a_drill: Sequence[int] = KILLS_A_DRILL) -> Toll:
        """Drill until so many programs were killed; stop at a violation."""
        for party in self._parties:
            party.start()
        until(self._all_work, "every site at work")
        with self._killer.at_work():
            number = 0
            while (left := kills - len(self.toll.killed_at)) > 0 and not self.toll.violations:
                kind, plan = self._plans[number % len(self._plans)]
                self._one_more(kind, plan, min(left, self._chance.choice(kills_a_drill)))
                number += 1
                self._say(f"drill {number} ({kind.control})", kills)
        for party in self._parties:
            party.kill()
            self._seen_dead(party)
        return self.toll

    def _one_more(self, kind: Kind, plan: Path, kills: int) -> None:
        try:
            self._drill(kind, plan, kills)
        except AssertionError as error:
            self.toll.violations.append(f"a {kind.control}: {error}")
        if self._killer.failure is not None:
            raise self._killer.failure

    def _all_work(self) -> bool:
        return all(self._watch.works(site, 0.5) for site in self._watch.work)

    def _say(self, what: str, kills: int) -> None:
        if self._progress:
            verdicts = ", ".join(f"{count} {verdict}" for verdict, count in self.toll.verdicts.most_common())
            past_s = time.monotonic() - self._since_s
            sys.stdout.write(
                f"{past_s:5.0f} s  {len(self.toll.killed_at)} of {kills} kills  {what}: {verdicts}; "
                f"violations {len(self.toll.violations)}\n"
            )
            sys.stdout.flush()

    def _seen_dead(self, party: Party) -> None:
        self.toll.violations += self.stores.losses(party.kind, party.folder)
        if TRACEBACK in party.said():
            self.toll.violations.append(f"{party.kind} in {party.folder} crashed: {party.said()}")

    # -- one drill ---------------------------------------------------------------------------------

    def _drill(self, kind: Kind, plan: Path, kills: int) -> None:
        before, since_ns = set(self._journal.drills()), time.time_ns()
        mock_kills = self.toll.kills["mocksite"]
        rates = {site: self._watch.rate(site, _RATE_SPAN_S) for site in self._watch.work}
        self._killer.plan(kills, kind.hold_s + 5.0)
        told = self._to_its_end(plan)
        self._killer.forget()
        self._back_at_work(kind, since_ns, rates)
        self.toll.violations += self._journal.losses()
        for drill, closed in self._journal.drills().items():
            if drill in before:
                continue
            if not closed:
                self.toll.violations.append(f"{drill} did not come to its end")
            elif lines := self._journal.lines(drill):
                self._hold_to(drill, lines, told.get(drill), mock_killed=self.toll.kills["mocksite"] > mock_kills)
            else:
                self.toll.notes["killed before it was opened"] += 1

    def _to_its_end(self, plan: Path) -> dict[str, dict[str, Any]]:
        """Run a drill, and start again as often as it is killed; return the results that were printed."""
        told: dict[str, dict[str, Any]] = {}
        deadline_s, before = time.monotonic() + DRILL_S, set(self._journal.drills())
        for attempt in range(ATTEMPTS):
            begun = set(self._journal.drills()) - before
            command: tuple[str | Path, ...] = ("run", plan, "--wait-s", "30")
            # `run` takes up by itself what was left of its plan; a drill that is whole is not to be run twice.
            if begun and (all(self._journal.drills().values()) or self._chance.random() < 0.5):
                command = ("resume", "--fleet", self.fleet.layout.folder)
            if attempt == ATTEMPTS - 2:
                self._killer.forget()
            self._orchestrator.current = running = self.fleet.processes.start(*command, "--json")
            ended = running.end(max(1.0, deadline_s - time.monotonic()))
            if ended.code == _SIGKILLED:
                self.toll.violations += self._journal.losses()
                time.sleep(self._chance.uniform(*DOWN_S))  # as long as a supervisor would take
            elif ended.code in {0, 1}:
                result = ended.expect(ended.code).json()
                if "drill" in result:
                    told[result["drill"]] = result
                return told
            else:
                self._note(ended)
        self.toll.violations.append(f"no end after {ATTEMPTS} attempts: {plan.name}")
        return told

    def _note(self, ended: Ended) -> None:
        line = ended.expect(ended.code).one_error()
        self.toll.notes[f"exit code {ended.code}: {line.split(': ', 1)[-1][:90]}"] += 1

    def _hold_to(self, drill: str, lines: list[bytes], told: dict[str, Any] | None, *, mock_killed: bool) -> None:
        """Hold a closed drill to its promises."""
        layout = self.fleet.layout
        result = told
        if result is None:
            # Killed when it was over, before its files were written.
            ended = self.fleet.processes.run("export", drill, "--fleet", layout.folder, "--json")
            result = ended.json()
            self.toll.notes["exported afterwards"] += 1
        bundle = layout.folder / "drills" / drill / "bundle.jsonl"
        verified = self.fleet.processes.run("verify", bundle, "--root", layout.documents.root)
        if verified.code != 0:
            self.toll.violations.append(f"{drill}: its evidence does not hold: {verified.said[-1500:]}")
        times = Times.of(lines)
        self.toll.drills += 1
        self.toll.resumed += times.epochs > 1
        for step in result["steps"]:
            if {entry["site"] for entry in step["sites"]} != set(result["audience"]):
                self.toll.violations.append(f"{drill}: a site has no verdict")
            for entry in step["sites"]:
                self._count(drill, step, entry, mock_killed=mock_killed)
        self.toll.violations += false_words(result, times, self._watch.work)
        self.toll.checked += count_observed(result, times, self._watch.work)

    def _count(self, drill: str, step: Mapping[str, Any], entry: Mapping[str, Any], *, mock_killed: bool) -> None:
        found = entry["result"]
        self.toll.verdicts[found["verdict"]] += 1
        if found["verdict"] != "verified":
            control, mock = step["params"]["control"], " (simulated)" if entry["mock"] else ""
            self.toll.notes[f"{found['verdict']} {found['cause']} {control}{mock}"] += 1
        # A simulated site that is killed is a site that lost its world: nobody knows what was true of it.
        accused = found["verdict"] in {"contradicted", "broken"}
        if entry["mock"] and accused and not mock_killed:
            self.toll.violations.append(f"{drill}, {entry['site']}: {found['verdict']} ({found['cause']}) and honest")

    # -- after it ----------------------------------------------------------------------------------

    def _back_at_work(self, kind: Kind, since_ns: int, rates: Mapping[str, float]) -> None:
        """Hold every site to being back: none held, each with its one worker, and that at its rate."""
        try:
            until(lambda: self._killer.quiet and self._all_work() and self._all_on(), "every site back", BACK_S)
            until(
                lambda: all(self._watch.rate(site, _RATE_SPAN_S) >= _RATE_BACK * rate for site, rate in rates.items()),
                "every site at its rate",
                BACK_S,
            )
        except AssertionError as error:
            self.toll.violations.append(f"after a {kind.control}: {error}")
        for site, work in self._watch.work.items():
            if (held := self._watch.held(site)) is not None:
                self.toll.violations.append(f"after a {kind.control}, {site}: {held}")
            if self._watch.workers(site) != 1:
                self.toll.violations.append(f"after a {kind.control}, {site} has {self._watch.workers(site)} workers")
            for began_ns, ended_ns in work.rests(since_ns):
                self._rested(site, kind, began_ns, ended_ns)

    def _rested(self, site: str, kind: Kind, began_ns: int, ended_ns: int) -> None:
        rest_s = (ended_ns - began_ns) / _S
        self.toll.overrun_s = max(self.toll.overrun_s, rest_s - kind.hold_s)
        if rest_s > kind.hold_s + BACK_S:
            self.toll.violations.append(f"{site} rested for {rest_s:.1f} s, its hold was {kind.hold_s:g} s")
        if during := [at_ns for at_ns in self.toll.killed_at if began_ns <= at_ns <= ended_ns]:
            self.toll.slowest_s = max(self.toll.slowest_s, (ended_ns - min(during)) / _S)

    def _all_on(self) -> bool:
        """Tell whether every simulated site has power."""
        feeds = self.fleet.layout.sites.glob("*/feed.json")
        return all(json.loads(path.read_text())["feed"] == "on" for path in feeds)


def campaign(
    folder: Path,
    kills: int,
    seed: int,
    *,
    kinds: Sequence[Kind] = KINDS,
    kills_a_drill: Sequence[int] = KILLS_A_DRILL,
    progress: bool = False,
) -> tuple[Toll, str]:
    """Run a campaign; return what it found, and its table."""
    chance, port, since_s = random.Random(seed), free_port(), time.monotonic()
    with Processes(folder) as processes, external_broker() as broker:
        fleet = OwnFleet(folder, processes, port=port, sites=2, mock=1)
        fleet.use_broker(port, broker.port)
        layout = fleet.layout
        for config in layout.sites.glob("*/mock.toml"):
            for slow, fast in SIMULATED_TIMES:
                fleet.edit(config, slow, fast)
        real = [(site, layout.site(site).folder) for site in fleet.sites if not layout.site(site).mock.exists()]
        with Watch(real) as watch:
            made = Campaign(folder, fleet, broker, watch, chance, kinds=kinds, progress=progress)
            toll = made.run(kills, kills_a_drill)
            return toll, table(toll, made.stores.looked, watch.longest_gap_s, time.monotonic() - since_s)


def table(toll: Toll, looked: int, longest_gap_s: float, wall_s: float) -> str:
    """Return what a campaign found, for people."""
    rows = [f"kills       {len(toll.killed_at):>5}"]
    rows += [f"  {kind:<24}{count:>5}" for kind, count in sorted(toll.kills.items())]
    rows += [f"drills      {toll.drills:>5}  ({toll.resumed} taken up again after their orchestrator was killed)"]
    rows += ["verdicts"]
    rows += [f"  {verdict:<24}{count:>5}" for verdict, count in toll.verdicts.most_common()]
    rows += [f"  held against the kernel {toll.checked:>5}"]
    rows += ["notes"] + [f"  {count:>5}  {note}" for note, count in toll.notes.most_common()]
    rows += [f"stores opened after a kill {looked:>4}"]
    rows += [
        f"longest from a kill in a hold to the site at work  {toll.slowest_s:.1f} s, the rest of the hold included"
    ]
    rows += [f"longest rest beyond a hold                         {max(0.0, toll.overrun_s):.1f} s"]
    rows += [f"longest time that nobody looked                    {longest_gap_s:.2f} s"]
    rows += [f"wall time                                          {wall_s:.0f} s"]
    rows += [f"violations  {len(toll.violations)}", *(f"  {violation}" for violation in toll.violations)]
    return "\n".join(rows) + "\n"


def main() -> int:
    """Run a campaign from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.kills", description="Kill programs in real drills.")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="how many to kill")
    parser.add_argument("--seed", type=int, default=None, metavar="S", help="what the moments are drawn from")
    parser.add_argument("--keep", type=Path, default=None, metavar="DIR", help="leave everything in this new folder")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    sys.stdout.write(f"seed {seed}\n")
    with tempfile.TemporaryDirectory(prefix="haltdrill-kills-") as temporary:
        folder = Path(temporary) if given.keep is None else given.keep
        folder.mkdir(exist_ok=True)
        toll, text = campaign(folder, given.kills, seed, progress=True)
    sys.stdout.write(text)
    return 1 if toll.violations else 0


if __name__ == "__main__":
    sys.exit(main())
