"""Ladders, batteries and leases over a network that loses, doubles, delays and reorders, one seed each."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from orchestrator.core.drill import Drill
from orchestrator.core.grades import Verdict
from orchestrator.core.states import Phase
from orchestrator.evidence.bundle import export_bundle
from orchestrator.evidence.verifier import verify_bundle
from protocols.controls import LeaseParams, RefusalParams
from protocols.messages import Step
from protocols.reasons import Reason
from tests.kit import DISPATCHERS, Fleet, dispatcher_label, key_of
from tests.orchestrator.runtime.scripted import Script, Stage
from tests.orchestrator.runtime.test_chaos import ChaoticBroker
from tests.orchestrator.runtime.test_ladder import LADDER, fleet_with_power
from tests.virtual import run_virtual

SCRIPTS = {
    "honest": Script(),
    "silent": Script(silent=True),
    "refusing": Script(refuses=True),
    "failing": Script(fails=True, mends_at=1),
    "gullible": Script(gullible=frozenset({Reason.EXPIRED})),
    "caching": Script(caches_licences=True),
}
PASSES = {
    0: {"honest", "gullible", "caching"},
    1: {"honest", "refusing", "failing", "caching"},
    2: {"honest", "gullible"},
}
"""By step, the roles that may pass: what the others do wrong shows in it."""


def steps_of(fleet: Fleet) -> tuple[Step, ...]:
    """Return a ladder, a battery and a lease."""
    return (
        fleet.step(name="climb", hold_s=22.0, max_gap_s=2.0, ladder=LADDER),
        fleet.step(name="refuse", params=RefusalParams(), max_gap_s=2.0),
        fleet.step(name="lapse", params=LeaseParams(licence_s=3.0, renewed_s=5.0), hold_s=16.0, max_gap_s=2.0),
    )


@pytest.mark.parametrize("seed", range(3))
def test_no_network_makes_a_false_pass_or_a_record_that_does_not_hold(seed: int, tmp_path: Path) -> None:
    """Whatever is lost or late: nobody passes who may not, and whoever holds the root finds every climb founded."""
    rng = random.Random(seed)
    names = ("alpha", "beta", "gamma")
    roles = {name: rng.choice(sorted(SCRIPTS)) for name in names} | {"alpha": "honest"}
    fleet = fleet_with_power(names)
    broker = ChaoticBroker(rng, [0.02, 0.1, 0.2][seed])
    stage = Stage(fleet, {name: SCRIPTS[role] for name, role in roles.items()}, broker=broker)
    drill: Drill = run_virtual(stage.play(fleet.warrant(*steps_of(fleet))))
    assert drill.phase is Phase.CLOSED
    for (step, site), result in drill.results.items():
        assert not result.passed or roles[site] in PASSES[step], (step, site, roles[site])
        assert result.rung <= len(LADDER)
        assert roles[site] != "honest" or result.verdict not in {Verdict.CONTRADICTED, Verdict.BROKEN}
    path = tmp_path / "bundle.jsonl"
    export_bundle(stage.store, drill.drill, key_of(dispatcher_label(DISPATCHERS[0])), path)
    assert verify_bundle(path.read_bytes(), fleet=fleet.fleet, now_ns=fleet.now_ns).findings == ()
