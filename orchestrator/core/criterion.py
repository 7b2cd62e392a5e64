"""What the criterion of a control is made of, and the words of a control: their types, for every control alike.

`orchestrator.core.criteria` has those of each control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.causes import Cause
from protocols.messages import WorkRate


@dataclass(frozen=True, slots=True)
class WantedFact:
    """What a fact must say.

    Attributes:
        right: The values that are as wanted; None takes any.
        wrong: The values that are not; None takes every value that is not right. A value that is
            neither, such as a run that still waits, is unknown.
        digest: The digest that must come with it; another one makes it unknown.
        cause: What it means when it is wrong.
    """

    name: str
    right: frozenset[str] | None
    wrong: frozenset[str] | None = None
    digest: str | None = None
    cause: Cause = Cause.DISSENT

    def says(self, value: str | None, digest: str | None) -> bool | None:
        """Return whether a value is as wanted; None when it is unknown."""
        if value is None or (self.digest is not None and digest != self.digest):
            return None
        if self.right is None or value in self.right:
            return True
        return False if self.wrong is None or value in self.wrong else None


@dataclass(frozen=True, slots=True)
class Band:
    """A counter's rate, averaged over every window of at least the dwell.

    Attributes:
        least: Units per second that it must surely not fall under.
        most: Units per second that it must surely not rise over; None sets no limit.
        low: What it means when it surely falls under.
        high: What it means when it surely rises over.
    """

    name: str
    least: int
    most: int | None
    low: Cause
    high: Cause


@dataclass(frozen=True, slots=True)
class Criterion:
    """When a site counts as being as ordered under one control.

    Attributes:
        quiet: Counters and the rate (epsilon, units per second) that each must not exceed, in any interval.
        at_most: Peak signals and the level that each must not exceed.
        caps: Counters and the rate that each must not exceed on average since the halt began.
        bands: Counters whose rate must stay in a band.
        facts: What facts must say.
        watched: Counters that must not be seen active, but need not be seen (a dark site counts nothing).
        work: The counters whose load band shows steady state, before the order and after the release.
        needs_work: Whether a witness must cover those to count; else it is judged by those it covers.
        before: What facts must say before the order, and again after the release.
        draws: Peak signals, and the level that each must exceed then.
        goes_on: Whether all work is to go on: judged is then whether steady state never broke.
        returns: Whether it must be seen back after the release; else it must never come back.
        lags: Whether its effect may follow the report of the act, within the response limit.
        report: Whether the report of who acts is part of the proof.
        answers: Whether that report must have come before the release: who acts is to be heard meanwhile.
        proofs: The proofs that it must hold.
        checkpoint: Whether it must name a checkpoint.
        armed: Whether it must hold the nonce of an arming.
        battery: Whether it is judged by how orders are refused, and no order is accepted.
        strangers: Owners whose witnesses do not count, beside the site's own.
        lacks: What the site record lacks, so that nobody could ever judge it.
    """

    quiet: tuple[tuple[str, int], ...] = ()
    at_most: tuple[tuple[str, int], ...] = ()
    caps: tuple[tuple[str, int], ...] = ()
    bands: tuple[Band, ...] = ()
    facts: tuple[WantedFact, ...] = ()
    watched: tuple[tuple[str, int], ...] = ()
    work: tuple[WorkRate, ...] = ()
    needs_work: bool = True
    before: tuple[WantedFact, ...] = ()
    draws: tuple[tuple[str, int], ...] = ()
    goes_on: bool = False
    returns: bool = True
    lags: bool = False
    report: bool = False
    answers: bool = False
    proofs: tuple[str, ...] = ()
    checkpoint: bool = False
    armed: bool = False
    battery: bool = False
    strangers: frozenset[str] = frozenset()
    lacks: tuple[str, ...] = ()

    @property
    def ceilings(self) -> tuple[tuple[str, int], ...]:
        """The counters, with their rates, of which every prefix of a run must stay at or under."""
        return self.quiet + self.caps

    @property
    def needs(self) -> frozenset[str]:
        """The names of all signals that it is judged by."""
        counted = [name for name, _ in self.quiet + self.at_most + self.caps + self.draws]
        named = [wanted.name for wanted in self.facts + self.before] + [band.name for band in self.bands]
        return frozenset(counted + named + ([rate.signal for rate in self.work] if self.needs_work else []))


@dataclass(frozen=True, slots=True)
class Words:
    """What people read of one control, before, while and after it is exercised.

    Attributes:
        proved: What a site is once witnesses saw it as ordered, as in "it is halted".
        going: What it is on the way there, once its actor accepted.
        goal: What is asked of it, as in "halted within 5 s".
        lasting: What must last through the dwell, as in "quiet for 2 s".
        seen: What its witnesses saw, as in "3 witnesses saw ...".
        proof: What must be seen for it to pass, as in "passes if within 5 s of the order ...". `{seen}`
            stands for the witnesses that it takes, `{dwell}` for the dwell.
        back: What it is once witnesses saw it back, as in "and back at work 2 s after the release".
        back_briefly: The same in a word or two.
        zero: What the response time is counted from.
        otherwise: What a witness saw that did not see it as ordered.
        timed: Whether it has a response time that is worth a distribution; a standby has none.
    """

    proved: str
    going: str
    goal: str
    lasting: str
    seen: str
    proof: str
    back: str = "back at work"
    back_briefly: str = "back at work"
    zero: str = "the order"
    otherwise: str = "active"
    timed: bool = True


def fact(name: str, *, right: str, wrong: str, cause: Cause) -> WantedFact:
    """Return a fact that is wrong with one value; with any but these two it is unknown."""
    return WantedFact(name, frozenset({right}), frozenset({wrong}), cause=cause)


def steady(work: Sequence[WorkRate]) -> tuple[Band, ...]:
    """Return the load bands of counters whose work is to go on as before."""
    broken = Cause.STEADY_BROKEN
    return tuple(Band(rate.signal, rate.band_min_per_s, rate.band_max_per_s, broken, broken) for rate in work)
