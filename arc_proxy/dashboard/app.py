"""The pages of the console, `/_arc/`. What reads rows works on a thread, a few at a time."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiohttp import web

from arc_proxy.dashboard.frame import Frame, Link
from arc_proxy.dashboard.page import make_page, render_page
from arc_proxy.dashboard.rendering import render, static_file
from arc_proxy.dashboard.runs import PERIODS, run_rows, runs_page
from arc_proxy.dashboard.source import Source
from arc_proxy.errors import ArcError, UsageError
from arc_proxy.export.csv import write_csv
from arc_proxy.export.jsonl import to_json
from arc_proxy.export.rows import fields_of
from arc_proxy.report.document import Document, Empty

DEFAULT_PERIOD = "30d"
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

Query = Mapping[str, str]
Make = Callable[[Source, Query, int], str]


class NotFound(UsageError):
    """There is nothing of this name."""


def add_dashboard(app: web.Application, source: Source, threads: asyncio.Semaphore) -> None:
    async def answer(work: Callable[[], web.Response]) -> web.Response:
        async with threads:
            return await asyncio.to_thread(work)

    def page(make: Make) -> Callable[[web.Request], Any]:
        async def show(request: web.Request) -> web.Response:
            query = dict(request.query)
            return await answer(lambda: _page(make, source, query))

        return show

    def document(make: Callable[[str], Document], heading: str) -> Callable[[web.Request], Any]:
        async def show(request: web.Request) -> web.Response:
            asked = request.query.get("since", DEFAULT_PERIOD)
            since = asked if asked in dict(PERIODS) else DEFAULT_PERIOD
            path = request.path
            return await answer(lambda: _html(_render(make, since, heading, path)))

        return show

    async def runs_as_json(request: web.Request) -> web.Response:
        query = dict(request.query)
        return await answer(lambda: _rows_response(lambda: run_rows(source, query, time.time_ns()), "json"))

    async def runs_as_csv(request: web.Request) -> web.Response:
        query = dict(request.query)
        return await answer(lambda: _rows_response(lambda: run_rows(source, query, time.time_ns()), "csv"))

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            content = static_file(name)
        except KeyError:
            raise web.HTTPNotFound from None
        return web.Response(body=content, content_type=_TYPES[name.rpartition(".")[2]], charset="utf-8")

    async def to_report(_request: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": "/_arc/"})

    app.router.add_get("/_arc/", document(source.document, "Overview"))
    app.router.add_get("/_arc/costs", document(source.costs, "Costs"))
    app.router.add_get("/_arc", to_report)
    app.router.add_get("/_arc/runs", page(runs_page))
    app.router.add_get("/_arc/runs.json", runs_as_json)
    app.router.add_get("/_arc/runs.csv", runs_as_csv)
    app.router.add_get("/_arc/static/{name}", static)


def _page(make: Make, source: Source, query: Query) -> web.Response:
    try:
        return _html(make(source, query, time.time_ns()))
    except UsageError as error:
        status = 404 if isinstance(error, NotFound) else 400
        return _html(_said(str(error)), status=status)
    except ArcError as error:
        return _html(_said(f"The rows cannot be read: {error}", "arc-proxy doctor"), status=503)


def _said(text: str, type_this: str = "") -> str:
    return render("said.html", frame=Frame(title="arc-proxy", here=""), empty=Empty(text, type_this))


def _html(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", status=status)


def _rows_response(rows: Callable[[], Iterable[Mapping[str, Any]]], form: str) -> web.Response:
    """Runs as a file: a JSON list, or CSV."""
    try:
        found = list(rows())
    except UsageError as error:
        return web.json_response({"error": {"type": "UsageError", "message": str(error)}}, status=400)
    except ArcError as error:
        return web.json_response({"error": {"type": type(error).__name__, "message": str(error)}}, status=503)
    name = {"Content-Disposition": f'attachment; filename="runs.{form}"'}
    if form == "json":
        return web.Response(body=to_json(found), content_type="application/json", headers=name)
    out = io.StringIO(newline="")
    write_csv(found, fields_of("run"), out)
    return web.Response(text=out.getvalue(), content_type="text/csv", headers=name)


def _render(document: Callable[[str], Document], since: str, heading: str, here: str) -> str:
    try:
        shown = document(since)
    except ArcError as error:
        empty = Empty(f"The rows cannot be read: {error}", "arc-proxy doctor")
        shown = Document(title="arc-proxy", period="", updated="", empty=empty)
    return render_page(make_page(shown, _links(since), heading=heading, here=here))


def _links(here: str) -> tuple[Link, ...]:
    return tuple(Link(text, f"?since={period}", period == here) for period, text in PERIODS)
