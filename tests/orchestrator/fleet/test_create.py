"""Making a fleet: whole or not at all, private where it must be, and trusted by our own rules."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.fleet.config import OrchestratorConfig
from orchestrator.fleet.create import create_fleet
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.load import load_documents, load_fleet
from orchestrator.fleet.plan import load_plan, parse_plan
from orchestrator.fleet.plan_check import check_plan
from orchestrator.fleet.spec import PROCESS_CONTROLS, FleetSpec, SiteSpec, example_sites, mock_sites
from protocols.config import (
    AgentConfig,
    EnforcerConfig,
    FeedActuatorConfig,
    MockDriverConfig,
    MockProbeConfig,
    WitnessConfig,
)
from protocols.controls import Control
from protocols.errors import ConfigError, HaltdrillError, TrustError
from protocols.host.files import read_private_key, read_toml
from protocols.ids import digest_of
from protocols.messages import SiteRecord
from protocols.mock_config import MockConfig, off_levels, register_of, signals_of, work_rates
from protocols.trust import SiteTrust
from tests.orchestrator.fleet.conftest import NOW_NS, SPEC

_S = 1_000_000_000


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_documents_verify_and_every_site_can_open_its_own(made: FleetLayout) -> None:
    """What init writes is accepted by the rules that agents, witnesses and the verifier apply."""
    fleet = load_fleet(made.folder, NOW_NS)
    assert sorted(fleet.trust.records) == sorted(site.name for site in SPEC.sites)
    assert fleet.trust.fleet == made.fleet_id.read_text().strip()
    assert fleet.trust.root.root.demo
    for site in SPEC.sites:
        for party in (made.site(site.name), *(made.site(site.name).witness(w.name) for w in site.witnesses)):
            roots = party.root.read_bytes().splitlines()
            held = SiteTrust.open(
                roots, party.policy.read_bytes(), party.record.read_bytes(), site=site.name, now_ns=NOW_NS
            )
            assert held.fleet == fleet.trust.fleet


def test_the_configuration_files_parse_and_name_files_that_are_there(made: FleetLayout) -> None:
    """Agents and witnesses can be started from what init wrote, without an edit."""
    for site in SPEC.sites:
        place = made.site(site.name)
        agent = read_toml(place.config, AgentConfig)
        assert agent.site == site.name
        marker = f"{made.fleet_id.read_text().strip()[:16]}/{site.name}"
        assert agent.driver.environment["HALTDRILL_SITE"] == marker
        for name in (agent.root, agent.policy, agent.record, agent.key, agent.state):
            assert (place.folder / name).exists()
        assert agent.driver.checkpoint is not None
        assert Path(agent.driver.checkpoint).parent.is_dir()
        for witness in site.witnesses:
            folder = place.witness(witness.name)
            config = read_toml(folder.config, WitnessConfig)
            assert (config.site, config.name) == (site.name, witness.name)
            assert config.probe.environ == f"HALTDRILL_SITE={marker}"
            for name in (config.root, config.policy, config.record, config.key, config.state):
                assert (folder.folder / name).exists()
    assert read_toml(made.config, OrchestratorConfig).embedded


def test_a_simulated_site_and_its_record_come_from_one_configuration(tmp_path: Path) -> None:
    """Controls, bands, off level, register and instruments of the record are those of what is simulated."""
    layout = create_fleet(tmp_path / "fleet", FleetSpec(sites=(*example_sites(1), *mock_sites(2))), NOW_NS)
    trust = load_documents(layout.folder, NOW_NS).trust
    secrets = set()
    for site, record in trust.records.items():
        place = layout.site(site)
        assert record.mock is place.mock.exists()
        if not record.mock:
            assert record.controls == PROCESS_CONTROLS
            assert (record.enforcers, record.off_levels, record.registry) == ((), (), None)
            continue
        simulated = read_toml(place.mock, MockConfig)
        secrets.add(simulated.device_secret)
        assert record.controls == tuple(Control)
        assert record.work == work_rates(simulated)
        assert record.off_levels == off_levels(simulated)
        assert record.registry == register_of(simulated).digest
        assert read_toml(place.config, AgentConfig).driver == MockDriverConfig()
        for witness in record.witnesses:
            folder = place.witness(witness.name)
            probe = read_toml(folder.config, WitnessConfig).probe
            assert isinstance(probe, MockProbeConfig)
            assert set(witness.covers) == {name for look in probe.looks for name in signals_of(look, simulated)}
            assert probe.registry is not None
            assert digest_of((folder.folder / probe.registry).read_bytes()) == record.registry
        (enforcer,) = record.enforcers
        cutter = place.enforcer(enforcer.name)
        config = read_toml(cutter.config, EnforcerConfig)
        assert isinstance(config.actuator, FeedActuatorConfig)
        assert (cutter.folder / config.actuator.file).resolve() == (place.folder / (simulated.feed or "")).resolve()
        assert read_private_key(cutter.folder / config.key).public_key.keyid == enforcer.key.key_id
        assert enforcer.owner not in {record.owner, *(witness.owner for witness in record.witnesses)}
        roots = cutter.root.read_bytes().splitlines()
        SiteTrust.open(roots, cutter.policy.read_bytes(), cutter.record.read_bytes(), site=site, now_ns=NOW_NS)
    assert len(secrets) == 2


def test_half_of_the_least_work_of_a_real_site_is_a_slowdown_and_no_pause(made: FleetLayout) -> None:
    """The default band leaves room between a cap of one half and what counts as quiet."""
    for record in load_documents(made.folder, NOW_NS).trust.records.values():
        for rate in record.work:
            assert rate.quiet_per_s * 2 < rate.band_min_per_s // 2


def test_each_private_key_is_the_one_that_its_document_names(made: FleetLayout) -> None:
    """No key lies in another's place: approver, dispatcher, agent, operator, witness."""
    trust = load_documents(made.folder, NOW_NS).trust
    for owner in SPEC.approvers:
        assert trust.approvers.owners[read_private_key(made.approver_key(owner)).public_key.keyid] == owner
    for owner in SPEC.root_owners:
        assert trust.root.signers.owners[read_private_key(made.root_key(owner)).public_key.keyid] == owner
    assert read_private_key(made.dispatcher_key).public_key.keyid in trust.dispatchers.keys
    for site, record in trust.records.items():
        place = made.site(site)
        assert read_private_key(place.agent_key).public_key.keyid in trust.agents[site]
        assert read_private_key(place.operator_key).public_key.keyid == record.operator_keys[0].key_id
        for witness in record.witnesses:
            signer = read_private_key(place.witness(witness.name).key)
            assert signer.public_key.keyid == witness.key.key_id


def test_private_keys_are_private_and_nowhere_else(made: FleetLayout) -> None:
    """Every file that holds a private key is 0600, ends in .key and lies in folders of mode 0700."""
    holders = [path for path in made.folder.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    expected = 3 + 3 + 1 + sum(2 + len(site.witnesses) for site in SPEC.sites)
    assert len(holders) == expected
    for path in holders:
        assert path.suffix == ".key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_second_init_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Nothing is ever overwritten, least of all keys, and nothing half done is left beside it."""
    spec = FleetSpec(sites=example_sites(1))
    create_fleet(tmp_path / "fleet", spec, NOW_NS)
    before = _snapshot(tmp_path)
    with pytest.raises(ConfigError, match="ever overwritten") as caught:
        create_fleet(tmp_path / "fleet", spec, NOW_NS)
    assert caught.value.exit_code == 2
    assert _snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "spec",
    [
        FleetSpec(sites=()),
        FleetSpec(sites=(SiteSpec("Not a name"),)),
        FleetSpec(sites=(SiteSpec("../escape"),)),
        FleetSpec(sites=(SiteSpec("twice"), SiteSpec("twice"))),
        FleetSpec(sites=example_sites(1), root_threshold=4),
        FleetSpec(sites=example_sites(1), approvers=("one", "one")),
        FleetSpec(sites=(replace(example_sites(1)[0], band_min_per_s=1),)),
    ],
)
def test_a_wrong_spec_leaves_nothing_behind(tmp_path: Path, spec: FleetSpec) -> None:
    """A fleet that cannot be made is not begun: no folder, no temporary remains."""
    with pytest.raises(ConfigError):
        create_fleet(tmp_path / "deep" / "fleet", spec, NOW_NS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "deep" / "fleet").exists()
    assert not (tmp_path / "escape").exists()


def test_a_file_and_a_folder_with_content_are_left_alone(tmp_path: Path) -> None:
    """A target that is a file, or a folder that holds anything, is refused untouched."""
    file = tmp_path / "file"
    file.write_text("mine")
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    for target in (file, folder):
        with pytest.raises(ConfigError):
            create_fleet(target, FleetSpec(sites=example_sites(1)), NOW_NS)
    assert file.read_text() == "mine"
    create_fleet(empty, FleetSpec(sites=example_sites(1)), NOW_NS)
    assert (empty / "haltdrill.toml").is_file()


def test_the_example_plans_are_good_for_the_fleet_they_come_with(made: FleetLayout) -> None:
    """A first user's first `plan check` says good, over explicit sites and over a selector."""
    fleet = create_fleet(made.folder.parent / "plain", FleetSpec(sites=example_sites(5)), NOW_NS)
    trust = load_documents(fleet.folder, NOW_NS).trust
    for name, sites in (("pause", 5), ("shutdown", 1)):
        assert len(check_plan(load_plan(fleet.plans / f"{name}.yaml"), trust, now_ns=NOW_NS)) == sites
    assert sorted(path.name for path in fleet.plans.iterdir()) == ["pause.yaml", "shutdown.yaml"]


def test_the_example_plans_of_simulated_sites_are_good_and_exercise_all_twelve(tmp_path: Path) -> None:
    """A fleet of simulated sites begins with a plan of every control, and with a ladder to the power cut."""
    fleet = create_fleet(tmp_path / "mock", FleetSpec(sites=mock_sites(4)), NOW_NS)
    trust = load_documents(fleet.folder, NOW_NS).trust
    plans = {path.stem: load_plan(path) for path in fleet.plans.glob("*.yaml")}
    assert sorted(plans) == ["all-controls", "ladder", "pause", "shutdown"]
    for source in plans.values():
        assert check_plan(source, trust, now_ns=NOW_NS)
    assert {step.params.control for step in plans["all-controls"].plan.steps} == {*Control}
    assert [rung.params.control for rung in plans["ladder"].plan.steps[0].rungs] == ["pause", "shutdown", "power_cut"]
    template = fleet.plans / "decommission-fire.yaml.template"
    filled = template.read_text().replace("SITE", "mock-eu-north-1")
    assert check_plan(parse_plan(filled.encode(), "t"), trust, now_ns=NOW_NS) == ("mock-eu-north-1",)


def test_a_changed_document_is_named_by_its_file(tmp_path: Path) -> None:
    """Whoever loads a fleet learns which file is wrong, whichever it is."""
    layout = create_fleet(tmp_path / "fleet", FleetSpec(sites=example_sites(2)), NOW_NS)
    documents = layout.documents
    for path in (documents.root, documents.policy, documents.index, documents.record("us-east-1")):
        whole = path.read_bytes()
        spoilt = whole.replace(b'"sig":"', b'"sig":"A', 1)[:-1] if path != documents.root else whole[:-40] + b"\n"
        path.write_bytes(spoilt)
        with pytest.raises(HaltdrillError) as caught:
            load_documents(layout.folder, NOW_NS)
        assert str(path) in str(caught.value)
        path.write_bytes(whole)
    load_documents(layout.folder, NOW_NS)


def test_swapped_missing_and_stray_site_records_are_refused(tmp_path: Path) -> None:
    """The records are exactly those of the index, each in the file of its own name."""
    layout = create_fleet(tmp_path / "fleet", FleetSpec(sites=example_sites(2)), NOW_NS)
    one, other = (layout.documents.record(site) for site in ("eu-north-1", "us-east-1"))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    with pytest.raises(ConfigError, match="does not hold the record"):
        load_documents(layout.folder, NOW_NS)
    one.write_bytes(first)
    other.unlink()
    with pytest.raises(TrustError, match="no site record for us-east-1"):
        load_documents(layout.folder, NOW_NS)
    stranger = create_fleet(tmp_path / "stranger", FleetSpec(sites=example_sites(2)), NOW_NS)
    other.write_bytes(stranger.documents.record("us-east-1").read_bytes())
    with pytest.raises(TrustError) as caught:
        load_documents(layout.folder, NOW_NS)
    assert str(other) in str(caught.value)


def test_an_expired_fleet_and_another_fleets_id_are_refused(made: FleetLayout) -> None:
    """Documents end, and a verifier that knows the fleet id takes no other fleet."""
    with pytest.raises(TrustError, match="expired"):
        load_documents(made.folder, NOW_NS + 366 * 86_400 * _S)
    with pytest.raises(TrustError) as caught:
        load_documents(made.folder, NOW_NS, fleet="0" * 64)
    assert "root.json" in str(caught.value)


def test_one_site_record_is_as_asked(made: FleetLayout) -> None:
    """The spec's limits, owner, region and bands reach the signed record."""
    record: SiteRecord = load_documents(made.folder, NOW_NS).trust.records["lonely"]
    assert (record.owner, record.max_hold_s, record.max_total_held_s) == ("moon-base", 50.0, 90.0)
    assert record.attributes[0].value == "moon"
    assert {witness.owner for witness in record.witnesses} == {"regulator-lab", "moon-base"}
    assert record.work[0].quiet_per_s == 20_000
