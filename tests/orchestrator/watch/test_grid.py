"""The grid of sites: where each is drawn, at any size of fleet and screen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.logbook.standing import Standing
from orchestrator.watch.panels import grid
from orchestrator.watch.panels.grid import Zoom
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import plain, span_width
from tests.orchestrator.watch.told import drill_of, text

FLEETS = {count: grid.roster(list(drill_of(40, sites=count, faults=0.04).sites.values())) for count in (1, 5, 60, 700)}


@settings(deadline=None)
@given(st.sampled_from(list(FLEETS)), st.integers(12, 220), st.integers(1, 40), st.sampled_from(list(Zoom)), st.data())
def test_every_site_has_one_place_and_the_grid_fits(
    count: int, width: int, height: int, zoom: Zoom, data: st.DataObject
) -> None:
    """No site is left out or drawn twice, no line is wider than the panel, and any site's page shows its cell."""
    fleet = FLEETS[count]
    layout = grid.lay_out(fleet, width, height, zoom)
    places = [place for strip in layout.strips for place in range(strip.start, strip.stop)]
    assert places == list(range(count))
    place = data.draw(st.integers(0, count - 1))
    lines = grid.panel(fleet, layout, layout.page_of(place), place)
    assert len(lines) == height
    assert all(span_width(line) <= width for line in lines)
    cell = layout.cell_of(place)
    assert place in cell
    assert len(cell) <= layout.per_cell


@settings(deadline=None)
@given(st.sampled_from(list(FLEETS)), st.integers(12, 120), st.integers(1, 20), st.sampled_from(list(Zoom)))
def test_the_cursor_can_reach_every_cell(count: int, width: int, height: int, zoom: Zoom) -> None:
    """Going right from the first site, one comes by all of them; up and down stay inside."""
    layout = grid.lay_out(FLEETS[count], width, height, zoom)
    place, reached = 0, {0}
    while (onward := layout.moved(place, 1, 0)) != place:
        assert layout.moved(onward, -1, 0) in layout.cell_of(place)
        place = onward
        reached.add(place)
    cells = {layout.cell_of(at).start for at in range(count)}
    assert cells <= {layout.cell_of(at).start for at in reached}
    for at in reached:
        for down in (-100, -1, 1, 100):
            assert 0 <= layout.moved(at, 0, down) < count


def test_few_sites_are_told_in_words() -> None:
    """Five sites are not five letters: each has its name and where it stands."""
    fleet = FLEETS[5]
    shown = text(grid.panel(fleet, grid.lay_out(fleet, 40, 7), 0, None))
    assert all(site.site in shown for site in fleet.sites)
    assert "CONTRADICTED" in shown


def test_a_letter_for_each_site_stands_by_its_region() -> None:
    """While there is room, each site is a letter of its own, in its region's line."""
    fleet = FLEETS[60]
    layout = grid.lay_out(fleet, 40, 8)
    lines = [plain(line) for line in grid.panel(fleet, layout, 0, None)]
    assert layout.per_cell == 1
    for name, start, stop in fleet.spans():
        (line,) = [line for line in lines if line.startswith(f" {name} ")]
        letters = line.removeprefix(f" {name}").split()
        assert letters == [LOOKS[site.standing].letter for site in fleet.sites[start:stop]]


def test_a_shared_cell_shows_the_one_that_asks_most() -> None:
    """However many sites share a letter, one in trouble cannot hide behind the others."""
    fleet = FLEETS[700]
    layout = grid.lay_out(fleet, 30, 6)
    assert layout.per_cell > 1
    letters = "".join(plain(line)[layout.label_width :].rstrip() for line in grid.panel(fleet, layout, 0, None))
    cells = sorted({(layout.cell_of(at).start, layout.cell_of(at).stop) for at in range(700)})
    for letter, (start, stop) in zip(letters, cells, strict=True):
        worst = max((site.standing for site in fleet.sites[start:stop]), key=lambda one: LOOKS[one].rank)
        assert letter == LOOKS[worst].letter
    liar = next(at for at, site in enumerate(fleet.sites) if site.standing is Standing.CONTRADICTED)
    assert grid.worst_of(fleet, layout.cell_of(liar)) in layout.cell_of(liar)


@pytest.mark.parametrize(("zoom", "pages"), [(Zoom.FLEET, False), (Zoom.SITES, True)])
def test_the_whole_fleet_fits_one_page_or_each_site_has_its_letter(zoom: Zoom, pages: bool) -> None:
    """At first nothing has to be turned; nearer, there are pages, and the words say so."""
    fleet = FLEETS[700]
    layout = grid.lay_out(fleet, 30, 6, zoom)
    assert (layout.pages > 1) == pages
    assert (layout.per_cell == 1) == pages
    assert ("page" in grid.scale_words(layout, 700, 0)) == pages
    assert grid.cell_words(fleet, layout, 0)
