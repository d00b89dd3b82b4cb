"""How connections end: early, in the middle, in silence; and what each side and the journal see of it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from arc_proxy.journal.record import Ended
from tests.fake_provider import (
    BODY,
    HANG_UP,
    LAST_CHUNK,
    LEFT,
    RESET,
    FakeProvider,
    Pause,
    chunk,
    reply,
    stream_head,
)
from tests.gateway.harness import WAIT_S, Gateway, StartGateway

LENGTH_10 = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\n"

CUTS = {
    "chunks, closed": (stream_head() + chunk(b"data: 1\n\n"), HANG_UP, b"data: 1\n\n"),
    "chunks, closed in a chunk": (stream_head() + b"9\r\ndata", HANG_UP, b"data"),
    "chunks, closed before the last line": (stream_head() + chunk(b"d") + b"0\r\n", HANG_UP, b"d"),
    "chunks, reset": (stream_head() + chunk(b"data: 1\n\n"), RESET, b"data: 1\n\n"),
    "a length, closed": (LENGTH_10 + b"01234", HANG_UP, b"01234"),
    "a length, reset": (LENGTH_10 + b"01234", RESET, b"01234"),
    "until the end, reset": (TO_THE_END + b"01234", RESET, b"01234"),
    "only a head, closed": (LENGTH_10, HANG_UP, b""),
}


@pytest.mark.parametrize(("answer", "how", "body"), CUTS.values(), ids=CUTS)
async def test_a_response_that_breaks_off(
    gateway: Gateway, provider: FakeProvider, answer: bytes, how: object, body: bytes
) -> None:
    assert how in (HANG_UP, RESET)
    provider.play_whole(answer, Pause(0.05), HANG_UP if how is HANG_UP else RESET)
    wire = await gateway.get("/openai/v1/x")
    got, error = await wire.rest_and_error()
    # The head has grown by our own line, the body is what there was, and nothing stands behind it.
    assert got.partition(b"\r\n\r\n")[2] == answer.partition(b"\r\n\r\n")[2]
    assert isinstance(error, ConnectionResetError) is (how is RESET)
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.response_body) == (Ended.TRUNCATED, body)


async def test_a_reset_comes_after_what_had_arrived(gateway: Gateway, provider: FakeProvider) -> None:
    """Even if the client has not read it yet."""
    size = 3_000_000
    provider.play_whole(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (size + 1), b"x" * size, Pause(0.3), RESET
    )
    reader_socket = socket.socket()
    reader_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    reader_socket.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(reader_socket, ("127.0.0.1", gateway.port))
    await loop.sock_sendall(reader_socket, gateway.request("/openai/v1/x"))
    got = bytearray()
    with pytest.raises(ConnectionResetError):
        await read_slowly(reader_socket, got)
    reader_socket.close()
    assert len(got.partition(b"\r\n\r\n")[2]) == size


async def read_slowly(reader_socket: socket.socket, got: bytearray) -> None:
    loop = asyncio.get_running_loop()
    while data := await asyncio.wait_for(loop.sock_recv(reader_socket, 20_000), WAIT_S):
        got += data
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("how", [HANG_UP, RESET])
@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 20"])
async def test_an_upstream_that_ends_before_its_answer(
    gateway: Gateway, provider: FakeProvider, how: object, beginning: bytes
) -> None:
    """As without us: the connection ends without an answer, and the client's own retry decides."""
    provider.play_whole(beginning, Pause(0.05), HANG_UP if how is HANG_UP else RESET)
    wire = await gateway.connect()
    await wire.send(gateway.request("/openai/v1/x", method=b"POST", body=b"{}"))
    got, error = await wire.rest_and_error()
    assert got == b""
    assert isinstance(error, ConnectionResetError) is (how is RESET)
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.response, call.request_body) == (Ended.UPSTREAM_ERROR, None, b"{}")


async def test_an_upstream_that_closes_an_idle_connection(gateway: Gateway, provider: FakeProvider) -> None:
    """The client's connection closes too, so that it does not write a request into the void."""
    provider.play_whole(reply(b"{}"), Pause(0.05), HANG_UP)
    wire = await gateway.get("/openai/v1/x")
    await wire.until(b"{}")
    assert await wire.rest() == b""
    again = await gateway.get("/openai/v1/x")
    await again.until(b"{}")
    assert len(provider.connections) == 2


async def test_an_upstream_that_closes_as_the_next_request_comes(
    gateway: Gateway, provider: FakeProvider
) -> None:
    provider.play_whole(reply(b"{}"))
    provider.play(HANG_UP)
    wire = await gateway.get("/openai/v1/x")
    await wire.until(b"{}")
    await wire.send(gateway.request("/openai/v1/x"))
    got, _ = await wire.rest_and_error()
    assert got == b""
    _, second = await gateway.ended(2)
    assert second.end is not None
    assert second.end.ended is Ended.UPSTREAM_ERROR


async def test_an_upstream_that_closed_meanwhile_is_dialled_again(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    async with FakeProvider() as other:
        gateway = await start_gateway(upstreams={"openai": provider.url, "groq": other.url})
        wire = await gateway.connect()
        provider.play_whole(reply(b"{}"), Pause(0.1), HANG_UP)
        for path in ("/openai/v1/x", "/groq/v1/x"):
            await wire.send(gateway.request(path))
            await wire.until(b"{}")
        await asyncio.wait_for(provider.connections[0].is_closed.wait(), WAIT_S)
        await asyncio.sleep(0.1)  # for the gateway to see it too
        await wire.send(gateway.request("/openai/v1/x"))
        await wire.until(b"{}")
        assert len(provider.connections) == 2


NO_RESPONSES = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a contradiction": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "a line without a name": b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
}


@pytest.mark.parametrize("answer", NO_RESPONSES.values(), ids=NO_RESPONSES)
async def test_what_is_no_response_is_a_502(gateway: Gateway, provider: FakeProvider, answer: bytes) -> None:
    provider.play_whole(answer, LEFT)
    wire = await gateway.get("/openai/v1/x")
    raw = await wire.until(b"}}")
    assert raw.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b'"code": "upstream_protocol"' in raw
    [call] = await gateway.ended()
    assert call.end is not None
    assert call.end.ended is Ended.UPSTREAM_ERROR
    await asyncio.wait_for(provider.connections[0].is_closed.wait(), WAIT_S)


async def test_broken_chunks_reach_the_client_as_they_are(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play_whole(stream_head() + chunk(b"one"), Pause(0.05), b"nonsense\r\nthree", LEFT)
    wire = await gateway.get("/openai/v1/x")
    got, _ = await wire.rest_and_error()
    assert got.endswith(b"\r\n\r\n" + chunk(b"one") + b"nonsense\r\nthree")
    [call] = await gateway.ended()
    assert call.end is not None
    assert call.end.ended is Ended.TRUNCATED


@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_client_that_leaves_in_silence(
    gateway: Gateway, provider: FakeProvider, is_reset: bool
) -> None:
    provider.play(BODY, LEFT)
    wire = await gateway.get("/openai/v1/x")
    while not provider.requests:
        await asyncio.sleep(0.01)
    await leave(wire.writer, is_reset=is_reset)
    await asyncio.wait_for(provider.connections[0].is_closed.wait(), WAIT_S)
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.response) == (Ended.CLIENT_CLOSED, None)


async def leave(writer: asyncio.StreamWriter, *, is_reset: bool = False) -> None:
    if is_reset:
        linger = b"\x01\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    await asyncio.sleep(0)


async def test_a_client_that_leaves_in_the_middle(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play_whole(stream_head() + chunk(b"one") + chunk(b"two"), LEFT)
    wire = await gateway.get("/openai/v1/x")
    await wire.until(chunk(b"two"))
    await leave(wire.writer)
    await asyncio.wait_for(provider.connections[0].is_closed.wait(), WAIT_S)
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.response_body) == (Ended.CLIENT_CLOSED, b"onetwo")


async def test_a_client_that_leaves_in_its_own_request(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play(LEFT)
    wire = await gateway.get("/openai/v1/x", b"Content-Length: 10", method=b"POST")
    await wire.send(b"01234")
    while not provider.connections or not provider.connections[0].received.endswith(b"01234"):
        await asyncio.sleep(0.01)
    await leave(wire.writer)
    await asyncio.wait_for(provider.connections[0].is_closed.wait(), WAIT_S)
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.request_body) == (Ended.CLIENT_CLOSED, b"01234")


async def test_drained_the_upstream_is_read_to_its_end(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    gateway = await start_gateway(on_client_close="drain")
    go_on = asyncio.Event()
    provider.play_whole(stream_head() + chunk(b"one"), go_on, chunk(b"usage"), LAST_CHUNK, LEFT)
    wire = await gateway.get("/openai/v1/x")
    await wire.until(chunk(b"one"))
    await leave(wire.writer)
    await asyncio.sleep(0.1)
    assert not provider.connections[0].is_closed.is_set()
    go_on.set()
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.response_body) == (Ended.CLIENT_CLOSED, b"oneusage")
    await asyncio.wait_for(provider.connections[0].is_closed.wait(), WAIT_S)


async def test_drained_an_upstream_that_breaks_off(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    gateway = await start_gateway(on_client_close="drain")
    provider.play_whole(stream_head() + chunk(b"one"), Pause(0.2), RESET)
    wire = await gateway.get("/openai/v1/x")
    await wire.until(chunk(b"one"))
    await leave(wire.writer)
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.response_body) == (Ended.CLIENT_CLOSED, b"one")


async def test_silence_before_the_answer_ends_in_a_502(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    gateway = await start_gateway(idle_timeout_s=0.2)
    provider.play(BODY, LEFT)
    wire = await gateway.get("/openai/v1/x")
    raw = await wire.until(b"}}")
    assert raw.startswith(b"HTTP/1.1 502 ")
    assert b'"upstream_timeout"' in raw
    await asyncio.wait_for(provider.connections[0].is_closed.wait(), WAIT_S)
    [call] = await gateway.ended()
    assert call.end is not None
    assert call.end.ended is Ended.UPSTREAM_ERROR


async def test_silence_in_the_middle_breaks_off(start_gateway: StartGateway, provider: FakeProvider) -> None:
    gateway = await start_gateway(idle_timeout_s=0.2)
    provider.play_whole(stream_head() + chunk(b"one"), LEFT)
    wire = await gateway.get("/openai/v1/x")
    assert (await wire.rest()).endswith(chunk(b"one"))
    [call] = await gateway.ended()
    assert call.end is not None
    assert call.end.ended is Ended.TRUNCATED


async def test_a_stream_that_moves_is_not_silent(start_gateway: StartGateway, provider: FakeProvider) -> None:
    gateway = await start_gateway(idle_timeout_s=0.3)
    steps = [step for i in range(8) for step in (Pause(0.1), chunk(b"%d" % i))]
    provider.play_whole(stream_head(), *steps, LAST_CHUNK)
    wire = await gateway.get("/openai/v1/x")
    assert (await wire.until(b"0\r\n\r\n")).count(b"\r\n") > 8
    [call] = await gateway.ended()
    assert call.response_body == b"01234567"


async def test_a_connection_that_asks_nothing_is_closed(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(idle_timeout_s=0.2)
    wire = await gateway.connect()
    await wire.send(b"GET /openai/v1/x HTTP/1.1\r\nHost: loc")
    assert await wire.rest() == b""
    assert gateway.calls() == []


async def test_stopping_lets_streams_end(start_gateway: StartGateway, provider: FakeProvider) -> None:
    gateway = await start_gateway(drain_s=WAIT_S)
    go_on = asyncio.Event()
    provider.play_whole(stream_head() + chunk(b"one"), go_on, chunk(b"two") + LAST_CHUNK)
    wire, idle = await gateway.get("/openai/v1/x"), await gateway.connect()
    await wire.until(chunk(b"one"))
    gateway.stop.set()
    assert await idle.rest() == b""
    with pytest.raises(ConnectionError):
        await gateway.connect()
    go_on.set()
    assert await wire.rest() == chunk(b"two") + LAST_CHUNK
    assert gateway.task is not None
    await asyncio.wait_for(gateway.task, WAIT_S)
    [call] = gateway.calls()
    assert call.end is not None
    assert call.end.ended is Ended.COMPLETE


async def test_stopping_does_not_wait_for_ever(start_gateway: StartGateway, provider: FakeProvider) -> None:
    gateway = await start_gateway(drain_s=0.2)
    provider.play_whole(stream_head() + chunk(b"one"), LEFT)
    wire = await gateway.get("/openai/v1/x")
    await wire.until(chunk(b"one"))
    gateway.stop.set()
    assert await wire.rest() == b""
    assert gateway.task is not None
    await asyncio.wait_for(gateway.task, WAIT_S)
    [call] = gateway.calls()
    assert (call.response_body, call.end) == (b"one", None)
