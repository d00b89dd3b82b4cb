"""The pages of the console, `/_arc/`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from arc_proxy.dashboard.page import Link, make_page, render_page, static_file
from arc_proxy.errors import ArcError
from arc_proxy.report.document import Document, Empty

PERIODS = (("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("all", "all"))
DEFAULT_PERIOD = "30d"
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def add_dashboard(
    app: web.Application, document: Callable[[str], Document], threads: asyncio.Semaphore
) -> None:
    """`document(since)` may block; it is asked on a thread."""

    async def report(request: web.Request) -> web.Response:
        asked = request.query.get("since", DEFAULT_PERIOD)
        since = asked if asked in dict(PERIODS) else DEFAULT_PERIOD
        async with threads:
            html = await asyncio.to_thread(_render, document, since)
        return web.Response(text=html, content_type="text/html")

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            content = static_file(name)
        except KeyError:
            raise web.HTTPNotFound from None
        return web.Response(body=content, content_type=_TYPES[name.rpartition(".")[2]], charset="utf-8")

    async def to_report(_request: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": "/_arc/"})

    app.router.add_get("/_arc/", report)
    app.router.add_get("/_arc", to_report)
    app.router.add_get("/_arc/static/{name}", static)


def _render(document: Callable[[str], Document], since: str) -> str:
    try:
        shown = document(since)
    except ArcError as error:
        empty = Empty(f"The rows cannot be read: {error}", "arc-proxy doctor")
        shown = Document(title="arc-proxy", period="", updated="", empty=empty)
    return render_page(make_page(shown, _links(since)))


def _links(here: str) -> tuple[Link, ...]:
    return tuple(Link(text, f"?since={period}", period == here) for period, text in PERIODS)
