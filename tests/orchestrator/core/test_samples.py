"""Chains and brackets."""

from __future__ import annotations

import itertools

import pytest

from orchestrator.core.samples import NEVER, Sample, Track
from tests.orchestrator.core.world import DIGEST, at, digest

CHAIN = [Sample(n, n, at(n * 10 + 5)) for n in range(1, 6)]


def add(track: Track, sample: Sample, *, prev: str | None = None, own: str | None = None) -> bool:
    """Add a sample with the digests of the good chain, unless told otherwise."""
    good_prev = digest(str(sample.seq - 1)) if sample.seq > 1 else DIGEST
    return track.add(sample, prev or good_prev, own or digest(str(sample.seq)))


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::7])
def test_any_order_of_arrival_gives_one_chain(order: tuple[int, ...]) -> None:
    """Messages may come in any order."""
    track = Track()
    assert all(add(track, CHAIN[n]) for n in order)
    assert [sample.seq for sample in track.samples] == [1, 2, 3, 4, 5]
    assert track.contiguous
    assert not track.forked


def test_gaps_are_named() -> None:
    """What is missing is known by its numbers, so that it can be asked for."""
    track = Track()
    for n in (0, 3, 4):
        add(track, CHAIN[n])
    assert track.gaps == [(2, 3)]
    assert not track.contiguous
    assert track.holds(4, 5)
    assert not track.holds(3, 5)
    assert not track.holds(1, 4)
    assert not track.holds(5, 6)


@pytest.mark.parametrize("place", [0, 2])
def test_a_wrong_link_forks(place: int) -> None:
    """A message whose digest is not what its successor says, or whose predecessor differs, forks."""
    track = Track()
    add(track, CHAIN[1])
    if place == 0:
        add(track, CHAIN[0], own=digest("other"))
    else:
        add(track, CHAIN[2], prev=digest("other"))
    assert track.forked


def test_one_number_twice_forks() -> None:
    """Two different messages with one number fork; the same message again does not."""
    track = Track()
    add(track, CHAIN[0])
    assert not add(track, CHAIN[0])
    assert not track.forked
    add(track, CHAIN[0], own=digest("other"))
    assert track.forked
    add(track, CHAIN[1])
    assert track.forked


def test_brackets_use_predecessors_and_successors() -> None:
    """I is the latest issue quoted so far, A the earliest arrival from here on."""
    track = Track()
    samples = [Sample(1, None, at(50)), Sample(2, 2, at(90)), Sample(3, 1, at(70)), Sample(4, 9, at(80))]
    for sample in samples:
        add(track, sample)
    brackets = track.brackets({1: at(10), 2: at(20)})
    assert [bracket.after for bracket in brackets] == [NEVER, at(20), at(20), at(20)]
    assert [bracket.before for bracket in brackets] == [at(50), at(70), at(70), at(80)]


def test_the_earliest_arrival_counts() -> None:
    """A message that came twice was there when it came first, whichever copy is added first."""
    track = Track()
    add(track, Sample(1, 1, at(50)))
    assert add(track, Sample(1, 1, at(40)))
    assert not add(track, Sample(1, 1, at(60)))
    assert track.samples[0].arrival == at(40)
    assert track.rewrites == 1


def test_only_appending_in_order_is_no_rewrite() -> None:
    """An addition in the middle, or one that arrived before its predecessor, changes what was read."""
    track = Track()
    for sample in (CHAIN[0], CHAIN[1], CHAIN[3]):
        add(track, sample)
    assert track.rewrites == 0
    add(track, CHAIN[2])
    assert track.rewrites == 1
    add(track, Sample(5, 5, at(1)))
    assert track.rewrites == 2
