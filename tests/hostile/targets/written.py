"""Ways in through what people and programs write: plans, configuration, keys, times, documents, a program's output."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from agents.actuators.command import CommandSwitch
from orchestrator.coverage.ages import parse_age, parse_since
from orchestrator.fleet.approve import open_warrant
from orchestrator.fleet.config import OrchestratorConfig
from orchestrator.fleet.explain import explain_warrant
from orchestrator.fleet.plan import parse_moment, parse_plan
from orchestrator.fleet.plan_check import all_dispatchers, check_plan, compile_plan
from orchestrator.fleet.plan_examples import all_controls_plan, ladder_plan, pause_plan, shutdown_plan
from protocols.config import AgentConfig, CommandActuatorConfig, EnforcerConfig, WitnessConfig
from protocols.errors import ConfigError, DriverError
from protocols.host.clock import ManualClock
from protocols.host.files import read_private_key, read_toml
from protocols.ids import format_utc, parse_utc
from protocols.messages import FleetIndex, Policy, Root, SiteRecord, Warrant
from protocols.mock_config import MockConfig
from protocols.trust import FleetTrust, SiteTrust, open_document, open_roots
from tests import kit
from tests.hostile.mutation import bend_text
from tests.hostile.targets import scene
from tests.hostile.targets.base import Target, attempt, chosen, with_word
from tests.hostile.targets.scene import DOCUMENTS, FLEET, SITE, TRUST
from tests.hostile.targets.wire import seal_as

SHOWN = {"\n"}


@cache
def folder() -> Path:
    """Return a folder for the one file that is read at a time."""
    kept = Path(tempfile.mkdtemp(prefix="haltdrill-hostile-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    import atexit  # noqa: PLC0415
    import shutil  # noqa: PLC0415

    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    return kept


def check_plan_text(data: bytes) -> None:
    """A plan is one clear error, or a warrant of one encoding that can be shown to whoever approves it."""
    plan = attempt(parse_plan, data, "plan.yaml", allowed=ConfigError)
    if plan is None:
        return
    dispatchers = all_dispatchers(TRUST)
    attempt(check_plan, plan, TRUST, now_ns=kit.NOW_NS, allowed=ConfigError)
    made = compile_plan(plan.plan, TRUST, dispatchers=dispatchers, nonce=scene.NONCE, now_ns=kit.NOW_NS)
    assert Warrant.decode(made.encode()) == made
    if plan.plan.audience.sites is None or set(plan.plan.audience.sites) <= set(TRUST.records):
        text = attempt(explain_warrant, made, TRUST, ())
        assert text is None or all(char.isprintable() or char in SHOWN for char in text)


_CONFIGS = {
    "agent": AgentConfig,
    "enforcer": EnforcerConfig,
    "mock": MockConfig,
    "orchestrator": OrchestratorConfig,
    "witness": WitnessConfig,
}

_PARTY = b"""\
site = "alpha"
name = "w1"
root = "root.json"
policy = "policy.json"
record = "record.json"
key = "x.key"
state = "state"

[broker]
host = "127.0.0.1"
port = 1883
"""
_DRIVER = b'\n[driver]\nargv = ["work"]\nenvironment = {A = "b"}\n'
_AGENT = _PARTY.replace(b'name = "w1"\n', b'veto = "veto"\n') + _DRIVER
_WITNESS = _PARTY + b'\n[probe]\nenviron = "HALTDRILL_SITE=x/alpha"\n'
_MOCK_WITNESS = _PARTY + b'\n[probe]\nkind = "mock"\nlooks = ["work", "power"]\n'
_ENFORCER = _PARTY + b'\n[actuator]\nkind = "command"\non = ["on"]\noff = ["off"]\nstate = ["say"]\nlimit_s = 1.5\n'
_ORCHESTRATOR = b'fleet = "fleet"\n\n[broker]\nhost = "127.0.0.1"\nport = 1883\n'
_MOCK = b"""\
site = "alpha"
seed = 3
device_secret = "abababababababababababababababab"

[accelerators]
count = 6

[[jobs]]
name = "a"
workload = "training"
accelerators = 2

[[faults]]
kind = "slow"
"""


def check_config(data: bytes) -> None:
    """A configuration is one clear error that names the file, or a model that says the same again."""
    word, text = chosen(data, sorted(_CONFIGS))
    path = folder() / "x.toml"
    path.write_bytes(text)
    config = attempt(read_toml, path, _CONFIGS[word], allowed=ConfigError)
    if config is not None:
        assert type(config).model_validate_json(config.model_dump_json()) == config


def check_key(data: bytes) -> None:
    """A key file is one clear error, or an Ed25519 key."""
    path = folder() / "x.key"
    path.write_bytes(data)
    path.chmod(0o600)
    signer = attempt(read_private_key, path, allowed=ConfigError)
    assert signer is None or len(signer.public_key.keyid) == 64


_SINCE = "--since"


def check_time(data: bytes) -> None:
    """A time is refused in one way, or is one moment between 1970 and the year 10000."""
    word, rest = chosen(data, ("age", "moment", "since", "utc"))
    text = rest.decode("utf-8", "replace")
    try:
        match word:
            case "age":
                parse_age(text, option="--stale-after")
            case "since":
                parse_since(text, option=_SINCE, now_ns=kit.NOW_NS)
            case "moment":
                format_utc(parse_moment(text))
            case _:
                assert format_utc(parse_utc(text)) == text
    except (ConfigError, ValueError) as error:
        refused = error
    else:
        return
    assert isinstance(refused, ConfigError) == (word in {"age", "since"}), repr(refused)
    str(refused).encode()


_KINDS = {"root": Root, "policy": Policy, "index": FleetIndex, "record": SiteRecord}


def check_document(data: bytes) -> None:
    """A root-signed document is believed only if the root signed these very bytes."""
    word, raw = chosen(data, sorted(_KINDS))
    root = TRUST.root
    if word == "root":
        held = attempt(open_roots, [FLEET.raw_root, raw], now_ns=kit.NOW_NS)
        assert held is None or held.root.encode() in scene.SIGNED
        held = attempt(open_roots, [raw], now_ns=kit.NOW_NS, fleet=FLEET.fleet)
        assert held is None or held.root.encode() in scene.SIGNED
    else:
        document = attempt(open_document, raw, _KINDS[word], root, now_ns=kit.NOW_NS)
        assert document is None or document.encode() in scene.SIGNED


def check_signed_document(data: bytes) -> None:
    """A document that the root did sign, whatever it says, opens a site and a fleet or is one clear error."""
    word, payload = chosen(data, sorted(_KINDS))
    if len(payload) > 40_000:
        return
    raw = dict(DOCUMENTS) | {word: seal_as(payload, _KINDS[word].payload_type(), *scene.ROOTS)}
    attempt(SiteTrust.open, [raw["root"]], raw["policy"], raw["record"], site=SITE, now_ns=kit.NOW_NS)
    records = [raw["record"], FLEET.raw_records["beta"]]
    attempt(FleetTrust.open, [raw["root"]], raw["policy"], raw["index"], records, now_ns=kit.NOW_NS)


def check_warrant_file(data: bytes) -> None:
    """A warrant's file counts owners who signed, and nobody else."""
    opened = attempt(open_warrant, data, TRUST, "x.warrant.json")
    if opened is not None:
        envelope, warrant, owners = opened
        assert envelope.payload in scene.SIGNED
        assert warrant.encode() == envelope.payload
        assert set(owners) <= set(kit.APPROVERS)


class _Said(CommandSwitch):
    """A controller's program that prints what it is told to."""

    said = b""

    def _run(self, name: str, argv: tuple[str, ...]) -> bytes:
        return self.said


def check_output(data: bytes) -> None:
    """What a controller's program prints is exactly on or off, or one clear error that a terminal bears."""
    config = CommandActuatorConfig(on=("a",), off=("b",), state=("c",))
    switch = _Said(config, base=Path("/"), search_path="/bin", clock=ManualClock())
    switch.said = data
    try:
        on = switch.state()
    except DriverError as error:
        line = str(error)
    else:
        assert data.strip() == (b"on" if on else b"off")
        return
    assert line.isprintable()
    assert len(line) < 400


def _documents() -> list[bytes]:
    return [with_word(word, raw) for word, raw in DOCUMENTS.items()]


def _payloads() -> list[bytes]:
    kinds = {"root": FLEET.root, "policy": FLEET.policy, "index": FLEET.index, "record": FLEET.records[SITE]}
    return [with_word(word, document.encode()) for word, document in kinds.items()]


_PEM = kit.private_pem_of("x")

TARGETS = (
    Target(
        "plan",
        check_plan_text,
        lambda: [
            text.encode()
            for text in (
                pause_plan(["alpha", "beta"], kit.NOW_NS),
                shutdown_plan(["north"], kit.NOW_NS),
                ladder_plan(["alpha"], kit.NOW_NS),
                all_controls_plan(["alpha"], ["evals"], kit.NOW_NS),
            )
        ],
        mutate=lambda data, rng: bend_text(data, rng) if rng.random() < 0.7 else bend_text(bend_text(data, rng), rng),
    ),
    Target(
        "config",
        check_config,
        lambda: [
            with_word("agent", _AGENT),
            with_word("witness", _WITNESS),
            with_word("witness", _MOCK_WITNESS),
            with_word("enforcer", _ENFORCER),
            with_word("orchestrator", _ORCHESTRATOR),
            with_word("mock", _MOCK),
        ],
    ),
    Target("key", check_key, lambda: [_PEM, _PEM.replace(b"PRIVATE", b"RSA PRIVATE")]),
    Target(
        "time",
        check_time,
        lambda: [
            b"age\n90d",
            b"age\n1.5 h",
            b"since\n2026-11-01",
            b"since\n2w",
            b"moment\n2026-11-24T10:00:00.5+01:00",
            b"utc\n2026-11-24T13:43:58.000000000Z",
            b"utc\n9999-12-31T23:59:59.999999999Z",
            b"moment\n1970-01-01T00:00:00+23:59",
        ],
    ),
    Target("document", check_document, _documents),
    Target("signed-document", check_signed_document, _payloads),
    Target("warrant-file", check_warrant_file, lambda: [scene.APPROVED, scene.ENVELOPES["order"]]),
    Target("output", check_output, lambda: [b"on\n", b"off", b" on \r\n"]),
)
