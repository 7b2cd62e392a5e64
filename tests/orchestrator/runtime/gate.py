"""What a scripted party remembers of its orders, in front of the real gate."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.controls import Actor
from protocols.envelope import Envelope
from protocols.messages import Abort, Release
from protocols.trust import Accepted, Admission, HeldOrder, Noted, SeenRung, SiteMemory, SiteTrust, admit_order
from tests.virtual import LoopClock


@dataclass
class Gate:
    """An agent's or an enforcer's authority: the real rules over a memory that is never lost.

    Attributes:
        trust: The documents that it holds.
        clock: Virtual time.
        actor: Whose gate it is.
        veto: Whether its operator has set the veto.
    """

    trust: SiteTrust
    clock: LoopClock
    actor: Actor = Actor.AGENT
    veto: bool = False
    _held: dict[tuple[str, int, int, int], HeldOrder] = field(default_factory=dict)
    _seen: dict[tuple[str, int, int, int], tuple[str, int]] = field(default_factory=dict)
    _released: set[tuple[str, int, int]] = field(default_factory=set)
    _aborted: set[tuple[str, int]] = field(default_factory=set)

    def admit(self, order: Envelope, warrant: Envelope) -> Admission:
        """Decide on an order, and remember it."""
        now_ns = self.clock.boot_ns()
        rungs = {key: SeenRung(digest, now_ns - seen_ns) for key, (digest, seen_ns) in self._seen.items()}
        memory = SiteMemory(
            orders=self._held,
            rungs=rungs,
            released=frozenset(self._released),
            aborted=frozenset(self._aborted),
            veto=self.veto,
        )
        wall_ns = self.clock.wall_ns()
        found = admit_order(order, warrant, self.trust, memory, now_ns=wall_ns, actor=self.actor)
        if isinstance(found, Accepted) or (isinstance(found, Noted) and found.matters):
            key = (found.order.warrant, found.order.use, found.order.step, found.order.rung)
            self._seen[key] = found.digest, now_ns
            if isinstance(found, Accepted):
                self._held[key] = HeldOrder(found.digest, wall_ns, wall_ns + found.hold_ns, live=True)
        return found

    def stop(self, said: Release | Abort) -> None:
        """Obey a release or an abort, and remember it."""
        for key, held in self._held.items():
            mine = key[:2] == (said.warrant, said.use) and (isinstance(said, Abort) or key[2] == said.step)
            if mine:
                self._held[key] = HeldOrder(held.digest, held.accepted_ns, held.ends_ns, live=False)
        if isinstance(said, Abort):
            self._aborted.add((said.warrant, said.use))
        else:
            self._released.add((said.warrant, said.use, said.step))
