"""The decider as a state machine: every run is accounted for once, whatever stands in its way."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.results import Verdict
from orchestrator.schedule import notes as n
from orchestrator.schedule.blackouts import NoBlackouts
from orchestrator.schedule.draw_key import DrawKey, seed_is_right
from orchestrator.schedule.drawing import DrawStatement, commitment_of, instant_ns
from orchestrator.schedule.radius import RadiusLimits, shape_of
from orchestrator.schedule.spec import Misfire, Schedule, Unannounced
from protocols.ids import digest_of, parse_utc
from tests.kit import make_fleet
from tests.orchestrator.schedule.machine import NS, Machine, series_of, wave_of

BEGIN_NS = round(datetime(2026, 3, 2, 0, 0, tzinfo=UTC).timestamp()) * NS
HOUR_NS = 3_600 * NS
HOURLY = Schedule(cron="0 * * * *", timezone="UTC")
FAR_NS = BEGIN_NS + 365 * 24 * HOUR_NS


def machine(*series: object, **changes: object) -> Machine:
    """Make a service at the beginning of a day."""
    return Machine(BEGIN_NS + 1, list(series), NoBlackouts(), **changes)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), kill_each=st.integers(3, 30), misfire=st.sampled_from(Misfire))
def test_whenever_it_is_killed_each_run_is_accounted_for_once(seed: int, kill_each: int, misfire: Misfire) -> None:
    """Killed between any two steps, also while a drill is opened: no use is spent twice, and no run is forgotten."""
    plans = [
        series_of("one", HOURLY, wave_of("one", ["a"], end_ns=FAR_NS), misfire=misfire),
        series_of("two", HOURLY, wave_of("two", ["b"], end_ns=FAR_NS), misfire=misfire),
    ]
    world = machine(*plans, chance=random.Random(seed), kill_each=kill_each, lasts_s=60.0)
    world.run_until(BEGIN_NS + 12 * HOUR_NS)
    world.kill_each = 0
    world.run_until(BEGIN_NS + 13 * HOUR_NS - 1)
    for plan in ("one", "two"):
        over = [
            note.of.nominal_ns
            for note, _ in world.notes
            if isinstance(note, n.Ended | n.Skipped) and note.of.plan == plan
        ]
        adopted_ns = next(at for note, at in world.notes if isinstance(note, n.PlanAdopted) and note.plan == plan)
        due = [BEGIN_NS + hour * HOUR_NS for hour in range(1, 13) if BEGIN_NS + hour * HOUR_NS >= adopted_ns]
        assert sorted(over) == due
    assert all(known.closed for known in world.drills.values())


def test_a_missed_run_is_skipped_or_made_up_for_once() -> None:
    """After hours without a service, one run is made up for or none, as the plan says; each missed one is named."""
    for misfire, begun in ((Misfire.SKIP, 0), (Misfire.RUN_ONCE, 1)):
        world = machine(series_of("one", HOURLY, wave_of("one", ["a"], end_ns=FAR_NS), misfire=misfire))
        world.run_until(BEGIN_NS + HOUR_NS // 2)
        world.now_ns = BEGIN_NS + 5 * HOUR_NS + HOUR_NS // 2  # it was away
        world.kill()
        world.run_until(world.now_ns + 120 * NS)
        assert len(world.started("one")) == begun
        reasons = Counter(reason for _, reason in world.skipped("one"))
        if misfire is Misfire.SKIP:
            assert reasons == {n.Hindrance.MISSED: 5}
        else:
            assert reasons == {n.Hindrance.MADE_UP: 4}


def test_the_service_never_goes_beyond_a_warrant() -> None:
    """Uses, total held time, gaps and window end are kept; what is no longer covered is skipped with its reason."""
    wave = wave_of("one", ["a"], end_ns=FAR_NS, uses=3)
    world = machine(series_of("one", HOURLY, wave))
    world.run_until(BEGIN_NS + 6 * HOUR_NS)
    assert len(world.drills) == 3
    assert {reason for _, reason in world.skipped("one")} == {n.Hindrance.USES_SPENT}
    held = machine(series_of("one", HOURLY, wave_of("one", ["a"], end_ns=FAR_NS, max_total_held_s=75.0)))
    held.run_until(BEGIN_NS + 5 * HOUR_NS)
    assert len(held.drills) == 2
    apart = machine(series_of("one", HOURLY, wave_of("one", ["a"], end_ns=FAR_NS, min_between_uses_s=5_400.0)))
    apart.run_until(BEGIN_NS + 6 * HOUR_NS + 1)
    starts = [at for note, at in apart.notes if isinstance(note, n.Started)]
    ends = [at for note, at in apart.notes if isinstance(note, n.Ended)]
    assert all(later - end >= 5_400 * NS for end, later in zip(ends, starts[1:], strict=False))
    over = machine(series_of("one", HOURLY, wave_of("one", ["a"], end_ns=BEGIN_NS + 2 * HOUR_NS + 60 * NS)))
    over.run_until(BEGIN_NS + 5 * HOUR_NS)
    assert over.started("one") == [BEGIN_NS + HOUR_NS]


@pytest.mark.parametrize("barred", ["1 of the 2 owners that it takes approved it", "it was revoked: a mistake"])
def test_what_is_not_approved_in_time_is_closed(barred: str) -> None:
    """A run whose warrant cannot be used waits for its grace, is skipped with the reason, and never runs later."""
    series = series_of("one", HOURLY, wave_of("one", ["a"], end_ns=FAR_NS, barred=barred))
    world = machine(series)
    world.run_until(BEGIN_NS + HOUR_NS + 200 * NS)
    assert [note.detail for note, _ in world.notes if isinstance(note, n.Waiting)] == [barred]
    world.run_until(BEGIN_NS + HOUR_NS + 400 * NS)
    assert world.skipped("one") == [(BEGIN_NS + HOUR_NS, n.Hindrance.UNAUTHORISED)]
    world.series = [series_of("one", HOURLY, wave_of("one", ["a"], end_ns=FAR_NS))]
    world.run_until(BEGIN_NS + 2 * HOUR_NS + 1)
    assert world.started("one") == [BEGIN_NS + 2 * HOUR_NS]


def test_waves_follow_each_other_only_as_far_as_they_go_well() -> None:
    """One site, then two, then the rest; a wave that does not go well ends the run there, and says so."""
    waves = [wave_of(f"one-w{number}", [f"s{number}"], end_ns=FAR_NS) for number in (1, 2, 3)]
    good = machine(series_of("one", HOURLY, *waves, waved=True))
    good.run_until(BEGIN_NS + HOUR_NS + 600 * NS)
    begun = [note.of.wave for note, _ in good.notes if isinstance(note, n.Started)]
    assert begun == [1, 2, 3]
    bad = machine(series_of("one", HOURLY, *waves, waved=True))
    bad.verdicts["one-w2"] = {Verdict.VERIFIED: 1, Verdict.UNPROVEN: 1}
    bad.run_until(BEGIN_NS + HOUR_NS + 600 * NS)
    assert [note.of.wave for note, _ in bad.notes if isinstance(note, n.Started)] == [1, 2]
    (skipped,) = [note for note, _ in bad.notes if isinstance(note, n.Skipped)]
    assert (skipped.of.wave, skipped.reason) == (3, n.Hindrance.GATE)
    assert "1 of the 2 sites of wave 2 were verified" in skipped.detail


def test_the_blast_radius_is_kept_at_every_moment() -> None:
    """Never more than half of the fleet is held at once, nor one site by two drills; the rest waits its turn."""
    fleet = make_fleet(("a", "b", "c", "d"))
    limits = RadiusLimits(max_fleet_share=0.5)
    plans = [series_of(site, HOURLY, wave_of(site, [site], end_ns=FAR_NS)) for site in ("a", "b", "c", "d")]
    plans.append(series_of("again", HOURLY, wave_of("again", ["a"], end_ns=FAR_NS)))
    world = machine(*plans, shape=shape_of(fleet.records, limits), radius=limits, lasts_s=60.0)
    world.run_until(BEGIN_NS + 2 * HOUR_NS - 1)
    spans = []
    for note, at_ns in world.notes:
        if isinstance(note, n.Started):
            end_ns = next(at for other, at in world.notes if isinstance(other, n.Ended) and other.drill == note.drill)
            spans.append((at_ns, end_ns, "a" if note.of.plan == "again" else note.of.plan))
    assert len(spans) == 5
    for at_ns, _, _ in spans:
        held = [site for begin, end, site in spans if begin <= at_ns < end]
        assert len(held) <= 2
        assert len(set(held)) == len(held)


def test_a_wave_that_is_too_large_by_itself_is_never_begun() -> None:
    """What could never keep the blast radius is refused with its reason, not left to wait for ever."""
    fleet = make_fleet(("a", "b", "c", "d"))
    limits = RadiusLimits(max_fleet_share=0.5)
    wave = wave_of("one", ["a", "b", "c"], end_ns=FAR_NS)
    world = machine(series_of("one", HOURLY, wave), shape=shape_of(fleet.records, limits), radius=limits)
    world.run_until(BEGIN_NS + HOUR_NS + 60 * NS)
    assert world.skipped("one") == [(BEGIN_NS + HOUR_NS, n.Hindrance.RADIUS)]


def test_a_site_has_its_rest_between_drills() -> None:
    """The minimum distance between drills of a site holds across plans."""
    limits = RadiusLimits(min_between_site_drills_s=7_200.0)
    plans = [series_of(name, HOURLY, wave_of(name, ["a"], end_ns=FAR_NS)) for name in ("one", "two")]

    class Noted(Machine):
        def _settle(self, of: n.Occurrence, drill: str) -> None:
            self._write(n.Ended(of=of, drill=drill, verdicts={Verdict.VERIFIED: 1}, sites=("a",)))

    world = Noted(BEGIN_NS + 1, plans, NoBlackouts(), radius=limits)
    world.run_until(BEGIN_NS + 8 * HOUR_NS)
    starts = [at for note, at in world.notes if isinstance(note, n.Started)]
    ends = [at for note, at in world.notes if isinstance(note, n.Ended)]
    assert len(starts) >= 3
    assert all(later - end >= 7_200 * NS for end, later in zip(ends, starts[1:], strict=False))


@pytest.fixture(scope="module")
def key() -> DrawKey:
    """A drawing key."""
    return DrawKey.create()


def test_unannounced_runs_are_bound_beforehand_and_can_be_checked_afterwards(key: DrawKey) -> None:
    """Each instant was committed to before its window, follows from the revealed seed, and is when the drill began."""
    schedule = Schedule(cron="0 6 * * *", timezone="UTC", unannounced=Unannounced(within_s=7_200.0))
    wave = wave_of("one", ["a"], end_ns=FAR_NS)
    world = machine(series_of("one", schedule, wave), seeds=key, chance=random.Random(3), kill_each=25)
    world.run_until(BEGIN_NS + 10 * 24 * HOUR_NS)
    revealed = [note for note, _ in world.notes if isinstance(note, n.DrawRevealed)]
    assert len(revealed) >= 8
    offsets = set()
    for note in revealed:
        commit, commit_ns = next(
            (other, at) for other, at in world.notes if isinstance(other, n.DrawCommitted) and other.of == note.of
        )
        seed = bytes.fromhex(note.seed)
        statement = DrawStatement(of=note.of, within_ms=commit.within_ms, warrant=commit.warrant).encode()
        assert commit_ns < note.of.nominal_ns
        assert commitment_of(seed) == commit.commitment
        assert seed_is_right(key.public, statement, seed)
        assert digest_of(key.public) == commit.key_id
        instant = instant_ns(seed, note.of.nominal_ns, commit.within_ms)
        assert parse_utc(note.instant) == instant
        started_ns = [at for other, at in world.notes if isinstance(other, n.Started) and other.of == note.of]
        assert all(0 <= at - instant <= 60 * NS for at in started_ns)
        offsets.add(instant - note.of.nominal_ns)
    assert len(offsets) == len(revealed)
    assert not any(note.seed in str(other) for note in revealed for other, at in world.notes if at < note.of.nominal_ns)


def test_a_forged_seed_is_found(key: DrawKey) -> None:
    """A seed of another statement, another key, or a changed one proves nothing."""
    statement = b"one"
    seed = key.seed(statement)
    assert seed_is_right(key.public, statement, seed)
    assert not seed_is_right(key.public, b"two", seed)
    assert not seed_is_right(DrawKey.create().public, statement, seed)
    assert not seed_is_right(key.public, statement, seed[:-1] + bytes([seed[-1] ^ 1]))
    assert not seed_is_right(b"no key", statement, seed)
    assert key.seed(statement) == seed
