"""A run as lines for people: what was done to whom, what was ordered and acted on, what sites really were."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.invariants import Ran
from tests.simulation.invariants.signed import Signed, frame
from tests.simulation.invariants.verdicts import claims

NS = 1_000_000_000
_TOLD = frozenset({"order", "release", "abort", "lever", "receipt", "licence", "licence-request"})
_FIELDS = ("order", "use", "step", "rung", "site", "outcome", "reason", "nonce", "request")

Line = tuple[int, int, str]


def timeline(ran: Ran) -> Iterator[str]:
    """Yield the lines of a run, in the order of what happened; times in seconds from its start."""
    lines = [*_struck(ran), *_deeds(ran), *_said(ran), *_verdicts(ran)]
    for at_ns, _, text in sorted(lines):
        yield f"{at_ns / NS:9.3f}  {text}"


def _struck(ran: Ran) -> Iterator[Line]:
    for one in ran.truth.struck:
        yield one.at_ns, one.n, f"{one.kind} {one.whom} {one.detail}".rstrip()


def _deeds(ran: Ran) -> Iterator[Line]:
    for one in ran.truth.acted:
        what = "" if one.params is None else f" {one.params.control}"
        yield one.at_ns, one.n, f"{one.site}/{one.by} calls {one.deed}{what} under {(one.order or 'nothing')[:8]}"
    for state in ran.truth.states:
        what = "as always" if state.as_always else f"control {state.control}, feed {'on' if state.feed_on else 'off'}"
        yield state.at_ns, state.n, f"{state.site} is {what}{', destroyed' if state.destroyed else ''}"
    for accept in ran.accepts:
        verb = "accepted" if accept.acts else "saw"
        yield accept.at_ns, accept.n, f"{accept.party} wrote down that it {verb} {accept.order[:8]}"


def _said(ran: Ran) -> Iterator[Line]:
    seen: set[str] = set()
    for sent in ran.truth.sent:
        for signed in frame(sent.payload)[:1]:
            if signed.kind in _TOLD and signed.digest not in seen:
                seen.add(signed.digest)
                yield sent.at_ns, sent.n, f"{sent.by} sends {signed.kind} {signed.digest[:8]}: {_fields(signed)}"


def _fields(signed: Signed) -> str:
    named = [(name, signed.fields.get(name)) for name in _FIELDS]
    return ", ".join(f"{name} {str(value)[:16]}" for name, value in named if value is not None)


def _verdicts(ran: Ran) -> Iterator[Line]:
    for claim in claims(ran):
        cause = claim.result.get("cause")
        text = f"{claim.name}" if cause is None else f"{claim.name} ({cause})"
        yield claim.at_ns, 1 << 60, text
