"""What every request goes through before anything else looks at it, and what every answer carries."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.dashboard.access import Names, Sessions, from_own_page

PROOF_HEADER = "x-haltdrill-proof"

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""Nothing but our own scripts and styles runs, nobody frames the page, nothing of it is kept on a disk."""

PUBLIC = ("/login", "/static/")
_SAFE = {"GET", "HEAD"}


class Guard:
    """Turns away what is not for us, not from us, or not allowed; and puts the headers on every answer.

    Args:
        app: What lies behind.
        names: The names that we go by.
        sessions: Who may look; None for everyone who reaches us, and then nobody may act.
        cookie: The name of the session's cookie.
        now_s: The time, seconds since 1970.
    """

    def __init__(
        self, app: ASGIApp, *, names: Names, sessions: Sessions | None, cookie: str, now_s: Callable[[], int]
    ) -> None:
        self._app = app
        self._names = names
        self._sessions = sessions
        self._cookie = cookie
        self._now_s = now_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, dressed)

    def _refusal(self, request: Request) -> Response | None:
        """Return how a request is turned away; None if it isn't."""
        headers = request.headers
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._names.has(hosts[0]):
            return PlainTextResponse(
                "This server does not go by that name. Start it with --allow-host if it should.", 421
            )
        session = request.cookies.get(self._cookie, "")
        public = request.url.path.startswith(PUBLIC)
        known = self._sessions is None or self._sessions.holds(session, self._now_s())
        if request.method not in _SAFE:
            return self._refused_act(request, headers, session, public=public, known=known)
        if known or public:
            return None
        if request.url.path == "/":
            return RedirectResponse("/login", 303)
        return JSONResponse({"error": "log in first"}, 401)

    def _refused_act(
        self, request: Request, headers: Headers, session: str, *, public: bool, known: bool
    ) -> Response | None:
        own = from_own_page(request.url.scheme, headers["host"], headers.get("origin"), headers.get("sec-fetch-site"))
        if not own:
            return JSONResponse({"error": "this did not come from a page of this server"}, 403)
        if self._sessions is None:
            return JSONResponse({"error": "this server only shows: it was started without --fleet"}, 403)
        if public:
            return None
        if not known:
            return JSONResponse({"error": "log in first"}, 401)
        if not self._sessions.proves(session, headers.get(PROOF_HEADER, "")):
            return JSONResponse({"error": "this page is out of date: load it again"}, 403)
        return None
