"""The counting of processes that come and go, against a model that knows every process's true work."""

from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given
from hypothesis import strategies as st

from agents.probes.counting import EpochNames, KernelCounter, Tally, Task, UsageCounter


@dataclasses.dataclass
class Process:
    task: Task
    cpu_us: int = 0
    live: bool = True


class Machine:
    """A machine where processes work, fork, end, and are looked at; it forgets nothing."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.started = 0
        self.seen_work_us: dict[Task, int] = {}
        self.counter = UsageCounter(EpochNames("run"))
        self.tallies: list[Tally] = []
        self.true_us: list[int] = []
        self.ended_after: list[bool] = []
        self._ended_one_seen = False

    def start(self) -> None:
        # Pids are reused at once: only the start time tells the processes apart.
        free = next(pid for pid in range(100) if all(process.task.pid != pid for process in self.processes))
        self.processes.append(Process(Task(pid=free, start_ticks=self.started)))
        self.started += 1

    def work(self, index: int, cpu_us: int) -> None:
        running = [process for process in self.processes if process.live]
        if running:
            running[index % len(running)].cpu_us += cpu_us

    def end(self, index: int) -> None:
        running = [process for process in self.processes if process.live]
        if running:
            ended = running[index % len(running)]
            ended.live = False
            self._ended_one_seen |= ended.task in self.seen_work_us

    def reap(self, index: int) -> None:
        zombies = [process for process in self.processes if not process.live]
        if zombies:
            self.processes.remove(zombies[index % len(zombies)])

    def look(self) -> None:
        seen = {process.task: process.cpu_us for process in self.processes if process.live}
        self.tallies.append(self.counter.add(seen))
        self.ended_after.append(self._ended_one_seen)
        self._ended_one_seen = False
        for task, cpu_us in seen.items():
            self.seen_work_us[task] = cpu_us
        self.true_us.append(sum(self.seen_work_us.values()))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("start")),
        st.tuples(st.just("work"), st.integers(0, 9), st.integers(0, 10**6)),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(st.just("reap"), st.integers(0, 9)),
        st.tuples(st.just("look")),
    ),
    max_size=80,
)


def run(script: list[tuple]) -> Machine:
    """Play a script on a new machine, and look once more."""
    machine = Machine()
    for name, *arguments in script:
        getattr(machine, name)(*arguments)
    machine.look()
    return machine


@given(steps)
def test_within_an_epoch_the_value_never_decreases_and_loses_no_work(script: list[tuple]) -> None:
    """The difference of two looks in one epoch is all the work of every process that was seen."""
    machine = run(script)
    pairs = list(zip(machine.tallies, machine.true_us, strict=True))
    for (before, true_before), (after, true_after) in itertools.pairwise(pairs):
        if before.epoch == after.epoch:
            assert after.cpu_us >= before.cpu_us
            assert after.cpu_us - before.cpu_us == true_after - true_before


@given(steps)
def test_an_epoch_ends_exactly_when_a_process_of_the_sum_has_ended(script: list[tuple]) -> None:
    """Too few epochs lose work; too many would never let a quiet site be proved quiet."""
    machine = run(script)
    epochs = [tally.epoch for tally in machine.tallies]
    changed = [before != after for before, after in itertools.pairwise(epochs)]
    assert changed == machine.ended_after[1:]


@given(steps)
def test_epoch_names_never_come_back(script: list[tuple]) -> None:
    """An epoch that returned would bridge what was lost between."""
    epochs = [tally.epoch for tally in run(script).tallies]
    runs = [epoch for index, epoch in enumerate(epochs) if index == 0 or epochs[index - 1] != epoch]
    assert len(runs) == len(set(runs))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_work_that_hops_from_process_to_process_is_never_one_epoch(spent_us: list[int]) -> None:
    """A process that forks and ends before every look does not pass for one quiet process."""
    counter = UsageCounter(EpochNames("run"))
    epochs = [counter.add({Task(pid=7, start_ticks=number): cpu_us}).epoch for number, cpu_us in enumerate(spent_us)]
    assert len(set(epochs)) == len(epochs)


@given(steps)
def test_the_peak_covers_both_ends_of_the_interval(script: list[tuple]) -> None:
    """Whoever lived at a look also lived just after it, and counts in the next peak as well."""
    machine = Machine()
    living_before = 0
    for name, *arguments in [*script, ("look",)]:
        getattr(machine, name)(*arguments)
        if name == "look":
            living = sum(process.live for process in machine.processes)
            assert machine.tallies[-1].peak_live == max(living, living_before)
            living_before = living


def test_an_account_that_shrinks_begins_an_epoch() -> None:
    """A count that runs backwards may hide work, also behind another process that works."""
    counter = UsageCounter(EpochNames("run"))
    one, other = Task(pid=1, start_ticks=1), Task(pid=2, start_ticks=1)
    first = counter.add({one: 100, other: 0})
    second = counter.add({one: 50, other: 90})
    assert first.epoch != second.epoch


looks = st.lists(
    st.one_of(st.none(), st.tuples(st.integers(1, 3), st.integers(0, 5), st.integers(0, 4))), min_size=2, max_size=40
)


@given(looks)
def test_a_kernel_count_stands_only_while_the_same_group_is_there(script: list) -> None:
    """A group removed between two looks, or made anew, may have worked unseen."""
    counter = KernelCounter(EpochNames("run"))
    tallies = [counter.add(None, 0, 0) if look is None else counter.add(*look) for look in script]
    for index in range(1, len(script)):
        before, after = script[index - 1], script[index]
        same = before is not None and after is not None and before[0] == after[0] and before[1] <= after[1]
        assert (tallies[index].epoch == tallies[index - 1].epoch) == same
        live = [look[2] if look else 0 for look in (before, after)]
        assert tallies[index].peak_live == max(live)
