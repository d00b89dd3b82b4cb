"""
A provider that plays given bytes: a real socket server, for tests that care about every byte.

    async with FakeProvider() as provider:
        provider.play(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n", Pause(0.1), b"{", RESET)
        ...                                             # speak to provider.url
        assert provider.requests[0].raw == b"GET /v1/models HTTP/1.1\\r\\nHost: ..."

Each request takes the next script; when none is left, `provider.answer(request)` gives the steps.
A step is one of: bytes to send; `Pause`; an `asyncio.Event` to wait for; BODY, the rest of the request;
LEFT, wait until the client is gone; HANG_UP, an orderly close; RESET, an RST. Nothing is read from the
client but by BODY and LEFT.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


class Act(enum.Enum):
    BODY = "read the rest of the request"
    LEFT = "read until the client is gone"
    HANG_UP = "close in good order"
    RESET = "reset the connection"


BODY, LEFT, HANG_UP, RESET = Act.BODY, Act.LEFT, Act.HANG_UP, Act.RESET


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


Step = bytes | Pause | asyncio.Event | Act


@dataclass(slots=True)
class Received:
    """One request as it came: `raw` is head and body with their framing, `body` without it."""

    connection: Connection
    head: bytes = b""
    raw_body: bytearray = field(default_factory=bytearray)
    body: bytearray = field(default_factory=bytearray)
    chunks: list[bytes] = field(default_factory=list)  # of a chunked body, as the chunks came
    is_whole: bool = False

    @property
    def raw(self) -> bytes:
        return self.head + bytes(self.raw_body)

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """Header fields in order, names in their case."""
        lines = self.head.split(b"\r\n")[1:-2]
        return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]

    def get(self, name: bytes) -> bytes | None:
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        return found[0] if found else None


class Connection:
    """One client of the provider: every byte it sent, and how it left."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.received = bytearray()
        self.is_closed = asyncio.Event()  # the client closed, or the connection broke
        self.broke_with: BaseException | None = None

    async def read(self, size: int = 65536) -> bytes:
        data = await self.reader.read(size)
        self.received += data
        return data


class FakeProvider:
    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._tls = tls
        self._host = host
        self._scripts: deque[tuple[Step, ...]] = deque()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[Received] = []
        self.connections: list[Connection] = []
        self.answer: Callable[[Received], Iterable[Step]] = lambda request: (BODY, reply(b"{}"))
        self.port = 0

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://{self._host}:{self.port}"

    def play(self, *steps: Step) -> None:
        """The script of the next request that has none. Without BODY it starts at the request's head."""
        self._scripts.append(steps)

    def play_whole(self, *steps: Step) -> None:
        """The same, once all of the request is there."""
        self.play(BODY, *steps)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._host, self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listening socket and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        for task in list(self._tasks):
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = Connection(reader, writer)
        self.connections.append(connection)
        try:
            await self._answer_requests(connection)
        except (ConnectionError, ssl.SSLError) as error:
            connection.broke_with = error
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            connection.is_closed.set()
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer_requests(self, connection: Connection) -> None:
        waiting = bytearray()
        while True:
            request = Received(connection)
            if not await _read_head(request, waiting):
                return
            self.requests.append(request)
            steps = self._scripts.popleft() if self._scripts else self.answer(request)
            for step in steps:
                if not await self._take(step, request, waiting):
                    return
            if not request.is_whole and not await _read_body(request, waiting):
                return

    async def _take(self, step: Step, request: Received, waiting: bytearray) -> bool:
        """False if the connection is over."""
        writer = request.connection.writer
        match step:
            case bytes():
                writer.write(step)
                await writer.drain()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case asyncio.Event():
                await step.wait()
            case Act.BODY:
                return await _read_body(request, waiting)
            case Act.LEFT:
                while await request.connection.read():
                    pass
                return False
            case Act.HANG_UP:
                return False
            case Act.RESET:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
                return False
        return True


def reply(body: bytes, *fields: tuple[str, str], status: str = "200 OK") -> bytes:
    """A whole response with a length."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def stream_head(*fields: tuple[str, str]) -> bytes:
    """The head of a chunked event stream."""
    head = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"]
    head += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


async def _read_head(request: Received, waiting: bytearray) -> bool:
    while b"\r\n\r\n" not in waiting:
        data = await request.connection.read()
        if not data:
            return False
        waiting += data
    end = waiting.index(b"\r\n\r\n") + 4
    request.head = bytes(waiting[:end])
    del waiting[:end]
    return True


async def _read_body(request: Received, waiting: bytearray) -> bool:
    """Read the rest of the request; False if the client left before its end."""
    if request.is_whole:
        return True
    if (request.get(b"transfer-encoding") or b"").lower().endswith(b"chunked"):
        request.is_whole = await _read_chunks(request, waiting)
    else:
        length = int(request.get(b"content-length") or 0)
        body = await _take_bytes(request, waiting, length)
        request.body += body
        request.is_whole = len(body) == length
    return request.is_whole


async def _read_chunks(request: Received, waiting: bytearray) -> bool:
    while True:
        line = await _take_line(request, waiting)
        if not line:
            return False
        size = int(line.split(b";")[0], 16)
        if size == 0:
            while True:
                trailer = await _take_line(request, waiting)
                if trailer == b"\r\n":
                    return True
                if not trailer:
                    return False
        data = await _take_bytes(request, waiting, size)
        if len(data) < size or not await _take_line(request, waiting):
            return False
        request.chunks.append(data)
        request.body += data


async def _take_line(request: Received, waiting: bytearray) -> bytes:
    while b"\n" not in waiting:
        data = await request.connection.read()
        if not data:
            return b""
        waiting += data
    end = waiting.index(b"\n") + 1
    line = bytes(waiting[:end])
    del waiting[:end]
    request.raw_body += line
    return line


async def _take_bytes(request: Received, waiting: bytearray, size: int) -> bytes:
    taken = bytearray()
    while len(taken) < size:
        if not waiting:
            data = await request.connection.read()
            if not data:
                break
            waiting += data
        piece = waiting[: size - len(taken)]
        del waiting[: len(piece)]
        taken += piece
    request.raw_body += taken
    return bytes(taken)
