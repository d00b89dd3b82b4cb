"""Raw sockets before a running gateway, and what it wrote."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from arc_proxy.gateway.config import GatewayConfig
from arc_proxy.journal.head import (
    End,
    Gap,
    RequestHead,
    ResponseHead,
    decode_end,
    decode_gap,
    decode_request_head,
    decode_response_head,
)
from arc_proxy.journal.reader import JournalReader
from arc_proxy.journal.record import Record, RecordKind

WAIT_S = 10.0


@dataclass
class Call:
    """One exchange as its records tell it."""

    request: RequestHead
    request_body: bytes = b""
    interim: list[ResponseHead] = field(default_factory=list)
    response: ResponseHead | None = None
    response_body: bytes = b""
    response_pieces: list[bytes] = field(default_factory=list)
    trailers: bytes = b""
    gaps: list[Gap] = field(default_factory=list)
    end: End | None = None


class Wire:
    """A raw client: bytes out, bytes in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def until(self, end: bytes) -> bytes:
        """What comes up to and with these bytes."""
        return await asyncio.wait_for(self.reader.readuntil(end), WAIT_S)

    async def exactly(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), WAIT_S)

    async def rest(self) -> bytes:
        """What comes until the connection is closed in good order."""
        return await asyncio.wait_for(self.reader.read(), WAIT_S)

    async def rest_and_error(self) -> tuple[bytes, BaseException | None]:
        """What comes until the connection ends, and how it broke, if it did."""
        got = b""
        while True:
            try:
                data = await asyncio.wait_for(self.reader.read(65536), WAIT_S)
            except ConnectionError as error:
                return got, error
            if not data:
                return got, None
            got += data

    async def silent(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes for a while."""
        try:
            await asyncio.wait_for(self.reader.readexactly(1), seconds)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self.writer.close()


class Gateway:
    """A running gateway, and what it wrote."""

    def __init__(self, config: GatewayConfig, sock: socket.socket) -> None:
        self.config = config
        self.sock = sock
        self.host, self.port = sock.getsockname()[:2]
        self.stop = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.wires: list[Wire] = []

    @property
    def authority(self) -> bytes:
        return f"127.0.0.1:{self.port}".encode()

    async def connect(self, limit: int = 2**20) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port, limit=limit))
        self.wires.append(wire)
        return wire

    async def get(self, path: str, *lines: bytes, method: bytes = b"GET") -> Wire:
        """A new connection on which this request was sent."""
        wire = await self.connect()
        await wire.send(self.request(path, *lines, method=method))
        return wire

    def request(self, path: str, *lines: bytes, method: bytes = b"GET", body: bytes | None = None) -> bytes:
        head = [b"%b %b HTTP/1.1" % (method, path.encode()), b"Host: " + self.authority, *lines]
        if body is not None:
            head.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join(head) + b"\r\n\r\n" + (body or b"")

    async def finish(self) -> None:
        self.stop.set()
        for wire in self.wires:
            wire.close()
        if self.task is not None:
            await asyncio.wait_for(self.task, WAIT_S)

    def records(self) -> list[Record]:
        reader = JournalReader(self.config.journal_dir)
        records = [record for _, record, _, _ in reader.read({}, 1 << 40)]
        assert not reader.problems
        return records

    def calls(self) -> list[Call]:
        """All exchanges in the journal so far, in the order in which they began."""
        calls: dict[bytes, Call] = {}
        for record in self.records():
            content = record.content
            if record.kind is RecordKind.REQUEST_HEAD:
                calls[record.exchange_id] = Call(decode_request_head(content))
            call = calls.get(record.exchange_id)
            if call is None:
                continue
            assert call.end is None, "nothing follows an END"
            match record.kind:
                case RecordKind.REQUEST_BODY:
                    call.request_body += content
                case RecordKind.INTERIM_HEAD:
                    call.interim.append(decode_response_head(content))
                case RecordKind.RESPONSE_HEAD:
                    call.response = decode_response_head(content)
                case RecordKind.RESPONSE_BODY:
                    call.response_body += content
                    call.response_pieces.append(content)
                case RecordKind.TRAILERS:
                    call.trailers += content
                case RecordKind.GAP:
                    call.gaps.append(decode_gap(content))
                case RecordKind.END:
                    call.end = decode_end(content)
        return list(calls.values())

    async def ended(self, count: int = 1) -> list[Call]:
        """The calls, once this many have their END in the journal."""
        for _ in range(500):
            calls = [call for call in self.calls() if call.end is not None]
            if len(calls) >= count:
                return calls
            await asyncio.sleep(0.02)
        raise AssertionError(f"{len(calls)} calls have ended, not {count}")


StartGateway = Callable[..., Awaitable[Gateway]]
