"""The pages of the console, `/_arc/`. What reads rows works on a thread, a few at a time."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from arc_proxy.dashboard.call import call_page
from arc_proxy.dashboard.frame import Frame, Link
from arc_proxy.dashboard.issues import issue_rows, issues_page
from arc_proxy.dashboard.page import make_page, render_page
from arc_proxy.dashboard.rendering import render, static_file
from arc_proxy.dashboard.run import run_document, run_page
from arc_proxy.dashboard.runs import PERIODS, run_rows, runs_page
from arc_proxy.dashboard.source import NotFound, Source
from arc_proxy.errors import ArcError, UsageError
from arc_proxy.export.csv import write_csv
from arc_proxy.export.jsonl import to_json
from arc_proxy.export.rows import fields_of
from arc_proxy.report.document import Document, Empty

DEFAULT_PERIOD = "30d"
_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "json": "application/json",
    "csv": "text/csv",
}

Query = Mapping[str, str]
Make = Callable[[Source, Query, int], str]
MakeFile = Callable[[Source, Query, int], bytes]


def add_dashboard(app: web.Application, source: Source, threads: asyncio.Semaphore) -> None:
    async def answer(work: Callable[[], web.Response]) -> web.Response:
        async with threads:
            return await asyncio.to_thread(work)

    def page(make: Make) -> Callable[[web.Request], Any]:
        async def show(request: web.Request) -> web.Response:
            query = dict(request.query)
            return await answer(lambda: page_response(make, source, query))

        return show

    def document(make: Callable[[str], Document], heading: str) -> Callable[[web.Request], Any]:
        async def show(request: web.Request) -> web.Response:
            asked = request.query.get("since", DEFAULT_PERIOD)
            since = asked if asked in dict(PERIODS) else DEFAULT_PERIOD
            path = request.path
            return await answer(lambda: _html(_render(make, since, heading, path)))

        return show

    def download(make: MakeFile, name: str, form: str) -> Callable[[web.Request], Any]:
        async def give(request: web.Request) -> web.Response:
            query = dict(request.query)
            return await answer(lambda: _file(lambda: make(source, query, time.time_ns()), name, form))

        return give

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
    app.router.add_get("/_arc/runs.json", download(_runs_json, "runs", "json"))
    app.router.add_get("/_arc/runs.csv", download(_runs_csv, "runs", "csv"))
    app.router.add_get("/_arc/run", page(run_page))
    app.router.add_get("/_arc/run.json", download(_run_json, "run", "json"))
    app.router.add_get("/_arc/call", page(call_page))
    app.router.add_get("/_arc/issues", page(issues_page))
    app.router.add_get("/_arc/issues.json", download(_issues_json, "issues", "json"))
    app.router.add_get("/_arc/static/{name}", static)


def page_response(make: Make, source: Source, query: Query) -> web.Response:
    try:
        return _html(make(source, query, time.time_ns()))
    except UsageError as error:
        return said_page(str(error), status=status_of(error))
    except ArcError as error:
        return said_page(f"The rows cannot be read: {error}", "arc-proxy doctor", status=503)


def status_of(error: ArcError) -> int:
    if isinstance(error, NotFound):
        return 404
    return 400 if isinstance(error, UsageError) else 503


def said_page(text: str, type_this: str = "", *, status: int) -> web.Response:
    """A page that has nothing but a sentence to say, and perhaps what to type."""
    frame = Frame(title="arc-proxy", here="")
    return _html(render("said.html", frame=frame, empty=Empty(text, type_this)), status=status)


def _html(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", status=status)


def _file(make: Callable[[], bytes], name: str, form: str) -> web.Response:
    """What a link downloads; a mistake in its URL as JSON."""
    try:
        content = make()
    except ArcError as error:
        said = {"type": type(error).__name__, "message": str(error)}
        return web.json_response({"error": said}, status=status_of(error))
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return web.Response(body=content, content_type=_TYPES[form], headers=headers)


def _runs_json(source: Source, query: Query, now_ns: int) -> bytes:
    return to_json(list(run_rows(source, query, now_ns)))


def _runs_csv(source: Source, query: Query, now_ns: int) -> bytes:
    out = io.StringIO(newline="")
    write_csv(run_rows(source, query, now_ns), fields_of("run"), out)
    return out.getvalue().encode()


def _run_json(source: Source, query: Query, _now_ns: int) -> bytes:
    return to_json(run_document(source, query))


def _issues_json(source: Source, query: Query, now_ns: int) -> bytes:
    return to_json(list(issue_rows(source, query, now_ns)))


def _render(document: Callable[[str], Document], since: str, heading: str, here: str) -> str:
    try:
        shown = document(since)
    except ArcError as error:
        empty = Empty(f"The rows cannot be read: {error}", "arc-proxy doctor")
        shown = Document(title="arc-proxy", period="", updated="", empty=empty)
    return render_page(make_page(shown, _links(since), heading=heading, here=here))


def _links(here: str) -> tuple[Link, ...]:
    return tuple(Link(text, f"?since={period}", period == here) for period, text in PERIODS)
