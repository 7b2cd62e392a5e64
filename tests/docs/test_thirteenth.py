"""A thirteenth control touches one module of each package, and the type checker finds every place left to fill."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.controls import Control

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocols", "agents", "orchestrator")
FEW = 6
"""A module may single out as many controls as this; more would be a second catalogue."""

CATALOGUE = Path("protocols/controls.py")
MEMBER = ('    DECOMMISSION = "decommission"\n', '    DECOMMISSION = "decommission"\n    THIRTEENTH = "thirteenth"\n')
MODEL = (
    "\nParams = (\n",
    """
class ThirteenthParams(_Params):
    control: Literal["thirteenth"] = "thirteenth"


Params = (
    ThirteenthParams |
""",
)
FILL = {
    "_spec": 'Control.THIRTEENTH:\n            return ControlSpec(control, 42, 2, "do a new thing", halts=True)',
    "acts": "ThirteenthParams():\n            return True",
    "words": 'ThirteenthParams():\n            return "it is new"',
    "states_under": "ThirteenthParams():\n            return (SiteState.PAUSED, SiteState.STOPPED)",
    "criterion": "ThirteenthParams():\n            return Criterion(quiet=quiet, work=work)",
    "words_of": "Control.THIRTEENTH:\n            return words_of(Control.PAUSE)",
}
"""What a control that halts as a pause does says in each place that is left to fill."""
IMPORT = "from protocols.controls import (\n"

DRILL = """
from protocols.controls import ThirteenthParams
from tests.simulation.harness import Simulation, names, step_of
from tests.virtual import run_virtual

async def scene():
    async with Simulation(names(2)) as sites:
        played = await sites.drill(sites.warrant(step_of(sites, ThirteenthParams())))
        for site, result in sorted(played.results(0).items()):
            print(site, result.control, result.verdict, played.report.verified)

run_virtual(scene())
"""


def documented() -> dict[str, set[str]]:
    """Return which functions of which modules ARCHITECTURE.md says are left to fill."""
    section = (ROOT / "ARCHITECTURE.md").read_text().split("## Adding a control\n")[1].split("\n## ")[0]
    items = re.findall(r"^\d\. `([a-z_/]+\.py)`: (.*?)$", section, re.M)
    return {module: set(re.findall(r"`([a-z_]+)`", said)) for module, said in items}


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Replace what must be there exactly once."""
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1, (path, old)
        text = text.replace(old, new)
    path.write_text(text)


def functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the functions of a module with their first and last lines."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            yield node.name, node.lineno, node.end_lineno


def complaints(tree: Path) -> dict[str, set[str]]:
    """Run the type checker as the project does and return the functions, by module, that it points at."""
    ran = subprocess.run([sys.executable, "-m", "mypy"], cwd=tree, capture_output=True, text=True, check=False)
    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    found: dict[str, set[str]] = {}
    for line in ran.stdout.splitlines():
        if (told := re.match(r"(\S+\.py):(\d+): error: (.*)", line)) is not None:
            module, at, said = told[1], int(told[2]), told[3]
            assert "assert_never" in said, line
            inside = [name for name, first, last in functions(tree / module) if first <= at <= last]
            found.setdefault(module, set()).update(inside or {line})
    assert bool(found) == (ran.returncode == 1), ran.stdout
    return found


def fill(tree: Path, places: dict[str, set[str]]) -> None:
    """Fill in what the type checker asked for, there and nowhere else."""
    for module, names in places.items():
        path = tree / module
        for name in names:
            head, body = path.read_text().split(f"\ndef {name}(")
            assert "        case _:\n            assert_never(" in body
            arms, rest = body.split("        case _:\n", 1)
            path.write_text(f"{head}\ndef {name}({arms}        case {FILL[name]}\n        case _:\n{rest}")
        if Path(module) != CATALOGUE:
            edit(path, (IMPORT, f"{IMPORT}    ThirteenthParams,\n"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages whose catalogue has the name and the parameters of a thirteenth control, no more."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    edit(tmp_path / CATALOGUE, MEMBER, MODEL)
    return tmp_path


def test_the_type_checker_points_at_every_place_left_to_fill(tree: Path) -> None:
    """Whoever adds a control is led to the places that ARCHITECTURE.md names, and those are all that a drill needs."""
    places = complaints(tree)
    assert places == documented()
    assert sorted(module.split("/")[0] for module in places) == sorted(PACKAGES)

    fill(tree, places)
    assert complaints(tree) == {}
    paths = os.pathsep.join((str(tree), str(ROOT)))
    drilled = subprocess.run(
        [sys.executable, "-c", DRILL],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert drilled.returncode == 0, drilled.stderr
    lines = drilled.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.endswith(" thirteenth verified True") for line in lines), drilled.stdout


def singled_out(node: ast.AST) -> set[str]:
    """Return the controls that a display, a match or a chain of comparisons names."""
    match node:
        case ast.Dict(keys=keys):
            places: list[ast.AST] = [key for key in keys if key is not None]
        case ast.Set(elts=elements) | ast.Tuple(elts=elements) | ast.List(elts=elements):
            places = list(elements)
        case ast.Match(cases=arms):
            places = [part for arm in arms for part in ast.walk(arm.pattern)]
        case _:
            places = []
    named = {
        place.attr for place in places if isinstance(place, ast.Attribute) and ast.unparse(place.value) == "Control"
    }
    return named | {place.id for place in places if isinstance(place, ast.Name) and place.id.endswith("Params")}


def enumerating(source: str) -> bool:
    """Tell whether a module lists so many controls that a new one would have to be added to it."""
    return any(len(singled_out(node)) > FEW for node in ast.walk(ast.parse(source)))


def test_no_other_module_enumerates_the_controls() -> None:
    """A second list of the controls that the type checker cannot see would be forgotten."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    listing = {path.relative_to(ROOT).as_posix() for path in files if enumerating(path.read_text())}
    assert listing == set(documented())


def test_a_second_catalogue_would_be_found() -> None:
    """The search for enumerations finds a table and a match of all controls, and lets a few of them pass."""
    keys = [f"Control.{control.name}" for control in Control]
    assert enumerating(f"TABLE = {{{', '.join(f'{key}: 1' for key in keys)}}}")
    assert enumerating("match params:\n" + "".join(f" case {name}Params(): pass\n" for name in "ABCDEFG"))
    assert not enumerating(f"FEW = ({', '.join(keys[:FEW])})")
