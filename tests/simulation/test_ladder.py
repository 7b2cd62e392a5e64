"""Ladders at whole simulated sites: who climbs, who never does, and what a stolen key can do about it."""

from __future__ import annotations

from collections.abc import Callable

from agents.mocksite.probe import MockProbe
from orchestrator.core import events as ev
from orchestrator.core.grades import Cause, SiteStepResult, Verdict
from orchestrator.runtime.loop import Runtime
from protocols.controls import Control, PauseParams, PowerCutParams, ShutdownParams
from protocols.envelope import open_envelope, split_frame
from protocols.ids import format_utc, seconds_to_ns
from protocols.keys import PublicKey
from protocols.messages import Abort, Challenge, Counter, Order, Outcome, Rung, Signal, Step, Warrant
from protocols.messages.orders import CLIMB_CHALLENGES
from protocols.mock_config import Fault, FaultTiming, Look, register_of, work_rates
from protocols.reasons import Reason
from tests import kit
from tests.simulation.harness import ENFORCER, SMALL_SITE, Played, Simulation, names, step_of
from tests.virtual import run_virtual

S = 1_000_000_000
SPARE_S = 3.25
"""How much longer a hold is than it must be. No whole second: here a message takes no time at all, so a challenge
would be answered in the very nanosecond of the release, by sites that it had already brought back."""

RUNGS = (Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT)
LOOKED_NS = 200_000_000
"""How late the truth may be noted."""

MISBEHAVING = {
    "site-02": Fault.DEAF_AGENT,
    "site-06": Fault.LYING_AGENT,
    "site-13": Fault.SLOW,
    "site-17": Fault.RESPAWNING_JOB,
}
VETOING = "site-09"
FAULTS_OF_LADDER = SMALL_SITE | {"fault_timing": FaultTiming(slow_s=45.0, respawn_s=1.0)}


def ladder_of(sites: Simulation, *limits_s: float) -> Step:
    """Make a step that escalates: a pause, then a shutdown, then a power cut, with these limits."""
    pause_s, shutdown_s, cut_s = limits_s
    step = step_of(sites, PauseParams())
    ladder = (
        Rung(params=ShutdownParams(grace_s=5.0), response_limit_s=shutdown_s),
        Rung(params=PowerCutParams(), response_limit_s=cut_s),
    )
    hold_s = sum(limits_s) + 3 * step.dwell_s + 2 * CLIMB_CHALLENGES * sites.challenge_s + SPARE_S
    return sites.fleet.step(**(dict(step) | {"response_limit_s": pause_s, "ladder": ladder, "hold_s": hold_s}))


def orders_to(sites: Simulation, site: str) -> list[Order]:
    """Return the different orders that were published for one site alone, by anybody who has the dispatcher's key."""
    key = PublicKey.load(kit.public_of(kit.dispatcher_label(kit.DISPATCHERS[0])))
    frames = sites.frames(sites.fleet.topics.site_orders(site))
    orders = [open_envelope(split_frame(frame)[0], Order, {key.key_id: key})[0] for frame in frames]
    return list({order.digest(): order for order in orders}.values())


def ordered_ns(played: Played, site: str, rung: int) -> int:
    """Return when a rung was ordered of a site."""
    if rung == 0:
        return played.events(ev.OrderIssued)[0][0]
    climbs = played.events(ev.RungOrdered)
    return next(at_ns for at_ns, event in climbs if (event.site, event.rung) == (site, rung))


def halted_ns(sites: Simulation, site: str, control: Control, after_ns: int) -> int:
    """Return when a control truly took effect: its command was enacted, or the power was gone."""
    return next(
        truth.at_ns
        for truth in sites.truth[site]
        if truth.at_ns >= after_ns and (not truth.powered if control is Control.POWER_CUT else truth.control is control)
    )


def check_times(sites: Simulation, played: Played, site: str, result: SiteStepResult) -> None:
    """Hold the response time of the rung that halted a site, and its total, against the truth."""
    last = result.rungs[-1] if result.rungs else result
    assert last.response_lower_ns is not None
    assert last.response_upper_ns is not None
    assert last.control is not None
    began_ns = ordered_ns(played, site, last.rung)
    enacted_ns = halted_ns(sites, site, last.control, began_ns) - began_ns
    slowest_ns = 0 if last.control is Control.POWER_CUT else 6 * S  # jobs drain, and checkpoint, after the command
    assert last.response_lower_ns <= enacted_ns + slowest_ns + LOOKED_NS
    assert enacted_ns - LOOKED_NS <= last.response_upper_ns
    if result.rungs:
        since_first_ns = began_ns - ordered_ns(played, site, 0)
        assert result.total_upper_ns == since_first_ns + last.response_upper_ns


def test_twenty_sites_five_of_which_misbehave() -> None:
    """Five sites that a pause does not halt climb as far as it takes, nobody else is told, and all come back."""

    async def scene() -> None:
        faults = {site: [fault] for site, fault in MISBEHAVING.items()}
        async with Simulation(names(20), faults=faults, vetoes={VETOING}, changes=FAULTS_OF_LADDER) as sites:
            played = await sites.drill(sites.warrant(ladder_of(sites, 30.0, 60.0, 15.0)))
            assert played.report.findings == ()
            assert played.report.verified
            found = played.results()
            climbed = {*MISBEHAVING, VETOING}
            for site in sorted(set(found) - climbed):
                assert found[site].verdict is Verdict.VERIFIED, (site, found[site])
                assert found[site].rungs == ()
                assert sites.frames(sites.fleet.topics.site_orders(site)) == []
                assert {truth.control for truth in sites.truth[site]} == {None, Control.PAUSE}
                assert all(truth.powered and truth.feed_on for truth in sites.truth[site])
            for site in sorted(climbed):
                tops = 1 if MISBEHAVING.get(site) is Fault.SLOW else 2
                assert [rung.control for rung in found[site].rungs] == list(RUNGS[: tops + 1]), (site, found[site])
                assert found[site].rungs[-1].verdict is Verdict.VERIFIED
                assert found[site].halted
                assert not found[site].passed
                assert {order.rung for order in orders_to(sites, site)} == set(range(1, tops + 1))
            for site, result in found.items():
                check_times(sites, played, site, result)
                assert result.restore_upper_ns is not None
                assert sites.truth[site][-1].as_always
            whole = {site: (found[site].verdict, found[site].cause) for site in climbed}
            assert whole["site-06"][0] is Verdict.CONTRADICTED
            assert {whole[site] for site in climbed - {"site-06", "site-17"}} == {(Verdict.LATE, Cause.ESCALATED)}
            assert found[VETOING].rungs[0].verdict is Verdict.REFUSED
            sites.mend()

    run_virtual(scene())


class Paid:
    """The probe of a witness that shows work whatever there is to see.

    Args:
        sites: The simulation.
        site: The site that it slanders.
        name: The witness.
    """

    def __init__(self, sites: Simulation, site: str, name: str) -> None:
        config = sites.configs[site]
        self._honest = MockProbe(
            sites.sites[site].world, name, tuple(Look), register=register_of(config), clock=sites.clock
        )
        self._clock = sites.clock
        self._per_s = {rate.signal: config.nominal_per_s(rate.workload) for rate in work_rates(config)}

    def sample(self, challenge: Challenge) -> tuple[Signal, ...]:
        """Return what the honest probe sees, with counters that never rest."""
        return tuple(
            signal.model_copy(update={"value": self._per_s[signal.name] * self._clock.boot_ns() // S})
            if isinstance(signal, Counter)
            else signal
            for signal in self._honest.sample(challenge)
        )


def test_dissent_below_the_quorum_never_climbs() -> None:
    """One paid witness of three spoils a verdict and climbs nothing; two of three leave no quorum, and it climbs."""

    def pay(sites: Simulation) -> None:
        for site, name in (("alpha", "w3"), ("gamma", "w2"), ("gamma", "w3")):
            sites.hire(site, name, Paid(sites, site, name))

    async def scene() -> None:
        async with Simulation(("alpha", "beta", "gamma"), witnesses=3, adjust=pay) as sites:
            played = await sites.drill(sites.warrant(ladder_of(sites, 5.0, 7.0, 7.0)))
            found = played.results()
            assert played.report.verified
            assert found["beta"].verdict is Verdict.VERIFIED
            assert found["alpha"].verdict is not Verdict.VERIFIED
            assert found["alpha"].dissenting == ("w3",)
            for site in ("alpha", "beta"):
                assert found[site].rungs == ()
                assert orders_to(sites, site) == []
                assert {truth.control for truth in sites.truth[site]} == {None, Control.PAUSE}
                assert all(truth.powered for truth in sites.truth[site])
            assert [rung.control for rung in found["gamma"].rungs] == list(RUNGS)
            assert all(truth[-1].as_always for truth in sites.truth.values())

    run_virtual(scene())


class Thief:
    """Somebody who has stolen the dispatcher's key and knows the warrant.

    Args:
        sites: The simulation.
        warrant: What people approved.
        drill: The drill that its orders name.
    """

    def __init__(self, sites: Simulation, warrant: Warrant, drill: str | None = None) -> None:
        self._sites = sites
        self._warrant = warrant
        self._approved = sites.fleet.approve(warrant, kit.APPROVERS)
        self._changes = {} if drill is None else {"drill": drill}
        self.tried: set[str] = set()

    def order(self, rung: int, site: str | None = None, *, topic: str | None = None, use: int = 1) -> str:
        """Sign a fresh order and publish it; return its digest."""
        fleet, now_ns = self._sites.fleet, self._sites.clock.wall_ns()
        times = {"issued_at": format_utc(now_ns), "expires_at": format_utc(now_ns + seconds_to_ns(60))}
        order = fleet.order(self._warrant, rung=rung, site=site, use=use, **times, **self._changes)
        where = topic or (fleet.topics.orders if site is None else fleet.topics.site_orders(site))
        self._sites.broker.route(where, fleet.order_frame(order, self._approved))
        self.tried.add(order.digest())
        return order.digest()

    def storm(self, *rungs: int) -> None:
        """Order rungs of every site, each on its topic, under another's name, and of everybody at once."""
        topics, every = self._sites.fleet.topics, self._sites.site_names
        for site, other in zip(every, (*every[1:], every[0]), strict=True):
            for rung in rungs:
                self.order(rung, site)
                self.order(rung, other, topic=topics.site_orders(site))
        for rung in rungs:
            self.order(rung)

    def answers(self) -> dict[Outcome, set[Reason | None]]:
        """Return how agents and enforcers answered these orders, and why."""
        found: dict[Outcome, set[Reason | None]] = {}
        for site in self._sites.site_names:
            for by in (None, ENFORCER):
                for receipt in self._sites.receipts(site, by=by):
                    if receipt.order in self.tried:
                        found.setdefault(receipt.outcome, set()).add(receipt.reason)
        return found


async def until(sites: Simulation, holds: Callable[[], bool]) -> None:
    """Wait in virtual time for something to be so."""
    while not holds():
        await sites.clock.sleep(0.05)


def test_a_stolen_key_cannot_begin_at_the_top_nor_hurry() -> None:
    """Without anybody's drill: no rung is ever in force before each one below it was waited out, nor one too many."""
    limits_s = (5.0, 7.0, 7.0)

    async def scene() -> None:
        async with Simulation(names(3)) as sites:
            thief = Thief(sites, sites.warrant(ladder_of(sites, *limits_s)))
            for _ in range(3):  # at the top at once, and past it
                thief.storm(1, 2, 3, 7)
                await sites.clock.sleep(1)
            assert all(truth[-1].as_always and len(truth) == 1 for truth in sites.truth.values())
            early = thief.answers()
            assert early.keys() == {Outcome.REFUSED}
            assert early[Outcome.REFUSED] >= {Reason.RUNG_TOO_SOON, Reason.NO_SUCH_RUNG}

            began_ns = sites.clock.boot_ns()
            first = thief.order(0)  # a pause is what the warrant allows anybody with this key
            for _ in range(5):
                thief.storm(1, 2, 3)
                await sites.clock.sleep(0.9)
            paused = {truth.control for listed in sites.truth.values() for truth in listed}
            assert paused == {None, Control.PAUSE}
            assert all(truth.powered for listed in sites.truth.values() for truth in listed)
            thief.tried.discard(first)
            assert thief.answers().keys() == {Outcome.REFUSED}

            for _ in range(12):  # the patient thief: each rung as early as can be, and no more than was approved
                for site in sites.site_names:
                    for rung in (1, 2, 3):
                        thief.order(rung, site)
                await sites.clock.sleep(0.9)
            for listed in sites.truth.values():
                since_s = [((truth.at_ns - began_ns) / S, truth) for truth in listed]
                assert all(at_s >= limits_s[0] for at_s, truth in since_s if truth.control is Control.SHUTDOWN)
                assert all(at_s >= sum(limits_s[:2]) for at_s, truth in since_s if not truth.feed_on)
                assert {truth.control for truth in listed} <= {None, *RUNGS}
            await sites.clock.sleep(60)  # no release ever comes: the step's one hold ends all of it
            assert all(truth[-1].as_always for truth in sites.truth.values())

    run_virtual(scene())


def test_a_stolen_key_beside_a_drill_moves_nobody() -> None:
    """While a real drill climbs at one site, a thief who hurries and addresses the others changes nothing anywhere."""

    async def scene() -> None:
        async with Simulation(names(3), faults={"site-02": [Fault.DEAF_AGENT]}) as sites:
            warrant = sites.warrant(ladder_of(sites, 5.0, 7.0, 7.0))
            thieves = []

            async def steal(runtime: Runtime) -> None:
                await until(sites, lambda: bool(runtime.drill.orders))
                thief = Thief(sites, warrant, runtime.drill.drill)
                thieves.append(thief)
                for _ in range(5):
                    thief.storm(1, 2, 3)
                    await sites.clock.sleep(0.9)
                await until(sites, lambda: runtime.drill.step.top("site-02") == 1)
                for _ in range(7):
                    thief.storm(2, 3)
                    await sites.clock.sleep(0.9)

            played = await sites.drill(warrant, meanwhile=steal)
            found = played.results()
            assert played.report.verified
            assert {found[site].verdict for site in ("site-00", "site-01")} == {Verdict.VERIFIED}
            assert [rung.control for rung in found["site-02"].rungs] == list(RUNGS)
            assert thieves[0].answers().keys() == {Outcome.REFUSED}
            for site in ("site-00", "site-01"):
                assert {truth.control for truth in sites.truth[site]} == {None, Control.PAUSE}
                assert all(truth.feed_on for truth in sites.truth[site])
            cut_ns = next(truth.at_ns for truth in sites.truth["site-02"] if not truth.feed_on)
            assert cut_ns >= ordered_ns(played, "site-02", 2)
            assert all(truth[-1].as_always for truth in sites.truth.values())

    run_virtual(scene())


def test_an_abort_in_the_middle_of_a_climb() -> None:
    """It stops the climb, brings everybody back, and leaves nothing that a thief could go on with."""

    async def scene() -> None:
        faults = {"site-01": [Fault.RESPAWNING_JOB], "site-02": [Fault.DEAF_AGENT]}
        async with Simulation(names(3), faults=faults, changes=FAULTS_OF_LADDER) as sites:
            warrant = sites.warrant(ladder_of(sites, 5.0, 7.0, 7.0))
            aborted_ns = []

            async def abort(runtime: Runtime) -> None:
                climbing = ("site-01", "site-02")
                await until(sites, lambda: all(runtime.drill.step.top(site) == 1 for site in climbing))
                await sites.clock.sleep(2)
                said = Abort(
                    fleet=sites.fleet.fleet,
                    warrant=warrant.digest(),
                    use=1,
                    nonce=sites.fleet.nonce(),
                    issued_at=format_utc(sites.clock.wall_ns()),
                    reason="stop condition met",
                )
                sites.broker.route(sites.fleet.topics.stops, sites.fleet.dispatch(said, "control-room"))
                aborted_ns.append(sites.clock.boot_ns())

            played = await sites.drill(warrant, meanwhile=abort)
            assert played.drill.aborted
            assert played.report.verified
            assert {order.rung for site in sites.site_names for order in orders_to(sites, site)} == {1}
            after = [one for one in sites.heard if one.arrival_ns > aborted_ns[0] + S // 2]
            told = {sites.fleet.topics.orders, *(sites.fleet.topics.site_orders(site) for site in sites.site_names)}
            assert not [one for one in after if one.topic in told]
            assert all(truth[-1].as_always for truth in sites.truth.values())

            thief = Thief(sites, warrant, played.drill.drill)
            for _ in range(20):  # long enough for any limit to pass
                thief.order(0)
                thief.storm(1, 2)
                await sites.clock.sleep(1)
            answers = thief.answers()
            assert answers.keys() == {Outcome.REFUSED}
            assert Reason.ABORTED in answers[Outcome.REFUSED]
            assert all(truth[-1].as_always for truth in sites.truth.values())
            changed_ns = [truth.at_ns for listed in sites.truth.values() for truth in listed if not truth.as_always]
            assert all(at_ns <= aborted_ns[0] + LOOKED_NS for at_ns in changed_ns)

    run_virtual(scene())
