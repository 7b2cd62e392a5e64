"""Any sequence of orders, rungs, licences, stops, crashes, reboots and failures: the promises hold throughout."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agents.decide import decide
from agents.decision import Halted, Input, OrderFrame, Rehearsed, Restored, StopEnvelope, Tick
from agents.events import RungSeen
from agents.lease import LicenceKeeper
from agents.ledger import Identity, Ledger
from agents.observation import SiteState
from agents.reconcile import Action, hold_left_ns, memory_of, next_action, wanted
from agents.state import AgentState, Moment
from protocols.controls import Actor, Control, DecommissionParams, LeaseParams, PowerCutParams, ShutdownParams
from protocols.envelope import parse_envelope, seal
from protocols.errors import DriverError, StoreError
from protocols.ids import format_utc
from protocols.messages import Order, Outcome, Rung, Warrant
from tests import kit
from tests.agents.doubles import FakeDriver, MemoryDisk, receipt_of

SITE = "alpha"
S = 1_000_000_000
HOLD_S = 20.0
LIMIT_S = 3.0
LICENCE_S = 2.0
ARMED_S = 30.0
FLEET = kit.make_fleet(record={"controls": tuple(Control), "mock": True})
TRUST = FLEET.site_trust(SITE)
IDENTITY = Identity(FLEET.fleet, SITE, kit.key_of(kit.agent_label(SITE)))
APPROVER = kit.key_of(kit.approver_label("safety"))
LEVER = FLEET.lever()
LIFT = FLEET.lever(disengages=LEVER.digest())
OWNERS = [kit.key_of(kit.approver_label(owner)) for owner in kit.APPROVERS]

PLAIN = FLEET.warrant(hold_s=HOLD_S)
LADDER = FLEET.warrant(
    FLEET.step(
        hold_s=HOLD_S,
        response_limit_s=LIMIT_S,
        ladder=tuple(Rung(params=params, response_limit_s=LIMIT_S) for params in (ShutdownParams(), PowerCutParams())),
    )
)
LEASE = FLEET.warrant(
    FLEET.step(hold_s=HOLD_S, params=LeaseParams(licence_s=LICENCE_S, renewed_s=5.0), response_limit_s=LIMIT_S)
)
ARM = FLEET.warrant(FLEET.step(hold_s=HOLD_S, params=DecommissionParams(armed_for_s=ARMED_S)), uses=1)
APPROVED = {warrant.digest(): FLEET.approve(warrant, kit.APPROVERS) for warrant in (PLAIN, LADDER, LEASE, ARM)}


@dataclass(frozen=True)
class Slot:
    """One rung of one use of one warrant: it is ordered by one order, or by a twin that must not count."""

    warrant: Warrant
    use: int = 1
    rung: int = 0

    @property
    def step(self) -> tuple[str, int, int]:
        return (self.warrant.digest(), self.use, 0)

    @property
    def key(self) -> tuple[str, int, int, int]:
        return (*self.step, self.rung)


USES = (1, 2, 3)
PLAINS = tuple(Slot(PLAIN, use) for use in USES)
LADDERS = tuple(tuple(Slot(LADDER, use, rung) for rung in range(3)) for use in USES)
LEASES = tuple(Slot(LEASE, use) for use in USES)
slots = st.one_of(
    st.sampled_from(PLAINS),
    st.sampled_from([rung for ladder in LADDERS for rung in ladder]),
    st.sampled_from(LEASES),
    st.just(Slot(ARM)),
)


class AgentMachine(RuleBasedStateMachine):
    """Runs decide, ledger and reconciler by hand over a driver whose workload survives crashes."""

    actor = Actor.AGENT

    @initialize()
    def begin(self) -> None:
        self.disk = MemoryDisk()
        self.driver = FakeDriver()
        self.driver.start()
        self.boots = 1
        self.now = Moment(kit.NOW_NS, 100 * S, self.boot_id, veto=False)
        self.real_ns = 0
        self.issued: dict[tuple[Slot, bool], Order] = {}
        self.taken_at_ns: dict[tuple[str, int, int, int], int] = {}
        self.accepted: set[str] = set()
        self.stopped: set[tuple[str, int, int]] = set()
        self.sent: dict[int, str] = {}
        self.keeper: LicenceKeeper | None = None
        self.licensed_until_ns: dict[str, int] = {}
        self.answered: list[str] = []
        self.armed_at_ns = 0
        self.nonces = 0
        self.ledger = self.opened()

    @property
    def boot_id(self) -> str:
        return f"00000000-0000-4000-8000-{self.boots:012d}"

    @property
    def state(self) -> AgentState:
        return self.ledger.state

    def nonce(self) -> str:
        self.nonces += 1
        return f"{self.nonces:032x}"

    def opened(self) -> Ledger:
        ledger = Ledger.open(self.disk, IDENTITY, new_id="ab" * 16, now_ns=self.now.wall_ns)
        # A write may have failed, and the whole record have been on the disk all the same.
        for key, entry in ledger.state.orders.items():
            self.taken_at_ns.setdefault(key, self.real_ns)
            self.accepted.add(entry.accepted.order)
        for key in ledger.state.rungs:
            self.taken_at_ns.setdefault(key, self.real_ns)
        self.keeper = None
        self.licensed_until_ns.clear()
        return ledger

    def order_of(self, slot: Slot, *, twin: bool = False) -> Order:
        if (slot, twin) not in self.issued:
            at_ns = max(self.now.wall_ns, self.state.high_water_ns)
            self.issued[slot, twin] = FLEET.order(
                slot.warrant,
                use=slot.use,
                rung=slot.rung,
                site=SITE if slot.rung else None,
                nonce=self.nonce(),
                issued_at=format_utc(at_ns),
                expires_at=format_utc(at_ns + 60 * S),
            )
        return self.issued[slot, twin]

    def moment(self) -> Moment:
        live, keeper = self.state.live, self.keeper
        if live is None or not isinstance(live.accepted.params, LeaseParams):
            return self.now
        if keeper is None or keeper.order != live.accepted.order:
            same_boot = live.accepted.boot_id == self.now.boot_id
            free_until_ns = live.accepted.boot_ns + round(LICENCE_S * S) if same_boot else 0
            keeper = LicenceKeeper(live.accepted.order, licence_ns=round(LICENCE_S * S), until_ns=free_until_ns)
            self.keeper = keeper
            taken_ns = self.taken_at_ns[live.accepted.order_key]
            self.licensed_until_ns[keeper.order] = taken_ns + round(LICENCE_S * S) if same_boot else 0
        return replace(self.now, licensed=keeper.licensed(self.now.boot_ns))

    def happens(self, happened: Input) -> None:
        now = self.moment()
        decision = decide(self.state, happened, TRUST, now, actor=self.actor)
        try:
            receipts = self.ledger.commit(decision, now)
        except StoreError:
            return
        for receipt in (*receipts, *decision.again):
            assert self.sent.setdefault(receipt.seq, receipt.envelope) == receipt.envelope, "the chain forked"
        for event in decision.events:
            if isinstance(event, RungSeen):
                assert self.taken_at_ns.setdefault(event.order_key, self.real_ns) == self.real_ns, "seen twice"
        for draft in decision.drafts:
            if draft.outcome is Outcome.ACCEPTED:
                assert draft.order not in self.accepted, "one order was accepted twice"
                self.accepted.add(draft.order)
                live = self.state.live
                assert live is not None
                self.taken_at_ns[live.accepted.order_key] = self.real_ns
            if draft.armed is not None:
                self.armed_at_ns = self.real_ns

    def reconcile(self, *, rounds: int = 4) -> None:
        for _ in range(rounds):
            order = wanted(self.state, self.now)
            if order is None and self.state.live is not None:
                self.happens(Tick())
                order = wanted(self.state, self.now)
            try:
                match next_action(order, self.driver.observe()):
                    case Action.REST:
                        if self.state.live is not None:
                            self.happens(Restored("runs"))
                        break
                    case Action.RESTORE:
                        self.driver.restore()
                    case Action.APPLY:
                        assert order is not None
                        self.driver.apply(order.params, lambda: False)
                    case Action.HALTED:
                        assert order is not None
                        armed = self.nonce() if isinstance(order.params, DecommissionParams) else None
                        self.happens(Halted(order.order, "halted", None, armed=armed))
                        break
            except DriverError:
                continue
        for entry in tuple(self.state.rungs.values()):
            self.happens(Rehearsed(entry.seen.order, self.driver.rehearse(entry.seen.later)))

    # -- what happens --------------------------------------------------------------------------

    @rule(slot=slots)
    def order_comes(self, slot: Slot) -> None:
        before = self.taken_at_ns.get((*slot.step, slot.rung - 1))
        known = slot.key in self.taken_at_ns
        self.happens(OrderFrame(FLEET.order_frame(self.order_of(slot), APPROVED[slot.warrant.digest()])))
        if slot.key in self.taken_at_ns and not known:
            assert slot.step not in self.stopped, "what was stopped never starts again"
            if slot.rung:
                assert before is not None, "a rung was taken though the one below was never seen"
                assert self.real_ns - before >= LIMIT_S * S, "a rung was taken before its time"

    @rule(slot=slots)
    def a_second_order_for_one_rung_comes(self, slot: Slot) -> None:
        if slot.key in self.taken_at_ns:
            twin = self.order_of(slot, twin=True)
            self.happens(OrderFrame(FLEET.order_frame(twin, APPROVED[slot.warrant.digest()])))
            assert twin.digest() not in self.accepted

    @rule(slot=slots, abort=st.booleans())
    def stop_comes(self, slot: Slot, abort: bool) -> None:
        if slot.key not in self.taken_at_ns and slot.use == USES[0]:
            return  # a stop that overtakes its order is worth less tries than one that does not
        order = self.order_of(slot)
        raw = seal(FLEET.abort(order), APPROVER) if abort else FLEET.dispatch(FLEET.release(order))
        self.happens(StopEnvelope(raw))
        if slot.step in self.state.released or slot.step[:2] in self.state.aborted:
            self.stopped.add(slot.step)

    @rule(what=st.sampled_from(["engage", "lift", "veto", "no veto"]))
    def people_move_the_lever_or_the_veto(self, what: str) -> None:
        match what:
            case "engage":
                self.happens(StopEnvelope(seal(LEVER, APPROVER)))
            case "lift":
                self.happens(StopEnvelope(seal(LIFT, *OWNERS)))
            case _:
                self.now = replace(self.now, veto=what == "veto")
                self.happens(Tick())

    @rule(ladder=st.sampled_from(LADDERS), waits_s=st.sampled_from((LIMIT_S - 0.01, LIMIT_S, LIMIT_S + 1)))
    def site_climbs(self, ladder: tuple[Slot, ...], waits_s: float) -> None:
        """The next rung of a ladder is ordered, and sent again until it was waited for long enough or too little."""
        rung = next((slot for slot in ladder if slot.key not in self.taken_at_ns), ladder[-1])
        self.order_comes(rung)
        self.time_passes(waits_s)
        self.order_comes(rung)

    @rule(delay_s=st.floats(0, 2.5))
    def a_licence_is_asked_for_and_comes_later(self, delay_s: float) -> None:
        self.moment()
        keeper = self.keeper
        nonce, sent_ns = self.nonce(), self.real_ns
        if keeper is not None:
            keeper.ask(nonce, self.now.boot_ns)
        self.time_passes(delay_s)
        if keeper is not None and keeper is self.keeper:
            still = self.licensed_until_ns[keeper.order] > self.real_ns
            if keeper.accept(nonce, self.now.boot_ns):
                assert still, "a licence came too late and counted"
                self.licensed_until_ns[keeper.order] = sent_ns + round(LICENCE_S * S)
            self.answered.append(nonce)

    @rule()
    def licences_come_again(self) -> None:
        if self.keeper is not None:
            assert not any(self.keeper.accept(nonce, self.now.boot_ns) for nonce in self.answered)

    @rule(seconds=st.floats(0.1, 25))
    def time_passes(self, seconds: float) -> None:
        step_ns = round(seconds * S)
        self.real_ns += step_ns
        self.now = replace(self.now, wall_ns=self.now.wall_ns + step_ns, boot_ns=self.now.boot_ns + step_ns)
        self.happens(Tick())
        self.reconcile()

    @rule()
    def agent_crashes(self) -> None:
        self.ledger = self.opened()
        self.happens(Tick())

    @rule(down_s=st.floats(1, 60), clock_error_s=st.integers(-30, 30))
    def machine_reboots(self, down_s: float, clock_error_s: int) -> None:
        self.boots += 1
        self.real_ns += round(down_s * S)
        wall_ns = self.now.wall_ns + round(down_s * S) + clock_error_s * S
        self.now = Moment(wall_ns, 1 * S, self.boot_id, veto=self.now.veto)
        if not self.driver.ours:
            self.driver.state = SiteState.RUNNING
        self.ledger = self.opened()
        self.happens(Tick())
        self.reconcile()

    @rule(slot=slots, tear_at=st.integers(1, 3000))
    @precondition(lambda self: not self.disk.full)
    def power_fails_while_writing(self, slot: Slot, tear_at: int) -> None:
        self.disk.tear_at = tear_at
        self.happens(OrderFrame(FLEET.order_frame(self.order_of(slot), APPROVED[slot.warrant.digest()])))
        self.disk.tear_at = None
        self.ledger = self.opened()
        self.happens(Tick())

    @rule()
    def memory_is_compacted(self) -> None:
        if not self.ledger.unsaved and not self.disk.full:
            before = self.state
            self.ledger.compact(self.state.high_water_ns)
            assert self.opened().state == before

    @rule(what=st.sampled_from(["clock", "disk", "driver", "workload"]), amount=st.integers(-100, 100))
    def something_goes_wrong(self, what: str, amount: int) -> None:
        """The wall clock jumps, the disk fills or has room again, the driver jams, or the workload dies."""
        match what:
            case "clock":
                self.now = replace(self.now, wall_ns=self.now.wall_ns + amount * S)
            case "disk":
                self.disk.full = amount > 0
            case "driver":
                self.driver.fail_apply, self.driver.fail_restore = amount % 3, amount % 2
            case _:
                self.driver.state = SiteState.STOPPED

    # -- what always holds ---------------------------------------------------------------------

    def late_ns(self) -> int:
        """Return what a reboot under a clock that runs behind by up to 30 s is allowed to cost."""
        return 0 if self.boots == 1 else 30 * (self.boots - 1) * S + 100 * S

    @invariant()
    def site_is_halted_only_by_a_live_order(self) -> None:
        if not hasattr(self, "ledger"):
            return
        self.reconcile(rounds=8)
        order = wanted(self.state, self.now)
        if order is None:
            assert self.driver.state is SiteState.RUNNING
            assert not self.driver.ours
            live = self.state.live
            # Under a lease that has not lapsed the site runs, and the order goes on.
            assert live is None or (isinstance(live.accepted.params, LeaseParams) and not live.lapsed)
        else:
            assert order.order in self.accepted
            assert not self.state.engaged
            assert not self.now.veto

    @invariant()
    def one_order_at_most_is_live(self) -> None:
        if hasattr(self, "ledger"):
            live = [entry for entry in self.state.orders.values() if entry.live]
            assert live == ([] if self.state.live is None else [self.state.live])

    @invariant()
    def nothing_is_held_past_its_hold(self) -> None:
        if hasattr(self, "ledger") and self.driver.ours:
            live = self.state.live
            assert live is not None
            # The hold of a ladder counts from the first of its rungs.
            first_ns = min(at for key, at in self.taken_at_ns.items() if key[:3] == live.accepted.key.parts)
            assert self.real_ns - first_ns < HOLD_S * S + self.late_ns()
            assert (hold_left_ns(self.state, self.now) or 0) <= HOLD_S * S

    @invariant()
    def nobody_works_on_without_a_licence(self) -> None:
        if not hasattr(self, "ledger"):
            return
        live = self.state.live
        if live is None or live.cause is not None or not isinstance(live.accepted.params, LeaseParams):
            return
        self.moment()
        until_ns = self.licensed_until_ns[live.accepted.order]
        assert live.lapsed or self.real_ns < until_ns

    @invariant()
    def an_arming_ends(self) -> None:
        if hasattr(self, "ledger") and memory_of(self.state, self.now).armed is not None:
            assert not self.state.engaged
            assert not self.now.veto
            assert (ARM.digest(), 1) not in self.state.aborted
            assert self.real_ns - self.armed_at_ns < ARMED_S * S + self.late_ns()

    @invariant()
    def receipts_form_one_chain(self) -> None:
        if not hasattr(self, "ledger"):
            return
        before = "0" * 64
        for seq in sorted(self.sent):
            envelope = parse_envelope(self.sent[seq].encode())
            receipt = receipt_of(envelope, SITE)
            assert receipt.link.seq == seq
            if seq == 1 or seq - 1 in self.sent:
                assert receipt.link.prev == before
            before = envelope.digest


class EnforcerMachine(AgentMachine):
    """The same for an enforcer, which sees the agent's rungs and acts on the last one only."""

    actor = Actor.ENFORCER

    @invariant()
    def only_power_is_cut(self) -> None:
        if hasattr(self, "driver"):
            assert set(self.driver.history) <= {SiteState.DARK, SiteState.RUNNING}


TestAgentMachine = AgentMachine.TestCase
TestAgentMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestEnforcerMachine = EnforcerMachine.TestCase
TestEnforcerMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
