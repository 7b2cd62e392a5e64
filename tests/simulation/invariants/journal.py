"""Written before it is done, never lost, and the same whenever it is read again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from orchestrator.evidence.bundle import encode_bundle, result_of
from orchestrator.evidence.verifier import verify_bundle
from protocols.errors import HaltdrillError
from tests import kit
from tests.simulation.invariants.ran import Found, Ran

_SAYS = frozenset({"challenge", "order", "release", "abort", "licence", "recall"})


def is_a_chain(ran: Ran) -> Iterator[Found]:
    """Each record holds the digest of the one before, and they are numbered without a gap."""
    for drill, lines in ran.truth.journals.items():
        head = "0" * 64
        for number, line in enumerate(lines):
            record = json.loads(line)
            if record["seq"] != number or record["prev"] != head:
                yield Found(f"{drill}: record {number} does not follow the one before")
                break
            head = hashlib.sha256(line).hexdigest()


def lost_nothing(ran: Ran) -> Iterator[Found]:
    """Every line that was once appended is in the journal at the end."""
    kept = {line for lines in ran.truth.journals.values() for line in lines}
    for synced in ran.truth.synced:
        if synced.by != "orchestrator":
            continue
        for line in synced.data.split(b"\n"):
            if line and line not in kept:
                yield Found("a record that was appended is not in the journal at the end", synced.at_ns)
                return


def appended_before_it_spoke(ran: Ran) -> Iterator[Found]:
    """Whatever the orchestrator published was in its journal before."""
    written: dict[bytes, int] = {}
    for synced in ran.truth.synced:
        if synced.by == "orchestrator":
            for line in synced.data.split(b"\n"):
                for envelope in _envelopes(line):
                    written.setdefault(envelope, synced.n)
    for sent in ran.truth.sent:
        if sent.by != "orchestrator":
            continue
        raw = sent.payload.split(b"\n")[0]
        signed = ran.frame(raw)
        if signed and signed[0].kind in _SAYS and written.get(raw, sent.n) >= sent.n:
            yield Found(f"the orchestrator published a {signed[0].kind} that it had not written down", sent.at_ns)
            return


def ordered_nothing_after_an_abort(ran: Ran) -> Iterator[Found]:
    """Once an abort of a drill is written down, neither an order nor a licence of it is published any more."""
    aborted: dict[str, int] = {}
    for synced in ran.truth.synced:
        if synced.by == "orchestrator" and b'"drill.aborted"' in synced.data:
            for line in synced.data.split(b"\n"):
                record = json.loads(line) if line else {}
                if record and record["event"]["type"] == "drill.aborted":
                    aborted.setdefault(record["drill"], synced.n)
    for sent in ran.truth.sent if aborted else ():
        if sent.by != "orchestrator":
            continue
        for signed in ran.frame(sent.payload)[:1]:
            if signed.kind in {"order", "licence"} and aborted.get(signed.fields["drill"], sent.n) < sent.n:
                yield Found(f"the orchestrator published an {signed.kind} after an abort", sent.at_ns)
                return


def _envelopes(line: bytes) -> Iterator[bytes]:
    if not line:
        return
    event = json.loads(line)["event"]
    for held in (event, *event.get("orders", ())):
        if isinstance(held.get("envelope"), str):
            yield held["envelope"].encode()


def wrote_before_it_answered(ran: Ran) -> Iterator[Found]:
    """Whatever an agent, an enforcer or a witness signed into its chain was on its disk before it was out."""
    written: dict[tuple[str, bytes], int] = {}
    for synced in ran.truth.synced:
        if synced.by == "orchestrator":
            continue
        for line in synced.data.split(b"\n"):
            for envelope in _signed_in(line):
                written.setdefault((synced.by, envelope), synced.n)
    for sent in ran.truth.sent:
        if "/" not in sent.by or sent.by.partition("/")[0] not in ran.fleet.records:
            continue
        for raw in sent.payload.split(b"\n"):
            signed = ran.frame(raw)
            chained = signed and signed[0].kind in {"receipt", "reading", "closing"}
            if chained and written.get((sent.by, raw), sent.n) >= sent.n:
                yield Found(f"{sent.by} published a {signed[0].kind} that was not on its disk", sent.at_ns)
                return


def _signed_in(line: bytes) -> Iterator[bytes]:
    try:
        body = json.loads(line).get("body", {})
    except ValueError:
        return
    if isinstance(body.get("envelope"), str):
        yield body["envelope"].encode()
    for event in body.get("events", ()):
        if isinstance(event.get("envelope"), str):
            yield event["envelope"].encode()
        for receipt in event.get("receipts", ()):
            yield receipt["envelope"].encode()


def wrote_before_it_acted(ran: Ran) -> Iterator[Found]:
    """Nothing was applied on an order that was not on the party's disk as accepted."""
    accepted: dict[tuple[str, str], int] = {}
    for accept in ran.accepts:
        if accept.acts:
            accepted.setdefault((accept.party, accept.order), accept.n)
    for acted in ran.truth.acted:
        if acted.deed != "apply" or acted.order is None:
            continue
        party = f"{acted.site}/{acted.by}"
        if not acted.durable or accepted.get((party, acted.order), acted.n) >= acted.n:
            yield Found(f"{party} acted on an order that was not on its disk", acted.at_ns)
            return


def kept_one_chain(ran: Ran) -> Iterator[Found]:
    """No honest party ever signs two messages with one number: what was on its disk was not forgotten."""
    seen: dict[tuple[str, int], str] = {}
    for sent in ran.truth.sent:
        site, _, name = sent.by.partition("/")
        if site not in ran.fleet.records or not name or name in ran.truth.lying.get(site, frozenset()):
            continue
        for signed in ran.frame(sent.payload):
            if signed.kind in {"receipt", "reading", "closing"}:
                seq = signed.fields["link"]["seq"]
                if seen.setdefault((sent.by, seq), signed.digest) != signed.digest:
                    yield Found(f"{sent.by} signed two messages with number {seq}", sent.at_ns)
                    return


def says_of_every_site(ran: Ran) -> Iterator[Found]:
    """Every drill comes to its end, with one verdict on every site of its audience for every step."""
    if not ran.truth.closed:
        yield Found("a drill was never closed", ran.truth.ended_ns)
    for drill, entries in ran.journals.items():
        warrant = ran.warrant_of(drill)
        opened = next((one for one in entries if one.type == "drill.opened"), None)
        if not any(one.type == "drill.closed" for one in entries):
            yield Found(f"{drill} was never closed", ran.truth.ended_ns)
            continue
        if warrant is None or opened is None:
            yield Found(f"{drill} holds no warrant, or was never opened")
            continue
        wanted = {(step, site) for step in range(len(warrant.steps)) for site in opened.event["audience"]}
        given = [(one.event["step"], one.event["site"]) for one in entries if one.type == "site.judged"]
        if sorted(given) != sorted(wanted):
            yield Found(f"{drill} has {len(given)} verdicts of {len(wanted)}")


def reads_the_same_again(ran: Ran) -> Iterator[Found]:
    """Whoever verifies the sealed journal offline comes to the same verdicts, and finds nothing wrong."""
    for drill, lines in ran.truth.journals.items():
        if not any(one.type == "drill.closed" for one in ran.journals[drill]):
            continue
        try:
            signer = kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))
            report = verify_bundle(encode_bundle(lines, result_of(lines), signer), roots=[ran.fleet.raw_root])
        except HaltdrillError as error:
            yield Found(f"{drill} cannot be verified: {error}")
            continue
        if not report.verified or report.findings:
            told = "; ".join(str(finding) for finding in report.findings[:3])
            yield Found(f"{drill} does not verify offline: {told}")


CHECKS = (
    is_a_chain,
    lost_nothing,
    appended_before_it_spoke,
    ordered_nothing_after_an_abort,
    wrote_before_it_answered,
    wrote_before_it_acted,
    kept_one_chain,
    says_of_every_site,
    reads_the_same_again,
)
