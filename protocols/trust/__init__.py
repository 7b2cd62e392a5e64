"""The trust rules, all of them, pure: documents (`fleet`), warrants, orders, stops.

Nothing outside this package decides whether something is authorised. Times are arguments; every
refusal is a `TrustError` with a stable `Reason`.
"""

from protocols.trust.admission import (
    Accepted,
    Admission,
    Armed,
    HeldOrder,
    Noted,
    Refused,
    Repeat,
    SeenRung,
    SiteMemory,
)
from protocols.trust.fleet import FleetTrust, SiteTrust, TrustedRoot, check_roles, open_document, open_roots
from protocols.trust.orders import admit_order
from protocols.trust.standing import check_fresh, check_revocation, check_standing, check_stands, stapled
from protocols.trust.stops import check_abort, check_challenge, check_lever, check_licence, check_recall, check_release
from protocols.trust.warrants import (
    audience_of,
    check_audience,
    check_warrant,
    owners_for_steps,
    owners_required,
)

__all__ = [
    "Accepted",
    "Admission",
    "Armed",
    "FleetTrust",
    "HeldOrder",
    "Noted",
    "Refused",
    "Repeat",
    "SeenRung",
    "SiteMemory",
    "SiteTrust",
    "TrustedRoot",
    "admit_order",
    "audience_of",
    "check_abort",
    "check_audience",
    "check_challenge",
    "check_fresh",
    "check_lever",
    "check_licence",
    "check_recall",
    "check_release",
    "check_revocation",
    "check_roles",
    "check_standing",
    "check_stands",
    "check_warrant",
    "open_document",
    "open_roots",
    "owners_for_steps",
    "owners_required",
    "stapled",
]
