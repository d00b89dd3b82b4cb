"""
Who may ask the console: this user's commands by the API token, a browser by a cookie that a login link gave.

A form of ours changes something for a browser: at the paths that are named, from a page of ours, with a token
that was made for this very cookie. Every other change is asked for in JSON, which no other site's form sends.

Only the gateway and this user's processes reach the console's Unix socket, but the gateway relays whatever a
browser or the watched agent sends to `/_arc/`. So every request is asked for one of the two.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from arc_proxy.token import COOKIE_S, FORM_S, is_api_token, make_token, read_token

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOGIN_PATH = "/_arc/login"
FORM_FIELD = "token"
FORM_TYPE = "application/x-www-form-urlencoded"
_OPEN = (LOGIN_PATH, "/_arc/static/")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # a login link must not be told to anyone
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Gate:
    """
    Lets in who has a token. `used_logins` is the file that remembers which login links were used, so that a
    console which is started anew does not take one twice.
    `forms`: the paths that take a form.
    """

    def __init__(
        self, secret: bytes, cookie: str, policy: str, used_logins: Path, *, forms: Collection[str] = ()
    ) -> None:
        self._secret = secret
        self._cookie = cookie
        self._policy = policy
        self._used_logins = used_logins
        self._forms = forms

    def middleware(self) -> Middleware:
        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await self._answer(request, handler)
            response.headers.update(_HEADERS)
            response.headers["Content-Security-Policy"] = self._policy
            return response

        return gate

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        is_form = request.method == "POST" and request.path in self._forms
        refusal = _refuse_elsewhere(request, FORM_TYPE if is_form else "application/json")
        if refusal is not None:
            return refusal
        if not request.path.startswith(_OPEN) and not self._is_known(request):
            return _refuse_unknown(request)
        try:
            if is_form and not await self._is_ours(request):
                return _refuse_form()
            return await handler(request)
        except web.HTTPException as error:  # no such page, wrong method
            return web.Response(status=error.status, text=f"{error.reason}\n")

    async def login(self, request: web.Request) -> web.Response:
        """Trade a login link for a cookie, once."""
        token = request.query.get("token", "")
        nonce = read_token(self._secret, "login", token, time.time())
        if nonce is None or not self._use(nonce, token):
            return web.Response(
                status=401,
                text="This link was used, or is older than ten minutes. Make another: arc-proxy open\n",
            )
        response = web.Response(status=303, headers={"Location": "/_arc/"})
        value = make_token(self._secret, "cookie", time.time() + COOKIE_S)
        response.set_cookie(
            self._cookie, value, max_age=COOKIE_S, path="/_arc/", httponly=True, samesite="Strict"
        )
        return response

    def form_token(self, request: web.Request) -> str:
        """What a form on a page for this browser carries; "" for who came with the API token."""
        nonce = self._cookie_nonce(request)
        return "" if nonce is None else make_token(self._secret, f"form {nonce}", time.time() + FORM_S)

    async def _is_ours(self, request: web.Request) -> bool:
        """Whether a form was sent by a page of ours that was made for this browser."""
        nonce = self._cookie_nonce(request)
        if nonce is None or not _is_from_here(request):
            return False
        token = (await request.post()).get(FORM_FIELD)
        return (
            isinstance(token, str)
            and read_token(self._secret, f"form {nonce}", token, time.time()) is not None
        )

    def _is_known(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and is_api_token(self._secret, token.strip()):
            return True
        return self._cookie_nonce(request) is not None

    def _cookie_nonce(self, request: web.Request) -> str | None:
        value = request.cookies.get(self._cookie, "")
        return read_token(self._secret, "cookie", value, time.time())

    def _use(self, nonce: str, token: str) -> bool:
        """Whether this is the first time; remembered until the link would have expired anyway."""
        now, expiry = time.time(), token.partition(".")[0]
        try:
            known = [line.split() for line in self._used_logins.read_text().splitlines()]
        except FileNotFoundError:
            known = []
        fresh = [words for words in known if len(words) == 2 and int(words[0]) > now]
        if any(words[1] == nonce for words in fresh):
            return False
        lines = "".join(f"{' '.join(words)}\n" for words in [*fresh, [expiry, nonce]])
        self._used_logins.touch(mode=0o600)
        self._used_logins.write_text(lines)
        return True


def _refuse_elsewhere(request: web.Request, content_type: str) -> web.Response | None:
    """Another site's page may lead a person here, but not read or change anything."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    is_navigation = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site not in ("none", "same-origin") and not is_navigation:
        return web.Response(status=403, text="arc-proxy answers no other site's pages.\n")
    if request.method not in ("GET", "HEAD") and request.content_type != content_type:
        return web.Response(status=415, text=f"This change is asked for with content-type {content_type}.\n")
    return None


def _is_from_here(request: web.Request) -> bool:
    """
    By what a browser says of the page that sent a form: one of the two headers has to say it, none deny it.
    A page that must not name itself sends `Origin: null`: pages with forms have another referrer policy.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if origin is None:
        return site == "same-origin"
    return origin.partition("://")[2] == request.host and site in (None, "same-origin")


def _refuse_form() -> web.Response:
    return web.Response(
        status=403,
        text="Nothing was changed: this did not come from a page of arc-proxy that was opened here within a "
        "day. Load the page again, and press the button there.\n",
    )


def _refuse_unknown(request: web.Request) -> web.Response:
    if request.path.startswith("/_arc/api/"):
        return web.json_response({"error": {"type": "unauthorized", "message": "no valid token"}}, status=401)
    return web.Response(status=401, text="Log in first: arc-proxy open\n")
