from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from arc_proxy.api.app import Answers, add_api
from arc_proxy.api.auth import LOGIN_PATH, Gate
from arc_proxy.cli.when import parse_period
from arc_proxy.dashboard.app import add_dashboard
from arc_proxy.dashboard.issue_forms import FORM_PATHS, add_issue
from arc_proxy.dashboard.rendering import POLICY
from arc_proxy.dashboard.source import Source
from arc_proxy.report.card import Card, Line
from arc_proxy.report.document import Document, Titled
from arc_proxy.report.table import Column, Table
from arc_proxy.store.engine import Store, open_store
from arc_proxy.token import make_token
from tests.dashboard.attacks import HOSTILE, SECRET
from tests.dashboard.troubles import fill
from tests.store.runs import NOW_NS


@pytest.fixture
def document() -> Document:
    """A document whose every captured text is an attack."""
    lines = tuple(Line("Runs", text, text) for text in HOSTILE)
    table = Table((Column("model", is_number=False), Column("calls")), tuple((text, "3") for text in HOSTILE))
    return Document(
        title="arc-proxy",
        period="last 30 days",
        updated="now",
        warnings=HOSTILE,
        cards=tuple(Card(text, lines) for text in HOSTILE),
        tables=(Titled("Models", table),),
        notes=HOSTILE,
    )


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = open_store(tmp_path / "arc.db")
    yield opened
    opened.close()


@pytest.fixture
def troubled(store, monkeypatch) -> Store:
    """Rows with issues, and a clock that stands where they end."""
    monkeypatch.setattr("time.time_ns", lambda: NOW_NS)
    fill(store)
    return store


@pytest.fixture
def said() -> list[tuple[int, str]]:
    """What was said of fixes: the number of the issue, and the word."""
    return []


@pytest.fixture
def source(document, store, said) -> Source:
    return Source(
        store=lambda: store,
        period=parse_period,
        document=lambda _since: document,
        costs=lambda _since: document,
        tell_fix=lambda key, word, _name: said.append((key, str(word))),
    )


@asynccontextmanager
async def serving(folder: Path, source: Source) -> AsyncIterator[web.AppRunner]:
    """A console's web half, without a site yet."""
    gate = Gate(SECRET, cookie="arc_test", policy=POLICY, used_logins=folder / "used", forms=FORM_PATHS)
    app = web.Application(middlewares=[gate.middleware()])
    app.router.add_get(LOGIN_PATH, gate.login, allow_head=False)
    threads = asyncio.Semaphore(2)
    answers = Answers(
        catch_up=lambda: {"is_done": True},
        status=lambda: {"calls": 3},
        report=lambda query: {"query": dict(query)},
    )
    add_api(app, answers, threads)
    add_dashboard(app, source, threads)
    add_issue(app, source, threads, gate.form_token)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


@pytest.fixture
async def console(tmp_path, source):
    """On a Unix socket, and a way to ask it as a browser behind the gateway would."""
    path = str(tmp_path / "s")
    async with serving(tmp_path, source) as runner:
        await web.UnixSite(runner, path).start()
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path), cookie_jar=jar) as session:

            def ask(method: str, target: str, **more: object) -> Callable[..., object]:
                return session.request(method, f"http://127.0.0.1{target}", allow_redirects=False, **more)

            yield ask


@pytest.fixture
async def login_link(tmp_path, source):
    """On a port, for a browser: the link that logs it in."""
    async with serving(tmp_path, source) as runner:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        token = make_token(SECRET, "login", time.time() + 60)
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/_arc/login?token={token}"
