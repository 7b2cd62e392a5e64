"""What scripted parties are made of: a true load, chains of signed messages, and the script of their faults."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.envelope import seal
from protocols.ids import format_utc
from protocols.messages import AGENT, Link, Message, Order, Outcome, Receipt
from protocols.reasons import Reason
from tests.kit import Fleet, key_of
from tests.virtual import LoopClock

RATE_US_PER_S = 500_000
BUSY_W, IDLE_W, OFF_W = 9_000, 1_500, 20
NO_BODY = "0" * 64


@dataclass
class Load:
    """The site's true work, exactly integrated."""

    clock: LoopClock
    active: bool = True
    powered: bool = True
    processes: int = 3
    _done_us: float = 0.0
    _since_ns: int | None = None

    def work_us(self) -> int:
        """Return the cumulative work so far."""
        now_ns = self.clock.boot_ns()
        if self._since_ns is not None and self.active and self.powered:
            self._done_us += (now_ns - self._since_ns) / 1e9 * RATE_US_PER_S
        self._since_ns = now_ns
        return int(self._done_us)

    def switch(self, *, active: bool) -> None:
        """Start or stop the work now."""
        self.work_us()
        self.active = active

    def feed(self, *, powered: bool) -> None:
        """Switch the power on or off now."""
        self.work_us()
        self.powered = powered

    @property
    def power_w(self) -> int:
        """What it draws now."""
        if not self.powered:
            return OFF_W
        return BUSY_W if self.active else IDLE_W


@dataclass
class Script:
    """What one site does wrong.

    Attributes:
        lies: Reports a halt and works on.
        silent: Its agent answers nothing.
        refuses: Its agent refuses every order.
        provoked: Its agent first meets the order with a warrant that somebody tampered with.
        delay_s: Time from the order to the halt.
        resumes_after_s: Begins to work again inside the hold, this long after the halt.
        stays_down: Never comes back.
        idle: Has no load from the start.
        lost: By witness, positions of readings that are lost on the wire.
        never_resends: Witnesses that ignore recalls.
        no_closing: Witnesses that stop before their closing.
        mute: Witnesses that say nothing.
        blind: Witnesses that always report work.
        mad_clock: Witnesses whose own clock makes no sense.
        fails: Its driver fails.
        mends_at: The rung from which on it does as it should, whatever it did before.
        no_enforcer: Its enforcers are not there.
        misjudges: By the right reason of a refusal, the wrong one that it gives.
        gullible: Right reasons for a refusal that it does not see: it accepts.
        caches_licences: Takes each licence for a new one, however often it was sent before.
        never_renews: Asks for no licence.
    """

    lies: bool = False
    silent: bool = False
    refuses: bool = False
    provoked: bool = False
    delay_s: float = 0.4
    resumes_after_s: float | None = None
    stays_down: bool = False
    idle: bool = False
    lost: dict[str, frozenset[int]] = field(default_factory=dict)
    never_resends: frozenset[str] = frozenset()
    no_closing: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    blind: frozenset[str] = frozenset()
    mad_clock: frozenset[str] = frozenset()
    fails: bool = False
    mends_at: int | None = None
    no_enforcer: bool = False
    misjudges: dict[Reason, Reason] = field(default_factory=dict)
    gullible: frozenset[Reason] = frozenset()
    caches_licences: bool = False
    never_renews: bool = False

    def faulty_at(self, rung: int) -> bool:
        """Tell whether its faults show on a rung."""
        return self.mends_at is None or rung < self.mends_at


class Chain:
    """A sender's chain of signed messages."""

    def __init__(self, label: str, clock: LoopClock) -> None:
        self.signer = key_of(label)
        self.clock = clock
        self.sent: list[bytes] = []
        self.mad = False
        self._prev = NO_BODY

    def link(self) -> Link:
        """Return the place of the next message."""
        boot_ns = self.clock.boot_ns() * (9 if self.mad else 1)
        return Link(seq=len(self.sent) + 1, prev=self._prev, boot_id=self.clock.boot_id, boot_ns=boot_ns)

    def seal(self, message: Message) -> bytes:
        """Sign the next message and keep it."""
        raw = seal(message, self.signer)
        self._prev = message.digest()
        self.sent.append(raw)
        return raw


def receipt(
    fleet: Fleet,
    site: str,
    chain: Chain,
    order: Order | None,
    digest: str,
    outcome: Outcome,
    reason: Reason | None = None,
    by: str = AGENT,
) -> bytes:
    """Make and sign the answer to an order, as far as it could be read."""
    message = Receipt(
        fleet=fleet.fleet,
        site=site,
        link=chain.link(),
        at=format_utc(chain.clock.wall_ns()),
        order=digest,
        drill=None if order is None else order.drill,
        use=None if order is None else order.use,
        step=None if order is None else order.step,
        outcome=outcome,
        reason=reason,
        detail="",
        elapsed_ns=0,
        checkpoint="c" * 64 if outcome is Outcome.HALTED else None,
        by=by,
        rung=None if order is None else order.rung,
    )
    return chain.seal(message)
