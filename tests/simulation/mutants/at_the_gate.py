"""Bugs of the gate: what an agent or an enforcer lets through, or forgets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import agents.admission
import agents.agent
import agents.decide
import agents.ledger
import agents.reconcile
import agents.stopping
import protocols.envelope
import protocols.trust.orders
import protocols.trust.warrants
from agents.decision import Decision
from agents.events import OrderAccepted
from agents.ledger import Ledger
from agents.state import fold_event
from protocols.ids import format_utc
from protocols.keys import PublicKey
from protocols.reasons import Reason
from protocols.trust import Refused
from protocols.trust.fleet import KeySet
from tests.simulation.mutants.patching import Mutants, Patcher

MUTANTS = Mutants()
gate = protocols.trust.orders
_LONG_S = 1e9


@MUTANTS
def no_replay_check(patcher: Patcher) -> None:
    """The replay check is skipped: what is over may begin again."""

    def make(original: Any) -> Any:
        def memory_of(*args: Any) -> Any:
            memory = original(*args)
            live = {key: held for key, held in memory.orders.items() if held.live}
            over = memory.orders.keys() - live.keys()
            return replace(memory, orders=live, rungs={k: v for k, v in memory.rungs.items() if k not in over})

        return memory_of

    patcher.replace(agents.admission, "memory_of", make)


@MUTANTS
def second_order_for_one_use(patcher: Patcher) -> None:
    """A second order for one use is let through."""

    def make(original: Any) -> Any:
        def admit(order: Any, warrant: Any, trust: Any, memory: Any, **named: Any) -> Any:
            admission = original(order, warrant, trust, memory, **named)
            if isinstance(admission, Refused) and admission.reason is Reason.EQUIVOCATION and admission.order:
                one = admission.order
                key = (one.warrant, one.use, one.step, one.rung)
                orders = {k: v for k, v in memory.orders.items() if k != key}
                rungs = {k: v for k, v in memory.rungs.items() if k != key}
                return original(order, warrant, trust, replace(memory, orders=orders, rungs=rungs), **named)
            return admission

        return admit

    patcher.replace(agents.admission, "admit_order", make)


@MUTANTS
def keys_not_owners(patcher: Patcher) -> None:
    """The threshold counts keys, not owners."""
    patcher.replace(
        KeySet,
        "owners_of",
        lambda _: lambda self, ids: frozenset(f"key-{key[:9]}" for key in ids if key in self.owners),
    )


@MUTANTS
def one_owner_is_enough(patcher: Patcher) -> None:
    """One approval is enough for any warrant."""
    patcher.replace(protocols.trust.warrants, "owners_required", lambda _: lambda *_: 1)


@MUTANTS
def forged_signature(patcher: Patcher) -> None:
    """A signature by a known key is taken unverified."""
    patcher.replace(PublicKey, "verifies", lambda _: lambda *_: True)


@MUTANTS
def any_dispatcher(patcher: Patcher) -> None:
    """A key of the policy that the warrant does not name may dispatch, and so may nobody's."""

    def make(original: Any) -> Any:
        def open_any(envelope: Any, kind: Any, keys: Any) -> Any:
            message = kind.decode(envelope.payload)
            try:
                return original(envelope, kind, keys)
            except Exception:
                return message, frozenset(keys)

        return open_any

    patcher.replace(gate, "open_envelope", make)


@MUTANTS
def no_window(patcher: Patcher) -> None:
    """The warrant's window is ignored."""

    def make(original: Any) -> Any:
        def check(order: Any, warrant: Any, now_ns: int, skew_ns: int) -> None:
            ever = {"not_before": format_utc(0), "not_after": format_utc(2**62)}
            original(order, warrant.model_copy(update=ever), now_ns, skew_ns)

        return check

    patcher.replace(gate, "_check_times", make)


@MUTANTS
def no_expiry(patcher: Patcher) -> None:
    """An order never expires."""

    def make(original: Any) -> Any:
        def check(order: Any, warrant: Any, now_ns: int, skew_ns: int) -> None:
            original(order.model_copy(update={"expires_at": format_utc(2**62)}), warrant, now_ns, skew_ns)

        return check

    patcher.replace(gate, "_check_times", make)


@MUTANTS
def wrong_site(patcher: Patcher) -> None:
    """An order for another site is obeyed."""

    def make(original: Any) -> Any:
        def check(order: Any, trust: Any) -> None:
            own = order.site if order.site is None else trust.record.site
            original(order.model_copy(update={"site": own}), trust)

        return check

    patcher.replace(gate, "_check_form", make)


@MUTANTS
def any_audience(patcher: Patcher) -> None:
    """A site outside the audience obeys."""
    patcher.replace(gate, "check_audience", lambda _: lambda *_: None)


@MUTANTS
def another_steps_parameters(patcher: Patcher) -> None:
    """The parameters of another step are applied."""

    def make(original: Any) -> Any:
        def scope(order: Any, warrant: Any, record: Any) -> Any:
            step, rung = original(order, warrant, record)
            others = [one for other in warrant.steps for one in other.rungs if one.params != rung.params]
            return step, next(iter(others), rung)

        return scope

    patcher.replace(gate, "_check_scope", make)


@MUTANTS
def no_minimum_gap(patcher: Patcher) -> None:
    """The least time between two uses is ignored."""

    def make(original: Any) -> Any:
        def check(key: Any, warrant: Any, *rest: Any) -> None:
            original(key, warrant.model_copy(update={"min_between_uses_s": 0.0}), *rest)

        return check

    patcher.replace(gate, "_check_memory", make)


@MUTANTS
def no_total_held(patcher: Patcher) -> None:
    """The total time that a warrant may hold a site is ignored."""

    def make(original: Any) -> Any:
        def check(key: Any, warrant: Any, step: Any, record: Any, *rest: Any) -> None:
            ever = {"max_total_held_s": _LONG_S}
            original(key, warrant.model_copy(update=ever), step, record.model_copy(update=ever), *rest)

        return check

    patcher.replace(gate, "_check_memory", make)


@MUTANTS
def no_waiting_for_the_rung_before(patcher: Patcher) -> None:
    """A rung is acted on though the one before was not seen its limit ago."""
    patcher.replace(gate, "_check_ladder", lambda _: lambda *_: None)


@MUTANTS
def each_rung_holds_anew(patcher: Patcher) -> None:
    """A higher rung begins a hold of its own."""
    patcher.replace(gate, "_hold_ns", lambda _: lambda _key, step, _memory: round(step.hold_s * 1e9))
    patcher.replace(agents.admission, "_step_left_ns", lambda _: lambda _state, _key, _moment, hold_ns: hold_ns)


@MUTANTS
def release_forgotten(patcher: Patcher) -> None:
    """A release is forgotten."""
    patcher.replace(agents.stopping, "_on_release", lambda _: lambda *_: Decision())


@MUTANTS
def early_release_forgotten(patcher: Patcher) -> None:
    """A release that overtakes its order is forgotten."""

    def make(original: Any) -> Any:
        def on_release(state: Any, release: Any, moment: Any) -> Decision:
            known = state.knows_step((release.warrant, release.use, release.step))
            return original(state, release, moment) if known else Decision()

        return on_release

    patcher.replace(agents.stopping, "_on_release", make)


@MUTANTS
def abort_forgotten(patcher: Patcher) -> None:
    """An abort is forgotten."""
    patcher.replace(agents.stopping, "_on_abort", lambda _: lambda *_: Decision())


@MUTANTS
def revocation_forgotten(patcher: Patcher) -> None:
    """A revocation is forgotten."""
    patcher.replace(agents.stopping, "_on_revocation", lambda _: lambda *_: Decision())


@MUTANTS
def no_tombstones(patcher: Patcher) -> None:
    """Tombstones do not forbid anything."""
    patcher.replace(gate, "_check_tombstones", lambda _: lambda *_: None)


@MUTANTS
def veto_ignored(patcher: Patcher) -> None:
    """The operator's veto is ignored."""

    def make(original: Any) -> Any:
        return lambda self: replace(original(self), veto=False)

    patcher.replace(agents.agent.Agent, "_moment", make)


@MUTANTS
def lever_ignored(patcher: Patcher) -> None:
    """The lever is ignored."""
    patcher.replace(agents.stopping, "_on_lever", lambda _: lambda *_: Decision())


@MUTANTS
def lever_forgotten_at_restart(patcher: Patcher) -> None:
    """The lever is forgotten at a restart."""

    def make(original: Any) -> Any:
        def opened(cls: Any, *args: Any, **named: Any) -> Ledger:
            ledger: Ledger = original(cls, *args, **named)
            ledger.state = replace(ledger.state, engaged={})
            return ledger

        return opened

    patcher.replace(Ledger, "open", make)


@MUTANTS
def revocations_forgotten_at_restart(patcher: Patcher) -> None:
    """What was revoked is forgotten at a restart."""

    def make(original: Any) -> Any:
        def opened(cls: Any, *args: Any, **named: Any) -> Ledger:
            ledger: Ledger = original(cls, *args, **named)
            ledger.state = replace(ledger.state, revoked={})
            return ledger

        return opened

    patcher.replace(Ledger, "open", make)


@MUTANTS
def orders_forgotten_at_restart(patcher: Patcher) -> None:
    """What was accepted is forgotten at a restart, and with it that the site is held."""

    def make(original: Any) -> Any:
        def opened(cls: Any, *args: Any, **named: Any) -> Ledger:
            ledger: Ledger = original(cls, *args, **named)
            ledger.state = replace(ledger.state, orders={}, rungs={}, holding=None)
            return ledger

        return opened

    patcher.replace(Ledger, "open", make)


@MUTANTS
def acts_before_appending(patcher: Patcher) -> None:
    """An agent acts on an order before that is on its disk."""

    def make(original: Any) -> Any:
        def commit(self: Any, decision: Decision, moment: Any, *, mark: bool = False) -> Any:
            if not any(isinstance(event, OrderAccepted) for event in decision.events):
                return original(self, decision, moment, mark=mark)
            for event in decision.events:
                self.state = fold_event(self.state, event)
            self._unsaved_events = [*self._unsaved_events, *decision.events]
            self._unsaved_drafts = [*self._unsaved_drafts, *decision.drafts]
            return ()

        return commit

    patcher.replace(Ledger, "commit", make)


@MUTANTS
def answers_before_appending(patcher: Patcher) -> None:
    """Receipts are not kept back until they are on the disk."""

    def make(original: Any) -> Any:
        def commit(self: Any, decision: Decision, moment: Any, *, mark: bool = False) -> Any:
            receipts = self._sign(decision.drafts, moment)
            if receipts and not decision.events:
                return receipts
            return original(self, decision, moment, mark=mark)

        return commit

    patcher.replace(Ledger, "commit", make)
