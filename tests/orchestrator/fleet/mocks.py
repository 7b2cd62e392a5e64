"""A fleet of simulated sites beside real ones, without files: what plans are checked against."""

from __future__ import annotations

from pathlib import Path

from orchestrator.fleet.create import create_fleet
from orchestrator.fleet.load import load_documents
from orchestrator.fleet.spec import FleetSpec, example_sites, mock_sites
from protocols.trust import FleetTrust
from tests.orchestrator.fleet.conftest import NOW_NS

CLASSES = ("evals", "interpretability", "production-inference", "safety", "training")
"""The classes of work of a simulated site by default."""


def mixed_fleet(folder: Path) -> FleetTrust:
    """Make a fleet of two real and two simulated sites, and return what its documents mean."""
    layout = create_fleet(folder / "mixed", FleetSpec(sites=(*example_sites(2), *mock_sites(2))), NOW_NS)
    return load_documents(layout.folder, NOW_NS).trust
