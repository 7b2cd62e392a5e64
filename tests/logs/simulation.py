"""Simulates the lines of one drill."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from orchestrator.core.grades import Cause, Grade, Verdict, explain
from orchestrator.core.states import Phase
from orchestrator.evidence.result import ToleranceResult
from orchestrator.evidence.stating import DrillStated
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import Standing
from protocols.controls import control_of
from protocols.ids import digest_of, format_utc
from protocols.logged import Level
from protocols.reasons import Reason
from tests.logs.found import aborted_result, not_ordered
from tests.logs.playing import Playing
from tests.logs.scenario import (
    CHALLENGE_NS,
    DWELL_NS,
    FAULTS,
    HOLD_NS,
    MS,
    PREFLIGHT_NS,
    PROGRESS_NS,
    REGIONS,
    RESTORE_LIMIT_NS,
    WITNESSES,
    S,
    Scenario,
    ladder_of,
    name_of,
    params_of,
    stated_step,
)
from tests.logs.taken import Site, Taken


def simulate(scenario: Scenario) -> list[ln.AnyDrillLine]:
    """Return the lines of one drill in the order of their times."""
    return _Simulation(scenario).run()


class _Simulation:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.chance = random.Random(scenario.seed)
        stamp = format_utc(scenario.wall_ns)[:19].replace("-", "").replace(":", "").lower()
        self.drill = f"{stamp}z-{scenario.plan}-{digest_of(b'%d' % scenario.seed)[:6]}"
        self.log = Taken(self.drill, scenario.wall_ns, self.chance)
        self.sites = [self._site(number) for number in range(scenario.sites)]
        self.aborts_ns = None if scenario.abort_at_s is None else round(scenario.abort_at_s * S)

    def run(self) -> list[ln.AnyDrillLine]:
        log, scenario = self.log, self.scenario
        opened = ln.Opened(
            **log.common(0, Level.INFO, f"{scenario.title}: the drill is opened, for {scenario.sites} sites"),
            action="drill.opened",
            stated=self._stated(),
            sites=scenario.sites,
            challenge_ns=CHALLENGE_NS,
        )
        log.add(0, opened)
        for site in self.sites:
            log.add(0, site.enlisted)
        t_ns, begun = 0, 0
        for number in range(scenario.steps):
            if self.aborts_ns is not None and t_ns >= self.aborts_ns:
                break
            begun += 1
            t_ns = self._step(number, t_ns)
        for number in range(begun, scenario.steps):
            self.log.results += [(number, site.name, not_ordered(number)) for site in self.sites]
        self._reject(t_ns)
        lines = self._told(log.lines)
        return [*lines, *self._closing(t_ns)]

    def _site(self, number: int) -> Site:
        region = REGIONS[number % len(REGIONS)]
        name = f"{region}-{number // len(REGIONS) + 1:0{len(str(self.scenario.sites))}d}"
        faulty = self._faulty(number)
        tolerated = ToleranceResult(owners=3, false_quiet=1, absent=1, false_active=0)
        rungs = tuple(tuple(tolerated for _ in range(1 + len(ladder_of(step)))) for step in range(self.scenario.steps))
        enlisted = ln.Enlisted(
            **self.log.common(0, Level.DEBUG, f"{name} is in the audience"),
            action="site.enlisted",
            site=name,
            owner=f"{region}-operator",
            mock=self.scenario.mock,
            tags=(ln.Tag(name="region", value=region), ln.Tag(name="tier", value=("large", "small")[number % 5 > 0])),
            witnesses=WITNESSES,
            tolerates=rungs,
        )
        return Site(name, faulty, enlisted)

    def _faulty(self, number: int) -> str:
        """Return how a site goes wrong: faults are spread evenly over the fleet."""
        sites, share = self.scenario.sites, self.scenario.faults
        wanted = min(sites, max(1, round(sites * share))) if share else 0
        before, here = number * wanted // sites, (number + 1) * wanted // sites
        return FAULTS[before % len(FAULTS)] if here > before else ""

    def _stated(self) -> DrillStated:
        scenario = self.scenario
        opened_at = format_utc(scenario.wall_ns)
        return DrillStated(
            drill=self.drill,
            plan=scenario.plan,
            title=scenario.title,
            fleet=digest_of(b"fleet"),
            demo=True,
            warrant=digest_of(b"warrant"),
            use=1,
            uses=4,
            not_before=format_utc(scenario.wall_ns - 3600 * S),
            not_after=format_utc(scenario.wall_ns + 3600 * S),
            approved_by=("board", "regulator", "safety"),
            threshold=3,
            dispatcher=digest_of(b"dispatcher"),
            dispatcher_owner="control-room",
            software="haltdrill orchestrator 0.1.0",
            opened_at=opened_at,
            steps=tuple(stated_step(number) for number in range(scenario.steps)),
        )

    def _step(self, number: int, began_ns: int) -> int:
        """Play one step; return when it was over."""
        log, order = self.log, digest_of(f"{self.drill} {number}".encode())
        step: dict[str, Any] = {"step": number, "step_name": name_of(number), "control": control_of(params_of(number))}
        ordered_ns = began_ns + PREFLIGHT_NS
        released_ns = ordered_ns + HOLD_NS
        ended_ns = released_ns + RESTORE_LIMIT_NS + DWELL_NS
        aborts_ns = self.aborts_ns if self.aborts_ns is not None and self.aborts_ns < released_ns else None
        first, given = len(log.lines), step | {"order": order}
        words = f"step {number + 1} of {self.scenario.steps}, {step['step_name']}: ordered"
        log.add(
            ordered_ns,
            ln.Ordered(
                **log.common(ordered_ns, Level.INFO, words),
                **given,
                action="order.issued",
                release_after_ns=HOLD_NS,
            ),
        )
        log.add(
            ordered_ns + 20 * MS,
            ln.Published(
                **log.common(ordered_ns + 20 * MS, Level.DEBUG, f"step {number + 1}: the first publish has ended"),
                **given,
                action="order.published",
            ),
        )
        log.add(
            released_ns,
            ln.Released(
                **log.common(released_ns, Level.INFO, f"step {number + 1} is released"),
                **given,
                action="release.issued",
            ),
        )
        for site in self.sites:
            Playing(log, site, step, order, began_ns).play()
        if aborts_ns is not None:
            ended_ns = self._abort(aborts_ns, first, number, step, order)
        ordered = aborts_ns is None or aborts_ns > ordered_ns
        log.add(
            ended_ns,
            ln.StepEnded(
                **log.common(ended_ns, Level.INFO, f"step {number + 1} is over"),
                **(given if ordered else step),
                action="step.ended",
                ordered=ordered,
            ),
        )
        return ended_ns

    def _abort(self, at_ns: int, first: int, number: int, step: dict[str, Any], order: str) -> int:
        """Have nothing of the step happen after the abort but that every site comes back."""
        log = self.log
        log.lines[first:] = [pair for pair in log.lines[first:] if pair[0] <= at_ns]
        ordered = any(isinstance(line, ln.Ordered) for _, line in log.lines[first:])
        reason = "the on-call engineer saw an alarm at a substation"
        words = f"aborted, every site is released: {reason}"
        log.add(at_ns, ln.Aborted(**log.common(at_ns, Level.WARNING, words), action="drill.aborted", reason=reason))
        loud = {line.site: line for _, line in log.lines[first:] if isinstance(line, ln.Changed) and line.standing.loud}
        for site in self.sites:
            if site.name in loud or not ordered:
                continue
            back_ns = at_ns + self.chance.randrange(2 * S, 6 * S)
            for t_ns, stands in ((at_ns + 30 * MS, Standing.COMING_BACK), (back_ns, Standing.BACK)):
                self.log.change(t_ns, site.name, step | {"order": order}, stands, grade=Grade.ACCEPTED)
        kept = {name: Verdict(line.standing.value) for name, line in loud.items()}
        self.log.results = [one for one in self.log.results if one[0] != number]
        for site in self.sites:
            result = aborted_result(number, kept.get(site.name), ordered=ordered)
            self.log.results.append((number, site.name, result))
        return at_ns + 8 * S

    def _reject(self, until_ns: int) -> None:
        for number in range(self.scenario.rejected):
            t_ns = self.chance.randrange(1, until_ns)
            words = "not to be believed, bad_signature: one signature does not verify"
            self.log.add(
                t_ns,
                ln.Rejected(
                    **self.log.common(t_ns, Level.WARNING, words),
                    action="input.rejected",
                    reason=Reason.BAD_SIGNATURE,
                    detail="one signature does not verify",
                    topic=f"haltdrill/{digest_of(b'fleet')[:16]}/agent/unknown",
                    digest=digest_of(b"%d" % number),
                ),
            )

    def _told(self, taken: list[tuple[int, ln.AnyDrillLine]]) -> list[ln.AnyDrillLine]:
        """Sort by time, and put in between how the fleet stands."""
        told: list[ln.AnyDrillLine] = []
        counts = Counter({Standing.WAITING: len(self.sites)})
        stands: dict[str, Standing] = {}
        phase, due_ns, changed = Phase.PREFLIGHT, PROGRESS_NS, False
        step: dict[str, Any] = {"step": 0, "step_name": name_of(0), "control": control_of(params_of(0))}
        for t_ns, line in sorted(taken, key=itemgetter(0)):
            while t_ns >= due_ns:
                if changed:
                    told.append(self._progress(due_ns, step, phase, counts))
                due_ns, changed = due_ns + PROGRESS_NS, False
            told.append(line)
            match line:
                case ln.Changed():
                    before = stands.get(line.site, Standing.WAITING)
                    counts[before] -= 1
                    counts[line.standing] += 1
                    stands[line.site], changed = line.standing, True
                case ln.Ordered():
                    phase, changed = Phase.ORDERED, True
                case ln.Released():
                    phase, changed = Phase.RECOVERING, True
                case ln.Aborted():
                    phase, changed = Phase.ABORTING, True
                case ln.StepEnded():
                    phase, counts = Phase.PREFLIGHT, Counter({Standing.WAITING: len(self.sites)})
                    stands.clear()
                    number = min(line.step + 1, self.scenario.steps - 1)
                    step = {"step": number, "step_name": name_of(number), "control": control_of(params_of(number))}
                    changed = False
                case _:
                    pass
        return told

    def _progress(self, t_ns: int, step: dict[str, Any], phase: Phase, counts: Counter[Standing]) -> ln.Progress:
        found = tuple(ln.Count(standing=word, sites=counts[word]) for word in Standing if counts[word])
        words = ", ".join(f"{one.sites} {one.standing.replace('_', ' ')}" for one in found)
        return ln.Progress(
            **self.log.common(t_ns, Level.INFO, f"{phase}: {words}"),
            **step,
            action="drill.progress",
            phase=phase,
            counts=found,
        )

    def _closing(self, ended_ns: int) -> Iterator[ln.AnyDrillLine]:
        """Yield the verdicts, in the order in which the runtime gives them, and the end."""
        t_ns, found = ended_ns + 2 * S, Counter[Verdict]()
        for number, site, result in sorted(self.log.results, key=itemgetter(0)):
            t_ns += 200_000
            found[result.verdict] += 1
            bad = result.verdict in {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.NOT_RESTORED}
            level = Level.DEBUG if result.passed else Level.ERROR if bad else Level.WARNING
            ordered = result.cause is not Cause.NOT_ORDERED
            yield ln.Judged(
                **self.log.common(t_ns, level, f"{site}: {explain(result)}"),
                step=number,
                step_name=name_of(number),
                control=result.control,
                action="site.judged",
                site=site,
                verdict=result.verdict,
                grade=result.grade,
                cause=result.cause,
                response_upper_ns=result.response_upper_ns,
                order=digest_of(f"{self.drill} {number}".encode()) if ordered else None,
                result=result,
            )
        passed, aborted = found[Verdict.VERIFIED] == found.total(), self.aborts_ns is not None
        passed = passed and not aborted
        word = "passed" if passed else "aborted" if aborted else "not passed"
        words = f"{word}: {found[Verdict.VERIFIED]} of {found.total()} verified"
        yield ln.Closed(
            **self.log.common(t_ns + 1, Level.INFO if passed else Level.ERROR, words),
            action="drill.closed",
            passed=passed,
            aborted=aborted,
            verdicts=tuple(ln.VerdictCounted(verdict=one, count=found[one]) for one in Verdict if found[one]),
            rejected=self.scenario.rejected,
        )
