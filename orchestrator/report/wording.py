"""What people read of each control while it is exercised and in its report.

`orchestrator.core.wording` says what a verdict means; here is what a control asks for, and the short
words of the live view: capitals only for what witnesses proved.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.wording import WORDS
from protocols.controls import CATALOGUE, Control, DecommissionParams, Params, acts, control_of, words


@dataclass(frozen=True, slots=True)
class Told:
    """One control in the words of live view and report.

    Attributes:
        proved: What a site is once witnesses saw it as ordered, as in "it is halted".
        going: What it is on the way there, once its actor accepted.
        goal: What is asked of it, as in "halted within 5 s".
        lasting: What must last through the dwell, as in "quiet for 2 s".
        back: What it is once witnesses saw it back, in a word or two.
        timed: Whether it has a response time that is worth a distribution; a standby has none.
    """

    proved: str
    going: str
    goal: str
    lasting: str
    back: str = "back at work"
    timed: bool = True


TOLD: dict[Control, Told] = {
    Control.STANDBY: Told("steady", "rehearsing", "its whole path proved", "at work", timed=False),
    Control.REFUSAL: Told("steady", "answering", "each order refused", "at work", timed=False),
    Control.CENSUS: Told("all counted", "counting", "every accelerator accounted for", "staying so"),
    Control.SLOWDOWN: Told("slowed", "slowing", "at or under the cap", "working under it"),
    Control.RUN_CAP: Told("capped", "capping", "refusing what is above the cap", "staying so", "uncapped"),
    Control.SELECTIVE_PAUSE: Told("paused in part", "pausing", "all but the protected classes halted", "staying so"),
    Control.PAUSE: Told("halted", "halting", "halted", "quiet"),
    Control.LEASE: Told("halted", "under lease", "halted once its licence had expired", "quiet"),
    Control.ISOLATE: Told("cut off", "being cut off", "its egress cut", "staying so", "connected again"),
    Control.SHUTDOWN: Told("halted", "shutting down", "halted", "quiet, with no process left"),
    Control.POWER_CUT: Told("power off", "being cut off", "without power", "staying so", "power again"),
    Control.DECOMMISSION: Told("gone", "being destroyed", "its devices gone", "staying so"),
}
"""For every control; a test holds it complete."""

_ARMED = Told("armed", "arming", "its armed nonce signed", "at work", timed=False)


def told(params: Params) -> Told:
    """Return the words of a control; of a decommission, those of its phase."""
    if isinstance(params, DecommissionParams) and params.phase == "arm":
        return _ARMED
    return TOLD[control_of(params)]


def name_of(control: Control) -> str:
    """Return a control as people read it."""
    return control.replace("_", " ")


def phase_of(params: Params) -> str:
    """Return a control's name; of a decommission, with how far it goes: `decommission (armed only)`."""
    name = name_of(control_of(params))
    if isinstance(params, DecommissionParams):
        return f"{name} ({'armed only' if params.phase == 'arm' else 'fired'})"
    return name


def described(params: Params) -> str:
    """Return a control with what its parameters mean: `slowdown (to 50% of ...)`."""
    meant = words(params)
    name = name_of(control_of(params))
    return f"{name} ({meant})" if meant else name


def summary(params: Params) -> str:
    """Say in a clause what is asked of a site, as in "each site was ordered to ..."."""
    meant = words(params)
    return CATALOGUE[control_of(params)].summary + (f" ({meant})" if meant else "")


def comes_back(params: Params) -> bool:
    """Tell whether there is anything that a site must be seen back from."""
    return acts(params) and not CATALOGUE[control_of(params)].irreversible


def back_words(params: Params) -> str:
    """Return what a site is once witnesses saw it back: `back at work`, `under power again`."""
    return WORDS[control_of(params)].back
