"""The worker as a process of its own: how it starts, stops, and how much memory it takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.fake_provider import BODY, LAST_CHUNK, FakeProvider, chunk, stream_head
from tests.gateway.harness import WAIT_S, Wire

MB = 1024 * 1024


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    port: int
    lifeline: int  # our end
    wires: list[Wire] = field(default_factory=list)

    async def get(self, path: str, *lines: bytes, method: bytes = b"GET") -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        self.wires.append(wire)
        head = [b"%b %b HTTP/1.1" % (method, path.encode()), b"Host: localhost", *lines]
        await wire.send(b"\r\n".join(head) + b"\r\n\r\n")
        return wire

    async def exit_code(self) -> int:
        async with asyncio.timeout(WAIT_S):
            while self.process.poll() is None:
                await asyncio.sleep(0.02)
        return self.process.returncode


@pytest.fixture
async def worker(tmp_path: Path, provider: FakeProvider) -> AsyncIterator[Worker]:
    file = tmp_path / "config.json"
    gateway = {
        "journal_dir": str(tmp_path / "journal"),
        "secret_key_file": str(tmp_path / "secret.key"),
        "upstreams": {"openai": provider.url},
        "capture_body_bytes_max": MB,
    }
    file.write_text(json.dumps({"drain_s": WAIT_S, "gateway": gateway}))
    read_end, write_end = os.pipe()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        command = [sys.executable, "-m", "arc_proxy.gateway", str(file), "--worker", "1"]
        command += ["--socket", str(sock.fileno()), "--lifeline", str(read_end)]
        process = subprocess.Popen(command, pass_fds=(sock.fileno(), read_end), stderr=subprocess.PIPE)
        os.close(read_end)
        try:
            running = Worker(process, sock.getsockname()[1], write_end)
            yield running
        finally:
            for wire in running.wires:
                wire.close()
            process.kill()
            process.communicate()
            with contextlib.suppress(OSError):
                os.close(write_end)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "the supervisor is gone"])
async def test_stops_once_its_streams_have_ended(worker: Worker, provider: FakeProvider, how: str) -> None:
    go_on = asyncio.Event()
    provider.play_whole(stream_head() + chunk(b"one"), go_on, chunk(b"two") + LAST_CHUNK)
    wire = await worker.get("/openai/v1/x")
    await wire.until(chunk(b"one"))
    if how == "the supervisor is gone":
        os.close(worker.lifeline)
    else:
        worker.process.send_signal(getattr(signal, how))
    await asyncio.sleep(0.1)
    assert worker.process.poll() is None
    go_on.set()
    assert await wire.rest() == chunk(b"two") + LAST_CHUNK
    assert await worker.exit_code() == 0


async def test_a_wrong_setting_ends_it_before_it_serves(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    gateway = {
        "journal_dir": str(tmp_path / "j"),
        "secret_key_file": str(tmp_path / "k"),
        "upstreams": {"x": "y"},
    }
    file.write_text(json.dumps({"gateway": gateway}))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        ended = subprocess.run(
            [sys.executable, "-m", "arc_proxy.gateway", str(file), "--socket", str(sock.fileno())],
            pass_fds=(sock.fileno(),),
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 2
    assert "--upstream x=y" in ended.stderr


async def test_50_mb_each_way_take_no_memory(worker: Worker, provider: FakeProvider) -> None:
    size, block = 50 * MB, b"x" * 65536
    await (await worker.get("/openai/v1/warm")).until(b"{}")
    provider.play(BODY, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, *[block] * (size // 65536))
    process = psutil.Process(worker.process.pid)
    before = process.memory_info().rss
    most = before
    wire = await worker.get("/openai/v1/x", b"Content-Length: %d" % size, method=b"POST")
    for _ in range(size // 65536):
        await wire.send(block)
        most = max(most, process.memory_info().rss)
    await wire.until(b"\r\n\r\n")
    got = 0
    while got < size:
        got += len(await asyncio.wait_for(wire.reader.read(MB), WAIT_S))
        most = max(most, process.memory_info().rss)
    # The allocator's slack varies by some megabytes; a body that was held would be all of them.
    assert most - before < size / 3


FORBIDDEN = (
    "sqlmodel",
    "sqlalchemy",
    "pydantic",
    "structlog",
    "orjson",
    "arc_proxy.store",
    "arc_proxy.ingest",
    "arc_proxy.wire",
    "arc_proxy.runs",
    "arc_proxy.call",
    "pricing",
    "analysis",
)


def test_the_hot_path_loads_nothing_of_the_rest() -> None:
    code = f"import arc_proxy.gateway.__main__, sys; print([m for m in {FORBIDDEN!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
