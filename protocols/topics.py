"""Topics: who publishes where. A topic routes; only a signature proves.

::

    haltdrill/<fleet>/orders                       dispatcher -> agents      order + its warrant
    haltdrill/<fleet>/sites/<site>/orders          dispatcher -> agent, enforcer  rung order + warrant
    haltdrill/<fleet>/sites/<site>/licences        dispatcher -> agent       licence
    haltdrill/<fleet>/stops                        anyone entitled -> all    release, abort, lever, revocation
    haltdrill/<fleet>/standing                     timekeeper -> orchestrator  standing
    haltdrill/<fleet>/challenges                   dispatcher -> witnesses   challenge
    haltdrill/<fleet>/sites/<site>/ask             dispatcher -> a witness   recall
    haltdrill/<fleet>/sites/<site>/agent           agent -> orchestrator     receipt, licence request
    haltdrill/<fleet>/sites/<site>/enforcer/<name> enforcer -> orchestrator  receipt
    haltdrill/<fleet>/sites/<site>/witness/<name>  witness -> orchestrator   reading, closing
    haltdrill/<fleet>/sites/<site>/presence/<who>  both -> orchestrator      presence (retained)

`<fleet>` is the first sixteen hex digits of the fleet's id. No level holds a dot, because NATS maps
`/` to `.`.
"""

from __future__ import annotations

from dataclasses import dataclass

_PREFIX = "haltdrill"
_FLEET_CHARS = 16


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one fleet.

    Attributes:
        fleet: The whole fleet id.
    """

    fleet: str

    @property
    def base(self) -> str:
        """The prefix of all of them."""
        return f"{_PREFIX}/{self.fleet[:_FLEET_CHARS]}"

    @property
    def orders(self) -> str:
        """Where orders are broadcast."""
        return f"{self.base}/orders"

    @property
    def stops(self) -> str:
        """Where releases, aborts, the lever and revocations are broadcast."""
        return f"{self.base}/stops"

    @property
    def standing(self) -> str:
        """Where a timekeeper says what still counts."""
        return f"{self.base}/standing"

    @property
    def challenges(self) -> str:
        """Where challenges are broadcast."""
        return f"{self.base}/challenges"

    def ask(self, site: str) -> str:
        """Where the witnesses of `site` are asked to send again."""
        return f"{self.base}/sites/{site}/ask"

    def site_orders(self, site: str) -> str:
        """Where the orders of higher rungs for `site` alone are published."""
        return f"{self.base}/sites/{site}/orders"

    def licences(self, site: str) -> str:
        """Where the licences of `site` are published."""
        return f"{self.base}/sites/{site}/licences"

    def enforcer(self, site: str, name: str) -> str:
        """Where one enforcer of `site` answers."""
        return f"{self.base}/sites/{site}/enforcer/{name}"

    def agent(self, site: str) -> str:
        """Where the agent of `site` answers."""
        return f"{self.base}/sites/{site}/agent"

    def witness(self, site: str, name: str) -> str:
        """Where one witness of `site` speaks."""
        return f"{self.base}/sites/{site}/witness/{name}"

    def presence(self, site: str, who: str) -> str:
        """Where the agent (`agent`) or a witness (its name) of `site` says that it is there."""
        return f"{self.base}/sites/{site}/presence/{who}"

    def agent_filters(self, site: str) -> tuple[str, ...]:
        """What the agent of `site` subscribes to."""
        return (self.orders, self.stops, self.site_orders(site), self.licences(site))

    def enforcer_filters(self, site: str) -> tuple[str, ...]:
        """What an enforcer of `site` subscribes to."""
        return (self.orders, self.stops, self.site_orders(site))

    def witness_filters(self, site: str) -> tuple[str, ...]:
        """What a witness of `site` subscribes to."""
        return (self.challenges, self.ask(site))

    def orchestrator_filters(self) -> tuple[str, ...]:
        """What the orchestrator subscribes to."""
        return (
            f"{self.base}/sites/+/agent",
            f"{self.base}/sites/+/enforcer/+",
            f"{self.base}/sites/+/witness/+",
            f"{self.base}/sites/+/presence/+",
            self.stops,
            self.standing,
        )
