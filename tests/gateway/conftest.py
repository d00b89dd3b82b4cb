"""A gateway in this process, with a fake provider behind it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from blockbuster import blockbuster_ctx

from arc_proxy.gateway.config import GatewayConfig
from arc_proxy.gateway.server import serve_gateway
from tests.fake_provider import FakeProvider
from tests.gateway.harness import Gateway, StartGateway

BOTH_LOOPS = ("test_forward.py", "test_breaking.py", "test_dial.py", "test_tunnel.py")


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What touches sockets in its own way is tested on both loops that a gateway may run on."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.path.name in BOTH_LOOPS:
        factories["asyncio"] = asyncio.new_event_loop
    return factories


@pytest.fixture(autouse=True)
def no_blocking_calls_on_the_event_loop() -> Iterator[None]:
    with blockbuster_ctx("arc_proxy") as buster:
        # The tape's one write per turn is the design; the rest happens before the first connection.
        buster.functions["os.write"].can_block_in("arc_proxy/journal/tape.py", {"_try_write"})
        for name in buster.functions:
            buster.functions[name].can_block_in("arc_proxy/gateway/server.py", {"__init__"})
            # Tests read the journal while the gateway runs in the same thread.
            buster.functions[name].can_block_in("tests/gateway/harness.py", {"records"})
        yield


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as running:
        yield running


@pytest.fixture
async def start_gateway(tmp_path: Path, provider: FakeProvider) -> AsyncIterator[StartGateway]:
    """Starts gateways before the fake provider; keyword arguments change the JSON of their configuration."""
    running: list[Gateway] = []

    async def start(**changes: Any) -> Gateway:
        data_dir = tmp_path / f"data{len(running)}"
        data_dir.mkdir()
        values: dict[str, Any] = {
            "journal_dir": str(data_dir / "journal"),
            "secret_key_file": str(data_dir / "secret.key"),
            "upstreams": {"openai": provider.url},
            "drain_s": 0.3,
        }
        values.update(changes)
        sock = socket.socket()
        sock.bind((values.get("host", "127.0.0.1"), values.pop("port", 0)))
        sock.setblocking(False)
        gateway = Gateway(GatewayConfig.from_json(values), sock)
        gateway.task = asyncio.create_task(serve_gateway(gateway.config, sock, stop=gateway.stop))
        running.append(gateway)
        await asyncio.sleep(0)
        for _ in range(500):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                writer.close()
                return gateway
            await asyncio.sleep(0.01)
        raise AssertionError("the gateway does not listen")

    yield start
    for gateway in running:
        await gateway.finish()


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> Gateway:
    return await start_gateway()
