"""The page's routes: what each URL answers. `guard` has looked at every request before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from orchestrator.dashboard.aborts import WHY_NOT, Aborter
from orchestrator.dashboard.access import SESSION_S, Names, Sessions
from orchestrator.dashboard.detail import detail
from orchestrator.dashboard.guard import Guard
from orchestrator.dashboard.hub import Hub
from orchestrator.dashboard.messages import drills
from orchestrator.dashboard.pages import load_pages
from orchestrator.dashboard.situation import curve
from orchestrator.logbook.views import DrillView
from protocols.clock import Clock
from protocols.errors import HaltdrillError
from protocols.ids import DrillId

BODY_MAX_BYTES = 4096
REASON_MAX_CHARS = 300
_NS_PER_S = 1_000_000_000
_WRONG_TOKEN_S = 0.5
ModelT = TypeVar("ModelT", bound=BaseModel)


class Login(BaseModel):
    """What the login page sends."""

    model_config = ConfigDict(strict=True, extra="forbid")
    token: Annotated[str, Field(min_length=1, max_length=512)]


class AbortWanted(BaseModel):
    """What the abort's confirmation sends."""

    model_config = ConfigDict(strict=True, extra="forbid", str_strip_whitespace=True)
    drill: DrillId
    reason: Annotated[str, Field(min_length=1, max_length=REASON_MAX_CHARS)]


@dataclass
class Site:
    """The web site.

    Args:
        hub: What follows the log.
        clock: The time.
        sessions: Who may look; None for whoever reaches it.
        aborter: How a drill is aborted; None if it can't be from here.
        names: The names that it goes by.
        secure: Whether it is served over TLS, so that the cookie never goes without.
        cookie: The name of its cookie: cookies don't know ports, and there may be another on this host.
    """

    hub: Hub
    clock: Clock
    sessions: Sessions | None = None
    aborter: Aborter | None = None
    names: Names = field(default_factory=Names)
    secure: bool = False
    cookie: str = "haltdrill"

    def __post_init__(self) -> None:
        self._pages = load_pages()
        self._aborting = asyncio.Lock()
        self._matrix: tuple[Sequence[str], dict[str, Any]] | None = None

    def app(self) -> ASGIApp:
        """Return it as an application, behind its guard."""
        routes = [
            Route("/", self._file("index.html")),
            Route("/login", self._file("login.html")),
            Route("/login", self._login, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/static/{name}", self._static),
            Route("/api/hello", self._hello),
            Route("/api/events", self._events),
            Route("/api/drills", self._drills),
            Route("/api/site", self._site),
            Route("/api/curve", self._curve),
            Route("/api/coverage", self._coverage),
            Route("/api/abort", self._abort, methods=["POST"]),
        ]
        return Guard(
            Starlette(routes=routes),
            names=self.names,
            sessions=self.sessions,
            cookie=self.cookie,
            now_s=self._now_s,
        )

    def _now_s(self) -> int:
        return self.clock.wall_ns() // _NS_PER_S

    def _file(self, name: str) -> Callable[[Request], Any]:
        async def answer(_request: Request) -> Response:
            return self._page(name)

        return answer

    def _page(self, name: str) -> Response:
        page = self._pages.get(name)
        if page is None:
            return _refused("there is nothing of that name", 404)
        return Response(page.body, media_type=page.media_type)

    async def _static(self, request: Request) -> Response:
        return self._page(request.path_params["name"])

    async def _login(self, request: Request) -> Response:
        body = await _body(request, Login)
        if isinstance(body, Response):
            return body
        if self.sessions is None or not self.sessions.knows(body.token):
            await self.clock.sleep(_WRONG_TOKEN_S)
            return _refused("that is not the token", 403)
        answer = JSONResponse({"ok": True})
        answer.set_cookie(
            self.cookie,
            self.sessions.begin(self._now_s()),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=self.secure,
        )
        return answer

    async def _logout(self, _request: Request) -> Response:
        answer = JSONResponse({"ok": True})
        answer.delete_cookie(self.cookie, httponly=True, samesite="strict", secure=self.secure)
        return answer

    async def _hello(self, request: Request) -> Response:
        """Say what this page may do, and what it shows with everything that changes something."""
        session = request.cookies.get(self.cookie, "")
        return JSONResponse(
            {
                "proof": self.sessions.proof(session) if self.sessions is not None else "",
                "log_out": self.sessions is not None,
                "can_abort": self.aborter is not None and self.sessions is not None,
                "why_not": "" if self.aborter is not None else WHY_NOT,
            }
        )

    async def _events(self, request: Request) -> Response:
        wanted, position = request.query_params.get("drill", ""), request.query_params.get("since", "")
        if self.hub.full:
            return _refused("as many pages follow this log as are allowed to: close one", 503)

        async def events() -> AsyncIterator[bytes]:
            with self.hub.place():
                async for chunk in self.hub.follow(wanted, position):
                    yield chunk

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _drills(self, _request: Request) -> Response:
        async with self.hub.lock:
            return JSONResponse(drills(self.hub.feed.view))

    def _wanted(self, request: Request) -> DrillView | None:
        return self.hub.feed.drill(request.query_params.get("drill", ""))

    async def _site(self, request: Request) -> Response:
        async with self.hub.lock:
            drill = self._wanted(request)
            site = None if drill is None else drill.sites.get(request.query_params.get("site", ""))
            if drill is None or site is None:
                return _refused("the log has no such site", 404)
            return JSONResponse(detail(drill, site))

    async def _curve(self, request: Request) -> Response:
        number = request.query_params.get("step", "")
        async with self.hub.lock:
            drill = self._wanted(request)
            known = drill is not None and number.isascii() and number.isdigit() and len(number) < len(str(10**4))
            if drill is None or not known or int(number) >= len(drill.steps):
                return _refused("the log has no such step", 404)
            return JSONResponse(curve(drill, int(number)))

    async def _coverage(self, _request: Request) -> Response:
        """Answer with the matrix, computed anew when a drill was closed or a minute has passed."""
        async with self.hub.lock:
            known = list(self.hub.feed.view.drills.values())
            minute = str(self._now_s() // 60)
            key = (self.hub.feed.generation, minute, *(drill.drill for drill in known if drill.closed is not None))
            if self._matrix is None or self._matrix[0] != key:
                self._matrix = (key, await asyncio.to_thread(_matrix, known, self.clock.wall_ns()))
            return JSONResponse(self._matrix[1])

    async def _abort(self, request: Request) -> Response:
        body = await _body(request, AbortWanted)
        if isinstance(body, Response):
            return body
        if self.aborter is None:
            return _refused(WHY_NOT, 403)
        if not body.reason.isprintable():
            return _refused("the reason holds characters that nobody can see", 422)
        if self._aborting.locked():
            return _refused("an abort is being sent already", 409)
        async with self._aborting:
            try:
                done = await self.aborter(body.drill, body.reason)
            except HaltdrillError as error:
                return _refused(f"not sent: {error}", 502)
        return JSONResponse({"noted": done.noted, "sentences": done.sentences})


def _matrix(known: Sequence[DrillView], now_ns: int) -> dict[str, Any]:
    from orchestrator.dashboard.matrix import matrix  # noqa: PLC0415 - the page is there sooner without

    return matrix(known, now_ns)


def _refused(why: str, status: int) -> JSONResponse:
    return JSONResponse({"error": why}, status)


async def _body(request: Request, model: type[ModelT]) -> ModelT | Response:
    """Read a body of ours, or return why it is none."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return _refused("the body must be JSON", 415)
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > BODY_MAX_BYTES:
            return _refused(f"the body is longer than {BODY_MAX_BYTES} bytes", 413)
    try:
        return model.model_validate(json.loads(data))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        return _refused(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}", 422)
    except (ValueError, RecursionError):
        return _refused("the body is no JSON", 400)
