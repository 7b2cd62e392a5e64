"""What arrives, verified and then decoded: pure, so that it can run on threads and be replayed.

`examine` looks only at signatures and form; whether an input matters to the drill at this moment is
decided later, in order, by `orchestrator.core.drill`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocols.envelope import Envelope, one_form, open_envelope, split_frame
from protocols.errors import EnvelopeError, MessageError, TrustError, UntrustedInput
from protocols.ids import digest_of
from protocols.keys import PublicKey
from protocols.messages import (
    AGENT,
    Abort,
    Closing,
    Lever,
    LicenceRequest,
    Presence,
    Reading,
    Receipt,
    Release,
    Revocation,
    Role,
    Standing,
)
from protocols.reasons import TEXT, Reason
from protocols.topics import Topics
from protocols.trust import FleetTrust, check_abort, check_lever, check_release, check_revocation, check_standing
from protocols.trust.fleet import KeySet

_NO_OPERATORS = KeySet.of(())

Said = Receipt | LicenceRequest | Reading | Closing | Presence | Release | Abort | Lever | Revocation | Standing


@dataclass(frozen=True, slots=True)
class Heard:
    """One verified message.

    Attributes:
        said: The decoded message.
        envelope: The envelope's exact text.
        digest: Digest of its payload.
        arrival_ns: When it came off the wire.
    """

    said: Said
    envelope: str
    digest: str
    arrival_ns: int


@dataclass(frozen=True, slots=True)
class Unbelieved:
    """One input that is not to be believed, and why."""

    reason: Reason
    detail: str
    topic: str
    digest: str


def _reason_of(error: UntrustedInput) -> Reason:
    match error:
        case TrustError():
            return Reason(error.reason)
        case MessageError():
            return Reason.MALFORMED
        case _:
            return Reason.BAD_ENVELOPE


def examine(topic: str, payload: bytes, arrival_ns: int, trust: FleetTrust) -> list[Heard | Unbelieved]:
    """Take a transport message apart and verify each envelope in it.

    Args:
        topic: Where it arrived; it routes, the signature proves.
        payload: The frame.
        arrival_ns: When it came off the wire, on our boot-time clock.
        trust: The fleet.
    """
    try:
        envelopes = split_frame(payload)
    except EnvelopeError as error:
        return [Unbelieved(Reason.BAD_ENVELOPE, error.what[:300], topic[:200], digest_of(payload))]
    found: list[Heard | Unbelieved] = []
    for envelope in envelopes:
        try:
            said = _open(topic, envelope, trust)
        except UntrustedInput as error:
            found.append(Unbelieved(_reason_of(error), error.what[:300], topic[:200], envelope.digest))
        else:
            found.append(Heard(said, envelope.raw.decode(), envelope.digest, arrival_ns))
    return found


def _open(topic: str, envelope: Envelope, trust: FleetTrust) -> Said:
    topics = Topics(trust.fleet)
    if topic == topics.stops:
        return _open_stop(envelope, trust)
    if topic == topics.standing:
        return check_standing(envelope, trust.timekeepers, trust.fleet)
    site, place, name = _route(topic, topics)
    if site not in trust.records:
        raise TrustError(Reason.WRONG_SITE, "the fleet has no such site")
    match place:
        case "agent":
            return _open_agent(envelope, trust, site)
        case "enforcer":
            return open_receipt(envelope, trust, site, name)
        case "witness":
            return open_witness(envelope, trust, site, name)
        case _:
            return _open_presence(envelope, trust, site, name)


def _route(topic: str, topics: Topics) -> tuple[str, str, str]:
    """Split `<base>/sites/<site>/agent`, `.../enforcer/<name>`, `.../witness/<name>` or `.../presence/<who>`."""
    head, _, rest = topic.partition("/sites/")
    if head == topics.base:
        match rest.split("/"):
            case [site, "agent"]:
                return site, "agent", ""
            case [site, ("enforcer" | "witness" | "presence") as place, name]:
                return site, place, name
            case _:
                pass
    raise TrustError(Reason.WRONG_TYPE, "nothing is expected on this topic")


def _open_stop(envelope: Envelope, trust: FleetTrust) -> Release | Abort | Lever | Revocation:
    if envelope.payload_type == Release.payload_type():
        return check_release(envelope, trust.dispatchers, trust.fleet)
    if envelope.payload_type == Revocation.payload_type():
        return check_revocation(envelope, trust.approvers, trust.fleet)
    if envelope.payload_type == Lever.payload_type():
        return check_lever(envelope, trust.policy, trust.approvers, _NO_OPERATORS, site="", fleet=trust.fleet)
    return check_abort(envelope, trust.dispatchers, trust.approvers, trust.fleet)


def _same(fleet: str, site: str, said: Receipt | LicenceRequest | Reading | Closing | Presence) -> None:
    if said.fleet != fleet:
        raise TrustError(Reason.WRONG_FLEET, TEXT[Reason.WRONG_FLEET])
    if said.site != site:
        raise TrustError(Reason.WRONG_SITE, TEXT[Reason.WRONG_SITE])


def check_sole(envelope: Envelope) -> None:
    """Check that evidence has its one form: a single signature, and the envelope as `seal` writes it.

    Otherwise a hostile sender could have us keep bytes that say one thing in several ways.

    Raises:
        TrustError: `bad_envelope`.
    """
    if len(envelope.signatures) != 1 or envelope.raw != one_form(envelope):
        raise TrustError(Reason.BAD_ENVELOPE, "evidence carries one signature, in the one form of an envelope")


def _open_agent(envelope: Envelope, trust: FleetTrust, site: str) -> Receipt | LicenceRequest:
    if envelope.payload_type == LicenceRequest.payload_type():
        return open_request(envelope, trust, site)
    return open_receipt(envelope, trust, site)


def open_request(envelope: Envelope, trust: FleetTrust, site: str) -> LicenceRequest:
    """Verify a request for a licence by the agent of one site.

    Raises:
        TrustError: It is not that agent's, or of another fleet, site or type.
        MessageError: The payload is not what its type claims.
    """
    check_sole(envelope)
    request, _ = open_envelope(envelope, LicenceRequest, trust.agents[site])
    _same(trust.fleet, site, request)
    return request


def open_receipt(envelope: Envelope, trust: FleetTrust, site: str, by: str = AGENT) -> Receipt:
    """Verify a receipt by the agent of one site, or by one of its enforcers.

    Args:
        envelope: What arrived.
        trust: The fleet.
        site: The site that it is about.
        by: Who is to have said it: `agent`, or the name of an enforcer.

    Raises:
        TrustError: It is not that party's, or of another fleet, site or type.
        MessageError: The payload is not what its type claims.
    """
    keys = trust.agents[site] if by == AGENT else trust.enforcers.get((site, by))
    if keys is None:
        raise TrustError(Reason.UNKNOWN_KEY, "the site has no such enforcer")
    check_sole(envelope)
    receipt, _ = open_envelope(envelope, Receipt, keys)
    _same(trust.fleet, site, receipt)
    if receipt.by != by:
        raise TrustError(Reason.WRONG_ROLE, "it speaks for somebody else of its site")
    return receipt


def open_witness(envelope: Envelope, trust: FleetTrust, site: str, name: str) -> Reading | Closing:
    """Verify a reading or a closing by one witness of one site.

    Raises:
        TrustError: It is not that witness's, or of another fleet, site or type.
        MessageError: The payload is not what its type claims.
    """
    keys = trust.witnesses.get((site, name))
    if keys is None:
        raise TrustError(Reason.UNKNOWN_KEY, "the site has no such witness")
    check_sole(envelope)
    said: Reading | Closing
    if envelope.payload_type == Closing.payload_type():
        said, _ = open_envelope(envelope, Closing, keys)
    else:
        said, _ = open_envelope(envelope, Reading, keys)
    _same(trust.fleet, site, said)
    if said.witness != name:
        raise TrustError(Reason.WRONG_SITE, "it names another witness")
    return said


def _open_presence(envelope: Envelope, trust: FleetTrust, site: str, name: str) -> Presence:
    keys, role = _party(trust, site, name)
    presence, _ = open_envelope(envelope, Presence, keys)
    _same(trust.fleet, site, presence)
    if presence.name != name or presence.role is not role:
        raise TrustError(Reason.WRONG_ROLE, "it speaks for somebody else of its site")
    return presence


def _party(trust: FleetTrust, site: str, name: str) -> tuple[Mapping[str, PublicKey], Role]:
    """Return the keys and the role of whoever has a name at a site; names are unique there."""
    if name == AGENT:
        return trust.agents[site], Role.AGENT
    if (site, name) in trust.enforcers:
        return trust.enforcers[site, name], Role.ENFORCER
    return trust.witnesses.get((site, name), {}), Role.WITNESS
