"""Every metric that is exposed: its name, kind, labels and meaning, as one table.

Names follow Prometheus' conventions: a prefix, base units last, counters end in `_total`. How many
series there can be does not depend on how many sites a fleet has, except where it is asked for.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

DRILL = ("drill",)
STEP = ("drill", "step", "step_name", "control")


class Kind(StrEnum):
    """The kinds of metric that are used."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Group(StrEnum):
    """What a metric is about, for people."""

    EXPORTER = "The log and its reader"
    DRILL = "The newest drill"
    STEP = "The steps of the newest drill"
    SITE = "Sites of the newest drill, one series each"
    PAST = "All drills in the logs that were read"


@dataclass(frozen=True, slots=True)
class Spec:
    """One metric.

    Attributes:
        name: Its name as Prometheus stores it; a histogram's without `_bucket`, `_sum`, `_count`.
        kind: What it is.
        group: What it is about.
        labels: Its labels.
        meaning: What it says, in a sentence.
    """

    name: str
    kind: Kind
    group: Group
    labels: tuple[str, ...]
    meaning: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query may use."""
        if self.kind is not Kind.HISTOGRAM:
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))


def _rows(kind: Kind, group: Group, *rows: tuple[str, tuple[str, ...], str]) -> list[Spec]:
    return [Spec(f"haltdrill_{name}", kind, group, labels, meaning) for name, labels, meaning in rows]


_TABLE = [
    *_rows(
        Kind.GAUGE,
        Group.EXPORTER,
        ("build_info", ("version",), "Always 1; which haltdrill computes the metrics."),
        ("log_readable", (), "1 if the log could be read last time, else 0."),
        ("log_size_bytes", (), "How large the log is."),
        ("log_newest_line_timestamp_seconds", (), "Time of the newest line about any drill."),
        ("drills_known", (), "Drills that the logs which were read tell of."),
    ),
    *_rows(
        Kind.COUNTER,
        Group.EXPORTER,
        ("log_lines_total", ("level",), "Lines about drills that were read, by their level."),
        ("log_other_lines_total", (), "Lines of other programs, or about no drill."),
        ("log_wrong_lines_total", (), "Lines that are no log lines of this version: the file is damaged, or newer."),
        ("log_stray_lines_total", (), "Lines about a drill or site whose beginning is not in the log."),
        ("log_lost_lines_total", (), "Lines that the orchestrator says it could not write."),
        ("log_restarts_total", (), "How often the log was cut off or replaced, as a rotation does."),
        ("rejected_inputs_total", (), "Messages that arrived and were not to be believed, over all drills."),
    ),
    *_rows(
        Kind.GAUGE,
        Group.DRILL,
        ("drill_info", ("drill", "plan", "title", "fleet", "demo"), "Always 1; which drill is the newest."),
        ("drill_running", DRILL, "1 from its opening to its last verdict, else 0."),
        ("drill_phase", ("drill", "phase"), "1 for the phase that it is in, 0 for the others."),
        ("drill_opened_timestamp_seconds", DRILL, "When it was opened."),
        ("drill_ended_timestamp_seconds", DRILL, "When its last verdict was given; absent until then."),
        (
            "drill_next_line_due_timestamp_seconds",
            DRILL,
            "By when its log must have said more, if the orchestrator lives; absent when the drill is over.",
        ),
        ("drill_passed", DRILL, "1 if every site is verified in every step, else 0; absent until it is over."),
        ("drill_aborted", DRILL, "1 if it was stopped early, else 0."),
        ("drill_steps", DRILL, "How many steps it has."),
        ("drill_running_step", DRILL, "The number of the running step, or of the last one, from 0."),
        ("drill_audience_sites", DRILL, "How many sites it is for."),
        ("drill_sites", ("drill", "standing"), "How many sites stand where in the running step."),
        ("drill_sites_halted", DRILL, "How many sites a quorum of witnesses sees as ordered now."),
        (
            "drill_trouble_sites",
            ("drill", "control", "standing"),
            "How many sites went wrong like this in any step with this control; it stays when the next step begins.",
        ),
        ("drill_resumes", DRILL, "How often its orchestrator was restarted."),
        ("drill_rejected_inputs", DRILL, "Messages that arrived in it and were not to be believed."),
    ),
    *_rows(
        Kind.GAUGE,
        Group.STEP,
        ("step_response_limit_seconds", STEP, "How long after the order a site may take."),
        ("step_ordered_timestamp_seconds", STEP, "When it was ordered; absent until then."),
        ("step_release_due_timestamp_seconds", STEP, "When its hold ends; absent unless it is held now."),
        ("step_released_timestamp_seconds", STEP, "When it was released; absent until then."),
        ("step_sites_halted", STEP, "How many sites a quorum of witnesses has seen as ordered in it so far."),
        (
            "step_last_halt_seconds",
            STEP,
            "From the order to the last halt so far, at most; of a site that climbed, from the step's own order.",
        ),
        ("step_verdicts", (*STEP, "verdict"), "How often each verdict was given so far."),
    ),
    *_rows(
        Kind.HISTOGRAM,
        Group.STEP,
        (
            "step_response_time_seconds",
            STEP,
            "Upper bounds of the response times so far. A snapshot of one step: read it as it is, without rate().",
        ),
    ),
    *_rows(
        Kind.GAUGE,
        Group.SITE,
        (
            "site_trouble",
            ("drill", "site", "region", "control", "standing", "cause"),
            "Always 1; a site that went wrong, the loudest first, at most a hundred of them.",
        ),
        ("site_trouble_omitted", DRILL, "How many more sites went wrong than are listed in haltdrill_site_trouble."),
        (
            "site_standing",
            ("drill", "site", "region", "standing"),
            "Always 1; where a site stands. With --per-site.",
        ),
        (
            "site_response_time_seconds",
            ("drill", "site", "region"),
            "Upper bound of its response time in the running step, once known. With --per-site.",
        ),
    ),
    *_rows(
        Kind.COUNTER,
        Group.PAST,
        ("drills_total", ("plan", "outcome"), "Drills that are over, by how they ended: passed, failed or aborted."),
    ),
    *_rows(
        Kind.GAUGE,
        Group.PAST,
        ("plan_last_drill_timestamp_seconds", ("plan",), "When the last drill of this plan ended."),
        ("plan_last_success_timestamp_seconds", ("plan",), "When the last drill of this plan that passed ended."),
        (
            "control_last_success_timestamp_seconds",
            ("control",),
            "When the last drill ended in which every site was verified for this control.",
        ),
        ("control_sites", ("control", "verdict"), "Sites by their newest verdict for this control."),
        ("control_unproved_sites", ("control",), "Sites that were never verified for this control."),
        (
            "control_oldest_proof_timestamp_seconds",
            ("control",),
            "The oldest of the sites' newest proofs for this control: how old its coverage is.",
        ),
    ),
]

METRICS: dict[str, Spec] = {spec.name: spec for spec in _TABLE}
"""Every metric by its name."""

BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds of the response time's buckets, seconds: from a process to a power plant."""


def page() -> str:
    """Return the catalogue as a Markdown page."""
    parts = [
        "# Metrics",
        "",
        "What `haltdrill metrics` exposes. Generated from `orchestrator/metrics/catalogue.py`; do not edit.",
        "Times are seconds since 1970 (UTC), so that an age is `time() - metric`.",
    ]
    for group in Group:
        parts += ["", f"## {group.value}", "", "| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
        for spec in METRICS.values():
            if spec.group is group:
                labels = ", ".join(f"`{label}`" for label in spec.labels)
                parts.append(f"| `{spec.name}` | {spec.kind} | {labels} | {spec.meaning} |")
    return "\n".join(parts) + "\n"


def main(arguments: list[str]) -> None:
    """Write the page into a folder."""
    (Path(arguments[0]) / "METRICS.md").write_text(page())


if __name__ == "__main__":
    main(sys.argv[1:])
