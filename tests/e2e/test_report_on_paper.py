"""The report as Chromium prints it on A4: one page to sign, and nothing cut off at the right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from orchestrator.evidence.result import DrillResult
from orchestrator.report.context import Context
from orchestrator.report.html import render_html
from tests.e2e.browsing import ARTIFACTS, chromium
from tests.orchestrator.report.made import fleet_of, lying, not_back, pause_of, quick, refusing, silent
from tests.orchestrator.report.results import S_NS, ladder_step, whole_drill
from tests.orchestrator.report.results import drill_of as drill_of_steps

WIDTH_PX, HEIGHT_PX = round(182 / 25.4 * 96), round(267 / 25.4 * 96)
"""What is left of A4 inside the page's margins."""

TITLE = "The demo of a ladder: pause, and harsher where that does not halt"
MIXED = {"good": quick(0, S_NS), "liar": lying(), "mute": silent(), "no": refusing(), "stuck": not_back()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, one for all tests here."""
    with chromium() as running:
        yield running


def _drill(name: str) -> tuple[DrillResult, Context]:
    match name:
        case "mixed":
            made = pause_of(MIXED), Context(regions={"good": "eu-north", "liar": "us-east"})
        case "ladder":
            made = drill_of_steps(ladder_step()), Context(regions={})
        case "every-control":
            made = whole_drill(), Context(regions={})
        case _:
            large, regions = fleet_of(300)
            made = large, Context(regions=regions)
    result, context = made
    return result.model_copy(update={"title": TITLE, "demo": True}), context


def _printed(browser: Browser, tmp_path: Path, name: str) -> Page:
    """Open a report as it is laid out for paper, and keep its PDF where such things are wanted."""
    path = tmp_path / "report.html"
    path.write_text(render_html(*_drill(name)))
    page = browser.new_page(viewport={"width": WIDTH_PX, "height": HEIGHT_PX})
    page.goto(path.as_uri())
    folder = os.environ.get(ARTIFACTS)
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.pdf(path=Path(folder) / f"report-{name}.pdf", format="A4", print_background=True)
    page.emulate_media(media="print")
    return page


@pytest.mark.parametrize("name", ["mixed", "ladder", "every-control", "large"])
def test_what_is_signed_is_one_page_and_no_table_is_cut(browser: Browser, tmp_path: Path, name: str) -> None:
    """The lines to sign are on the page that says what is signed, and every table and figure fits the paper's width."""
    page = _printed(browser, tmp_path, name)
    bottom = page.evaluate("document.querySelector('.sign').getBoundingClientRect().bottom + window.scrollY")
    assert bottom <= HEIGHT_PX
    wide = page.evaluate(
        "[...document.querySelectorAll('table, td, th, svg, p, pre')]"
        ".filter(part => part.getBoundingClientRect().right > innerWidth + 1).map(part => part.outerHTML.slice(0, 200))"
    )
    assert wide == []
    page.close()
