"""The drill plan: YAML that people write, read into a strict model with an error for each slip.

Every error names file, line, column and key, says what is allowed, and guesses what was meant.
Units are in the names of the keys; nothing has a hidden default but a control's own parameters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator

from orchestrator.fleet.plan_flat import Problem, allowed_keys, closest, flat, nearest, nest
from orchestrator.fleet.yaml_tree import YAML_MAX_BYTES, KeyPath, Value, YamlTree, parse_yaml, path_text
from orchestrator.schedule.names import WAVES_MAX
from orchestrator.schedule.spec import DAY_S, Misfire, Schedule, Unannounced, WaveSpec
from orchestrator.stopping.spec import SUBJECTS, StopCondition, StopConditions
from protocols.errors import ConfigError
from protocols.host.files import read_bytes
from protocols.ids import Name, Seconds, SiteId, Text, format_utc
from protocols.limits import AUDIENCE_MAX_SITES, STEPS_MAX
from protocols.messages.base import Part
from protocols.messages.orders import Step, UseNumber

_MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d{2}):(\d{2}))", re.ASCII
)

_HOURS, _MINUTES = 24, 60

_MISSING = "is missing"

_QUOTED = re.compile(r"'([^']*)'")


def parse_moment(text: str) -> int:
    """Read an RFC 3339 time with any offset, to nanoseconds since the Unix epoch.

    Raises:
        ValueError: It is not one, has no offset, or lies before 1970.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("not a time with an offset, like 2026-11-24T09:00:00Z or 2026-11-24T10:00:00+01:00")
    hours, minutes = int(match[6] or 0), int(match[7] or 0)
    try:
        if hours < _HOURS and minutes < _MINUTES:
            offset = timedelta(hours=hours, minutes=minutes)
            moment = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC)
            moment = moment + offset if match[5] == "-" else moment - offset
            wall_ns = round(moment.timestamp()) * 1_000_000_000 + int((match[3] or "").ljust(9, "0"))
            format_utc(wall_ns)
            return wall_ns
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"there is no such time as {text}")


def _to_utc(text: str) -> str:
    return format_utc(parse_moment(text))


def _printable(text: str) -> str:
    # What people approve must read as it is: no terminal escapes, no invisible or reversing characters.
    if not text.isprintable():
        raise ValueError("control characters and line breaks are not allowed")
    return text


Moment = Annotated[str, Field(max_length=40), AfterValidator(_to_utc)]
"""A time with an offset; it is kept in UTC with nine decimals."""


class Window(Part):
    """When the plan may be run.

    Attributes:
        not_before: The first moment.
        not_after: The end; it is outside the window itself.
    """

    not_before: Moment
    not_after: Moment

    @model_validator(mode="after")
    def _consistent(self) -> Window:
        if self.not_before >= self.not_after:
            raise ValueError("not_before must be before not_after")
        return self


class Audience(Part):
    """Whom the plan is for: sites by name, or by attributes that must all match."""

    sites: Annotated[tuple[SiteId, ...], Field(min_length=1, max_length=AUDIENCE_MAX_SITES)] | None = None
    match: (
        Annotated[
            dict[Name, Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]],
            Field(min_length=1, max_length=16),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _consistent(self) -> Audience:
        if (self.sites is None) == (self.match is None):
            raise ValueError("give either sites or match, not both and not neither")
        if self.sites is not None and len(set(self.sites)) != len(self.sites):
            doubled = next(site for site in self.sites if self.sites.count(site) > 1)
            raise ValueError(f"site {doubled} is named twice")
        return self


class Plan(Part):
    """A drill plan. Its fields become the warrant's; see `protocols.messages.Warrant` and `Step`.

    Attributes:
        name: The plan's name, part of every drill's id.
        title: What it is for, in a line.
        audience: Whom it is for.
        window: When it may be run.
        challenge_s: Time between two challenges to the witnesses.
        uses: How many drills it covers.
        min_between_uses_s: Least time at a site between the end of one use and the next.
        max_total_held_s: Longest time that it may hold any one site, over all uses.
        steps: What happens, in order.
        schedule: When `haltdrill serve` runs it; none leaves that to people. Nothing of this and of what
            follows is part of the warrant.
        misfire: What becomes of a run that the service was not there to start.
        misfire_grace_s: How late a run may start.
        min_between_site_drills_s: Least time at any of its sites since any drill of the service.
        waves: Its sites in waves, each with a warrant of its own; none runs it at all of them at once.
        wave_verified_share: Which share of a wave's sites must be verified for the next one to begin.
        stop_when: What ends a drill early, with every site released. It permits nothing, so it is not approved.
    """

    name: Name
    title: Annotated[Text, AfterValidator(_printable)]
    audience: Audience
    window: Window
    challenge_s: Seconds
    uses: UseNumber
    min_between_uses_s: Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)]
    max_total_held_s: Seconds
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=STEPS_MAX)]
    schedule: Schedule | None = None
    misfire: Annotated[Misfire, Field(strict=False)] = Misfire.SKIP
    misfire_grace_s: Annotated[float, Field(gt=0, le=30 * DAY_S, allow_inf_nan=False)] = 300.0
    min_between_site_drills_s: Annotated[float, Field(ge=0, le=366 * DAY_S, allow_inf_nan=False)] = 0.0
    waves: Annotated[tuple[WaveSpec, ...], Field(max_length=WAVES_MAX)] = ()
    wave_verified_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    stop_when: StopConditions = ()

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        names = [step.name for step in self.steps]
        doubled = [name for name in names if names.count(name) > 1]
        if doubled:
            raise ValueError(f"two steps are named {doubled[0]}")
        if self.waves and [wave.rest for wave in self.waves] != [None] * (len(self.waves) - 1) + [True]:
            raise ValueError("the last wave, and only that, must be the rest")
        return self


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan and the file it was read from, so that later findings can name the line.

    Attributes:
        plan: The plan.
        tree: Where each thing stands.
    """

    plan: Plan
    tree: YamlTree

    def error(self, path: KeyPath, what: str, remedy: str = "") -> ConfigError:
        """Return an error about the thing at `path`."""
        return _error(self.tree, path, what, remedy)


def load_plan(path: Path) -> PlanFile:
    """Read a plan from its file.

    Raises:
        ConfigError: The file is missing, no YAML, or no plan; the line is named.
    """
    return parse_plan(read_bytes(path, max_bytes=YAML_MAX_BYTES), str(path))


def parse_plan(data: bytes, name: str) -> PlanFile:
    """Read a plan from bytes.

    Args:
        data: The YAML text.
        name: What to call it in messages.

    Raises:
        ConfigError: It is no YAML or no plan; the line is named.
    """
    tree = parse_yaml(data, name)
    if not isinstance(tree.value, dict):
        raise ConfigError("a plan is a mapping of keys to values", where=tree.where(()))
    problems: list[Problem] = []
    fields = nest(tree.value, problems)
    plan: Plan | None = None
    try:
        plan = Plan.model_validate(fields)
    except ValidationError as error:
        problems += _problems_of(error, tree.value)
    if problems or plan is None:
        raise _first_error(tree, problems)
    return PlanFile(plan, tree)


def _problems_of(error: ValidationError, fields: dict[str, Value]) -> list[Problem]:
    found = []
    meant: set[KeyPath] = set()
    for item in error.errors(include_url=False):
        path = flat(item["loc"])
        match item["type"]:
            case "extra_forbidden":
                allowed = allowed_keys(path[:-1], fields, _KEYS)
                near = closest(str(path[-1]), allowed)
                meant.add((*path[:-1], near))
                remedy = f"did you mean {near}?" if near else f"allowed here: {', '.join(allowed)}"
                found.append(Problem(path, "is no key that a plan has here", remedy, key=True))
            case "missing":
                found.append(Problem(path, _MISSING))
            case _ if item["input"] is None:
                found.append(Problem(path, "has no value"))
            case "string_type" if isinstance(item["input"], int | float | bool):
                found.append(Problem(path, "must be text", "put it in quotes"))
            case "string_pattern_mismatch" if path[-1] == "nonce":
                found.append(
                    Problem(path, "must be the 32 lower-case hex digits that the site signed when it was armed")
                )
            case "literal_error":
                expected = str(item["ctx"]["expected"])
                guess = nearest(str(item["input"]), _QUOTED.findall(expected))
                found.append(Problem(path, f"must be {expected}", guess))
            case "string_pattern_mismatch":
                found.append(Problem(path, "must be a name of lower-case letters, digits and inner dashes"))
            case _:
                said = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
                said = re.sub(r"^(must be a) valid dictionary or instance of \w+$", r"\1 mapping", said)
                found.append(Problem(path, said.replace("tuple", "list").replace("dictionary", "mapping")))
    # A key that was misspelt is not missing too.
    return [problem for problem in found if not (problem.what == _MISSING and problem.path in meant)]


_KEYS: dict[KeyPath, list[str]] = {
    (): list(Plan.model_fields),
    ("audience",): list(Audience.model_fields),
    ("schedule",): list(Schedule.model_fields),
    ("schedule", "unannounced"): list(Unannounced.model_fields),
    ("stop_when",): list(StopCondition.model_fields),
    **{("stop_when", kind): list(model.model_fields) for kind, model in SUBJECTS.items()},
    ("waves",): list(WaveSpec.model_fields),
    ("window",): list(Window.model_fields),
}
"""The keys of what is no step and no part of one."""


def _first_error(tree: YamlTree, problems: list[Problem]) -> ConfigError:
    # One problem for each place, and none that only follows from a deeper one (a list is "too short" once
    # its items are wrong).
    problems = list({problem.path: problem for problem in reversed(problems)}.values())
    deep = {problem.path[:length] for problem in problems for length in range(len(problem.path))}
    problems = [problem for problem in problems if problem.path not in deep]

    def position(problem: Problem) -> tuple[int, int]:
        place = tree.place(problem.path, key=problem.key)
        return (place.line, place.column)

    first = min(problems, key=position)
    more = len(problems) - 1
    rest = f"; and {more} more" if more else ""
    return _error(tree, first.path, first.what + rest, first.remedy, key=first.key)


def _error(tree: YamlTree, path: KeyPath, what: str, remedy: str, *, key: bool = False) -> ConfigError:
    return ConfigError(f"{path_text(path)}: {what}" if path else what, where=tree.where(path, key=key), remedy=remedy)
