"""Whether a witness's own clock fits the brackets that its readings lie in.

Within one boot, the time that passed on a witness's boot clock between two of its messages must lie
between the least and the most time that their brackets leave, within a stated drift. A journal
whose arrival or issue times were moved breaks this without any signature being wrong; and so does a
witness that makes its clock up. From one witness alone nobody can tell which it was, so it cannot
agree to anything (`orchestrator.core.trace`); from more owners at one site than may lie, the verifier
can (`orchestrator.evidence.verifier`).

For messages i before j: with e = b_j - b_i, I the lower and A the upper end of a bracket,

    e <= (A_j - I_i) * (1 + drift) + slack      and      e >= (I_j - A_i) * (1 - drift) - slack

Each side splits into a part of i and a part of j, so running extremes check all pairs in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.core.samples import NEVER, Bracket

DRIFT_PPM = 1_000
"""Most that a witness's clock may run fast or slow. A crystal is good to 100."""

SLACK_NS = 50_000_000
"""Most that a reading of a clock may be off by itself."""

_MILLION = 1_000_000
_FAST = _MILLION + DRIFT_PPM
_SLOW = _MILLION - DRIFT_PPM
_SLACK = SLACK_NS * _MILLION


@dataclass(slots=True)
class _Boot:
    """What one boot has shown so far; extremes by the orchestrator's clock epoch, in millionths."""

    latest_ns: int = -1
    slowest: dict[int, int] = field(default_factory=dict)
    fastest: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class ClockFit:
    """Takes one witness's messages in chain order and says of each whether its clock fits."""

    _boots: dict[str, _Boot] = field(default_factory=dict)

    def take(self, boot_id: str, boot_ns: int, bracket: Bracket) -> str:
        """Return what is wrong with one message after those before it; empty when nothing is.

        Args:
            boot_id: The boot that it states.
            boot_ns: Its boot-time clock.
            bracket: The times between which it was surely signed.
        """
        boot = self._boots.setdefault(boot_id, _Boot())
        after, before = bracket.after, bracket.before
        clock = boot_ns * _MILLION
        most, least = clock - _FAST * before.ns, clock - _SLOW * after.ns
        wrong = ""
        if after > before:
            wrong = "its bracket is empty: it arrived before a challenge it builds on was issued"
        elif boot_ns < boot.latest_ns:
            wrong = "the witness's boot clock runs backwards"
        elif before.epoch in boot.slowest and most - boot.slowest[before.epoch] > _SLACK:
            wrong = "by the witness's own clock more time passed than the journal's times leave room for"
        elif after.epoch in boot.fastest and least - boot.fastest[after.epoch] < -_SLACK:
            wrong = "by the witness's own clock less time passed than the journal's times say"
        boot.latest_ns = max(boot.latest_ns, boot_ns)
        slowest, fastest = clock - _FAST * after.ns, clock - _SLOW * before.ns
        if after != NEVER:
            boot.slowest[after.epoch] = min(slowest, boot.slowest.get(after.epoch, slowest))
        boot.fastest[before.epoch] = max(fastest, boot.fastest.get(before.epoch, fastest))
        return wrong
