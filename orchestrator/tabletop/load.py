"""Reads a scenario and checks that all in it fits together; every error names its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.fleet.plan_flat import Problem, closest, nest
from orchestrator.fleet.plan_schema import DIALECT, plan_schema, schema_of
from orchestrator.fleet.yaml_model import first_error, problems_of
from orchestrator.fleet.yaml_tree import YAML_MAX_BYTES, KeyPath, Value, parse_yaml
from orchestrator.stopping.spec import ConditionKind
from orchestrator.tabletop.spec import Approval, Drill, Effect, Scenario, When, Where
from protocols.errors import ConfigError
from protocols.host.files import read_bytes


def load_scenario(path: Path) -> Scenario:
    """Read a scenario from its file.

    Raises:
        ConfigError: It is missing, no YAML, or no scenario that could be played; the line is named.
    """
    return read_scenario(read_bytes(path, max_bytes=YAML_MAX_BYTES), str(path))


def read_scenario(data: bytes, name: str) -> Scenario:
    """Read a scenario from bytes.

    Args:
        data: The YAML text.
        name: What to call it in messages.

    Raises:
        ConfigError: It is no YAML, or no scenario that could be played; the line is named.
    """
    tree = parse_yaml(data, name)
    if not isinstance(tree.value, dict):
        raise ConfigError("a scenario is a mapping of keys to values", where=tree.where(()))
    problems: list[Problem] = []
    fields = _nested(tree.value, problems)
    scenario: Scenario | None = None
    try:
        scenario = Scenario.model_validate(fields)
    except ValidationError as error:
        problems += problems_of(error, tree, Scenario)
    if scenario is not None:
        problems += _Checks(scenario).problems()
    if problems or scenario is None:
        raise first_error(tree, problems)
    return scenario


def _nested(fields: dict[str, Value], problems: list[Problem]) -> dict[str, Value]:
    """Put the parameters of each drill's steps where the models have them."""
    drills = fields.get("drills")
    if not isinstance(drills, tuple):
        return fields
    made: list[Value] = []
    for number, drill in enumerate(drills):
        found: list[Problem] = []
        made.append(nest(drill, found) if isinstance(drill, dict) else drill)
        problems += [Problem(("drills", number, *one.path), one.what, one.remedy, key=one.key) for one in found]
    return fields | {"drills": tuple(made)}


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenarios, for an editor; steps are written as in a plan."""
    whole = schema_of(Scenario, "haltdrill tabletop scenario")
    steps = plan_schema()["$defs"]
    whole["$defs"] = {**whole["$defs"], **{name: steps[name] for name in steps if name not in {"Window", "Audience"}}}
    return {"$schema": DIALECT, **whole}


class _Checks:
    """Looks whether every name that is used is there."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._found: list[Problem] = []
        self._names = {
            "role": [role.name for role in scenario.roles],
            "objective": [one.name for one in scenario.objectives],
            "drill": [drill.name for drill in scenario.drills],
            "inject": [inject.name for inject in scenario.injects],
            "decision": [decision.name for decision in scenario.decisions],
            "approver": list(scenario.fleet.approvers),
            "region": [group.region for group in scenario.fleet.groups],
            "site": list(site_names(scenario)),
        }

    def problems(self) -> list[Problem]:
        """Return what does not fit."""
        for kind, key in (
            ("role", "roles"),
            ("objective", "objectives"),
            ("drill", "drills"),
            ("inject", "injects"),
            ("decision", "decisions"),
        ):
            self._distinct(kind, key)
        for number, drill in enumerate(self._scenario.drills):
            self._drill(drill, ("drills", number))
        for number, inject in enumerate(self._scenario.injects):
            at: KeyPath = ("injects", number)
            self._known("role", inject.to, (*at, "to"))
            self._when(inject.when, (*at, "when"))
        for number, decision in enumerate(self._scenario.decisions):
            at = ("decisions", number)
            self._known("role", [decision.to], (*at, "to"), listed=False)
            self._when(decision.when, (*at, "when"))
            if decision.objective is not None:
                self._known("objective", [decision.objective], (*at, "objective"), listed=False)
        for path, effect in self._scenario.effects():
            self._effect(effect, path)
        self._questions()
        if not any(effect.begin for _, effect in self._scenario.effects()):
            self._found.append(
                Problem(("drills",), "no effect begins any of them", "give an inject or an option: begin")
            )
        return self._found

    def _distinct(self, kind: str, key: str) -> None:
        names = self._names[kind]
        for number, name in enumerate(names):
            if name in names[:number]:
                self._found.append(Problem((key, number, "name"), f"another {kind} is named {name} too"))

    def _known(self, kind: str, names: Iterable[str], path: KeyPath, *, listed: bool = True) -> None:
        known = self._names[kind]
        for number, name in enumerate(names):
            if name not in known:
                near = closest(name, known)
                remedy = f"did you mean {near}?" if near else f"there is: {', '.join(known[:12])}"
                self._found.append(Problem((*path, number) if listed else path, f"there is no {kind} {name}", remedy))

    def _drill(self, drill: Drill, at: KeyPath) -> None:
        self._known("region", drill.regions or (), (*at, "regions"))
        self._known("site", drill.sites or (), (*at, "sites"))
        self._known("approver", drill.approved_by or (), (*at, "approved_by"))
        if not audience_names(self._scenario, drill):
            self._found.append(Problem((*at, "sites"), "none of these sites is in these regions"))
        for number, condition in enumerate(drill.stop_when):
            if condition.kind not in {ConditionKind.SITES, ConditionKind.STEADY}:
                what = "looks outside, and in an exercise there is nothing outside"
                self._found.append(Problem((*at, "stop_when", number, condition.kind.value), what))

    def _when(self, when: When | None, at: KeyPath) -> None:
        if when is None:
            return
        if when.drill is not None:
            self._known("drill", [when.drill], (*at, "drill"), listed=False)
        if when.injected is not None:
            self._known("inject", [when.injected], (*at, "injected"), listed=False)
        if when.decided is not None:
            self._decided(when.decided.decision, when.decided.option, (*at, "decided"))

    def _decided(self, decision: str, option: str | None, at: KeyPath) -> None:
        self._known("decision", [decision], (*at, "decision"), listed=False)
        found = next((one for one in self._scenario.decisions if one.name == decision), None)
        if found is not None and option is not None and option not in {one.name for one in found.options}:
            names = ", ".join(one.name for one in found.options)
            self._found.append(Problem((*at, "option"), f"the decision has no option {option}", f"of {names}"))

    def _effect(self, effect: Effect, at: KeyPath) -> None:
        for key in ("fault", "cut", "heal", "veto", "unveto"):
            where: Where | None = getattr(effect, key)
            if where is not None:
                self._known("region", where.regions or (), (*at, key, "regions"))
                self._known("site", where.sites or (), (*at, key, "sites"))
        for key in ("unreachable", "reachable", "lever"):
            owner: str | None = getattr(effect, key)
            if owner is not None:
                self._known("approver", [owner], (*at, key), listed=False)
        for key in ("approve", "revoke"):
            word: Approval | None = getattr(effect, key)
            if word is not None:
                self._known("drill", [word.drill], (*at, key, "drill"), listed=False)
                self._known("approver", [word.owner], (*at, key, "owner"), listed=False)
        if effect.begin is not None:
            self._known("drill", [effect.begin], (*at, "begin"), listed=False)
        if effect.steal_key is False:
            self._found.append(Problem((*at, "steal_key"), "must be true: what is stolen is not given back"))

    def _questions(self) -> None:
        for number, question in enumerate(self._scenario.questions):
            at: KeyPath = ("questions", number)
            self._known("objective", [question.objective], (*at, "objective"), listed=False)
            if question.decided is not None:
                self._decided(question.decided.decision, question.decided.option, (*at, "decided"))
            if question.came is not None:
                self._known("drill", [question.came.drill], (*at, "came", "drill"), listed=False)


def site_names(scenario: Scenario) -> Iterator[str]:
    """Yield the names of a scenario's sites: their region and a number."""
    for group in scenario.fleet.groups:
        for number in range(1, group.count + 1):
            yield f"{group.region}-{number}"


def audience_names(scenario: Scenario, drill: Drill) -> tuple[str, ...]:
    """Return the sites that a drill is for."""
    regions = drill.regions or tuple(group.region for group in scenario.fleet.groups)
    names = [name for name in site_names(scenario) if name.rpartition("-")[0] in regions]
    return tuple(name for name in names if drill.sites is None or name in drill.sites)


def chosen_sites(scenario: Scenario, where: Where) -> tuple[str, ...]:
    """Return the sites that an effect is on."""
    names = [
        name
        for name in site_names(scenario)
        if (where.regions is None or name.rpartition("-")[0] in where.regions)
        and (where.sites is None or name in where.sites)
    ]
    return tuple(names if where.first is None else names[: where.first])
