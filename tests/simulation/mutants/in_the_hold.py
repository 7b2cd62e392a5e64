"""Bugs in the hold: what does not end, does not restore, or works on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import agents.reconcile
import agents.state
from agents.actuators.cutoff import Cutoff
from agents.events import Cause
from agents.lease import LicenceKeeper
from agents.ledger import Ledger
from agents.mocksite.driver import MockDriver
from tests.simulation.mutants.patching import Mutants, Patcher

MUTANTS = Mutants()
_EVER_NS = 10**15


@MUTANTS
def timer_forgotten_at_restart(patcher: Patcher) -> None:
    """The timer that restores is forgotten at a restart."""

    def make(original: Any) -> Any:
        def opened(cls: Any, *args: Any, **named: Any) -> Ledger:
            ledger: Ledger = original(cls, *args, **named)
            live = ledger.state.live
            if live is not None and ledger.state.holding is not None:
                longer = replace(live, accepted=live.accepted.model_copy(update={"hold_ns": _EVER_NS}))
                ledger.state = replace(ledger.state, orders={**ledger.state.orders, ledger.state.holding: longer})
            return ledger

        return opened

    patcher.replace(Ledger, "open", make)


@MUTANTS
def no_hold_end(patcher: Patcher) -> None:
    """A hold never ends by itself."""

    def make(original: Any) -> Any:
        def end_cause(*args: Any) -> Any:
            cause = original(*args)
            return None if cause is Cause.HOLD_END else cause

        return end_cause

    patcher.replace(agents.reconcile, "end_cause", make)


@MUTANTS
def hold_anew_after_reboot(patcher: Patcher) -> None:
    """After a reboot the hold begins anew."""

    def make(original: Any) -> Any:
        def elapsed_ns(since: Any, state: Any, moment: Any) -> int:
            if moment.boot_id == since.boot_id:
                return int(original(since, state, moment))
            return int(moment.boot_ns)

        return elapsed_ns

    patcher.replace(agents.reconcile, "elapsed_ns", make)


@MUTANTS
def power_kept_off(patcher: Patcher) -> None:
    """An enforcer does not give the power back."""

    def make(_: Any) -> Any:
        def restore(self: Any) -> str:
            self._marks.clear()
            return "as if the feed were on again"

        return restore

    patcher.replace(Cutoff, "restore", make)


@MUTANTS
def restores_nothing(patcher: Patcher) -> None:
    """A driver says that it restored, and leaves everything as it is."""
    patcher.replace(MockDriver, "restore", lambda _: lambda _self: "as if it ran again")


@MUTANTS
def replayed_licence_prolongs(patcher: Patcher) -> None:
    """A licence that is sent again prolongs the lease."""

    def make(original: Any) -> Any:
        def accept(self: Any, nonce: str, boot_ns: int) -> bool:
            if original(self, nonce, boot_ns):
                return True
            self.until_ns = max(self.until_ns, boot_ns + self._licence_ns)
            return True

        return accept

    patcher.replace(LicenceKeeper, "accept", make)


@MUTANTS
def licence_from_arrival(patcher: Patcher) -> None:
    """A licence counts from its arrival, not from when its nonce was sent."""

    def make(_: Any) -> Any:
        def accept(self: Any, nonce: str, boot_ns: int) -> bool:
            if self._sent.pop(nonce, None) is None or not self.licensed(boot_ns):
                return False
            self.until_ns = boot_ns + self._licence_ns
            return True

        return accept

    patcher.replace(LicenceKeeper, "accept", make)


@MUTANTS
def refusals_without_bound(patcher: Patcher) -> None:
    """Refusals are remembered without a bound."""
    patcher.replace(agents.state, "_newest", lambda _: lambda receipts: receipts)
