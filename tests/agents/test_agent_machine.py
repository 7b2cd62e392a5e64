"""Any sequence of orders, stops, crashes, reboots and failures: the agent's promises hold throughout."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agents.decide import decide
from agents.decision import Halted, Input, OrderFrame, Restored, StopEnvelope, Tick
from agents.ledger import Identity, Ledger
from agents.observation import SiteState
from agents.reconcile import Action, next_action, wanted
from agents.state import AgentState, Moment
from protocols.envelope import parse_envelope, seal
from protocols.errors import DriverError, StoreError
from protocols.messages import Order, Outcome
from tests import kit
from tests.agents.doubles import FakeDriver, MemoryDisk, receipt_of

SITE = "alpha"
S = 1_000_000_000
HOLD_S = 20.0
FLEET = kit.make_fleet()
TRUST = FLEET.site_trust(SITE)
IDENTITY = Identity(FLEET.fleet, SITE, kit.key_of(kit.agent_label(SITE)))
WARRANT = FLEET.warrant(hold_s=HOLD_S)
APPROVED = FLEET.approve(WARRANT)
ORDERS: tuple[Order, ...] = tuple(FLEET.order(WARRANT, use=use) for use in range(1, 5))
TWINS: tuple[Order, ...] = tuple(FLEET.order(WARRANT, use=use) for use in range(1, 5))
APPROVER = kit.key_of(kit.approver_label("safety"))
LEVER = FLEET.lever()
LIFT = FLEET.lever(disengages=LEVER.digest())
OWNERS = [kit.key_of(kit.approver_label(owner)) for owner in kit.APPROVERS]

uses = st.integers(0, len(ORDERS) - 1)


class AgentMachine(RuleBasedStateMachine):
    """Runs decide, ledger and reconciler by hand over a driver whose workload survives crashes."""

    @initialize()
    def begin(self) -> None:
        self.disk = MemoryDisk()
        self.driver = FakeDriver()
        self.driver.start()
        self.boots = 1
        self.now = Moment(kit.NOW_NS, 100 * S, self.boot_id, veto=False)
        self.ledger = self.opened()
        self.accepted_at_ns: dict[str, int] = {}
        self.real_ns = 0
        self.stopped: set[int] = set()
        self.halts: list[str] = []
        self.sent: dict[int, str] = {}

    @property
    def boot_id(self) -> str:
        return f"00000000-0000-4000-8000-{self.boots:012d}"

    @property
    def state(self) -> AgentState:
        return self.ledger.state

    def opened(self) -> Ledger:
        return Ledger.open(self.disk, IDENTITY, new_id="ab" * 16, now_ns=self.now.wall_ns)

    def happens(self, happened: Input) -> None:
        decision = decide(self.state, happened, TRUST, self.now)
        try:
            receipts = self.ledger.commit(decision, self.now)
        except StoreError:
            return
        for receipt in (*receipts, *decision.again):
            assert self.sent.setdefault(receipt.seq, receipt.envelope) == receipt.envelope, "the chain forked"
        for draft in decision.drafts:
            if draft.outcome is Outcome.ACCEPTED:
                assert draft.order not in self.accepted_at_ns, "one order was accepted twice"
                self.accepted_at_ns[draft.order] = self.real_ns

    def reconcile(self, *, rounds: int = 4) -> None:
        for _ in range(rounds):
            order = wanted(self.state, self.now)
            if order is None and self.state.live is not None:
                self.happens(Tick())
            try:
                match next_action(order, self.driver.observe()):
                    case Action.REST:
                        if self.state.live is not None:
                            self.happens(Restored("runs"))
                        return
                    case Action.RESTORE:
                        self.driver.restore()
                    case Action.APPLY:
                        assert order is not None
                        self.driver.apply(order.params, lambda: False)
                        self.halts.append(order.order)
                    case Action.HALTED:
                        assert order is not None
                        self.happens(Halted(order.order, "halted", None))
                        return
            except DriverError:
                continue

    @rule(use=uses)
    def order_comes(self, use: int) -> None:
        self.happens(OrderFrame(FLEET.order_frame(ORDERS[use], APPROVED)))
        if self.state.released.get((WARRANT.digest(), use + 1, 0)) or use in self.stopped:
            live = self.state.live
            assert live is None or live.accepted.order != ORDERS[use].digest() or live.cause is not None

    @rule(use=uses)
    def a_second_order_for_one_use_comes(self, use: int) -> None:
        if ORDERS[use].digest() in self.accepted_at_ns:
            self.happens(OrderFrame(FLEET.order_frame(TWINS[use], APPROVED)))
            assert TWINS[use].digest() not in self.accepted_at_ns

    @rule(use=uses, abort=st.booleans())
    def stop_comes(self, use: int, abort: bool) -> None:
        order = ORDERS[use]
        raw = seal(FLEET.abort(order), APPROVER) if abort else FLEET.dispatch(FLEET.release(order))
        self.happens(StopEnvelope(raw))
        self.stopped.add(use)

    @rule()
    def lever_engages(self) -> None:
        self.happens(StopEnvelope(seal(LEVER, APPROVER)))

    @rule()
    def lever_is_lifted(self) -> None:
        self.happens(StopEnvelope(seal(LIFT, *OWNERS)))

    @rule(veto=st.booleans())
    def operator_decides(self, veto: bool) -> None:
        self.now = replace(self.now, veto=veto)

    @rule(seconds=st.floats(0.1, 25))
    def time_passes(self, seconds: float) -> None:
        step_ns = round(seconds * S)
        self.real_ns += step_ns
        self.now = replace(self.now, wall_ns=self.now.wall_ns + step_ns, boot_ns=self.now.boot_ns + step_ns)
        self.happens(Tick())
        self.reconcile()

    @rule(seconds=st.integers(-100, 100))
    def wall_clock_jumps(self, seconds: int) -> None:
        self.now = replace(self.now, wall_ns=self.now.wall_ns + seconds * S)

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

    @rule(full=st.booleans())
    def disk_fills(self, full: bool) -> None:
        self.disk.full = full

    @rule(tear_at=st.integers(1, 3000))
    @precondition(lambda self: not self.disk.full)
    def power_fails_while_writing(self, tear_at: int) -> None:
        self.disk.tear_at = tear_at
        self.happens(OrderFrame(FLEET.order_frame(ORDERS[0], APPROVED)))
        self.disk.tear_at = None
        self.ledger = self.opened()
        if (live := self.state.live) is not None:
            # The whole record was on the disk although the write failed: that is an acceptance.
            self.accepted_at_ns.setdefault(live.accepted.order, self.real_ns)
        self.happens(Tick())

    @rule(apply=st.integers(0, 2), restore=st.integers(0, 2))
    def driver_jams(self, apply: int, restore: int) -> None:
        self.driver.fail_apply, self.driver.fail_restore = apply, restore

    @rule()
    def workload_dies(self) -> None:
        self.driver.state = SiteState.STOPPED

    @invariant()
    def site_is_halted_only_by_a_live_order(self) -> None:
        if not hasattr(self, "ledger"):
            return
        self.reconcile(rounds=8)
        order = wanted(self.state, self.now)
        if order is None:
            assert self.driver.state is SiteState.RUNNING
            assert not self.driver.ours
            assert self.state.live is None
        else:
            assert order.order in self.accepted_at_ns
            assert not self.state.engaged
            assert not self.now.veto

    @invariant()
    def nothing_is_held_past_its_hold(self) -> None:
        if hasattr(self, "ledger") and self.driver.ours:
            live = self.state.live
            assert live is not None
            # A reboot under a clock that runs behind by up to 30 s is allowed to cost those.
            late_ns = 0 if self.boots == 1 else 30 * (self.boots - 1) * S + 100 * S
            assert self.real_ns - self.accepted_at_ns[live.accepted.order] < HOLD_S * S + late_ns

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


TestAgentMachine = AgentMachine.TestCase
TestAgentMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
