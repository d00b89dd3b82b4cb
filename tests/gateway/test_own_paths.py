"""Paths at the root that are ours, and the console behind `/_arc/`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from arc_proxy.journal.record import Ended
from tests.fake_provider import BODY, LAST_CHUNK, LEFT, FakeProvider, chunk, reply, stream_head
from tests.gateway.harness import WAIT_S, Gateway, StartGateway


class FakeConsole(FakeProvider):
    """The same, on a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[FakeConsole]:
    async with FakeConsole(tmp_path / "c.sock") as running:
        yield running


async def test_health_is_the_gateways_own(start_gateway: StartGateway, provider: FakeProvider) -> None:
    gateway = await start_gateway(version="1.2.3", data_dir_id="abcd", worker=3)
    for path in ("/openai/v1/x", "/run/%00/openai/v1/x"):
        wire = await gateway.get(path)
        await wire.until(b"{}")
    wire = await gateway.get("/_arc/health")
    head = await wire.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json")
    assert b"x-arc-call-id" not in head
    health = json.loads(await wire.until(b"}}"))
    assert {key: health[key] for key in ("status", "version", "worker", "data_dir", "pid")} == {
        "status": "ok",
        "version": "1.2.3",
        "worker": 3,
        "data_dir": "abcd",
        "pid": os.getpid(),
    }
    counts = health["counts"]
    assert (counts["calls"], counts["malformed_names"], counts["lost_records"]) == (2, 1, 0)
    assert len(gateway.calls()) == 2


@pytest.mark.parametrize("path", ["/", "/?x", "/run/r/"])
async def test_a_probe_is_a_call_of_its_own(gateway: Gateway, provider: FakeProvider, path: str) -> None:
    wire = await gateway.get(path, method=b"HEAD")
    assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    await wire.send(gateway.request("/openai/v1/x"))
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200 OK\r\n")
    call, _ = await gateway.ended(2)
    assert call.end is not None
    assert call.response is not None
    assert (call.request.method, call.response.origin, call.end.ended) == (b"HEAD", "proxy", Ended.COMPLETE)


async def test_a_browser_is_led_to_the_console(gateway: Gateway) -> None:
    wire = await gateway.get("/", b"Accept: text/html,*/*")
    head = await wire.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 302 Found\r\n")
    assert b"\r\nLocation: /_arc/\r\n" in head
    other = await gateway.get("/", b"Accept: */*")
    assert (await other.until(b"}}")).startswith(b"HTTP/1.1 404 ")


OWN = {
    "a page": ("GET", "/_arc/runs?x=%2F"),
    "the root of it": ("GET", "/_arc/"),
    "without a slash": ("GET", "/_arc"),
    "metrics": ("GET", "/metrics"),
    "traces": ("POST", "/v1/traces"),
}


@pytest.mark.parametrize(("method", "path"), OWN.values(), ids=OWN)
async def test_relays_to_the_console(
    start_gateway: StartGateway, console: FakeConsole, provider: FakeProvider, method: str, path: str
) -> None:
    gateway = await start_gateway(console_socket=str(console.path))
    answer = reply(b"page", ("Set-Cookie", "a=b"))
    console.play_whole(answer)
    wire = await gateway.connect()
    body = b"{}" if method == "POST" else None
    await wire.send(gateway.request(path, b"Cookie: a=b", method=method.encode(), body=body))
    assert await wire.exactly(len(answer)) == answer
    request = console.requests[0]
    assert request.line == f"{method} {path} HTTP/1.1".encode()
    assert request.get(b"host") == gateway.authority
    assert request.get(b"cookie") == b"a=b"
    assert provider.connections == []
    assert gateway.calls() == []


async def test_a_page_that_streams(start_gateway: StartGateway, console: FakeConsole) -> None:
    gateway = await start_gateway(console_socket=str(console.path))
    go_on = asyncio.Event()
    console.play_whole(stream_head() + chunk(b"one"), go_on, chunk(b"two") + LAST_CHUNK)
    wire = await gateway.get("/_arc/live")
    await wire.until(chunk(b"one"))
    go_on.set()
    await wire.until(chunk(b"two") + LAST_CHUNK)


async def test_a_page_that_nobody_looks_at_any_more_is_not_drained(
    start_gateway: StartGateway, console: FakeConsole
) -> None:
    gateway = await start_gateway(console_socket=str(console.path), on_client_close="drain")
    console.play_whole(stream_head() + chunk(b"one"), LEFT)
    wire = await gateway.get("/_arc/live")
    await wire.until(chunk(b"one"))
    wire.writer.transport.abort()
    await asyncio.wait_for(console.connections[0].is_closed.wait(), WAIT_S)


async def test_a_console_that_is_down_is_a_503_for_its_pages_alone(
    start_gateway: StartGateway, tmp_path: Path, provider: FakeProvider
) -> None:
    gateway = await start_gateway(console_socket=str(tmp_path / "nobody.sock"))
    wire = await gateway.get("/_arc/runs")
    assert (await wire.until(b"moment.\n")).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    await wire.send(gateway.request("/openai/v1/x"))
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(await gateway.ended()) == 1


async def test_a_console_that_comes_back(start_gateway: StartGateway, tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    gateway = await start_gateway(console_socket=str(path))
    async with FakeConsole(path) as first:
        wire = await gateway.get("/_arc/")
        await wire.until(b"{}")
        assert len(first.requests) == 1
    assert await wire.rest() == b""
    path.unlink(missing_ok=True)
    async with FakeConsole(path):
        wire = await gateway.get("/_arc/")
        await wire.until(b"{}")


async def test_a_console_that_does_not_read_holds_its_own_client_only(
    start_gateway: StartGateway, console: FakeConsole, provider: FakeProvider
) -> None:
    gateway = await start_gateway(console_socket=str(console.path))
    may_read = asyncio.Event()
    console.play(may_read, BODY, reply(b"done"))
    size = 20_000_000
    wire = await gateway.get("/_arc/api/import", b"Content-Length: %d" % size, method=b"POST")
    sending = asyncio.create_task(wire.send(*[b"x" * 100_000] * (size // 100_000)))
    other = await gateway.get("/openai/v1/x")
    await other.until(b"{}")
    assert not sending.done()
    may_read.set()
    await asyncio.wait_for(sending, WAIT_S)
    await wire.until(b"done")
