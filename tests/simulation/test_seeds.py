"""A short simulation: whole drills in bad weather, always the same ones and a few that nobody ran before."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

import pytest

from tests import kit
from tests.simulation import shrink as shrinking
from tests.simulation.campaign import campaign, try_seed
from tests.simulation.invariants import Ran
from tests.simulation.playing import Playing
from tests.simulation.plot import TROUBLES, Plot, draw
from tests.simulation.truth import Truth, Violation

FIXED = range(12)
FRESH = 3
FRESH_FROM = 1_000_000_000
SAME = (1, 4, 8)


def test_fixed_seeds_and_a_few_fresh_ones_break_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Every invariant holds in drills in bad weather; the numbers of fresh seeds are told, to run them again."""
    fresh = [FRESH_FROM + secrets.randbelow(FRESH_FROM) for _ in range(FRESH)]
    with capsys.disabled():
        sys.stdout.write(f" fresh seeds {', '.join(map(str, fresh))} ")
    broken = {
        outcome.seed: [str(one) for one in outcome.violations]
        for outcome in campaign([*FIXED, *fresh], jobs=1)
        if outcome.violations
    }
    assert broken == {}, "python -m tests.simulation --seed N --shrink tells more"


def test_one_seed_is_one_run_to_the_byte() -> None:
    """A seed gives the same journals and the same truth again, also in another process with other hashes."""
    here = [try_seed(seed).fingerprint for seed in SAME]
    assert all(here)
    program = "import sys; from tests.simulation.campaign import try_seed\n"
    program += "print(*(try_seed(int(seed)).fingerprint for seed in sys.argv[1:]))"
    there = subprocess.run(
        [sys.executable, "-c", program, *map(str, SAME)],
        env={**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.split() == here


def test_seeds_differ_and_every_kind_of_trouble_is_drawn() -> None:
    """Swarm testing wants quiet seeds, too, and each kind of trouble both alone and with others."""
    plots = [draw(seed) for seed in range(400)]
    assert len(set(plots)) == len(plots)
    assert any(not plot.troubles for plot in plots)
    assert {trouble for plot in plots if len(plot.troubles) == 1 for trouble in plot.troubles} == set(TROUBLES)
    assert {trouble for plot in plots if len(plot.troubles) > 1 for trouble in plot.troubles} == set(TROUBLES)


def test_what_has_nothing_to_do_with_a_violation_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a plot that breaks something by one strike, that strike is left, and one site with one step."""
    wanted = ("crashes/1", 2)
    struck = frozenset((kind, number) for kind in ("crashes/1", "crashes/2", "cuts/1") for number in range(9))
    violation = Violation("restoring.was_back_after_the_hold", "it was not")

    def fake(plot: Plot) -> tuple[Playing, tuple[Violation, ...]]:
        left = frozenset(one for one in struck - plot.skipped if one[0].partition("/")[0] in plot.troubles)
        return Playing(plot, Ran(Truth(), fleet), left), (violation,) if wanted in left else ()

    fleet = kit.make_fleet(["alpha"])
    seed = next(
        seed
        for seed in range(2_000)
        if draw(seed).troubles >= {"crashes", "cuts"} and draw(seed).sites == len(draw(seed).ladders) == 2
    )
    monkeypatch.setattr(shrinking, "violations_of", fake)
    shrunk = shrinking.shrink(draw(seed), fake(draw(seed))[0], violation)
    assert shrunk.plot.troubles == {"crashes"}
    assert (shrunk.plot.sites, len(shrunk.plot.ladders), shrunk.plot.uses) == (1, 1, 1)
    assert shrunk.playing is not None
    assert shrunk.playing.struck == {wanted}
