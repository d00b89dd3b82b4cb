"""The page of an issue and what can be said there of its fix. Every change is a form: see `api.auth`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from arc_proxy.dashboard.app import page_response, said_page, status_of
from arc_proxy.dashboard.issue import issue_page
from arc_proxy.dashboard.links import issue_href, read_number
from arc_proxy.dashboard.source import FixWord, Source
from arc_proxy.errors import ArcError, UsageError

FORM_PATHS = {f"/_arc/issue/{word}": word for word in FixWord}


def add_issue(
    app: web.Application,
    source: Source,
    threads: asyncio.Semaphore,
    form_token: Callable[[web.Request], str],
) -> None:
    """`form_token`: what a form for this browser carries; "" where it gets none."""

    async def show(request: web.Request) -> web.Response:
        query, token = dict(request.query), form_token(request)
        async with threads:
            return await asyncio.to_thread(page_response, partial(issue_page, token=token), source, query)

    def telling(word: FixWord) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def tell(request: web.Request) -> web.Response:
            form = await request.post()
            number, name = str(form.get("id", "")), str(form.get("token", ""))
            async with threads:
                return await asyncio.to_thread(_tell, source, number, word, name)

        return tell

    app.router.add_get("/_arc/issue", show)
    for path, word in FORM_PATHS.items():
        app.router.add_post(path, telling(word))


def _tell(source: Source, number: str, word: FixWord, name: str) -> web.Response:
    """A form that is sent twice has the same token, and is one saying."""
    try:
        key = read_number("id", number)
        source.tell_fix(key, word, name)
    except UsageError as error:
        return said_page(str(error), status=status_of(error))
    except ArcError as error:
        return said_page(f"It could not be kept: {error}", "arc-proxy doctor", status=503)
    return web.Response(status=303, headers={"Location": f"{issue_href(key)}&said={word}"})
