"""The JSON API of the console, `/_arc/api/...`. Blocking work is done on threads, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from arc_proxy.errors import ArcError, UsageError

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the API gives; each may block. `report` takes the query's `since`, `until` and `agent`."""

    catch_up: Callable[[], Answer]
    status: Callable[[], Answer]
    report: Callable[[Mapping[str, str]], Answer]


def add_api(app: web.Application, answers: Answers, threads: asyncio.Semaphore) -> None:
    async def answer(work: Callable[[], Answer]) -> web.Response:
        async with threads:
            try:
                return web.json_response(await asyncio.to_thread(work))
            except UsageError as error:
                return _failed(400, error)
            except ArcError as error:
                return _failed(503, error)

    async def catch_up(_request: web.Request) -> web.Response:
        return await answer(answers.catch_up)

    async def status(_request: web.Request) -> web.Response:
        return await answer(answers.status)

    async def report(request: web.Request) -> web.Response:
        query = dict(request.query)
        return await answer(lambda: answers.report(query))

    app.router.add_post("/_arc/api/catch-up", catch_up)
    app.router.add_get("/_arc/api/status", status)
    app.router.add_get("/_arc/api/report", report)


def _failed(status: int, error: ArcError) -> web.Response:
    return web.json_response({"error": {"type": type(error).__name__, "message": str(error)}}, status=status)
