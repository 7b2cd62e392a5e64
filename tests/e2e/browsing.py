"""A real browser on a real dashboard: what the tests of the page share."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.components import require
from tests.e2e.processes import Processes, Running, until

ARTIFACTS = "HALTDRILL_ARTIFACTS"
WAIT_MS = 30_000
WIDE, PHONE = (1280, 900), (390, 844)
LOST = re.compile(r"Failed to load resource: net::ERR_(CONNECTION|EMPTY|INCOMPLETE|NETWORK)|\b401\b")
"""What a browser's console says by itself while a server is away, or asks for a login."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A `haltdrill dashboard` that runs."""

    running: Running
    link: str

    @classmethod
    def start(cls, processes: Processes, *arguments: str | Path) -> Dashboard:
        """Start it, and wait for its link."""
        running = processes.start("dashboard", *arguments)
        until(lambda: not running.runs or "Dashboard" in running.said(), "the dashboard's link")
        found = re.search(r"Dashboard  (\S+)", running.said())
        assert found is not None, running.said()
        return cls(running, found[1])

    @property
    def port(self) -> str:
        """Its port."""
        return str(urlsplit(self.link).port)


@dataclass
class Seen:
    """A page, and everything that must not happen on it.

    Attributes:
        faults: Errors of its scripts, and of its console.
        foreign: What it asked of other origins.
    """

    page: Page
    faults: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def watch(self, origin: str) -> None:
        """Take note from now on."""
        page = self.page
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("request", lambda asked: None if asked.url.startswith(origin) else self.foreign.append(asked.url))

    def well(self, *, lost: bool = False) -> None:
        """Hold it to no fault; with `lost`, but for what the browser itself says of a server that was away."""
        faults = [fault for fault in self.faults if not (lost and LOST.search(fault))]
        assert faults == []
        assert self.foreign == []

    def text(self, selector: str) -> str:
        """Return what stands there."""
        return self.page.inner_text(selector).strip()

    def number(self, selector: str) -> int:
        """Return the number that stands there."""
        return int(self.text(selector).replace(",", "") or "0")

    def serial(self) -> int:
        """Return how far the page is."""
        return int(self.page.get_attribute("#page-live", "data-serial") or "-1")

    def letters(self) -> str:
        """Return the letters of the cells in view."""
        return "".join(self.page.locator("#grid [role=gridcell]").all_inner_texts())

    def until(self, script: str) -> None:
        """Wait until a JavaScript expression holds; Playwright's own way needs an `eval` that the page forbids."""
        deadline_s = time.monotonic() + WAIT_MS / 1000
        while not self.page.evaluate(script):
            assert time.monotonic() < deadline_s, f"not {script}; the page says: {self.text('body')[:2000]}"
            self.page.wait_for_timeout(20)

    def until_serial(self, serial: int) -> None:
        """Wait until it has every line up to a serial."""
        self.until(f"Number(document.getElementById('page-live').dataset.serial) >= {serial}")

    def picture(self, name: str) -> None:
        """Keep a picture of it, where pictures are wanted."""
        folder = os.environ.get(ARTIFACTS)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"dashboard-{name}.png", full_page=True)

    def accessible_by_day_and_night(self, name: str) -> None:
        """Hold it to no serious accessibility fault, light and dark, and keep pictures of both."""
        for scheme, rules in (("light", ()), ("dark", ("color-contrast",))):
            self.page.emulate_media(color_scheme=scheme)
            self.picture(f"{name}-{scheme}")
            self.accessible(*rules)
        self.page.emulate_media(color_scheme="light")

    def accessible(self, *rules: str) -> None:
        """Hold it to no serious accessibility fault that axe-core finds, by all of its rules or only by some."""
        options = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
        found = Axe().run(self.page, options=options).response["violations"]
        grave = [
            f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]
        assert grave == []


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium."""
    program = require("chromium", package="chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, link: str, *, size: tuple[int, int] = WIDE, dark: bool = False, state: bool = True
) -> Iterator[Seen]:
    """Open a page in a fresh profile; with `state`, wait until it shows a drill."""
    context: BrowserContext = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        has_touch=size == PHONE,
    )
    try:
        seen = Seen(context.new_page())
        parts = urlsplit(link)
        seen.watch(f"{parts.scheme}://{parts.netloc}/")
        seen.page.goto(link)
        if state:
            seen.page.wait_for_selector("#page-live[data-serial]", timeout=WAIT_MS)
        yield seen
    finally:
        context.close()
