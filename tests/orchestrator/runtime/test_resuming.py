"""A drill whose orchestrator crashes, at whatever point, is taken up from its journal and comes to its end."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.core.grades import Cause, Verdict
from orchestrator.core.states import Phase
from orchestrator.evidence.bundle import encode_bundle, result_of
from orchestrator.evidence.fold import fold_journal
from orchestrator.evidence.verifier import verify_bundle
from orchestrator.journal.lock import sole_writer
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.opening import Opened
from orchestrator.runtime.resuming import resume_drill, unfinished
from protocols.controls import Control, LeaseParams, Params, PauseParams, RefusalParams, ShutdownParams
from protocols.errors import ConfigError, JournalError
from protocols.keys import Signer
from protocols.messages import Warrant
from tests.kit import Fleet, key_of, make_fleet
from tests.orchestrator.runtime.lives import SIGNER, FragileJournal, Lives, Played
from tests.orchestrator.runtime.scripted import documents_of
from tests.virtual import run_virtual

POINTS = 9
"""Appends of a drill around which it is tried; more of them take longer."""
FALSE = {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.NOT_RESTORED, Verdict.REFUSED, Verdict.LATE}
"""Verdicts that accuse a site: an honest one never gets them because its orchestrator crashed."""


def short(fleet: Fleet, first: Params | None = None) -> Warrant:
    """Make a warrant of two short steps."""
    common = {"hold_s": 5.0, "response_limit_s": 1.5, "dwell_s": 1.0, "restore_limit_s": 3.0}
    last = fleet.step(name="stop", **(common | {"params": ShutdownParams(grace_s=1.0)}))
    return fleet.warrant(
        fleet.step(name="first", **(common | {"params": first or PauseParams()})), last, challenge_s=0.4
    )


def make_one() -> Fleet:
    """Make a fleet of one site that can do everything."""
    return make_fleet(("alpha",), witnesses=2, record={"controls": tuple(Control)})


def ends_well(fleet: Fleet, played: Played) -> None:
    """Hold a drill to what every resumed drill owes, wherever it crashed."""
    drill, store = played.drill, played.store
    assert drill.phase is Phase.CLOSED
    assert unfinished(store) == []
    assert drill.results.keys() == {(step, "alpha") for step in (0, 1)}
    told = {key: (result.verdict.value, result.cause) for key, result in drill.results.items()}
    assert not {result.verdict for result in drill.results.values()} & FALSE, told
    assert all(site.load.active for site in played.sites.values())
    lines = tuple(store.lines(drill.drill))
    assert list(lines) == store.kept
    assert fold_journal(lines).drill.results == drill.results
    bundle = encode_bundle(lines, result_of(lines), SIGNER)
    assert verify_bundle(bundle, fleet=fleet.fleet, now_ns=fleet.now_ns).findings == ()


def crashed(first: Params, at: Sequence[int], *, before: bool = False, away_s: float = 3.0) -> tuple[Fleet, Played]:
    """Play a drill whose orchestrator dies around these appends."""
    fleet = make_one()
    store = FragileJournal(at, before=before)
    return fleet, run_virtual(Lives(fleet, store, away_s=away_s).play(short(fleet, first)), idle_cycles=0)


CONTROLS = {
    "pause": PauseParams(),
    "lease": LeaseParams(licence_s=1.0, renewed_s=1.0),
    "refusal": RefusalParams(),
}


@pytest.mark.parametrize("first", CONTROLS.values(), ids=CONTROLS)
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_crash_around_any_append_ends_with_verdicts(first: Params, before: bool) -> None:
    """Whatever was appended last, the drill ends, accuses nobody who was honest, and its evidence holds."""
    _, whole = crashed(first, ())
    assert whole.drill.passed
    appends = whole.store.appends
    for at in range(1, appends, max(1, appends // POINTS)):
        fleet, played = crashed(first, (at,), before=before)
        assert played.resumes == 1
        ends_well(fleet, played)


@pytest.mark.parametrize("seed", range(4))
def test_several_crashes_in_one_drill(seed: int) -> None:
    """Crashes during what was resumed are no worse, and each begins an epoch of its own."""
    chance = random.Random(seed)
    at = sorted(chance.sample(range(1, 60), 4))
    fleet, played = crashed(PauseParams(), at, before=bool(seed % 2), away_s=chance.choice((0.1, 3.0, 20.0)))
    ends_well(fleet, played)
    assert played.drill.now.epoch == played.resumes + 1 > 2


def test_a_step_in_its_hold_is_released_at_once_and_nobody_is_blamed() -> None:
    """What was seen before the crash counts, no order goes out again, and the next step is still exercised."""
    _, whole = crashed(PauseParams(), ())
    for at in range(8, whole.store.appends):
        fleet, played = crashed(PauseParams(), (at,))
        events = [json.loads(line)["event"]["type"] for line in played.store.kept]
        place = events.index("drill.resumed")
        if "order.published" in events[:place] and "release.issued" not in events[:place]:
            acts = [event for event in events[place + 1 :] if not event.endswith(".received")]
            assert acts[0] == "release.issued"
            assert played.drill.results[0, "alpha"].cause is not Cause.SILENT
            assert played.drill.results[1, "alpha"].passed
            ends_well(fleet, played)
            return
    raise AssertionError("no crash fell into the hold")


def test_a_drill_that_was_never_opened_is_closed_and_its_use_is_spent() -> None:
    """A crash before the first append said nothing to anybody: the drill is over, and the use is gone."""
    _, played = crashed(PauseParams(), (0,), before=True)
    (entry,) = played.store.drills()
    assert (entry.closed, entry.use) == (True, 1)
    assert list(played.store.lines(entry.drill)) == []


def resume(fleet: Fleet, store: SqliteJournal, signer: Signer = SIGNER) -> Opened | None:
    """Resume the one drill of a store."""
    (entry,) = store.drills()
    documents = documents_of(fleet)
    return resume_drill(documents, entry.drill, signer, store, nonce=fleet.nonce, wall_ns=fleet.now_ns)


def test_a_drill_that_only_was_not_marked_is_marked() -> None:
    """A crash after the last append leaves nothing to be done: no epoch begins, no record is added."""
    fleet, whole = crashed(PauseParams(), ())
    whole.store._db.execute("UPDATE drills SET closed = 0")
    opened = resume(fleet, whole.store)
    assert opened is not None
    assert (opened.drill.phase, opened.events) == (Phase.CLOSED, ())


def test_another_key_other_documents_and_a_damaged_journal_are_one_clear_error() -> None:
    """Nothing is taken up by another dispatcher, under other documents, or from a journal that does not hold."""
    fleet, whole = crashed(PauseParams(), ())
    with pytest.raises(ConfigError, match="opened with dispatcher key"):
        resume(fleet, whole.store, key_of("another"))
    with pytest.raises(ConfigError, match="documents are not those"):
        resume(make_fleet(("alpha",), witnesses=3), whole.store)
    whole.store._db.execute("DELETE FROM records WHERE seq = 20")
    with pytest.raises(JournalError, match="expected number 20"):
        resume(fleet, whole.store)


def test_two_processes_never_run_drills_on_one_journal(tmp_path: Path) -> None:
    """The second is refused at once, and may begin when the first is over."""
    journal = tmp_path / "new" / "journal.sqlite"
    with sole_writer(journal), pytest.raises(JournalError, match="another haltdrill process"), sole_writer(journal):
        pass
    with sole_writer(journal):
        pass
