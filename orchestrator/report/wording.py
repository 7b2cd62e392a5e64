"""How a report names a control and what was asked: short forms that are the same for every control.

The words of each control are in `orchestrator.core.criteria`.
"""

from __future__ import annotations

from orchestrator.core.criteria import told
from protocols.controls import CATALOGUE, Control, DecommissionParams, Params, comes_back, control_of, words

__all__ = ["back_words", "comes_back", "described", "name_of", "phase_of", "summary", "told"]


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


def back_words(params: Params) -> str:
    """Return what a site is once witnesses saw it back: `back at work`, `under power again`."""
    return told(params).back
