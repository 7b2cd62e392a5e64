"""Tests of `orchestrator.dashboard.app` behind its guard: every request as a browser, or an enemy, would send it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from orchestrator.dashboard.aborts import AbortDone
from orchestrator.dashboard.access import SESSION_S, Names, Sessions
from orchestrator.dashboard.app import BODY_MAX_BYTES, Site
from orchestrator.dashboard.feed import Feed
from orchestrator.dashboard.guard import HEADERS
from orchestrator.dashboard.hub import Hub
from protocols.errors import ConfigError
from protocols.host.clock import ManualClock
from tests.logs import Scenario, simulate, write_log
from tests.orchestrator.dashboard.asking import HOST, ORIGIN, Answer, ask, post, streamed

TOKEN = "correct-horse-battery-staple"
LINES = simulate(Scenario(sites=6, steps=2, faults=0.5))
DRILL = LINES[0].drill
READS = ("/", "/api/hello", "/api/events", "/api/drills", "/api/site", "/api/curve", "/api/coverage")


class _Clock(ManualClock):
    """A clock on which nobody has to wait."""

    async def sleep(self, duration_s: float) -> None:
        return


class _Abort:
    """Takes note of what is to be aborted."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.problem: ConfigError | None = None
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def __call__(self, drill: str, reason: str) -> AbortDone:
        await self.may_go_on.wait()
        if self.problem is not None:
            raise self.problem
        self.sent.append((drill, reason))
        return AbortDone(noted=False, sentences=("Sent.", "Nobody took note."))


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub that has read a finished log."""
    write_log(tmp_path / "x.log", LINES)
    made = Hub(Feed(tmp_path / "x.log", "a"), _Clock(), clients_max=2)
    while made.feed.advance():
        pass
    yield made
    made.close()


@pytest.fixture
def abort() -> _Abort:
    """How a drill is aborted."""
    return _Abort()


@pytest.fixture
def app(hub: Hub, abort: _Abort) -> ASGIApp:
    """A site that wants a token and can abort."""
    return Site(hub, _Clock(), sessions=Sessions(TOKEN), aborter=abort, names=Names(), cookie="c").app()


@pytest.fixture
def bare(hub: Hub) -> ASGIApp:
    """A site that only shows, to whoever reaches it."""
    return Site(hub, _Clock()).app()


async def _logged_in(app: ASGIApp) -> dict[str, str]:
    answer = await post(app, "/login", {"token": TOKEN})
    assert answer.status == 200
    hello = await ask(app, "/api/hello", cookie=answer.cookie)
    return {"cookie": answer.cookie, "x_haltdrill_proof": hello.json()["proof"]}


async def test_without_a_session_nothing_is_shown(app: ASGIApp) -> None:
    """Whoever has no session gets the login page, and no byte of the log."""
    for path in READS:
        answer = await ask(app, path)
        assert answer.status == (303 if path == "/" else 401), path
        assert DRILL.encode() not in answer.body
    assert (await ask(app, "/")).header("location") == "/login"
    assert (await ask(app, "/login")).status == 200
    assert (await ask(app, "/static/login.js")).status == 200


async def test_the_right_token_opens_a_session_that_scripts_cannot_read(app: ASGIApp) -> None:
    """The cookie is kept from scripts and from other sites' requests."""
    answer = await post(app, "/login", {"token": TOKEN})
    parts = {part.strip().lower() for part in answer.header("set-cookie").split(";")}
    assert {"httponly", "samesite=strict", "path=/", f"max-age={SESSION_S}"} <= parts
    assert (await ask(app, "/api/drills", cookie=answer.cookie)).status == 200


@pytest.mark.parametrize("body", [{"token": "wrong"}, {"token": ""}, {"token": 7}, {}, [], {"token": TOKEN, "x": 1}])
async def test_a_wrong_token_opens_nothing(app: ASGIApp, body: Any) -> None:
    """Neither a wrong token nor a malformed one gets a cookie."""
    answer = await post(app, "/login", body)
    assert answer.status in {403, 422}
    assert answer.cookie == ""


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8740", "127.0.0.1.evil.example"])
async def test_a_name_that_is_not_ours_is_turned_away(bare: ASGIApp, host: str) -> None:
    """A foreign name that points here gets nothing, not even from a server without a token (DNS rebinding)."""
    for path in (*READS, "/login", "/static/main.js"):
        answer = await ask(bare, path, host=host)
        assert answer.status == 421
        assert DRILL.encode() not in answer.body


async def _act(app: ASGIApp, **headers: str) -> Answer:
    return await post(app, "/api/abort", {"drill": DRILL, "reason": "smoke"}, **headers)


async def test_an_abort_goes_where_it_should_and_its_answer_is_honest(app: ASGIApp, abort: _Abort) -> None:
    """An abort is sent once, for the drill that was shown, and the page is told that nobody took note."""
    answer = await _act(app, **await _logged_in(app))
    assert answer.status == 200
    assert abort.sent == [(DRILL, "smoke")]
    assert answer.json() == {"noted": False, "sentences": ["Sent.", "Nobody took note."]}


@pytest.mark.parametrize(
    "spoilt",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ORIGIN.replace("8740", "9999")},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"x_haltdrill_proof": "0" * 64},
        {"x_haltdrill_proof": ""},
        {"cookie": "c=1.2.3"},
        {"cookie": ""},
        {"content_type": "text/plain"},
    ],
)
async def test_a_request_that_is_not_of_our_page_aborts_nothing(
    app: ASGIApp, abort: _Abort, spoilt: dict[str, str]
) -> None:
    """Each of the checks alone keeps another site's page from aborting a drill."""
    answer = await _act(app, **{**await _logged_in(app), **spoilt})
    assert answer.status in {401, 403, 415}
    assert abort.sent == []


async def test_a_request_without_an_origin_aborts_nothing(app: ASGIApp, abort: _Abort) -> None:
    """A browser sends an origin with every POST; what sends none is no page of ours."""
    mine = await _logged_in(app)
    body = {"drill": DRILL, "reason": "smoke"}
    assert (await ask(app, "/api/abort", method="POST", body=body, **mine)).status == 403
    assert abort.sent == []


async def test_a_server_that_only_shows_can_do_nothing(bare: ASGIApp) -> None:
    """Without a fleet there is no way to act, and the page says why."""
    assert (await _act(bare)).status == 403
    hello = (await ask(bare, "/api/hello")).json()
    assert hello["can_abort"] is False
    assert "--fleet" in hello["why_not"]


@pytest.mark.parametrize(
    "body",
    [
        {"drill": DRILL, "reason": ""},
        {"drill": DRILL, "reason": "   "},
        {"drill": DRILL, "reason": "x" * 301},
        {"drill": DRILL, "reason": "a\u202eb"},
        {"drill": "../../etc", "reason": "smoke"},
        {"drill": DRILL},
        b"\xff",
        b"[" * 4000,
        b" " * (BODY_MAX_BYTES + 1),
    ],
)
async def test_a_malformed_abort_is_one_clear_error(app: ASGIApp, abort: _Abort, body: Any) -> None:
    """What a person or an enemy got wrong is said in a sentence, and nothing is sent."""
    answer = await post(app, "/api/abort", body, **await _logged_in(app))
    assert answer.status in {400, 413, 422}
    assert answer.json()["error"]
    assert abort.sent == []


async def test_an_abort_that_fails_says_that_nothing_was_sent(app: ASGIApp, abort: _Abort) -> None:
    """A failure is never shown as a success."""
    abort.problem = ConfigError("no drill is open", where="journal")
    answer = await _act(app, **await _logged_in(app))
    assert answer.status == 502
    assert answer.json()["error"] == "not sent: journal: no drill is open"


async def test_two_aborts_at_once_are_one(app: ASGIApp, abort: _Abort) -> None:
    """Pressing twice sends no second abort beside the first."""
    mine = await _logged_in(app)
    abort.may_go_on.clear()
    first = asyncio.create_task(_act(app, **mine))
    await asyncio.sleep(0)
    while (second := await _act(app, **mine)).status != 409:
        assert not first.done()
    abort.may_go_on.set()
    assert (await first).status == 200
    assert second.json()["error"]
    assert len(abort.sent) == 1


async def test_every_answer_carries_the_headers(app: ASGIApp) -> None:
    """Pages, errors and refusals alike run nothing foreign, are framed by nobody and kept nowhere."""
    for answer in (
        await ask(app, "/"),
        await ask(app, "/login"),
        await ask(app, "/static/page.css"),
        await ask(app, "/static/none"),
        await ask(app, "/nowhere", cookie=(await _logged_in(app))["cookie"]),
        await ask(app, "/", host="evil.example"),
        await post(app, "/api/abort", {}),
    ):
        for name, value in HEADERS.items():
            assert answer.header(name) == value
    assert HEADERS["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in HEADERS["content-security-policy"]


@pytest.mark.parametrize("name", ["..%2fapp.py", "../app.py", "%2e%2e/app.py", "app.py", "", "page.css/", "PAGE.CSS"])
async def test_no_other_file_is_served(bare: ASGIApp, name: str) -> None:
    """What is asked for never becomes a path."""
    assert (await ask(bare, f"/static/{name}")).status in {307, 404}


async def test_sites_curves_drills_and_coverage_are_of_the_log(bare: ASGIApp) -> None:
    """Each view answers from the log, and with a clear error for what is not in it."""
    drills = (await ask(bare, "/api/drills")).json()
    assert [one["id"] for one in drills["drills"]] == [DRILL]
    site = next(line.site for line in LINES if line.action == "site.enlisted")
    assert (await ask(bare, f"/api/site?site={site}")).json()["site"] == site
    assert (await ask(bare, f"/api/curve?drill={DRILL}&step=1")).json()["step"] == 1
    assert len((await ask(bare, "/api/coverage")).json()["rows"]) == 6
    for path in ("/api/site?site=none", "/api/site?drill=none&site=x", "/api/curve?step=2", "/api/curve?step=-1"):
        answer = await ask(bare, path)
        assert answer.status == 404
        assert answer.json()["error"]


async def test_only_so_many_pages_follow_at_once(bare: ASGIApp, hub: Hub) -> None:
    """More pages than are allowed get a clear refusal, and a place is free again when one goes."""
    running = asyncio.create_task(hub.run())
    async with streamed(bare, "/api/events") as one:
        assert (await asyncio.wait_for(one.get(), 10)).startswith(b"retry")
        async with streamed(bare, "/api/events") as two:
            await asyncio.wait_for(two.get(), 10)
            answer = await ask(bare, "/api/events")
            assert answer.status == 503
        assert hub.clients == 1
    assert hub.clients == 0
    hub.close()
    await running


async def test_a_logged_out_browser_has_no_session(app: ASGIApp) -> None:
    """Logging out takes the cookie away, and needs the page's proof like any other act."""
    mine = await _logged_in(app)
    assert (await post(app, "/logout", {}, cookie=mine["cookie"])).status == 403
    answer = await post(app, "/logout", {}, **mine)
    assert 'c=""' in answer.header("set-cookie")
    assert "max-age=0" in answer.header("set-cookie").lower()


async def test_the_names_in_host_may_be_given(hub: Hub) -> None:
    """A name that a person gave is served, and pages of that name may act."""
    app = Site(hub, _Clock(), names=Names(frozenset({"console.example"}))).app()
    assert (await ask(app, "/api/drills", host="console.example:8740")).status == 200
    assert (await ask(app, "/api/drills", host=HOST)).status == 200
