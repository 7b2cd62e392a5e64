"""Trust in warrants: how many owners they take, and for which sites they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import assert_never

from protocols.controls import CATALOGUE, Control, control_of
from protocols.envelope import Envelope, open_envelope
from protocols.errors import TrustError
from protocols.messages import FleetIndex, NamedSites, Policy, SelectedSites, SiteRecord, Step, Warrant
from protocols.reasons import TEXT, Reason
from protocols.trust.fleet import KeySet


def owners_required(policy: Policy, warrant: Warrant) -> int:
    """Return how many distinct owners the harshest control of `warrant` takes, ladders counted."""
    return owners_for_steps(policy, warrant.steps)


def owners_for_steps(policy: Policy, steps: Iterable[Step]) -> int:
    """Return how many distinct owners the harshest control of some steps takes, ladders counted."""
    stated = {entry.control: entry.owners for entry in policy.thresholds}

    def needed(control: Control) -> int:
        return stated.get(control, CATALOGUE[control].default_threshold)

    return max(needed(control_of(rung.params)) for step in steps for rung in step.rungs)


def check_warrant(envelope: Envelope, policy: Policy, approvers: KeySet, fleet: str) -> tuple[Warrant, frozenset[str]]:
    """Check that enough distinct owners approved a warrant.

    Returns:
        The warrant and the owners who approved it.

    Raises:
        TrustError: Wrong type, wrong fleet, a bad signature, or under the threshold.
        MessageError: The payload is no warrant.
    """
    warrant, signed_by = open_envelope(envelope, Warrant, approvers.keys)
    if warrant.fleet != fleet:
        raise TrustError(Reason.WRONG_FLEET, TEXT[Reason.WRONG_FLEET], where="warrant")
    owners = approvers.owners_of(signed_by)
    required = owners_required(policy, warrant)
    if len(owners) < required:
        raise TrustError(
            Reason.UNDER_THRESHOLD,
            f"approved by {len(owners)} of the {required} distinct owners it takes",
            where="warrant",
            remedy="have another owner approve it",
        )
    return warrant, owners


def check_audience(warrant: Warrant, record: SiteRecord) -> None:
    """Check that a site is in a warrant's audience, by its own record.

    A selector is bound to a fleet index version: a record that appeared later does not match it,
    so re-tagging a site never widens what was approved.

    Raises:
        TrustError: `not_in_audience` or `retagged_since`.
    """
    match warrant.audience:
        case NamedSites(sites=sites):
            if record.site not in sites:
                raise TrustError(Reason.NOT_IN_AUDIENCE, TEXT[Reason.NOT_IN_AUDIENCE])
        case SelectedSites(index_version=index_version, match=wanted):
            tags = {attribute.name: attribute.value for attribute in record.attributes}
            if not all(tags.get(criterion.name) in criterion.values for criterion in wanted):
                raise TrustError(Reason.NOT_IN_AUDIENCE, TEXT[Reason.NOT_IN_AUDIENCE])
            if record.index_version > index_version:
                raise TrustError(Reason.RETAGGED_SINCE, TEXT[Reason.RETAGGED_SINCE])
        case _:
            assert_never(warrant.audience)


def audience_of(warrant: Warrant, index: FleetIndex, records: Mapping[str, SiteRecord]) -> tuple[str, ...]:
    """Return the sites of the fleet index that a warrant's audience matches, sorted.

    Raises:
        TrustError: It names a site that the fleet index does not list, was approved against an
            index newer than the one held, or matches no site.
    """
    match warrant.audience:
        case NamedSites(sites=sites):
            unknown = sorted(set(sites) - set(records))
            if unknown:
                raise TrustError(Reason.NOT_IN_AUDIENCE, f"the fleet has no site {unknown[0]}", where="audience")
        case SelectedSites(index_version=index_version):
            if index_version > index.index_version:
                raise TrustError(
                    Reason.NOT_NEWER,
                    f"approved against fleet index {index_version}, but {index.index_version} is held",
                    where="audience",
                )
        case _:
            assert_never(warrant.audience)
    matched = []
    for site, record in sorted(records.items()):
        try:
            check_audience(warrant, record)
        except TrustError:
            continue
        matched.append(site)
    if not matched:
        raise TrustError(Reason.NOT_IN_AUDIENCE, "no site of the fleet matches it", where="audience")
    return tuple(matched)
