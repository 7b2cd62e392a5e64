"""The web page on logs that grow as a test wants them to, in a real browser."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.browsing import PHONE, WIDE, Dashboard, Seen, chromium, opened
from tests.e2e.processes import Processes
from tests.logs import Growing, Scenario, simulate, write_log

SIZES = {"wide": WIDE, "phone": PHONE}


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


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    """A log of two steps at sixty sites, some of which misbehave, up to the middle of the first hold."""
    made = Growing(tmp_path / "x.log", simulate(Scenario(sites=60, steps=2, faults=0.2)))
    made.until(30)
    return made


@pytest.fixture
def dashboard(processes: Processes, growing: Growing) -> Dashboard:
    """A dashboard of that log."""
    return Dashboard.start(processes, growing.path, "--port", "0")


def _state(seen: Seen) -> list[str]:
    return [seen.text(place) for place in ("#score-done", "#trouble", "#bar-key", "#regions", "#curve-words")] + [
        seen.letters()
    ]


def test_reload_and_restart_lose_nothing(
    browser: Browser, processes: Processes, growing: Growing, dashboard: Dashboard
) -> None:
    """A page says that it is cut off while it is, and then shows all that happened meanwhile, by itself."""
    with opened(browser, dashboard.link) as seen:
        before = _state(seen)
        seen.page.reload()
        seen.until_serial(growing.written)
        assert _state(seen) == before
        seen.well()
        dashboard.running.signal(signal.SIGTERM)
        dashboard.running.end()
        seen.until("document.getElementById('lost').textContent.includes('Showing the state of')")
        assert seen.text("#link-words") == "Connection lost"
        assert _state(seen) == before
        growing.until(75)
        Dashboard.start(processes, growing.path, "--port", dashboard.port)
        seen.until_serial(growing.written)
        seen.until("document.getElementById('lost').hidden")
        after = _state(seen)
        assert after != before
        with opened(browser, dashboard.link) as fresh:
            assert _state(fresh) == after
            fresh.well()
        seen.well(lost=True)


def test_a_server_that_hangs_is_not_taken_for_one_that_is_well(browser: Browser, dashboard: Dashboard) -> None:
    """A connection that is open and silent counts as lost."""
    with opened(browser, dashboard.link) as seen:
        dashboard.running.signal(signal.SIGSTOP)
        seen.until("document.getElementById('link').classList.contains('lost')")
        dashboard.running.signal(signal.SIGCONT)
        seen.until("!document.getElementById('link').classList.contains('lost')")
        seen.well(lost=True)


def test_the_page_follows_a_log_to_its_end(browser: Browser, growing: Growing, dashboard: Dashboard) -> None:
    """Through every phase, pages that were there all along show what a fresh one shows."""
    with opened(browser, dashboard.link) as seen:
        for until_s in (60, 75, 95, 130, 180):
            growing.until(until_s)
            seen.until_serial(growing.written)
        growing.more(len(growing.lines))
        seen.until_serial(growing.written)
        with opened(browser, dashboard.link) as fresh:
            assert _state(seen) == _state(fresh)
            assert fresh.text("#title").startswith("NOT PASSED")
        seen.well()


@pytest.mark.parametrize("size", SIZES)
def test_every_view_is_accessible_and_has_its_picture(
    browser: Browser, growing: Growing, dashboard: Dashboard, size: str
) -> None:
    """No view has a serious fault for people who see or move otherwise, on a desk or a phone, by day or night."""
    write_log(growing.path, growing.lines[growing.written :])
    second = Growing(growing.path, simulate(Scenario(sites=60, faults=0.2, seed=5)))
    second.until(30)
    with opened(browser, dashboard.link, size=SIZES[size]) as seen:
        page = seen.page
        seen.until_serial(len(growing.lines) + second.written)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        seen.accessible_by_day_and_night(f"page-{size}")
        page.locator("#problems button").first.click()
        page.wait_for_selector("#site-body svg")
        seen.accessible_by_day_and_night(f"site-{size}")
        page.keyboard.press("Escape")
        for view, ready in (("drills", "#drills a"), ("coverage", "#coverage th")):
            page.click(f"nav [data-page={view}]")
            page.wait_for_selector(ready)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            seen.accessible_by_day_and_night(f"{view}-{size}")
        page.click("nav [data-page=drills]")
        page.locator("#drills a").last.click()
        seen.until("document.getElementById('title').textContent.startsWith('NOT PASSED')")
        seen.well()


def test_everything_can_be_done_by_keyboard(browser: Browser, dashboard: Dashboard) -> None:
    """From the top of the page to a site's detail and back, without a mouse, and always with a visible focus."""
    with opened(browser, dashboard.link) as seen:
        page = seen.page
        focused = "document.activeElement"
        page.keyboard.press("Tab")
        assert page.evaluate(f"{focused}.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate(f"{focused}.id") == "content"
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate(f"{focused}.getAttribute('role')") == "gridcell":
                break
        assert page.evaluate(f"{focused}.dataset.index") == "0"
        assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        across = int(page.get_attribute("#grid", "aria-colcount") or "0")
        assert page.evaluate(f"{focused}.dataset.index") == str(across + 1)
        page.keyboard.press("Control+End")
        assert page.evaluate(f"{focused}.dataset.index") == "59"
        page.keyboard.press("Home")
        label = page.evaluate(f"{focused}.getAttribute('aria-label')")
        assert page.locator("#grid [tabindex='0']").count() == 1
        page.keyboard.press("Enter")
        page.wait_for_selector("#site-body .facts")
        assert label.partition(":")[0] in seen.text("#site-title")
        page.keyboard.press("Escape")
        assert page.evaluate(f"{focused}.getAttribute('aria-label')") == label
        seen.well()


def test_filters_show_what_was_asked_for(browser: Browser, dashboard: Dashboard) -> None:
    """A region, a word and a level each leave what they name, and nothing else."""
    with opened(browser, dashboard.link) as seen:
        page = seen.page
        page.click("#regions tr:first-child button")
        assert len(seen.letters()) == 10
        page.fill("#find", "contradicted")
        assert set(seen.letters()) == {"X"}
        page.fill("#find", "nothing of that name")
        assert "No site matches" in seen.text("#grid")
        page.fill("#find", "")
        page.select_option("#order", "loud")
        assert seen.letters().startswith("X")
        page.select_option("#tail-level", "3")
        levels = set(page.locator("#tail .level").all_inner_texts())
        assert levels == {"error"}
        page.select_option("#tail-level", "0")
        page.fill("#tail-find", "drill.opened")
        assert page.locator("#tail li").count() == 1
        seen.well()


def test_what_a_log_says_is_never_markup(browser: Browser, processes: Processes, tmp_path: Path) -> None:
    """A title that is a script is shown as its letters."""
    title = "<img src=x onerror=document.body.dataset.owned=1><b>bold</b>"
    path = tmp_path / "x.log"
    write_log(path, simulate(Scenario(sites=3, title=title)))
    dashboard = Dashboard.start(processes, path, "--port", "0")
    with opened(browser, dashboard.link) as seen:
        assert title in seen.text("#kicker")
        assert seen.page.evaluate("document.body.dataset.owned") is None
        seen.page.click("nav [data-page=drills]")
        seen.page.wait_for_selector("#drills a")
        assert title in seen.text("#drills")
        seen.well()


def test_without_the_token_there_is_only_the_login(browser: Browser, processes: Processes, growing: Growing) -> None:
    """Whoever has no token sees nothing; with it the page opens, and the token stays nowhere to be seen."""
    token = growing.path.parent / "token"
    token.write_text("correct-horse-battery-staple\n")
    token.chmod(0o600)
    dashboard = Dashboard.start(processes, growing.path, "--port", "0", "--token-file", token)
    page_only = dashboard.link.partition("login")[0]
    with opened(browser, page_only, state=False) as seen:
        page = seen.page
        page.wait_for_url("**/login")
        seen.accessible()
        seen.picture("login")
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        seen.until("document.getElementById('wrong').textContent.includes('not the token')")
        page.fill("#token", token.read_text().strip())
        page.keyboard.press("Enter")
        page.wait_for_selector("#page-live[data-serial]")
        assert page.evaluate("document.cookie") == ""
        dashboard.running.signal(signal.SIGTERM)
        dashboard.running.end()
        again = Dashboard.start(processes, growing.path, "--port", dashboard.port, "--token-file", token)
        seen.until("!document.getElementById('link').classList.contains('lost')")
        assert again.port == dashboard.port
        faults = [fault for fault in seen.faults if "403" not in fault]
        seen.faults = faults
        seen.well(lost=True)
