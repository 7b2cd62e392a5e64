"""What goes on beside a drill: whoever cuts, crashes, lies, steals, vetoes, floods, and sets clocks wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from protocols.envelope import seal
from protocols.messages import AGENT, Warrant
from protocols.mock_config import Fault, FaultTiming
from tests import kit
from tests.simulation.mortal import POINTS
from tests.simulation.plot import Plot, Strike
from tests.simulation.resumed import ORCHESTRATOR, ResumedStorm
from tests.simulation.storm import WITNESSES, Storm
from tests.simulation.thief import Thief

_OF_ALL_WITNESSES = frozenset({Fault.METER_STUCK, Fault.METER_REPLAYING})
_DRIFTS_PPM = (-200, -50, 50, 200)
_DIES_WITHIN_S = 8.0
_NEVER_S = 1e6
_POINTS_OF_ORCHESTRATOR = ("disk.before", "disk.after", "publish.before", "publish.after")


@dataclass
class Scene:
    """A storm in which a plot is played.

    Attributes:
        struck: The strikes that there were.
    """

    storm: ResumedStorm
    plot: Plot
    warrant: Warrant
    struck: set[Strike] = field(default_factory=set)

    async def strikes(self, kind: str, least_s: float, most_s: float) -> AsyncIterator[random.Random]:
        """Yield the chance of each strike of a kind, after its pause, for ever."""
        number = 0
        while True:
            chance = self.plot.chance(kind, number)
            await self.storm.clock.sleep(chance.uniform(least_s, most_s))
            if (kind, number) not in self.plot.skipped:
                self.struck.add((kind, number))
                yield chance
            number += 1


Trouble = Callable[[Scene], Awaitable[None]]


def bend(storm: Storm, plot: Plot) -> None:
    """Bend what is bent from the start, before anybody runs."""
    if plot.fault is not None:
        site = storm.site_names[0]
        if plot.fault.since_s == 0:
            storm.switch(site, plot.fault.fault, on=True)
        if plot.fault.fault in _OF_ALL_WITNESSES:
            for witness in kit.witness_names(WITNESSES):
                storm.call_liar(f"{site}/{witness}")
        if plot.fault.fault is Fault.DRIFTING_CLOCK:
            storm.noted.drift_ppm = round(FaultTiming().drift * 1e6) + 1
    if "lies" in plot.troubles:
        chance = plot.chance("lies")
        for site in storm.site_names:
            _bend_witness(storm, site, chance)
    if _has_clocks(plot):
        chance = plot.chance("drifts")
        for name in storm.parties:
            storm.drift(name, chance.choice(_DRIFTS_PPM))


def _bend_witness(storm: Storm, site: str, chance: random.Random) -> None:
    number, since_s, for_s = chance.randint(1, WITNESSES), chance.uniform(2, 12), chance.uniform(2.5, 5.0)
    who, hushed = f"{site}/w{number}", chance.random()
    match chance.choice(("active", "active", "quiet", "when halted", "when halted", "withholds")):
        case "withholds":
            # Alone it is not missed; where all others but one do so, nothing may be believed.
            spared = {number} if hushed < 0.8 else set(range(1, WITNESSES + 1)) - {number}
            storm.withholds |= {f"{site}/w{one}" for one in range(1, WITNESSES + 1) if one not in spared}
        case "when halted":
            # Its word is against the others' only for a while; were the report there, that would be a louder matter.
            storm.lies_when_halted[site] = storm.lie(who, active=True, since_s=_NEVER_S, for_s=for_s)
            if hushed < 0.8:
                storm.hushed.add(f"{site}/{AGENT}")
        case kind:
            storm.lie(who, active=kind == "active", since_s=since_s)
            if hushed < 0.2:
                storm.hushed.add(f"{site}/{AGENT}")


def _has_clocks(plot: Plot) -> bool:
    # A drifting clock is a fault of its own, which a machine's clock would take the place of.
    return "clocks" in plot.troubles and (plot.fault is None or plot.fault.fault is not Fault.DRIFTING_CLOCK)


def beside(plot: Plot) -> list[Trouble]:
    """Return what goes on beside the drills of a plot."""
    listed: list[Trouble] = []
    if "cuts" in plot.troubles:
        listed += [lambda scene: _cuts(scene, "cuts/1"), lambda scene: _cuts(scene, "cuts/2")]
    if "crashes" in plot.troubles:
        listed += [lambda scene: _crashes(scene, "crashes/1"), lambda scene: _crashes(scene, "crashes/2")]
    if plot.fault is not None and plot.fault.since_s:
        listed.append(_fault)
    if _has_clocks(plot):
        listed.append(_clocks)
    listed += [trouble for kind, trouble in _SINGLE.items() if kind in plot.troubles]
    return listed


async def _cuts(scene: Scene, kind: str) -> None:
    storm = scene.storm
    async for chance in scene.strikes(kind, 1, 8):
        name = chance.choice([*storm.parties, "orchestrator"])
        await storm.cut(name, chance.choice((2.0, 5.0, 12.0, 25.0)) if name != "orchestrator" else 3.0)


async def _crashes(scene: Scene, kind: str) -> None:
    storm = scene.storm
    async for chance in scene.strikes(kind, 1, 8):
        name = chance.choice([*storm.parties])
        if not storm.life(name).alive:
            continue
        site, _, who = name.partition("/")
        acting = not who.startswith("w")
        back = not acting and chance.random() < 0.4 and not storm.noted.lying.get(site)
        cut = acting and chance.random() < 0.5
        point, crossings, tear = chance.choice((None, *POINTS)), chance.randint(1, 4), chance.random()
        for_s, reboot = chance.choice((0.1, 1.0, 6.0)), chance.random() < 0.5
        skew_s = chance.choice((0.0, -3.0, 2.0)) if acting else 0.0
        cut_s = chance.choice((5.0, 20.0))
        if point is not None and not await _dies_at(scene, name, point, crossings, tear):
            continue
        if back:
            storm.call_liar(name)
        if cut:
            storm.broker.cut(name)
        storm.life(name).end()
        await storm.rise(name, for_s, reboot=reboot, skew_s=skew_s, back=back)
        if cut:
            await storm.clock.sleep(cut_s)
            storm.broker.heal(name)


async def _dies_at(scene: Scene, name: str, point: str, crossings: int, tear: float) -> bool:
    """Have a party die at a point of its program; return whether it came there in time."""
    storm = scene.storm
    life, died = storm.life(name), asyncio.Event()
    if life.point is not None:
        return False
    on_death = life.on_death

    def dies() -> None:
        on_death()
        died.set()

    life.on_death, life.point, life.crossings, life.tear = dies, point, crossings, tear
    storm.struck("doom", name, f"dies at {point}, the {crossings}. time")
    try:
        async with asyncio.timeout(_DIES_WITHIN_S):
            await died.wait()
    except TimeoutError:
        life.on_death, life.point = on_death, None
        return False
    return True


async def _thief(scene: Scene) -> None:
    storm = scene.storm
    approved = storm.fleet.approve(scene.warrant, kit.APPROVERS)
    thief = Thief(storm.fleet, scene.warrant, approved, scene.plot.chance("thief"), storm.clock.wall_ns)
    async for chance in scene.strikes("thief", 0.1, 1.5):
        thief.chance = chance
        thief.heard = [(one.topic, one.payload) for one in storm.noted.sent if one.topic.endswith("/orders")]
        for topic, payload in thief.play():
            storm.publish("thief", topic, payload)
            await storm.clock.sleep(0.1)


async def _people(scene: Scene) -> None:
    storm, fleet = scene.storm, scene.storm.fleet
    board, stops = kit.key_of(kit.approver_label(kit.APPROVERS[0])), fleet.topics.stops
    async for chance in scene.strikes("people", 0.5, 12):
        site = chance.choice([*storm.site_names])
        match chance.choice(("veto", "vetoes", "lever", "abort", "revoke", "revoke")):
            case "abort":
                abort = fleet.abort(fleet.order(scene.warrant, use=chance.choice((1, 1, 2))))
                storm.publish("board", stops, seal(abort, board))
            case "revoke":
                revocation = fleet.revocation(scene.warrant.digest(), issued_at=fleet.at(storm.clock.boot_ns() / 1e9))
                storm.publish("board", stops, seal(revocation, board))
                if chance.random() < 0.5 and storm.life(f"{site}/{AGENT}").alive:
                    await storm.clock.sleep(chance.uniform(0.2, 2))
                    await storm.crash(f"{site}/{AGENT}", 0.2, reboot=False)
            case "lever":
                lever = fleet.lever(issued_at=fleet.at(storm.clock.boot_ns() / 1e9))
                for _ in range(3):
                    storm.publish("board", stops, seal(lever, board))
                    await storm.clock.sleep(1)
                if storm.life(f"{site}/{AGENT}").alive:
                    await storm.crash(f"{site}/{AGENT}", 0.2, reboot=False)
            case how:
                for _ in range(1 if how == "veto" else 4):
                    storm.vetoes.add(site)
                    storm.struck("veto", site)
                    await storm.clock.sleep(15 if how == "veto" else chance.uniform(0.6, 2))
                    storm.vetoes.discard(site)
                    storm.struck("unveto", site)
                    await storm.clock.sleep(chance.uniform(0.1, 1))
        return


async def _fault(scene: Scene) -> None:
    storm, plan = scene.storm, scene.plot.fault
    assert plan is not None
    await storm.clock.sleep(plan.since_s)
    storm.switch(storm.site_names[0], plan.fault, on=True)
    if plan.until_s is not None:
        await storm.clock.sleep(plan.until_s - plan.since_s)
        storm.switch(storm.site_names[0], plan.fault, on=False)


async def _flood(scene: Scene) -> None:
    storm = scene.storm
    if scene.plot.seed % 4:
        return  # it is the slowest of all
    thief = Thief(storm.fleet, scene.warrant, b"", scene.plot.chance("flood"), storm.clock.wall_ns)
    frames = [thief.too_few_owners() for _ in range(330)]
    for number, ((topic, payload),) in enumerate(frames):
        storm.publish("thief", topic, payload)
        if number % 30 == 0:
            await storm.clock.sleep(0.6)


async def _broker(scene: Scene) -> None:
    async for chance in scene.strikes("broker", 2, 12):
        await scene.storm.stop_broker(chance.choice((0.2, 1.0, 3.0, 6.0)))


async def _clocks(scene: Scene) -> None:
    async for chance in scene.strikes("clocks", 1, 8):
        scene.storm.jump(chance.choice([*scene.storm.parties]), chance.choice((-3.0, -1.0, 0.0, 1.0, 2.0)))


async def _lies(scene: Scene) -> None:
    """Have each witness that lies when its site halts begin then."""
    storm = scene.storm
    waiting = dict(storm.lies_when_halted)
    while waiting:
        await storm.clock.sleep(0.2)
        for state in storm.noted.states:
            if not state.as_always and state.site in waiting:
                waiting.pop(state.site).since_ns = storm.clock.boot_ns()


async def _idle(scene: Scene) -> None:
    storm, chance = scene.storm, scene.plot.chance("idle")
    site = storm.site_names[-1]  # the first one has its faults
    await storm.clock.sleep(chance.choice((0.0, chance.uniform(0, 8))))
    storm.idle(site, on=True)
    await storm.clock.sleep(chance.uniform(5, 35))
    storm.idle(site, on=False)


async def _junk(scene: Scene) -> None:
    storm = scene.storm
    topics = storm.fleet.topics
    async for chance in scene.strikes("junk", 0.1, 1.0):
        said = chance.choice(storm.noted.sent[-50:])
        bent = bytearray(said.payload)
        for _ in range(chance.choice((0, 1, 1, 8)) if bent else 0):
            bent[chance.randrange(len(bent))] ^= 1 << chance.randrange(8)
        site = chance.choice([*storm.site_names])
        of_all = topics.orders, topics.stops, topics.challenges
        elsewhere = chance.choice((*of_all, topics.agent(site), topics.ask(site)))
        payload = chance.choice((bytes(bent), bytes(bent), bent[: len(bent) // 2], chance.randbytes(64), b""))
        storm.publish("stranger", chance.choice((said.topic, elsewhere)), bytes(payload))


async def _orchestrator(scene: Scene) -> None:
    storm = scene.storm
    async for chance in scene.strikes("orchestrator", 0.5, 14):
        point, crossings = chance.choice((None, *_POINTS_OF_ORCHESTRATOR)), chance.randint(1, 30)
        storm.down_s = chance.choice((0.1, 0.5, 3.0, 12.0))
        life = storm.lives.get(ORCHESTRATOR)
        if life is None or not life.alive or not storm.resumable:
            continue
        if point is None or await _dies_at(scene, ORCHESTRATOR, point, crossings, 0.0):
            life.end()


_SINGLE = {
    "orchestrator": _orchestrator,
    "thief": _thief,
    "people": _people,
    "flood": _flood,
    "broker": _broker,
    "junk": _junk,
    "lies": _lies,
    "idle": _idle,
}
