"""What stands in the way of one drill's start at one moment. Pure.

Each way in which a service could go beyond what was approved, or beyond the blast radius, is closed here; sites
check what concerns them once more by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.schedule.names import NS_PER_S
from orchestrator.schedule.notes import Hindrance
from orchestrator.schedule.series import Inputs, Series, Wave
from protocols.ids import format_utc, seconds_to_ns
from protocols.phrases import duration_text


@dataclass(frozen=True, slots=True)
class Block:
    """Something that stands in the way.

    Attributes:
        reason: What kind of thing.
        detail: The same for people.
        until_ns: When it will be gone; none if that cannot be known.
        final: Whether it will never be gone for this occurrence.
    """

    reason: Hindrance
    detail: str
    until_ns: int | None = None
    final: bool = False


@dataclass(slots=True)
class Ledger:
    """What is held while a decision is made: what goes on already, and what the decision itself starts.

    Attributes:
        inputs: What is decided on.
        held: The sites that are held.
        drills: How many drills go on.
    """

    inputs: Inputs
    held: set[str] = field(init=False)
    drills: int = field(init=False)

    def __post_init__(self) -> None:
        self.held = {site for going in self.inputs.going for site in going.sites}
        self.drills = len(self.inputs.going)

    def take(self, wave: Wave) -> None:
        """Count a drill that is to be started."""
        self.held |= set(wave.sites)
        self.drills += 1

    def block(self, series: Series, wave: Wave) -> Block | None:
        """Return what stands in the way of a drill that starts now; None if nothing does."""
        return next(self._blocks(series, wave), None)

    def _blocks(self, series: Series, wave: Wave) -> Iterator[Block]:
        yield from self._warrant(wave)
        if self.inputs.held_off:
            yield Block(Hindrance.HELD_OFF, self.inputs.held_off)
        if wave.barred or wave.warrant is None:
            yield Block(Hindrance.UNAUTHORISED, wave.barred or "nobody approved it yet")
        yield from self._blackout(wave)
        yield from self._distances(series, wave)
        yield from self._room(wave)

    def _warrant(self, wave: Wave) -> Iterator[Block]:
        """Find what the warrant does not cover, now or ever."""
        now_ns = self.inputs.now_ns
        end_ns = now_ns + seconds_to_ns(wave.longest_s)
        if now_ns < wave.not_before_ns:
            detail = f"its window begins at {format_utc(wave.not_before_ns)}"
            yield Block(Hindrance.OUTSIDE_WINDOW, detail, wave.not_before_ns)
        if end_ns > wave.not_after_ns:
            detail = f"its window ends at {format_utc(wave.not_after_ns)}, and it can take {_span(wave.longest_s)}"
            yield Block(Hindrance.OUTSIDE_WINDOW, detail, final=True)
        if wave.used >= wave.uses:
            yield Block(Hindrance.USES_SPENT, f"all {wave.uses} uses of its warrant are spent", final=True)
        if (wave.used + 1) * wave.held_s > wave.max_total_held_s * (1 + 1e-12):
            detail = f"its warrant holds a site {_span(wave.max_total_held_s)} at most over all uses, and that is spent"
            yield Block(Hindrance.HELD_SPENT, detail, final=True)

    def _blackout(self, wave: Wave) -> Iterator[Block]:
        now_ns = self.inputs.now_ns
        closure = self.inputs.closures.first_in(now_ns, now_ns + seconds_to_ns(wave.longest_s))
        if closure is not None:
            yield Block(Hindrance.BLACKOUT, f"{closure.name}, until {format_utc(closure.end_ns)}", closure.end_ns)

    def _distances(self, series: Series, wave: Wave) -> Iterator[Block]:
        now_ns, state = self.inputs.now_ns, self.inputs.state
        last_ns = max(wave.ended_ns or 0, state.warrant_ended_ns.get(wave.warrant or "", 0))
        again_ns = last_ns + seconds_to_ns(wave.min_between_uses_s)
        if last_ns and again_ns > now_ns:
            detail = f"its warrant wants {_span(wave.min_between_uses_s)} between two uses"
            yield Block(Hindrance.USES_APART, detail, again_ns)
        apart_s = max(series.min_between_site_drills_s, self.inputs.radius.min_between_site_drills_s)
        newest = max(wave.sites, key=lambda site: state.site_ended_ns.get(site, 0), default=None)
        ended_ns = state.site_ended_ns.get(newest or "", 0)
        if ended_ns and ended_ns + seconds_to_ns(apart_s) > now_ns:
            detail = f"site {newest} had a drill less than {_span(apart_s)} ago"
            yield Block(Hindrance.SITE_DISTANCE, detail, ended_ns + seconds_to_ns(apart_s))

    def _room(self, wave: Wave) -> Iterator[Block]:
        shape = self.inputs.shape
        alone = shape.hindrance((), wave.sites)
        if alone is not None:
            yield Block(Hindrance.RADIUS, f"by itself: {alone}", final=True)
        busy = sorted(self.held & set(wave.sites))
        if busy:
            more = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
            yield Block(Hindrance.SITE_BUSY, f"site {busy[0]}{more} is in another drill")
        if self.drills >= self.inputs.drills_at_once_max:
            yield Block(Hindrance.DRILLS_AT_ONCE, f"{self.drills} drills go on, and no more may at once")
        beside = shape.hindrance(self.held, wave.sites)
        if beside is not None:
            yield Block(Hindrance.RADIUS, beside)


def _span(seconds: float) -> str:
    return duration_text(round(seconds, 3))


RETRY_FIRST_S, RETRY_MAX_S = 30, 600


def retry_ns(failures: int, failed_ns: int) -> int:
    """Return when a drill that could not be opened is tried again: after half a minute, then ever more rarely."""
    return failed_ns + min(RETRY_MAX_S, RETRY_FIRST_S << min(failures - 1, 10)) * NS_PER_S
