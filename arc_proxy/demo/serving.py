"""The demo's provider, running in a thread of this process and gone with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from arc_proxy.demo.provider import make_app

START_S = 10.0
STOP_S = 10.0


@contextmanager
def provider_in_a_thread() -> Iterator[str]:
    """Its URL, on a free port of 127.0.0.1."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="provider", daemon=True)
    thread.start()
    runner = web.AppRunner(make_app(), access_log=None, shutdown_timeout=0.1)
    try:
        port = asyncio.run_coroutine_threadsafe(_start(runner), loop).result(START_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(STOP_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_S)
        loop.close()


async def _start(runner: web.AppRunner) -> int:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port: int = runner.addresses[0][1]
    return port
