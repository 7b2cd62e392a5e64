"""Drills with a ladder, a refusal battery and a lease, recorded without a network as `recorder` does.

Each scene is honest. A dishonest orchestrator is one whose journal is edited while the drill runs::

    Ladder(edits={ev.RungOrdered: lambda scene, event: resigned(event, Order, use=2)}).record()
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from orchestrator.core import events as ev
from orchestrator.core.battery import EXPECTED, BatteryCase
from orchestrator.core.grades import Cause
from orchestrator.core.judge import LiveSite
from orchestrator.core.runs import LATE_CASES
from orchestrator.core.samples import Instant
from orchestrator.evidence.bundle import encode_bundle
from orchestrator.evidence.fold import fold_journal
from orchestrator.evidence.stating import build_result
from orchestrator.journal.chain import ChainWriter
from protocols.controls import (
    Control,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    ShutdownParams,
)
from protocols.envelope import parse_envelope, seal
from protocols.ids import digest_of, format_utc, seconds_to_ns
from protocols.messages import (
    Counter,
    Fact,
    Licence,
    LicenceRequest,
    Message,
    OffLevel,
    Order,
    Outcome,
    Peak,
    Receipt,
    Rung,
    Step,
    Threshold,
)
from protocols.messages.orders import CLIMB_CHALLENGES
from protocols.signals import FEED, FEED_OFF, FEED_ON, POWER
from tests import kit
from tests.orchestrator.recorder import MS, RATE_PER_S, Recorded, Recorder, Script, _Sender

DISPATCHER = kit.dispatcher_label(kit.DISPATCHERS[0])
CONTROLS = (Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT, Control.REFUSAL, Control.LEASE)
THRESHOLDS = tuple(Threshold(control=control, owners=2) for control in CONTROLS)
STRANGER = "stranger"
SIGNALS = (kit.CPU_SIGNAL, kit.PROCESSES_SIGNAL, POWER, FEED)

Edit = Callable[[Any, Any], Any]
Edits = Mapping[type, Edit]


def resigned(event: Any, kind: type[Message], *, label: str = DISPATCHER, **changes: Any) -> Any:
    """Return an event whose message says something else, signed again."""
    said = kind.decode(parse_envelope(event.envelope.encode()).payload)
    return event.model_copy(update={"envelope": seal(said.model_copy(update=changes), kit.key_of(label)).decode()})


class Scene(Recorder):
    """A drill of steps other than a plain pause.

    Args:
        script: Sites, witnesses and times.
        edits: By the kind of an event: makes, of the scene and the event, what goes into the journal
            instead, one event or a list. What really happens, and the reported result, stay as they are.
    """

    fleet_changes = MappingProxyType({"record": {"controls": CONTROLS}, "policy": {"thresholds": THRESHOLDS}})

    def __init__(self, script: Script, *, edits: Edits = MappingProxyType({})) -> None:
        self.edits = edits
        self._honest: list[Any] = []
        self._honest_chain: ChainWriter | None = None
        super().__init__(script)

    def decide(self, event: ev.Event, said: Message | None = None) -> None:
        """Put into the journal what the orchestrator claims, and fold in what happened."""
        edit = self.edits.get(type(event))
        claimed = event if edit is None else edit(self, event)
        for one in claimed if isinstance(claimed, list) else [claimed]:
            self._encoded.append(self.chain.encode(self._stamped(one)))
        if self._honest_chain is None:
            self._honest_chain = ChainWriter(self.issuer.drill)
        self._honest.append(self._honest_chain.encode(self._stamped(event)).raw)
        self.drill.apply(self._stamped(event), said)

    def _stamped(self, event: ev.Event) -> ev.Stamped:
        return ev.Stamped(event, self.epoch, self.claimed(self.t_ns), self.wall_ns)

    def record(self) -> Recorded:
        """Play the scene and return what came of it."""
        self._open()
        for number in range(self.script.steps):
            self._play_step(number)
        self._close()
        records = [encoded.raw for encoded in self._encoded]
        folded = fold_journal(self._honest)
        result = build_result(folded.drill, folded.background, folded.drill.results)
        bundle = encode_bundle(records, result, kit.key_of(DISPATCHER))
        return Recorded(self.fleet, self.store, self.issuer.drill, result, records, bundle)

    def preflight(self) -> None:
        """Watch for steady state."""
        for _ in range(round(self.preflight_s / self.script.challenge_s) + 1):
            self.challenge()

    def made(self, message: Message) -> tuple[Any, str]:
        """Sign a message as the dispatcher."""
        return message, seal(message, kit.key_of(DISPATCHER)).decode()

    def order(self, number: int, **changes: Any) -> Order:
        """Make an order of a step."""
        fields: dict[str, Any] = {
            "fleet": self.fleet.fleet,
            "warrant": self.issuer.warrant_digest,
            "use": self.drill.use,
            "step": number,
            "drill": self.drill.drill,
            "nonce": self.nonce(),
            "issued_at": format_utc(self.wall_ns),
            "expires_at": format_utc(self.wall_ns + seconds_to_ns(5.0)),
            "status": "exercise",
        }
        return Order(**(fields | changes))

    def said(self, sender: _Sender, site: str, digest: str, outcome: Outcome, **changes: Any) -> None:
        """Have an agent or an enforcer answer an order."""
        fields: dict[str, Any] = {
            "fleet": self.fleet.fleet,
            "site": site,
            "link": sender.link(self.t_ns),
            "at": format_utc(self.wall_ns),
            "order": digest,
            "drill": self.drill.drill,
            "use": self.drill.use,
            "step": self.drill.step.number,
            "outcome": outcome,
            "reason": None,
            "detail": "",
            "elapsed_ns": 0,
        }
        receipt = Receipt(**(fields | changes))
        self.wait(1)
        text = sender.seal(receipt)
        self.decide(ev.ReceiptReceived(site=site, arrival_ns=self.claimed(self.t_ns), envelope=text), receipt)

    def challenges_until(self, t_ns: int) -> None:
        """Issue challenges until a time has come."""
        while self.t_ns < t_ns:
            self.challenge()

    def released(self, number: int) -> None:
        """Release a step."""
        release, text = self.issuer.release(number, wall_ns=self.wall_ns)
        self.decide(ev.ReleaseIssued(step=number, envelope=text), release)
        self.wait(1)
        self.decide(ev.ReleasePublished(step=number))

    def recovered(self, number: int) -> None:
        """Watch the sites come back, and end the step."""
        for _ in range(round(0.5 / self.script.challenge_s) + 3):
            self.challenge()
        self.decide(ev.StepEnded(step=number, ordered=True))


class Ladder(Scene):
    """`alpha` pauses; `beta`'s agent hears nothing, so it climbs over a shutdown until its enforcer cuts its power."""

    ladder: tuple[Params, ...] = (ShutdownParams(grace_s=0.1), PowerCutParams())
    limit_s = 0.4
    hold_s = 6.0
    deaf_enforcer = False

    fleet_changes = MappingProxyType(
        {
            "enforcers": 1,
            "covers": SIGNALS,
            "policy": {"thresholds": THRESHOLDS},
            "record": {
                "controls": CONTROLS,
                "off_levels": (OffLevel(signal=POWER, at_most=50),),
            },
        }
    )

    def __init__(self, script: Script | None = None, **edits: Edits) -> None:
        super().__init__(script or Script(), **edits)
        self.enforcers = {
            name: self._sender(kit.enforcer_label(name, "e1"), 80 + n) for n, name in enumerate(self.script.sites)
        }
        self.cut: set[str] = set()
        self.halting: set[str] = {"alpha"}

    def step(self, number: int) -> Step:
        """Return the step with its ladder."""
        return self.fleet.step(
            name="climb",
            params=PauseParams(),
            ladder=tuple(Rung(params=params, response_limit_s=self.limit_s) for params in self.ladder),
            hold_s=self.hold_s,
            response_limit_s=self.limit_s,
            dwell_s=0.5,
            restore_limit_s=1.0,
            quorum=min(2, self.script.witnesses),
            max_gap_s=0.5,
        )

    def signals(self, site: str) -> tuple[Counter | Peak | Fact, ...]:
        """Return what a witness sees: work, power and what the feed's controller says."""
        off = site in self.cut
        return (
            *super().signals(site),
            Peak(name=POWER, value=20 if off else 900),
            Fact(name=FEED, value=FEED_OFF if off else FEED_ON),
        )

    def _play_step(self, number: int) -> None:
        self.preflight()
        order, text = self.issuer.order(number, wall_ns=self.wall_ns)
        self.decide(ev.OrderIssued(step=number, envelope=text), order)
        ordered_ns = self.t_ns
        self.wait(1)
        self.decide(ev.OrderPublished(step=number))
        for name in self.sites:
            if name in self.halting:
                self.said(self.agents[name], name, order.digest(), Outcome.ACCEPTED, rung=0)
                self.sites[name].changes.append((self.t_ns + 10 * MS, 0))
            self.noted(name, order.digest(), 0)
        self.wait(15)
        for name in sorted(self.halting):
            self.said(self.agents[name], name, order.digest(), Outcome.HALTED, rung=0)
        for rung in range(1, len(self.ladder) + 1):
            self._climb(number, rung)
        self.challenges_until(ordered_ns + seconds_to_ns(self.hold_s))
        self.released(number)
        for site in self.sites.values():
            site.changes.append((self.t_ns + 10 * MS, RATE_PER_S))
        self.cut.clear()
        self.recovered(number)

    def noted(self, site: str, digest: str, rung: int) -> None:
        if not self.deaf_enforcer:
            self.said(self.enforcers[site], site, digest, Outcome.NOTED, by="e1", rung=rung)

    def climbs_after_s(self) -> float:
        """Return how long a rung is given before the next is ordered."""
        return self.limit_s + 0.5 + CLIMB_CHALLENGES * self.script.challenge_s + 0.1

    def climbing(self) -> str:
        """Return the site that climbs."""
        return "beta"

    def cause(self, number: int, site: str) -> Cause:
        """Return why a site climbs, as the orchestrator finds it."""
        inputs = self.drill.rung_inputs(number, site, final=False)[-1]
        margin_ns = seconds_to_ns(CLIMB_CHALLENGES * self.script.challenge_s)
        now = Instant(self.epoch, self.claimed(self.t_ns))
        return LiveSite().climb_cause(replace(inputs, ended=now), margin_ns) or Cause.SILENT

    def before_cut(self, site: str) -> None:
        """Do what an enforcer does just before it acts."""

    def _climb(self, number: int, rung: int) -> None:
        self.challenges_until(self.t_ns + seconds_to_ns(self.climbs_after_s()))
        site = self.climbing()
        order, text = self.made(self.order(number, rung=rung, site=site))
        why = self.cause(number, site)
        self.decide(ev.RungOrdered(step=number, site=site, rung=rung, why=why, envelope=text), order)
        self.wait(1)
        self.decide(ev.RungPublished(step=number, site=site, rung=rung))
        if rung < len(self.ladder):
            self.noted(site, order.digest(), rung)
            return
        self.before_cut(site)
        enforcer = self.enforcers[site]
        self.said(enforcer, site, order.digest(), Outcome.ACCEPTED, by="e1", rung=rung)
        self.sites[site].changes.append((self.t_ns, 0))
        self.cut.add(site)
        self.wait(10)
        self.said(enforcer, site, order.digest(), Outcome.HALTED, by="e1", rung=rung)


class Refusal(Scene):
    """A pause, and then a battery of orders that every site refuses rightly.

    Args:
        cases: By the case: the envelope that is sent instead; None leaves it out.
        wrong: A site that refuses each of them for another reason.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        cases: Mapping[BatteryCase, Callable[[Refusal, Order], bytes | None]] = MappingProxyType({}),
        marks: Mapping[BatteryCase, str] = MappingProxyType({}),
        **edits: Edits,
    ) -> None:
        super().__init__(script or Script(steps=2), **edits)
        self.cases, self.marks = cases, marks

    def step(self, number: int) -> Step:
        """Return the pause, or the refusal."""
        step = super().step(number)
        return step if number == 0 else step.model_copy(update={"name": "refuse", "params": RefusalParams()})

    def battery(self, number: int) -> dict[BatteryCase, bytes]:
        """Return every order of the battery, each wrong in one thing."""
        order, other = self.order, kit.key_of(DISPATCHER)
        made: dict[BatteryCase, Order] = {case: order(number) for case in BatteryCase}
        made[BatteryCase.EXPIRED] = order(
            number,
            issued_at=format_utc(self.wall_ns - seconds_to_ns(90)),
            expires_at=format_utc(self.wall_ns - seconds_to_ns(60)),
        )
        made[BatteryCase.OTHER_AUDIENCE] = order(number, site="no-such-site")
        made[BatteryCase.NOT_AN_EXERCISE] = order(number, status="actual")
        sealed = {case: seal(said, other) for case, said in made.items()}
        sealed[BatteryCase.FORGED] = seal(made[BatteryCase.FORGED], kit.key_of(STRANGER))
        sealed[BatteryCase.TAMPERED] = broken(sealed[BatteryCase.TAMPERED])
        sealed[BatteryCase.REPLAYED] = self.drill.steps[0].order_envelope.encode()
        for case, change in self.cases.items():
            changed = change(self, made[case])
            if changed is None:
                del sealed[case]
            else:
                sealed[case] = changed
        return sealed

    def _play_step(self, number: int) -> None:
        if number == 0:
            super()._play_step(number)
            return
        self.preflight()
        battery = self.battery(number)
        orders = tuple(
            ev.BatteryOrder(
                case=case,
                envelope=raw.decode(),
                warrant=self.marks.get(case, "one_approval" if case is BatteryCase.UNDER_THRESHOLD else "whole"),
            )
            for case, raw in battery.items()
        )
        self.decide(ev.BatteryIssued(step=number, orders=orders))
        ordered_ns = self.t_ns
        self.wait(1)
        self._answers(battery, late=False)
        self.challenges_until(ordered_ns + seconds_to_ns(self.script.hold_s))
        self.released(number)
        self._answers(battery, late=True)
        self.recovered(number)

    def _answers(self, battery: Mapping[BatteryCase, bytes], *, late: bool) -> None:
        for case, raw in battery.items():
            if (case in LATE_CASES) is not late:
                continue
            unread = case in {BatteryCase.FORGED, BatteryCase.TAMPERED}
            for name in self.sites:
                digest = parse_envelope(raw).digest
                unsigned: dict[str, Any] = {"drill": None, "use": None, "step": None} if unread else {}
                step = {"step": 0} if case is BatteryCase.REPLAYED else {}
                self.said(self.agents[name], name, digest, Outcome.REFUSED, reason=EXPECTED[case], **(unsigned | step))


def broken(raw: bytes) -> bytes:
    """Return an envelope with one bit of its signature flipped."""
    outer = json.loads(raw)
    signature = bytearray(base64.b64decode(outer["signatures"][0]["sig"]))
    signature[7] ^= 1
    outer["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return json.dumps(outer, separators=(",", ":")).encode()


class Lease(Scene):
    """Licences are renewed for a second; then each site halts when its last one has run out."""

    hold_s = 4.0
    params = LeaseParams(licence_s=0.5, renewed_s=1.0)
    renews_s = 1.0
    stops = True

    def __init__(self, script: Script | None = None, **edits: Edits) -> None:
        super().__init__(script or Script(), **edits)

    def step(self, number: int) -> Step:
        """Return the lease."""
        step = super().step(number).model_copy(update={"params": self.params})
        return Step.model_validate(step.model_dump() | {"hold_s": self.hold_s, "restore_limit_s": 1.0})

    def request(self, site: str, order: Order, **changes: Any) -> LicenceRequest:
        """Have an agent ask for a licence."""
        fields: dict[str, Any] = {
            "fleet": self.fleet.fleet,
            "site": site,
            "order": order.digest(),
            "drill": self.drill.drill,
            "nonce": digest_of(f"{site} {self.t_ns}".encode())[:32],
            "at": format_utc(self.wall_ns),
        }
        said = LicenceRequest(**(fields | changes))
        text = seal(said, kit.key_of(self.agents[site].label)).decode()
        self.wait(2)
        arrival_ns = self.claimed(self.t_ns - MS)
        self.decide(ev.LicenceRequested(site=site, arrival_ns=arrival_ns, envelope=text), said)
        return said

    def licence(self, request: LicenceRequest) -> None:
        """Answer a request."""
        made = Licence(
            fleet=self.fleet.fleet,
            site=request.site,
            order=request.order,
            drill=request.drill,
            request=request.nonce,
        )
        licence, text = self.made(made)
        self.decide(ev.LicenceIssued(step=0, site=request.site, envelope=text), licence)

    def _play_step(self, number: int) -> None:
        self.preflight()
        order, text = self.issuer.order(number, wall_ns=self.wall_ns)
        self.decide(ev.OrderIssued(step=number, envelope=text), order)
        ordered_ns = self.t_ns
        self.wait(1)
        self.decide(ev.OrderPublished(step=number))
        for name in self.sites:
            self.said(self.agents[name], name, order.digest(), Outcome.ACCEPTED, rung=0)
        lapses: dict[str, int] = {}
        while self.t_ns < ordered_ns + seconds_to_ns(self.renews_s) - 100 * MS:
            for name in self.sites:
                asked_ns = self.t_ns
                self.licence(self.request(name, order))
                lapses[name] = asked_ns + seconds_to_ns(self.params.licence_s)
            self.challenge()
        self.challenges_until(ordered_ns + seconds_to_ns(self.renews_s))
        if self.stops:
            self.decide(ev.LeaseStopped(step=number))
        for name, lapse_ns in lapses.items():
            self.sites[name].changes.append((lapse_ns, 0))
        self.challenges_until(max(lapses.values()) + 20 * MS)
        for name in self.sites:
            self.said(self.agents[name], name, order.digest(), Outcome.HALTED, rung=0)
        self.challenges_until(ordered_ns + seconds_to_ns(self.hold_s))
        self.released(number)
        for site in self.sites.values():
            site.changes.append((self.t_ns + 10 * MS, RATE_PER_S))
        self.recovered(number)


def payload_of(envelope: str) -> str:
    """Return the payload of an envelope as text."""
    return parse_envelope(envelope.encode()).payload.decode()
