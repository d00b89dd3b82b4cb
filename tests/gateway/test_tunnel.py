"""A WebSocket through the gateway, byte for byte, between a raw client and a raw server."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from arc_proxy.journal.head import ResponseHead, decode_end, decode_gap, decode_response_head
from arc_proxy.journal.record import Ended, RecordKind
from tests.fake_provider import FakeProvider, reply
from tests.gateway.harness import WAIT_S, Gateway, StartGateway, Wire
from tests.gateway.test_dial import AUTHORITY, TLS

UPGRADE = (
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
)
AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nx-request-id: req_1\r\n\r\n"
)


class RawServer:
    """Reads a head, and leaves the rest to the test."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._waiting: asyncio.Queue[Wire] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self.wires: list[Wire] = []

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._scheme = "http" if tls is None else "https"
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0, limit=2**20, ssl=tls)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"{self._scheme}://localhost:{self._server.sockets[0].getsockname()[1]}"

    async def accept(self) -> Wire:
        return await asyncio.wait_for(self._waiting.get(), WAIT_S)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for wire in self.wires:
            wire.writer.transport.abort()
        await asyncio.sleep(0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self.wires.append(wire)
        with contextlib.suppress(asyncio.IncompleteReadError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            self._waiting.put_nowait(wire)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    server = RawServer()
    await server.start()
    yield server
    await server.stop()


@dataclass
class Open:
    gateway: Gateway
    client: Wire
    server: Wire
    head: bytes  # the 101 as the client got it

    def close(self) -> None:
        self.client.close()
        self.server.close()


async def open_socket(
    start_gateway: StartGateway,
    server: RawServer,
    *lines: bytes,
    path: str = "/openai/v1/realtime",
    **changes: object,
) -> Open:
    gateway = await start_gateway(upstreams={"openai": server.url}, **changes)
    client = await gateway.get(path, *UPGRADE, *lines)
    upstream = await server.accept()
    await upstream.send(AGREED)
    return Open(gateway, client, upstream, await client.until(b"\r\n\r\n"))


async def recorded(gateway: Gateway, *, ends: bool = True) -> tuple[bytes, bytes, Ended | None]:
    """What the journal has of both directions, and how it ended."""
    for _ in range(500):
        sides = {RecordKind.TUNNEL_UP: b"", RecordKind.TUNNEL_DOWN: b""}
        ended = None
        for record in gateway.records():
            if record.kind in sides:
                sides[record.kind] += record.content
            elif record.kind is RecordKind.END:
                ended = decode_end(record.content).ended
        if ended is not None or not ends:
            return sides[RecordKind.TUNNEL_UP], sides[RecordKind.TUNNEL_DOWN], ended
        await asyncio.sleep(0.02)
    raise AssertionError("it has no END")


async def test_the_handshake_passes_as_it_came(start_gateway: StartGateway, server: RawServer) -> None:
    """All of it but our own names, and a credential stays out of the journal."""
    key = b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-canary-0123456789"
    opened = await open_socket(
        start_gateway, server, key, b"x-arc-run-id: r1", path="/openai/v1/realtime?model=m"
    )
    line, *fields = server.heads[0].rstrip().split(b"\r\n")
    assert line == b"GET /v1/realtime?model=m HTTP/1.1"
    assert fields[1:] == [*UPGRADE, key]
    status, *answered = opened.head.rstrip().split(b"\r\n")
    assert status == b"HTTP/1.1 101 Switching Protocols"
    names = [field.partition(b":")[0] for field in answered]
    assert names == [
        *(b"upgrade", b"Connection", b"Sec-WebSocket-Accept", b"x-request-id"),
        *(b"x-arc-call-id", b"x-arc-run-id"),
    ]
    content = b"".join(record.content for record in opened.gateway.records())
    assert b"sk-canary" not in content
    assert b"openai-insecure-api-key.cut-" in content


async def test_every_byte_passes_both_ways_and_is_kept(
    start_gateway: StartGateway, server: RawServer
) -> None:
    opened = await open_socket(start_gateway, server)
    chance = random.Random(7)
    sent = {"up": b"", "down": b""}
    for _ in range(300):
        direction = chance.choice(("up", "down"))
        piece = chance.randbytes(chance.choice((1, 2, 7, 125, 126, 1000, 65_536)))
        source, sink = opened.client, opened.server
        if direction == "down":
            source, sink = sink, source
        await source.send(piece)
        assert await sink.exactly(len(piece)) == piece  # at once, though nothing follows
        sent[direction] += piece
    opened.close()
    up, down, _ = await recorded(opened.gateway)
    assert (up, down) == (sent["up"], sent["down"])


async def test_what_one_read_returned_is_one_write(start_gateway: StartGateway, server: RawServer) -> None:
    opened = await open_socket(start_gateway, server)
    for source, sink in ((opened.server, opened.client), (opened.client, opened.server)):
        for number in range(50):
            piece = b"%04d" % number
            await source.send(piece)
            assert await asyncio.wait_for(sink.reader.read(100), WAIT_S) == piece
    opened.close()
    await recorded(opened.gateway)
    downs = [each.content for each in opened.gateway.records() if each.kind is RecordKind.TUNNEL_DOWN]
    assert downs == [b"%04d" % number for number in range(50)]


async def test_frames_beside_the_head_are_passed_with_it(
    start_gateway: StartGateway, server: RawServer
) -> None:
    """A server greets at once; a client may speak before it knows that it may."""
    gateway = await start_gateway(upstreams={"openai": server.url})
    client = await gateway.connect()
    await client.send(gateway.request("/openai/v1/realtime", *UPGRADE) + b"early")
    upstream = await server.accept()
    await upstream.send(AGREED + b"welcome")
    assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    assert await client.exactly(7) == b"welcome"
    assert await upstream.exactly(5) == b"early"
    client.close()
    upstream.close()
    assert (await recorded(gateway))[:2] == (b"early", b"welcome")


async def test_a_refused_handshake_is_an_ordinary_response(gateway: Gateway, provider: FakeProvider) -> None:
    """What stood behind the request is never sent on: the upstream would take it for another request."""
    provider.play_whole(reply(b'{"error":{"message":"no"}}', status="401 Unauthorized"))
    wire = await gateway.connect()
    hidden = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    await wire.send(gateway.request("/openai/v1/realtime", *UPGRADE) + hidden)
    raw = await wire.rest()
    assert raw.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert raw.endswith(b'{"error":{"message":"no"}}')
    [call] = await gateway.ended()
    assert call.response is not None
    assert call.end is not None
    assert (call.response.status, call.end.ended) == (401, Ended.COMPLETE)
    assert len(provider.requests) == 1


async def test_a_page_of_ours_is_no_websocket(gateway: Gateway) -> None:
    """What follows such a request is not read as HTTP any more, so the connection ends with the answer."""
    wire = await gateway.connect()
    await wire.send(gateway.request("/_arc/health", *UPGRADE) + b"frames")
    raw = await wire.rest()
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert raw.endswith(b"}")


@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_an_upgrade_with_a_body_is_refused(
    gateway: Gateway, provider: FakeProvider, method: bytes
) -> None:
    wire = await gateway.connect()
    await wire.send(gateway.request("/openai/v1/responses", *UPGRADE, method=method, body=b"{}"))
    assert (await wire.rest()).startswith(b"HTTP/1.1 400 ")
    assert provider.connections == []


async def test_each_side_may_end_first_and_still_listen(
    start_gateway: StartGateway, server: RawServer
) -> None:
    for first, second in (("client", "server"), ("server", "client")):
        opened = await open_socket(start_gateway, server)
        ends = {"client": opened.client, "server": opened.server}
        await ends[first].send(b"goodbye")
        ends[first].writer.write_eof()
        assert await ends[second].rest() == b"goodbye"
        await ends[second].send(b"and to you")
        ends[second].close()
        assert await ends[first].rest() == b"and to you"
        assert (await recorded(opened.gateway))[2] is Ended.COMPLETE


async def test_a_client_that_closes_is_gone_for_the_upstream(
    start_gateway: StartGateway, server: RawServer
) -> None:
    opened = await open_socket(start_gateway, server)
    await opened.client.send(b"x" * 100_000)
    opened.client.close()
    assert len(await opened.server.rest()) == 100_000
    opened.server.close()
    await recorded(opened.gateway)


def reset(wire: Wire) -> None:
    linger = struct.pack("ii", 1, 0)
    wire.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    wire.writer.transport.abort()


async def test_a_reset_by_either_side_is_a_reset_for_the_other(
    start_gateway: StartGateway, server: RawServer
) -> None:
    opened = await open_socket(start_gateway, server)
    await opened.server.send(b"last words")
    assert await opened.client.exactly(10) == b"last words"
    reset(opened.server)
    assert isinstance((await opened.client.rest_and_error())[1], ConnectionResetError)
    assert (await recorded(opened.gateway))[2] is Ended.TRUNCATED

    opened = await open_socket(start_gateway, server)
    reset(opened.client)
    assert isinstance((await opened.server.rest_and_error())[1], ConnectionResetError)
    assert (await recorded(opened.gateway))[2] is Ended.CLIENT_CLOSED


async def test_a_side_that_does_not_read_holds_the_other_back(
    start_gateway: StartGateway, server: RawServer
) -> None:
    """And all of it arrives once it reads."""
    opened = await open_socket(start_gateway, server)
    total = 32 * 1024 * 1024
    for source, sink in ((opened.client, opened.server), (opened.server, opened.client)):
        sending = asyncio.create_task(source.send(*([b"z" * 65_536] * (total // 65_536))))
        done, _ = await asyncio.wait({sending}, timeout=0.5)
        assert not done
        got = 0
        while got < total:
            got += len(await asyncio.wait_for(sink.reader.read(1 << 20), WAIT_S))
        await sending


async def test_a_quiet_socket_outlives_the_idle_timeout(
    start_gateway: StartGateway, server: RawServer
) -> None:
    opened = await open_socket(start_gateway, server, idle_timeout_s=0.2)
    await asyncio.sleep(0.7)
    await opened.client.send(b"still here")
    assert await opened.server.exactly(10) == b"still here"
    opened.client.writer.write_eof()  # from here on it counts: nobody says goodbye
    assert await opened.server.rest() == b""
    assert await opened.client.rest() == b""
    assert (await recorded(opened.gateway))[2] is Ended.TRUNCATED


async def test_an_upstream_with_tls(start_gateway: StartGateway) -> None:
    """It has no half to close: the end of one side is the end of both."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "localhost.pem")
    server = RawServer()
    await server.start(context)
    for first in ("client", "server"):
        opened = await open_socket(start_gateway, server, ca_bundle=AUTHORITY)
        for source, sink in ((opened.client, opened.server), (opened.server, opened.client)):
            await source.send(b"x" * 300_000)
            assert await sink.exactly(300_000) == b"x" * 300_000
        source, sink = opened.client, opened.server
        if first == "server":
            source, sink = sink, source
        await source.send(b"goodbye")
        source.close()
        assert await sink.rest() == b"goodbye"
        assert (await recorded(opened.gateway))[2] in (Ended.COMPLETE, Ended.CLIENT_CLOSED)
    await server.stop()


async def test_what_is_over_the_ceiling_passes_and_is_counted(
    start_gateway: StartGateway, server: RawServer
) -> None:
    opened = await open_socket(start_gateway, server, capture_body_bytes_max=1000)
    await opened.server.send(b"a" * 1500)
    assert await opened.client.exactly(1500) == b"a" * 1500
    opened.close()
    _, down, _ = await recorded(opened.gateway)
    assert down == b"a" * 1000
    [gap] = [decode_gap(each.content) for each in opened.gateway.records() if each.kind is RecordKind.GAP]
    assert (gap.side, gap.bytes_dropped) == ("response", 500)


async def test_a_credential_that_comes_back_is_overwritten_in_the_journal(
    start_gateway: StartGateway, server: RawServer
) -> None:
    opened = await open_socket(start_gateway, server, b"Authorization: Bearer sk-canary-0123456789abcdef")
    said = b'{"error":"Incorrect API key provided: sk-canary-0123456789abcdef."}'
    await opened.server.send(said)
    assert await opened.client.exactly(len(said)) == said
    opened.close()
    _, down, _ = await recorded(opened.gateway)
    assert len(down) == len(said)
    assert b"sk-canary" not in down


async def test_a_stop_waits_and_then_cuts_it_off(start_gateway: StartGateway, server: RawServer) -> None:
    opened = await open_socket(start_gateway, server, drain_s=0.3)
    opened.gateway.stop.set()
    await opened.client.send(b"x")
    assert await opened.server.exactly(1) == b"x"
    assert (await opened.client.rest_and_error())[0] == b""
    assert (await opened.server.rest_and_error())[0] == b""
    assert (await recorded(opened.gateway, ends=False))[2] is None  # so that the reader sees who broke it off


async def test_the_101_is_kept_with_its_fields(start_gateway: StartGateway, server: RawServer) -> None:
    opened = await open_socket(start_gateway, server)
    [head] = [
        decode_response_head(each.content)
        for each in opened.gateway.records()
        if each.kind is RecordKind.RESPONSE_HEAD
    ]
    assert isinstance(head, ResponseHead)
    assert (head.status, head.origin) == (101, "upstream")
    assert (b"x-request-id", b"req_1") in head.headers


async def test_a_full_disk_does_not_stop_it(start_gateway: StartGateway, server: RawServer) -> None:
    """The journal's folder cannot even be made."""
    opened = await open_socket(start_gateway, server, journal_dir="/proc/nowhere/journal")
    for number in range(20):
        await opened.client.send(b"%02d" % number)
        assert await opened.server.exactly(2) == b"%02d" % number
        await opened.server.send(b"%02d" % number)
        assert await opened.client.exactly(2) == b"%02d" % number
