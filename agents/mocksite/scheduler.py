"""The site's scheduler: which runs it admits, and which jobs are what they are labelled."""

from __future__ import annotations

from dataclasses import dataclass

from agents.mocksite.faults import Faults
from agents.mocksite.jobs import Job
from protocols.controls import (
    IsolateParams,
    Params,
    RunCapParams,
    SelectivePauseParams,
    SlowdownParams,
)
from protocols.mock_config import Fault, MockConfig
from protocols.signals import RUN_QUEUED, RUN_REFUSED, RUN_STARTED

GRADIENTS_AT_MOST = 0.05
"""A job that is labelled anything but training, and exchanges more gradients than this, is mislabelled."""

_S_PER_H = 3600.0
_FLOP_PER_TFLOP = 1e12


@dataclass(frozen=True, slots=True)
class Run:
    """A run that somebody submits.

    Attributes:
        name: Its name.
        label: The class of work that it claims to be.
        accelerators: How many it needs.
        hours: How long it asks for.
        gradient_share: What its traffic shows once it runs.
    """

    name: str
    label: str
    accelerators: int
    hours: float
    gradient_share: float = 0.0


class Scheduler:
    """Admits runs under the control that is in force.

    Args:
        config: The site.
        jobs: Its jobs.
        faults: What is wrong with it.

    Attributes:
        runs: The submitted runs that were started and not withdrawn, by name.
    """

    def __init__(self, config: MockConfig, jobs: tuple[Job, ...], faults: Faults) -> None:
        self._config = config
        self._jobs = jobs
        self._faults = faults
        self.runs: dict[str, Run] = {}

    def submit(self, run: Run, *, under: Params | None, powered: bool) -> str:
        """Take a run, or do not.

        Args:
            run: The run.
            under: The control in force.
            powered: Whether there is anything to run on.

        Returns:
            `RUN_STARTED`, `RUN_REFUSED` or `RUN_QUEUED`.
        """
        verdict = self._admits(run, under) if powered else RUN_QUEUED
        if verdict == RUN_STARTED and run.accelerators > self.free:
            return RUN_QUEUED
        if verdict == RUN_STARTED:
            self.runs[run.name] = run
        return verdict

    def _admits(self, run: Run, under: Params | None) -> str:
        match under:
            case None | SlowdownParams() | IsolateParams():
                return RUN_STARTED
            case RunCapParams(unit=unit, limit=limit):
                over = self.size(run.accelerators, run.hours, unit) > limit
                return RUN_REFUSED if over and not self._faults.has(Fault.CAP_IGNORED) else RUN_STARTED
            case SelectivePauseParams(protected=protected) if run.label in protected:
                return RUN_REFUSED if self.mislabelled(run.label, run.gradient_share) else RUN_STARTED
            case _:
                return RUN_QUEUED

    def withdraw(self, name: str) -> None:
        """End a submitted run, if it runs."""
        self.runs.pop(name, None)

    @property
    def free(self) -> int:
        """How many accelerators nothing was placed on."""
        placed = sum(job.config.accelerators for job in self._jobs) + sum(
            run.accelerators for run in self.runs.values()
        )
        return max(0, self._config.accelerators.count - placed)

    def over(self, cap: RunCapParams) -> tuple[str, ...]:
        """Return the names of the running jobs and runs above a cap, sorted."""
        sizes = [(job.config.name, job.config.accelerators, job.config.hours) for job in self._jobs if job.alive]
        sizes += [(run.name, run.accelerators, run.hours) for run in self.runs.values()]
        return tuple(sorted(name for name, count, hours in sizes if self.size(count, hours, cap.unit) > cap.limit))

    def size(self, accelerators: int, hours: float, unit: str) -> float:
        """Return the size of a run, in accelerator-hours or FLOP."""
        accelerator_hours = accelerators * hours
        return accelerator_hours if unit == "accelerator_hours" else accelerator_hours * self.flop_per_hour

    @property
    def flop_per_hour(self) -> float:
        """What one accelerator does in an hour at full clock."""
        return self._config.accelerators.tflops * _FLOP_PER_TFLOP * _S_PER_H

    def mislabelled(self, label: str, gradient_share: float) -> bool:
        """Inspect: tell whether what a job's traffic shows belies its label."""
        if self._faults.has(Fault.LABELS_BELIEVED):
            return False
        return label != "training" and gradient_share > GRADIENTS_AT_MOST

    def protects(self, job: Job, protected: tuple[str, ...]) -> bool:
        """Tell whether a job goes on under a selective pause: labelled so, and found to be so."""
        return job.config.workload in protected and not self.mislabelled(job.config.workload, job.gradient_share)
