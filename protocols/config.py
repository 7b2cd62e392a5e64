"""Configuration files of agents, witnesses and enforcers (TOML), as strict models. Reading them is `host.files`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from protocols.ids import Name, SignalName, SiteId
from protocols.messages.base import Part
from protocols.mock_config import Look

MOCK_REMEDY = "run it with: haltdrill mocksite --site DIR"
"""What to do with the configuration of a simulated site's agent or witness."""

PathText = Annotated[str, Field(min_length=1, max_length=4096)]


class BrokerConfig(Part):
    """Where the MQTT 3.1.1 broker is."""

    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]


class ProcessDriverConfig(Part):
    """Driver `process`: the workload that the agent supervises.

    Attributes:
        argv: The workload's command, no shell.
        environment: Variables added to its environment.
        checkpoint: The file it checkpoints to, whose digest a shutdown reports.
        cgroup: Use a cgroup v2 of its own where one may be made (`auto`), or never.
        cpu_signal: The counter of CPU time, in microseconds, in the site record's `work`: a slowdown
            leaves a fraction of its `band_min_per_s`.
    """

    kind: Literal["process"] = "process"
    argv: Annotated[tuple[str, ...], Field(min_length=1, max_length=256)]
    environment: dict[str, str] = Field(default_factory=dict)
    checkpoint: PathText | None = None
    cgroup: Literal["auto", "never"] = "auto"
    cpu_signal: SignalName = "cpu_time_us"


class MockDriverConfig(Part):
    """Driver `mock`: the simulated site whose `mock.toml` lies beside; only `haltdrill mocksite` has it."""

    kind: Literal["mock"] = "mock"


def _kind(section: Any) -> str:
    """Tell which driver or probe a section describes; without a kind it is `process`, the first there was."""
    kind = section.get("kind", "process") if isinstance(section, dict) else getattr(section, "kind", None)
    return str(kind)


DriverConfig = Annotated[
    Annotated[ProcessDriverConfig, Tag("process")] | Annotated[MockDriverConfig, Tag("mock")], Discriminator(_kind)
]
"""How an agent acts."""


class AgentConfig(Part):
    """An agent: one site, one key, one driver. Relative paths are from the file's own folder.

    Attributes:
        veto: While this file exists, the site's operator refuses every order.
        lie: Only for demos and tests: report a halt without making one.
    """

    site: SiteId
    broker: BrokerConfig
    root: PathText
    policy: PathText
    record: PathText
    key: PathText
    state: PathText
    veto: PathText
    driver: DriverConfig
    lie: bool = False


class ProcessProbeConfig(Part):
    """Probe `process`: which processes are the site's work, by a rule of the witness's own.

    Exactly one of the three is given.

    Attributes:
        environ: `NAME=value` that every process of the workload inherits.
        user: The name of the user that the work runs as.
        cgroup: A cgroup v2 folder below the mount point, read with all that is in it.
    """

    kind: Literal["process"] = "process"
    environ: Annotated[str, Field(pattern=r"^[A-Z_]+=[^=\x00]+$")] | None = None
    user: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    cgroup: PathText | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = [rule for rule in (self.environ, self.user, self.cgroup) if rule is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of environ, user and cgroup must be given, not {len(given)}")
        if self.cgroup is not None and ".." in self.cgroup.split("/"):
            raise ValueError("cgroup must lie below the mount point: no '..' in it")
        return self


class MockProbeConfig(Part):
    """Probe `mock`: instruments at a simulated site; only `haltdrill mocksite` has them.

    Attributes:
        looks: The instruments that this witness has.
        registry: Its own copy of the register of accelerators, for `devices`.
    """

    kind: Literal["mock"] = "mock"
    looks: Annotated[tuple[Look, ...], Field(min_length=1, max_length=len(Look))]
    registry: PathText | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (Look.DEVICES in self.looks) != (self.registry is not None):
            raise ValueError("registry must be given exactly where it looks at devices")
        return self


ProbeConfig = Annotated[
    Annotated[ProcessProbeConfig, Tag("process")] | Annotated[MockProbeConfig, Tag("mock")], Discriminator(_kind)
]
"""How a witness observes."""


class WitnessConfig(Part):
    """A witness: one site, one key, one probe, never shared with the agent."""

    site: SiteId
    name: Name
    broker: BrokerConfig
    root: PathText
    policy: PathText
    record: PathText
    key: PathText
    state: PathText
    probe: ProbeConfig
    cpu_signal: SignalName = "cpu_time_us"
    processes_signal: SignalName = "live_processes"


Argv = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...], Field(min_length=1, max_length=64)]


class FeedActuatorConfig(Part):
    """Actuator `feed`: the simulated power feed of a mock site.

    Attributes:
        file: The feed's file, which the site and its meter read.
    """

    kind: Literal["feed"] = "feed"
    file: PathText


class CommandActuatorConfig(Part):
    """Actuator `command`: programs of the operator's own, each an argv that no shell reads.

    A relative program with a slash starts from the configuration's own folder. They get `PATH` and
    what `environment` says, and nothing else of ours.

    Attributes:
        on: Switches the feed on.
        off: Switches the feed off.
        state: Prints what the controller says: exactly `on` or `off`.
        check: Exits 0 if `on` would work; run by a rehearsal. Null where there is no such program.
        environment: Variables of their environment.
        limit_s: The longest that one run may take; then it is killed.
        settle_s: How long after a switch `state` may take to agree. An answer is not an off.
    """

    kind: Literal["command"] = "command"
    on: Argv
    off: Argv
    state: Argv
    check: Argv | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    limit_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 10.0
    settle_s: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 15.0


ActuatorConfig = Annotated[FeedActuatorConfig | CommandActuatorConfig, Field(discriminator="kind")]
"""How an enforcer cuts a site off."""


class EnforcerConfig(Part):
    """An enforcer: one site, from outside of it, with a key, a connection and a store of its own.

    Attributes:
        name: What the site record calls it.
        veto: While this file exists, whoever runs the enforcer refuses every order.
    """

    site: SiteId
    name: Name
    broker: BrokerConfig
    root: PathText
    policy: PathText
    record: PathText
    key: PathText
    state: PathText
    veto: PathText | None = None
    actuator: ActuatorConfig
