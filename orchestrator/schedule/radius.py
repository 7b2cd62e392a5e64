"""Blast radius: how much of the fleet, of a region and of protected capacity drills may hold at once. Pure.

A drill counts with its whole audience from before it is opened until it is closed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from protocols.ids import Name
from protocols.messages.base import Part
from protocols.messages.fleet import SiteRecord
from protocols.phrases import number_text

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class RadiusLimits(Part):
    """The limits. Each is kept strictly: under 10 % of nine sites is none.

    Attributes:
        max_fleet_share: Largest share of the fleet's sites at once.
        region_attribute: The attribute of site records that says which region a site is in.
        max_region_share: Largest share of any one region's sites at once.
        protected_workloads: Classes of work whose capacity is protected.
        max_protected_share: Largest share of any one protected class's capacity at once. Capacity is the
            least rate of steady state that site records state for the class.
        min_between_site_drills_s: Least time at a site between the end of one drill of the service and the next.
    """

    max_fleet_share: Share = 1.0
    region_attribute: Name = "region"
    max_region_share: Share = 1.0
    protected_workloads: Annotated[tuple[Name, ...], Field(max_length=32)] = ()
    max_protected_share: Share = 1.0
    min_between_site_drills_s: Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)] = 0.0


@dataclass(frozen=True, slots=True)
class Measure:
    """Something of which only a share may be held.

    Attributes:
        name: What it is, for people.
        limit: The largest share.
        of_site: How much of it each site is; sites that are no part of it are not in here.
        total: How much there is in all.
    """

    name: str
    limit: float
    of_site: Mapping[str, int]
    total: int

    def share(self, sites: Collection[str]) -> float:
        """Return the share of it that some sites are."""
        return sum(self.of_site.get(site, 0) for site in sites) / self.total if self.total else 0.0

    def over(self, sites: Collection[str]) -> bool:
        """Tell whether some sites are more of it than the limit, without rounding errors."""
        held = sum(self.of_site.get(site, 0) for site in sites)
        return held > 0 and held / self.total > self.limit * (1 + 1e-12)


@dataclass(frozen=True, slots=True)
class FleetShape:
    """A fleet, as far as the blast radius goes.

    Attributes:
        measures: Everything of which only a share may be held.
    """

    measures: tuple[Measure, ...] = field(default=())

    def hindrance(self, held: Collection[str], more: Collection[str]) -> str | None:
        """Say why `more` sites may not be held beside those that are; None if they may."""
        both = {*held, *more}
        for measure in self.measures:
            # What is over its limit already is in nobody's way who adds nothing to it.
            if measure.over(both) and measure.share(more) > 0:
                return (
                    f"{_percent(measure.share(both))} of {measure.name} would be held at once, "
                    f"over the limit of {_percent(measure.limit)}"
                )
        return None


def shape_of(records: Mapping[str, SiteRecord], limits: RadiusLimits) -> FleetShape:
    """Return what of a fleet is limited.

    Args:
        records: The fleet's site records, by site.
        limits: The limits.
    """
    return FleetShape(tuple(_measures(records, limits)))


def _measures(records: Mapping[str, SiteRecord], limits: RadiusLimits) -> Iterator[Measure]:
    yield Measure("the fleet", limits.max_fleet_share, dict.fromkeys(records, 1), len(records))
    regions: dict[str, dict[str, int]] = {}
    capacity: dict[tuple[str, str], dict[str, int]] = {}
    for site, record in sorted(records.items()):
        for attribute in record.attributes:
            if attribute.name == limits.region_attribute:
                regions.setdefault(attribute.value, {})[site] = 1
        for rate in record.work:
            if rate.workload is not None and rate.workload in limits.protected_workloads:
                capacity.setdefault((rate.workload, rate.signal), {})[site] = rate.band_min_per_s
    for region, of_site in sorted(regions.items()):
        yield Measure(f"{limits.region_attribute} {region}", limits.max_region_share, of_site, len(of_site))
    for (workload, signal), of_site in sorted(capacity.items()):
        name = f"the {workload} capacity ({signal})"
        yield Measure(name, limits.max_protected_share, of_site, sum(of_site.values()))


def _percent(share: float) -> str:
    return f"{number_text(round(share * 100, 2))} %"
