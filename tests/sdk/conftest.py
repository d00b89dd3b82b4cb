"""A provider that plays scripts, a gateway in front of it, and what both let a test compare."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anthropic._base_client
import openai._base_client
import pytest

from arc_proxy.gateway.config import GatewayConfig
from arc_proxy.gateway.server import serve_gateway
from tests.fake_provider import FakeProvider, Received, Step

T = TypeVar("T")

# What the proxy may change: it is another host, the connection is its own, and it names the call.
OURS = ("host", "connection", "x-arc-")


class Loop:
    """An event loop in a thread, for servers that synchronous clients speak to."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@dataclass(frozen=True, slots=True)
class Seen:
    """One attempt, as the provider saw it."""

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body_sha256: str
    connection: int  # which of the connections it came by, counted from 0

    @classmethod
    def of(cls, request: Received, connection: int) -> Seen:
        fields = [field for field in request.fields if not field[0].lower().decode().startswith(OURS)]
        return cls(request.line, tuple(fields), hashlib.sha256(request.body).hexdigest(), connection)


class Scene:
    """One provider, reached directly or through the gateway."""

    def __init__(self, loop: Loop, provider: FakeProvider, gateway_url: str, folder: Path) -> None:
        self.gateway_url = gateway_url
        self.folder = folder  # of the journal
        self._loop = loop
        self._provider = provider
        self.urls = {
            ("openai", "direct"): f"{provider.url}/v1",
            ("openai", "proxied"): f"{gateway_url}/openai/v1",
            ("anthropic", "direct"): provider.url,
            ("anthropic", "proxied"): f"{gateway_url}/anthropic",
        }

    def play(self, script: list[tuple[Step, ...]]) -> None:
        """What the next requests get, one each; the last one also answers all that follow."""
        rest = iter(script)
        self.answer(lambda _: next(rest, script[-1]))

    def answer(self, answer: Callable[[Received], tuple[Step, ...]]) -> None:
        """What requests get from now on, by what they ask."""

        async def set_up() -> None:
            self._provider.requests.clear()
            self._provider.connections.clear()
            self._provider.answer = answer

        self._loop.run(set_up())

    def seen(self) -> list[Seen]:
        async def read() -> list[Seen]:
            connections = list(self._provider.connections)
            return [Seen.of(each, connections.index(each.connection)) for each in self._provider.requests]

        return self._loop.run(read())

    def is_left(self) -> bool:
        """Wait until every client of the provider is gone; False if one never goes."""

        async def wait() -> bool:
            try:
                async with asyncio.timeout(5):
                    for connection in list(self._provider.connections):
                        await connection.is_closed.wait()
            except TimeoutError:
                return False
            return True

        return self._loop.run(wait())


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    loop = Loop()
    provider = FakeProvider()
    loop.run(provider.start())
    stop = asyncio.Event()
    folder = tmp_path_factory.mktemp("sdk")
    serving, url = loop.run(start_gateway(provider.url, folder, stop))
    yield Scene(loop, provider, url, folder)
    loop.loop.call_soon_threadsafe(stop.set)
    loop.run(finished(serving))
    loop.run(provider.stop())
    loop.close()


async def start_gateway(upstream: str, folder: Path, stop: asyncio.Event) -> tuple[asyncio.Task[None], str]:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = GatewayConfig(
        journal_dir=folder / "journal",
        secret_key_file=folder / "secret.key",
        upstreams={"*": upstream},
        drain_s=1,
    )
    serving = asyncio.create_task(serve_gateway(config, listener, stop=stop))
    return serving, f"http://127.0.0.1:{port}"


async def finished(serving: asyncio.Task[None]) -> None:
    await serving


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs pause half a second and more before they try again; how often they do is their own."""
    for module in (openai._base_client, anthropic._base_client):
        monkeypatch.setattr(module, "INITIAL_RETRY_DELAY", 0.01)
        monkeypatch.setattr(module, "MAX_RETRY_DELAY", 0.02)
