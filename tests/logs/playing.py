"""Plays one site of a simulated drill through one step, well or in one of the ways in which sites go wrong."""

from __future__ import annotations

from typing import Any

from orchestrator.core.grades import Cause, Grade, ReceiptSummary, RungResult, SiteStepResult, Verdict
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import Standing
from protocols.controls import Control
from protocols.ids import digest_of
from protocols.logged import Level
from protocols.messages import Outcome
from protocols.reasons import Reason
from tests.logs.scenario import CLIMB_NS, DWELL_NS, HOLD_NS, LIMIT_NS, MS, PREFLIGHT_NS, RESTORE_LIMIT_NS, WITNESSES, S
from tests.logs.taken import Site, Taken

AGREED: dict[str, Any] = {"agreeing": 3, "dissenting": 0, "unknown": 0}


class Playing:
    """Plays one site through one step."""

    def __init__(self, taken: Taken, site: Site, step: dict[str, Any], order: str, began_ns: int) -> None:
        self.taken, self.site, self.step, self.order = taken, site.name, step, order
        # Only the first step has a ladder.
        self.fault = "" if step["step"] and site.fault == "escalated" else site.fault
        chance = taken.chance
        self.steady_ns = began_ns + chance.randrange(S, 4 * S)
        self.ordered_ns = began_ns + PREFLIGHT_NS
        self.released_ns = self.ordered_ns + HOLD_NS
        # A long tail: most sites take a second or two, a few most of their limit.
        self.took_ns = min(round(chance.lognormvariate(0.5, 0.45) * S), LIMIT_NS - S)
        self.upper_ns = self.took_ns + chance.randrange(100 * MS, 900 * MS)
        self.heard_ns = self.ordered_ns + chance.randrange(30 * MS, 300 * MS)
        self.back_took_ns = chance.randrange(2 * S, 6 * S)

    def play(self) -> None:
        """Play it."""
        self._change(self.steady_ns, Standing.AT_WORK)
        self.step = self.step | {"order": self.order}
        self._change(self.ordered_ns + 50 * MS, Standing.ORDERED, dissenting=3, unknown=0)
        getattr(self, f"_play_{self.fault or 'good'}")()

    def _change(self, t_ns: int, stands: Standing, **fields: Any) -> None:
        self.taken.change(t_ns, self.site, self.step, stands, **fields)

    def _receipt(self, t_ns: int, outcome: Outcome, **fields: Any) -> None:
        refused = outcome in {Outcome.REFUSED, Outcome.FAILED}
        log, by = self.taken, fields.pop("by", "agent")
        log.add(
            t_ns,
            ln.Receipt(
                **log.common(t_ns, Level.WARNING if refused else Level.DEBUG, f"{self.site}, {by}: {outcome.value}"),
                **self.step,
                action="receipt.received",
                site=self.site,
                by=by,
                outcome=outcome,
                **fields,
            ),
        )

    def _done(self, result: SiteStepResult) -> None:
        self.taken.results.append((self.step["step"], self.site, result))

    def _accept(self) -> None:
        self._receipt(self.heard_ns, Outcome.ACCEPTED, detail="pause for 60 s")
        self._change(self.heard_ns + 5 * MS, Standing.ACCEPTED, grade=Grade.ACCEPTED, dissenting=3, unknown=0)

    def _report(self) -> None:
        halted_ns = self.ordered_ns + self.took_ns
        self._receipt(halted_ns, Outcome.HALTED, detail="suspended 64 processes (cgroup)")
        self._change(halted_ns + 5 * MS, Standing.SELF_REPORTED, grade=Grade.SELF_REPORTED, dissenting=2, unknown=1)

    def _witness(self) -> None:
        seen_ns = self.ordered_ns + self.upper_ns + DWELL_NS
        self._change(seen_ns, Standing.CORROBORATED, grade=Grade.CORROBORATED, agreeing=1, unknown=2)
        self._change(seen_ns + 300 * MS, Standing.WITNESSED, grade=Grade.WITNESSED, **self._bounds(), **AGREED)

    def _bounds(self) -> dict[str, Any]:
        return {"response_lower_ns": max(0, self.took_ns - 400 * MS), "response_upper_ns": self.upper_ns}

    def _hold(self, upto_ns: int = 0) -> None:
        self._change(
            upto_ns or self.released_ns - 200 * MS, Standing.HELD, grade=Grade.HELD, **self._bounds(), **AGREED
        )
        self._change(self.released_ns + 40 * MS, Standing.COMING_BACK, grade=Grade.HELD, **self._bounds(), **AGREED)

    def _restore(self) -> None:
        back_ns = self.released_ns + self.back_took_ns
        self._receipt(self.released_ns + 150 * MS, Outcome.RESTORED, detail="release: resumed 64 processes (cgroup)")
        self._change(back_ns + DWELL_NS, Standing.BACK, grade=Grade.HELD, **self._bounds(), **AGREED)

    def _good(self, **changes: Any) -> SiteStepResult:
        given: dict[str, Any] = {
            "grade": Grade.HELD,
            "verdict": Verdict.VERIFIED,
            "cause": None,
            **self._bounds(),
            "restore_lower_ns": self.back_took_ns - S,
            "restore_upper_ns": self.back_took_ns,
            "dwell_ns": HOLD_NS - self.upper_ns,
            "agreeing": WITNESSES,
            "dissenting": (),
            "unknown": (),
            "preflight_ok": True,
            "held": True,
            "receipts": ReceiptSummary(
                accepted_ns=self.heard_ns - self.ordered_ns,
                halted_ns=self.took_ns,
                restored_ns=HOLD_NS + 150 * MS,
            ),
            "control": self.step["control"],
        }
        return SiteStepResult(**given | changes)

    def _unseen(self, verdict: Verdict, cause: Cause, **changes: Any) -> SiteStepResult:
        """Return the result of a site whose response time is censored."""
        none: dict[str, Any] = dict.fromkeys(("response_lower_ns", "response_upper_ns", "dwell_ns"))
        none |= {"verdict": verdict, "cause": cause, "held": False, "agreeing": (), "dissenting": WITNESSES}
        return self._good(**none | changes)

    def _play_good(self) -> None:
        self._accept()
        self._report()
        self._witness()
        self._hold()
        self._restore()
        self._done(self._good())

    def _play_flapping(self) -> None:
        """One witness loses sight of it now and again; it is verified all the same."""
        self._accept()
        self._report()
        self._witness()
        for n in range(4):
            t_ns = self.released_ns - 30 * S + n * 4 * S
            self._change(t_ns, Standing.CORROBORATED, grade=Grade.CORROBORATED, agreeing=1, unknown=2)
            self._change(t_ns + S, Standing.WITNESSED, grade=Grade.WITNESSED, **self._bounds(), **AGREED)
        self._hold()
        self._restore()
        self._done(self._good())

    def _play_late(self) -> None:
        self.took_ns = LIMIT_NS + self.took_ns // 2
        self.upper_ns = self.took_ns + 500 * MS
        self._accept()
        self._report()
        self._witness()
        self._hold()
        self._restore()
        self._done(self._good(verdict=Verdict.LATE, cause=Cause.OVER_LIMIT))

    def _play_contradicted(self) -> None:
        self._accept()
        self._report()
        self._change(
            self.ordered_ns + self.took_ns + 700 * MS,
            Standing.CONTRADICTED,
            grade=Grade.SELF_REPORTED,
            cause=Cause.ACTIVE_AFTER_REPORT,
            dissenting=3,
            unknown=0,
        )
        self._receipt(self.released_ns + 150 * MS, Outcome.RESTORED)
        result = self._unseen(Verdict.CONTRADICTED, Cause.ACTIVE_AFTER_REPORT, grade=Grade.SELF_REPORTED)
        self._done(result)

    def _play_broken(self) -> None:
        self._accept()
        self._report()
        self._witness()
        self._change(
            self.released_ns - 20 * S,
            Standing.BROKEN,
            grade=Grade.WITNESSED,
            cause=Cause.ACTIVE_IN_HOLD,
            agreeing=2,
            dissenting=1,
            unknown=0,
        )
        self._receipt(self.released_ns + 150 * MS, Outcome.RESTORED)
        changes: dict[str, Any] = {
            "agreeing": WITNESSES[:2],
            "dissenting": WITNESSES[2:],
            "held": False,
            "grade": Grade.WITNESSED,
        }
        self._done(self._good(verdict=Verdict.BROKEN, cause=Cause.ACTIVE_IN_HOLD, **changes))

    def _play_not_restored(self) -> None:
        self._accept()
        self._report()
        self._witness()
        self._hold()
        self._change(
            self.released_ns + RESTORE_LIMIT_NS + S,
            Standing.NOT_RESTORED,
            grade=Grade.HELD,
            cause=Cause.NOT_SEEN_BACK,
            **AGREED,
        )
        gone: dict[str, Any] = dict.fromkeys(("restore_lower_ns", "restore_upper_ns"))
        self._done(self._good(verdict=Verdict.NOT_RESTORED, cause=Cause.NOT_SEEN_BACK, **gone))

    def _play_refused(self) -> None:
        self._receipt(self.heard_ns, Outcome.REFUSED, reason=Reason.VETO, detail="the operator's veto is set")
        self._change(self.heard_ns + 5 * MS, Standing.REFUSED, cause=Cause.REFUSED, dissenting=3, unknown=0)
        receipts = ReceiptSummary(refused=Reason.VETO)
        gone: dict[str, Any] = dict.fromkeys(("restore_lower_ns", "restore_upper_ns"))
        self._done(self._unseen(Verdict.REFUSED, Cause.REFUSED, grade=Grade.SILENT, receipts=receipts, **gone))

    def _play_silent(self) -> None:
        gone: dict[str, Any] = dict.fromkeys(("restore_lower_ns", "restore_upper_ns"))
        receipts = ReceiptSummary()
        self._done(self._unseen(Verdict.UNPROVEN, Cause.SILENT, grade=Grade.SILENT, receipts=receipts, **gone))

    def _play_alone(self) -> None:
        """Only one witness owner sees it halted: too few."""
        self._accept()
        self._report()
        seen_ns = self.ordered_ns + self.upper_ns + DWELL_NS
        self._change(seen_ns, Standing.CORROBORATED, grade=Grade.CORROBORATED, agreeing=1, unknown=2)
        self._change(self.released_ns + 40 * MS, Standing.COMING_BACK, grade=Grade.CORROBORATED, agreeing=1, unknown=2)
        self._restore()
        seen: dict[str, Any] = {
            "agreeing": WITNESSES[:1],
            "dissenting": (),
            "unknown": WITNESSES[1:],
            "grade": Grade.CORROBORATED,
        }
        self._done(self._unseen(Verdict.UNPROVEN, Cause.NO_QUORUM, **seen))

    def _play_escalated(self) -> None:
        """The pause does nothing here, so it climbs to the shutdown, which does."""
        self._accept()
        climbs_ns = self.ordered_ns + CLIMB_NS
        climbed = digest_of(f"{self.order} {self.site}".encode())
        self.step = self.step | {"control": Control.SHUTDOWN, "order": climbed}
        log = self.taken
        words = f"{self.site} climbs to rung 2, shutdown: it was not as ordered by the response limit"
        log.add(
            climbs_ns,
            ln.RungOrdered(
                **log.common(climbs_ns, Level.WARNING, words),
                **self.step,
                action="rung.ordered",
                site=self.site,
                rung=1,
                why=Cause.OVER_LIMIT,
            ),
        )
        self._receipt(climbs_ns + 60 * MS, Outcome.ACCEPTED, rung=1)
        self._receipt(climbs_ns + self.took_ns, Outcome.HALTED, rung=1, detail="checkpointed and stopped")
        total_ns = CLIMB_NS + self.upper_ns
        seen: dict[str, Any] = {**self._bounds(), **AGREED, "rung": 1, "total_upper_ns": total_ns}
        seen_ns = climbs_ns + self.upper_ns + DWELL_NS
        self._change(seen_ns, Standing.WITNESSED, grade=Grade.WITNESSED, **seen)
        self._change(self.released_ns - 200 * MS, Standing.HELD, grade=Grade.HELD, **seen)
        self._change(self.released_ns + 40 * MS, Standing.COMING_BACK, grade=Grade.HELD, **seen)
        self._receipt(self.released_ns + 150 * MS, Outcome.RESTORED, rung=1)
        self._change(self.released_ns + self.back_took_ns + DWELL_NS, Standing.BACK, grade=Grade.HELD, **seen)
        none: dict[str, Any] = {"response_lower_ns": None, "response_upper_ns": None, "response_limit_s": LIMIT_NS / S}
        late: dict[str, Any] = {"verdict": Verdict.UNPROVEN, "cause": Cause.DISSENT, "why_next": Cause.OVER_LIMIT}
        limited: dict[str, Any] = self._bounds() | {"response_limit_s": LIMIT_NS / S}
        rungs = (
            RungResult(rung=0, control=Control.PAUSE, **late, **none),
            RungResult(rung=1, control=Control.SHUTDOWN, verdict=Verdict.VERIFIED, cause=None, **limited),
        )
        changes: dict[str, Any] = {"rung": 1, "rungs": rungs, "total_upper_ns": total_ns, "control": Control.SHUTDOWN}
        self._done(self._good(verdict=Verdict.LATE, cause=Cause.ESCALATED, **changes))
