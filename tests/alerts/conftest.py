"""A server that alerts are sent to, and behaves as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.store.conftest import empty_sqlite, postgres_store, store

__all__ = ["empty_sqlite", "postgres_store", "store"]  # fixtures


class Receiver:
    """`status` is what it answers; `hangs`: nothing at all."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.text = "ok"
        self.location = ""
        self.hangs = False
        self.came = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/T0-secret"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(json.loads(await request.read()))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.came.set()
        if self.hangs:
            await asyncio.Event().wait()
        headers = {"location": self.location} if self.location else {}
        return web.Response(status=self.status, text=self.text, headers=headers)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()
