"""What a person asked of the demo, checked before anything is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.demo.fleet import MISCHIEF, Mischief, misbehaving, real_sites, simulated_sites
from orchestrator.demo.plan import MOCK_PACE, PACE, demo_plan, ladder_plan
from orchestrator.fleet.spec import PROCESS_CONTROLS, SiteSpec
from protocols.controls import CATALOGUE, Control
from protocols.errors import ConfigError

SITES = 5
LADDER_SITES = 8
ALL = "all"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A demo.

    Attributes:
        specs: Its sites.
        controls: What is exercised, a step each; with a ladder, the step's own control.
        mock: Whether its sites are simulated.
        ladder: Whether it escalates.
        mischief: What sites do wrong on purpose, by their names.
    """

    specs: tuple[SiteSpec, ...]
    controls: tuple[Control, ...]
    mock: bool
    ladder: bool
    mischief: dict[str, Mischief]

    def plan(self, now_ns: int) -> str:
        """Return its plan as YAML.

        Args:
            now_ns: Wall time, nanoseconds: where its window begins.
        """
        sites = sorted(spec.name for spec in self.specs)
        if self.ladder:
            return ladder_plan(sites, now_ns)
        return demo_plan(sites, self.controls, now_ns, MOCK_PACE if self.mock else PACE)


def wanted(sites: int | None, controls: str | None, *, mock: bool, ladder: bool, lying: bool) -> Wanted:
    """Read what a person asked for.

    Args:
        sites: How many sites; None for as many as show it well.
        controls: The controls, with commas, or `all`; None for a pause.
        mock: Simulated sites.
        ladder: Show an escalation, at simulated sites of which some misbehave.
        lying: Let the last site's agent report halts that it does not make.

    Raises:
        ConfigError: It does not go together; the option is named.
    """
    if ladder:
        for given, option in ((controls is not None, "--controls"), (lying, "--lying-site")):
            if given:
                raise ConfigError("does not go with --ladder, which has its own", where=option, remedy="leave it out")
        specs = simulated_sites(sites or LADDER_SITES, MISCHIEF)
        return Wanted(specs, (Control.PAUSE,), mock=True, ladder=True, mischief=misbehaving(specs, MISCHIEF))
    chosen = _controls(controls or Control.PAUSE.value, mock=mock)
    if not mock:
        specs = real_sites(sites or SITES, chosen, lying=lying)
        return Wanted(specs, chosen, mock=False, ladder=False, mischief={})
    liar = [wrong for wrong in MISCHIEF if wrong.lies] if lying else []
    specs = simulated_sites(sites or SITES, liar)
    return Wanted(specs, chosen, mock=True, ladder=False, mischief=misbehaving(specs, liar))


def _controls(text: str, *, mock: bool) -> tuple[Control, ...]:
    possible: Sequence[Control] = tuple(Control) if mock else PROCESS_CONTROLS
    possible = sorted(possible, key=lambda control: CATALOGUE[control].severity)
    words = [word.strip() for word in text.split(",") if word.strip()]
    if words == [ALL]:
        return tuple(possible)
    if not words:
        raise ConfigError("names no control", where="--controls", remedy=f"one of {', '.join(possible)}, or {ALL}")
    for number, word in enumerate(words):
        if word not in {*Control}:
            raise ConfigError(
                f"there is no control {word!r}", where="--controls", remedy=f"one of {', '.join(possible)}, or {ALL}"
            )
        if word not in possible:
            raise ConfigError(
                f"{word} is more than real processes can do",
                where="--controls",
                remedy=f"give --mock, or one of {', '.join(possible)}",
            )
        if word in words[:number]:
            raise ConfigError(f"names {word} twice", where="--controls")
    return tuple(Control(word) for word in words)
