"""Every way in for bytes from outside, given what is good, what is stored, and a fixed number of changes.

The fuzzer (`make fuzz`) tries the same targets for as long as it is told to. What fails there belongs
into the corpus, and so into this test.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.hostile.fuzz import CORPUS, STORED_MAX_BYTES, corpus_of, distil, fuzz_plain
from tests.hostile.targets import TARGETS
from tests.hostile.targets.base import Target

SEED = 4
TRIES = 400
DEAR = {
    "bundle": 20,
    "database": 100,
    "forged-bundle": 12,
    "licence": 200,
    "log": 100,
    "plan": 120,
    "signed-document": 100,
}
"""How many changes are tried where one costs more than a millisecond."""
CORPUS_MAX_BYTES = 150_000


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_what_is_good_and_what_was_once_found_holds(name: str) -> None:
    """Good inputs, and every input that was worth keeping, break nothing."""
    target = TARGETS[name]
    seeds = target.seeds()
    assert seeds
    for data in (*seeds, *corpus_of(name)):
        target.run(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_changed_inputs_break_nothing(name: str) -> None:
    """Inputs changed in the ways of an attacker give one clear error, or what was rightly signed."""
    target, rng = TARGETS[name], Random(SEED)
    pool = [*target.seeds(), *corpus_of(name)]
    for _ in range(DEAR.get(name, TRIES)):
        target.run(target.mutate(rng.choice(pool), rng))


def test_the_corpus_is_of_known_targets_and_stays_small() -> None:
    """No stored input is lost to a renamed target, and the corpus can be run by everybody."""
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= set(TARGETS)
    assert all(path.stat().st_size <= STORED_MAX_BYTES for path in files)
    assert sum(path.stat().st_size for path in files) <= CORPUS_MAX_BYTES


def _fragile() -> Target:
    def check(data: bytes) -> None:
        if b"x" in data:
            raise KeyError("x")
        assert len(data) < 9, "long"

    def append(data: bytes, rng: Random) -> bytes:
        return data + rng.choice((b"x", b"y"))

    return Target("fragile", check, lambda: [b"", b"12345678"], mutate=append)


def test_the_fuzzer_finds_each_kind_of_failure_once_and_keeps_its_input(tmp_path: Path) -> None:
    """A planted bug is found, told once, and can be tried again from the file that is left."""
    figures = fuzz_plain(_fragile(), 0.3, tmp_path, SEED)
    kept = list((tmp_path / "failed" / "fragile").glob("*.input"))
    assert figures["failures"] == len(kept) == 2
    assert figures["executions"] > 10
    for path in kept:
        with pytest.raises((KeyError, AssertionError)):
            _fragile().run(path.read_bytes())


def test_only_what_reaches_new_lines_is_worth_storing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The corpus takes the smallest input that reaches lines which no other reaches, and no second one."""
    monkeypatch.setattr("tests.hostile.fuzz.CORPUS", tmp_path / "corpus")
    learnt = tmp_path / "learnt" / "time"
    learnt.mkdir(parents=True)
    for number, data in enumerate((b"age\nyesterday", b"age\nyesterdays", TARGETS["time"].seeds()[0])):
        (learnt / str(number)).write_bytes(data)
    assert distil(TARGETS["time"], tmp_path, 9) == 1
    stored = [path.read_bytes() for path in (tmp_path / "corpus" / "time").iterdir()]
    assert stored == [b"age\nyesterday"]
