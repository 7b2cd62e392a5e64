"""The web page against a live drill of real processes, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.browsing import Dashboard, chromium, opened
from tests.e2e.demos import Demo
from tests.e2e.processes import Processes, log_lines, until

SITES = 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, one for all tests here."""
    with chromium() as running:
        yield running


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """The processes of one test."""
    with Processes(tmp_path) as running:
        yield running


def _demo(processes: Processes, folder: Path) -> tuple[Demo, Dashboard, Path]:
    demo = Demo.start(processes, folder / "out", "--lying-site", "--sites", str(SITES))
    log = demo.out / "haltdrill.log"
    until(lambda: demo.layout.config.exists() and log.exists(), "the demo's fleet")
    dashboard = Dashboard.start(processes, log, "--fleet", demo.layout.folder, "--port", "0")
    return demo, dashboard, log


def test_a_live_drill_is_followed_and_a_lying_site_turns_loud_within_a_second(
    browser: Browser, processes: Processes, tmp_path: Path
) -> None:
    """On-call people see the curve grow, and a lie within a second of its line, and the end as the log has it."""
    demo, dashboard, log = _demo(processes, tmp_path)
    with opened(browser, dashboard.link) as seen:
        assert "token" not in seen.page.url
        opened_ms = seen.page.evaluate("Date.now()")
        seen.until("document.querySelector('#problems .l-loud') !== null")
        at_ms, name = seen.page.evaluate(
            "[Date.now(), document.querySelector('#problems .l-loud button').dataset.site]"
        )
        loud = next(line for line in log_lines(log) if line.get("standing") == "contradicted")
        assert loud["site"] == name
        # Where everything is slow the lie may be in the log before there is a page to show it.
        since_ms = max(opened_ms, datetime.fromisoformat(loud["@timestamp"]).timestamp() * 1000)
        assert 0 <= at_ms - since_ms < 1000
        assert f"{name}: contradicted" in seen.text("#loud")
        grown = "Number(document.querySelector('#curve .latest')?.dataset.seen ?? 0)"
        seen.until(f"{grown} > 0")
        seen.until(f"{grown} === {SITES - 1}")
        assert seen.text("#score-done") == str(SITES - 1)
        seen.picture("live")
        seen.until("document.getElementById('title').textContent.startsWith('NOT PASSED')")
        assert demo.running.end().code == 1
        assert seen.text("#score-done") == str(SITES - 1)
        assert sorted(seen.letters()) == sorted("V" * (SITES - 1) + "X")
        seen.until_serial(len(log_lines(log)))
        seen.well()


def test_an_abort_brings_every_site_back(browser: Browser, processes: Processes, tmp_path: Path) -> None:
    """The button does what its question says: sites work again, and the record holds the reason."""
    demo, dashboard, log = _demo(processes, tmp_path)
    with opened(browser, dashboard.link) as seen:
        page = seen.page
        seen.until("document.querySelector('#due-word').textContent === 'release in'")
        page.click("#abort")
        assert f"All {SITES} sites are told to restore now" in seen.text("#confirm-words")
        page.keyboard.press("Escape")
        assert not page.is_visible("#confirm")
        page.click("#abort")
        page.fill("#reason", "smoke in hall 2")
        page.keyboard.press("Enter")
        seen.until("document.getElementById('confirm-yes').hidden")
        assert "The orchestrator has it in its journal" in seen.text("#confirm-result")
        page.click("#confirm-no")
        seen.until("document.getElementById('title').textContent.startsWith('ABORTED')")
        assert "Aborted: smoke in hall 2" in seen.text("#sentence")
        assert page.get_attribute("#abort", "aria-disabled") == "true"
        assert demo.running.end().code == 1
        actions = [line["event.action"] for line in log_lines(log)]
        assert "drill.aborted" in actions
        back = {line["site"] for line in log_lines(log) if line.get("outcome") == "restored"}
        assert len(back) == SITES
        seen.well()
