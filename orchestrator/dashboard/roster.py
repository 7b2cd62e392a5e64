"""What of a drill's sites never changes, so that it is sent once: names and regions, in the audience's order."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.logbook.views import DrillView
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import clean

NO_REGION = "no region"


@dataclass(slots=True)
class Roster:
    """The sites of one drill.

    Attributes:
        names: Their names.
        regions: The names of their regions, in the order in which they first came.
        region_of: For each site the place of its region.
        place_of: For each name its place.
        grown_at: The serial at which the newest of them were taken.
    """

    names: list[str] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)
    region_of: list[int] = field(default_factory=list)
    place_of: dict[str, int] = field(default_factory=dict)
    grown_at: int = 0

    def catch_up(self, drill: DrillView, serial: int) -> None:
        """Take the sites that were enlisted since, as of a serial."""
        if len(drill.sites) == len(self.names):
            return
        self.grown_at = serial
        for name, site in list(drill.sites.items())[len(self.names) :]:
            region = clean(site.region) or NO_REGION
            if region not in self.regions:
                self.regions.append(region)
            self.place_of[name] = len(self.names)
            self.names.append(name)
            self.region_of.append(self.regions.index(region))

    def letters(self, drill: DrillView) -> str:
        """Return where each site stands, a letter each."""
        return "".join(LOOKS[site.standing].letter for site in drill.sites.values())

    def by_region(self, drill: DrillView) -> list[dict[str, int]]:
        """Return for each region how many of its sites stand where, by letter."""
        counts: list[dict[str, int]] = [{} for _ in self.regions]
        for region, site in zip(self.region_of, drill.sites.values(), strict=True):
            letter = LOOKS[site.standing].letter
            found = counts[region]
            found[letter] = found.get(letter, 0) + 1
        return counts

    def changed(self, drill: DrillView, since: int) -> dict[str, list[int]]:
        """Return the places of the sites of which something came after a serial, by the letter that they stand at."""
        found: dict[str, list[int]] = {}
        for place, site in enumerate(drill.sites.values()):
            if site.serial > since:
                found.setdefault(LOOKS[site.standing].letter, []).append(place)
        return found
