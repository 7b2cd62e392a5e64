"""A fleet on disk, made once, and a plan that is right."""

from pathlib import Path

import pytest

from orchestrator.fleet.create import create_fleet
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.load import load_documents
from orchestrator.fleet.spec import FleetSpec, SiteSpec, WitnessSpec, example_sites
from protocols.trust import FleetTrust

NOW_NS = 1_795_531_438_000_000_000  # 2026-11-24T14:43:58Z

PLAN = """\
name: monthly-pause
title: Monthly pause of the north
audience:
  sites: [eu-north-1, us-east-1]
window:
  not_before: 2026-11-24T15:00:00+01:00
  not_after: 2026-12-24T09:00:00Z
challenge_s: 0.5
uses: 2
min_between_uses_s: 60
max_total_held_s: 200
steps:
  - name: stop
    control: shutdown
    grace_s: 3
    hold_s: 60
    response_limit_s: 10
    dwell_s: 3
    restore_limit_s: 20
    quorum: 2
    max_gap_s: 2
"""

SPEC = FleetSpec(
    sites=(
        *example_sites(3),
        # A site whose second witness is its own, so that only one counts.
        SiteSpec(
            "lonely",
            region="moon",
            owner="moon-base",
            witnesses=(WitnessSpec("lab", "regulator-lab"), WitnessSpec("own", "moon-base")),
            max_hold_s=50.0,
            max_total_held_s=90.0,
        ),
    )
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> FleetLayout:
    """A fleet that no test changes."""
    return create_fleet(tmp_path_factory.mktemp("made") / "fleet", SPEC, NOW_NS)


@pytest.fixture(scope="session")
def trust(made: FleetLayout) -> FleetTrust:
    """What that fleet's documents mean."""
    return load_documents(made.folder, NOW_NS).trust


@pytest.fixture
def plan_path(tmp_path: Path) -> Path:
    """A good plan in a file."""
    path = tmp_path / "pause.yaml"
    path.write_text(PLAN)
    return path
