"""The probe of one witness of a simulated site. It shares the world with the driver, and no code of its.

It looks only through the instruments that its witness has. What the site says of itself it checks:
answers to a census are verified here, against this witness's own copy of the register, and counted
against what is physically there, which no answer can change.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections import deque
from collections.abc import Iterable, Sequence

from agents.mocksite.devices import Answer, answer_statement
from agents.mocksite.instruments import Instruments
from agents.mocksite.jobs import GRADIENT_SHARE, TRAINING
from agents.mocksite.scheduler import Run
from agents.mocksite.world import World
from protocols.clock import Clock
from protocols.controls import (
    CensusParams,
    DecommissionParams,
    IsolateParams,
    RunCapParams,
    SelectivePauseParams,
)
from protocols.errors import DriverError, ProbeError
from protocols.ids import digest_of
from protocols.keys import PublicKey
from protocols.messages import Challenge, Counter, Fact, Peak, Signal
from protocols.mock_config import Look, Register
from protocols.signals import (
    AGREES,
    CANARY_CAUGHT,
    CANARY_NOT_TRIED,
    CANARY_RUNS,
    CENSUS_COUNT,
    CENSUS_DOUBLED,
    CENSUS_MISSING,
    CENSUS_REGISTRY,
    CENSUS_UNREGISTERED,
    DEVICES,
    EGRESS_BLOCKED,
    EGRESS_INSIDE,
    EGRESS_OUTSIDE,
    EGRESS_REACHED,
    EGRESS_SEEN,
    EGRESS_SILENT,
    FEED,
    FEED_OFF,
    FEED_ON,
    LABEL_CANARY,
    LIVE_PROCESSES,
    NONE,
    POWER,
    RUN_ABOVE,
    RUN_BELOW,
    RUN_REFUSED,
    RUN_STARTED,
    RUNS_OVER,
)

_NAMES_MAX_CHARS = 120
_ABOVE, _BELOW = 1.02, 0.98
"""Sizes of the runs that are tried, in caps: near to it on both sides, or a scheduler whose cap is another passes."""
_BLOCKED_MAX = 256


class MockProbe:
    """Observes a simulated site for one witness.

    Args:
        world: The site.
        witness: The witness's name.
        looks: The instruments that it has.
        register: Its copy of the register of accelerators, for `Look.DEVICES`.
        clock: The true clock.
    """

    def __init__(
        self, world: World, witness: str, looks: Sequence[Look], *, register: Register | None, clock: Clock
    ) -> None:
        self._world = world
        self._witness = witness
        self._looks = frozenset(looks)
        self._census = None if register is None else _Census(register)
        self._clock = clock
        self._instruments = Instruments(world, witness)
        self._blocked: deque[str] = deque(maxlen=_BLOCKED_MAX)

    def sample(self, challenge: Challenge) -> tuple[Signal, ...]:
        """Look through every instrument, and try what is exercised.

        Raises:
            ProbeError: The power controller cannot be asked.
        """
        self._world.advance(self._clock.boot_ns())
        signals: list[Signal] = [*self._numbers(), *self._feed()]
        there = self._world.devices.count
        match challenge.exercise:
            case DecommissionParams(phase="arm"):
                pass  # it destroys nothing yet: a census at every challenge would only slow everybody down
            case RunCapParams() as cap if Look.RUNS in self._looks:
                signals += self._try_runs(cap)
            case SelectivePauseParams(protected=protected) if Look.LABELS in self._looks:
                signals.append(self._try_labels(protected))
            case IsolateParams() if Look.EGRESS in self._looks:
                signals += self._try_egress(challenge.nonce)
            case CensusParams() | DecommissionParams() if self._census is not None and Look.DEVICES in self._looks:
                answers = self._world.devices.answers(challenge.nonce, powered=self._world.powered)
                signals += self._census.take(challenge.nonce, answers, there)
                # What answers is somewhere, even if nobody can count it: it was moved, not destroyed.
                there = max(there, len({answer.slot for answer in answers}))
            case _:
                pass
        if Look.DEVICES in self._looks:
            signals.append(Peak(name=DEVICES, value=there))
        return tuple(signals)

    def _numbers(self) -> Iterable[Signal]:
        shown = self._instruments.read()
        if Look.WORK in self._looks:
            for name, value in shown.work.items():
                yield Counter(name=name, epoch=self._world.epoch, value=value)
        if Look.PROCESSES in self._looks:
            yield Peak(name=LIVE_PROCESSES, value=shown.processes)
        if Look.POWER in self._looks:
            yield Peak(name=POWER, value=shown.power_w)

    def _feed(self) -> Iterable[Signal]:
        if Look.FEED in self._looks:
            try:
                yield Fact(name=FEED, value=FEED_ON if self._world.feed_on() else FEED_OFF)
            except DriverError as error:
                raise ProbeError(error.what, where=error.where, remedy=error.remedy) from error

    def _try_runs(self, cap: RunCapParams) -> Iterable[Signal]:
        for name, factor in ((RUN_ABOVE, _ABOVE), (RUN_BELOW, _BELOW)):
            hours = cap.limit * factor
            if cap.unit == "flop":
                hours /= self._world.scheduler.flop_per_hour
            run = Run(f"{self._witness}-{name.replace('_', '-')}", TRAINING, 1, hours, GRADIENT_SHARE)
            yield Fact(name=name, value=self._submit(run))
        over = self._world.scheduler.over(cap)
        yield Fact(name=RUNS_OVER, value=_named(over), digest=_digest(over))

    def _try_labels(self, labels: Sequence[str]) -> Signal:
        """Try a training run under each protected label: it is caught only if it is caught under every one."""
        runs = [Run(f"{self._witness}-label-canary", label, 1, 1.0, GRADIENT_SHARE) for label in labels]
        outcomes = {self._submit(run) for run in runs}
        if RUN_STARTED in outcomes:
            return Fact(name=LABEL_CANARY, value=CANARY_RUNS)
        return Fact(name=LABEL_CANARY, value=CANARY_CAUGHT if outcomes == {RUN_REFUSED} else CANARY_NOT_TRIED)

    def _submit(self, run: Run) -> str:
        """Submit a run, and withdraw it at once: it shows what the scheduler does, and takes nothing."""
        outcome = self._world.submit(run)
        self._world.scheduler.withdraw(run.name)
        return outcome

    def _try_egress(self, nonce: str) -> Iterable[Signal]:
        token = f"{self._witness}-{nonce}"
        reached = self._world.send_canary(token)
        if reached:
            self._blocked.clear()
            seen = self._world.network.seen_outside(token)
        else:  # what failed for its sender may be held back on the way, and get out a while later
            self._blocked.append(token)
            seen = any(self._world.network.seen_outside(sent) for sent in self._blocked)
        yield Fact(name=EGRESS_INSIDE, value=EGRESS_REACHED if reached else EGRESS_BLOCKED)
        yield Fact(name=EGRESS_OUTSIDE, value=EGRESS_SEEN if seen else EGRESS_SILENT)


class _Census:
    """Takes a census against one register."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._keys = {entry.device: PublicKey.load(entry.key) for entry in register.devices}

    def take(self, nonce: str, answers: Sequence[Answer], counted: int) -> Iterable[Signal]:
        """Compare who is registered, who answers this very nonce, and how many are there."""
        right = [answer for answer in answers if self._verifies(nonce, answer)]
        answering = {answer.device for answer in right}
        missing = sorted(set(self._keys) - answering)
        # A name without the right signature is nobody's: the slot holds something that is not registered.
        unregistered = sorted({f"{answer.device}@{answer.slot}" for answer in answers if answer not in right})
        slots = Tally(answer.slot for answer in right)
        names = Tally(answer.device for answer in right)
        doubled = sorted({one.device for one in right if slots[one.slot] > 1 or names[one.device] > 1})
        for name, found in (
            (CENSUS_MISSING, missing),
            (CENSUS_UNREGISTERED, unregistered),
            (CENSUS_DOUBLED, doubled),
        ):
            yield Fact(name=name, value=_named(found), digest=_digest(found))
        numbers = {len(self._keys), len(answering), counted}
        told = f"registered {len(self._keys)}, answering {len(answering)}, counted {counted}"
        yield Fact(name=CENSUS_COUNT, value=AGREES if len(numbers) == 1 else told)
        yield Fact(name=CENSUS_REGISTRY, value=str(len(self._keys)), digest=self._register.digest)

    def _verifies(self, nonce: str, answer: Answer) -> bool:
        key = self._keys.get(answer.device)
        return key is not None and key.verifies(answer.signature, answer_statement(nonce, answer.device))


def _named(names: Sequence[str]) -> str:
    """Return names as a fact's value: all of them, or as many as fit and how many more."""
    if not names:
        return NONE
    text = " ".join(names)
    count = len(names)
    while len(text) > _NAMES_MAX_CHARS:
        count -= 1
        text = f"{' '.join(names[:count])} and {len(names) - count} more"
    return text


def _digest(names: Sequence[str]) -> str:
    return digest_of("".join(f"{name}\n" for name in names).encode())
