"""Forwarding, byte by byte on both sides of real sockets."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections.abc import Iterator

import pytest
from backports import zstd

from arc_proxy.journal.record import Ended
from tests.fake_provider import (
    BODY,
    HANG_UP,
    LAST_CHUNK,
    LEFT,
    FakeProvider,
    Pause,
    Received,
    Step,
    chunk,
    reply,
    stream_head,
)
from tests.gateway.harness import WAIT_S, Gateway, StartGateway

CALL_ID = re.compile(rb"x-arc-call-id: [0-9a-z]{26}\r\n")


def without_call_id(raw: bytes) -> bytes:
    """A response as the upstream sent it: our own line stands at the end of the head."""
    assert len(CALL_ID.findall(raw)) == 1
    head, _, body = CALL_ID.sub(b"", raw).partition(b"\r\n\r\n")
    assert raw.startswith(head + b"\r\nx-arc-call-id: ")
    return head + b"\r\n\r\n" + body


async def test_a_request_arrives_as_it_was_sent(gateway: Gateway, provider: FakeProvider) -> None:
    wire = await gateway.connect()
    await wire.send(
        b"PATCH /openai/v1/%2e%2e/a%2Fb?x=%20&y HTTP/1.1\r\n"
        b"X-Zebra: 1\r\n"
        b"hOST: " + gateway.authority + b"\r\n"
        b"x-zebra: 2\r\n"
        b"AUTHORIZATION: Bearer sk-x\r\n"
        b"X-Empty:\r\n"
        b"X-Bytes: \xc3\xbc\r\n"
        b"Connection: keep-alive, X-Hop\r\n"
        b"X-Hop: gone\r\n"
        b"Keep-Alive: timeout=5\r\n"
        b"X-Arc-Run-Id: ours\r\n"
        b"content-LENGTH: 3\r\n"
        b"\r\n"
        b"a\x00\xff"
    )
    await wire.until(b"{}")
    assert provider.requests[0].raw == (
        b"PATCH /v1/%2e%2e/a%2Fb?x=%20&y HTTP/1.1\r\n"
        b"X-Zebra: 1\r\n"
        b"hOST: " + provider.url.removeprefix("http://").encode() + b"\r\n"
        b"x-zebra: 2\r\n"
        b"AUTHORIZATION: Bearer sk-x\r\n"
        b"X-Empty: \r\n"
        b"X-Bytes: \xc3\xbc\r\n"
        b"content-LENGTH: 3\r\n"
        b"\r\n"
        b"a\x00\xff"
    )


TARGETS = {
    "a trailing question mark": ("/openai/v1/models?", b"/v1/models?"),
    "an encoded slash": ("/openai/v1/files/a%2Fb", b"/v1/files/a%2Fb"),
    "small hex digits": ("/openai/v1/files/a%2fb", b"/v1/files/a%2fb"),
    "two slashes": ("/openai//v1//x", b"//v1//x"),
    "dots": ("/openai/v1/../x/./y", b"/v1/../x/./y"),
    "a colon": ("/openai/v1/models/a:b", b"/v1/models/a:b"),
    "a bare path": ("/v1/chat/completions", b"/v1/chat/completions"),
    "names in front": ("/run/r/agent/a%20b/openai/v1/x?q", b"/v1/x?q"),
    "a prefix alone": ("/openai", b"/"),
}


@pytest.mark.parametrize(("sent", "arrives"), TARGETS.values(), ids=TARGETS)
async def test_a_target_arrives(gateway: Gateway, provider: FakeProvider, sent: str, arrives: bytes) -> None:
    wire = await gateway.get(sent)
    await wire.until(b"{}")
    assert provider.requests[0].line == b"GET " + arrives + b" HTTP/1.1"


BODIES = {
    "gzip": (b"gzip", gzip.compress(b'{"model":"x"}', mtime=0)),
    "zstd": (b"zstd", zstd.compress(b'{"model":"x"}')),
    "not what it says": (b"gzip", b'{"model":"x"}'),
}


@pytest.mark.parametrize(("encoding", "body"), BODIES.values(), ids=BODIES)
async def test_encoded_bodies_pass_both_ways_as_they_are(
    gateway: Gateway, provider: FakeProvider, encoding: bytes, body: bytes
) -> None:
    answer = reply(body, ("Content-Encoding", encoding.decode()))
    provider.play_whole(answer)
    wire = await gateway.connect()
    await wire.send(
        gateway.request("/openai/v1/x", b"Content-Encoding: " + encoding, method=b"POST", body=body)
    )
    assert without_call_id(await wire.exactly(len(answer) + 43)) == answer
    assert provider.requests[0].body == body
    [call] = await gateway.ended()
    assert (call.request_body, call.response_body) == (body, body)


async def test_a_chunked_request_keeps_its_chunks(gateway: Gateway, provider: FakeProvider) -> None:
    wire = await gateway.get("/openai/v1/x", b"Transfer-Encoding: chunked", method=b"POST")
    await wire.send(chunk(b"one"), chunk(b"t"), chunk(b"wo") + chunk(b"three"))
    await wire.send(b"00A;ext=1\r\n0123456789\r\n")
    await wire.send(b"5\r\nab")
    await asyncio.sleep(0.05)
    await wire.send(b"cde\r\n", LAST_CHUNK)
    await wire.until(b"{}")
    assert provider.requests[0].chunks == [b"one", b"t", b"wo", b"three", b"0123456789", b"abcde"]
    assert provider.requests[0].raw_body.endswith(b"5\r\nabcde\r\n0\r\n\r\n")
    assert provider.requests[0].get(b"transfer-encoding") == b"chunked"
    [call] = await gateway.ended()
    assert call.request_body == b"onetwothree0123456789abcde"


async def test_a_hundred_thousand_chunks_of_a_byte(gateway: Gateway, provider: FakeProvider) -> None:
    wire = await gateway.get("/openai/v1/x", b"Transfer-Encoding: chunked", method=b"POST")
    for _ in range(100):
        await wire.send(chunk(b"x") * 1000)
    await wire.send(LAST_CHUNK)
    await asyncio.wait_for(wire.reader.readuntil(b"{}"), 60)
    assert provider.requests[0].body == b"x" * 100_000
    assert len(provider.requests[0].chunks) == 100_000


async def test_a_chunk_goes_up_before_the_next_is_there(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play(LEFT)
    wire = await gateway.get("/openai/v1/x", b"Transfer-Encoding: chunked", method=b"POST")
    await wire.send(chunk(b"first"))
    for _ in range(100):
        if provider.connections and provider.connections[0].received.endswith(chunk(b"first")):
            break
        await asyncio.sleep(0.02)
    assert provider.connections[0].received.endswith(b"\r\n\r\n" + chunk(b"first"))


async def test_the_upstream_answers_an_expectation(gateway: Gateway, provider: FakeProvider) -> None:
    allowed = asyncio.Event()
    provider.play(allowed, b"HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n", BODY, reply(b"{}"))
    wire = await gateway.get("/openai/v1/x", b"Expect: 100-continue", b"Content-Length: 4", method=b"POST")
    assert await wire.silent()
    assert provider.requests[0].get(b"expect") == b"100-continue"
    allowed.set()
    assert await wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n"
    await wire.send(b"body")
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert provider.requests[0].body == b"body"
    [call] = await gateway.ended()
    assert [head.status for head in call.interim] == [100]


async def test_an_expectation_that_fails(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play(reply(b"{}", ("Connection", "close"), status="417 Expectation Failed"), Pause(0.05))
    provider.answer = lambda request: (b"",)
    wire = await gateway.get("/openai/v1/x", b"Expect: 100-continue", b"Content-Length: 4", method=b"POST")
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 417 ")


RESPONSES = {
    "case, order, duplicates and spaces": (
        b"HTTP/1.1 200 All Fine\r\nx-B:1\r\nX-a:   2\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    ),
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    "bytes beyond ASCII": b"HTTP/1.1 200 \xc3\x9c\r\nX: \xff\r\nContent-Length: 2\r\n\r\n{}",
    "chunk sizes, extensions and trailers": (
        b"HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'002;a=b\r\n{}\r\n1\r\n \r\nA;q="x"\r\n0123456789\r\n000\r\nX-T: yes\r\nx-t: no\r\n\r\n'
    ),
    "an error as it is": (
        b"HTTP/1.1 429 Too Many\r\nretry-after: 7\r\nretry-after-ms: 7000\r\nx-should-retry: true\r\n"
        b'x-ratelimit-remaining-tokens: 0\r\nrequest-id: req_1\r\nContent-Length: 13\r\n\r\n{"error":"x"}'
    ),
    "a redirect is not followed": b"HTTP/1.1 307 R\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n",
    "nothing to say": b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
}


@pytest.mark.parametrize("answer", RESPONSES.values(), ids=RESPONSES)
async def test_a_response_arrives_as_it_was_sent(
    gateway: Gateway, provider: FakeProvider, answer: bytes
) -> None:
    provider.play_whole(answer)
    wire = await gateway.get("/openai/v1/x")
    assert without_call_id(await wire.exactly(len(answer) + 43)) == answer
    assert await wire.silent(0.02)
    # The connection goes on, on both sides.
    await wire.send(gateway.request("/openai/v1/next"))
    await wire.until(b"{}")
    assert len(provider.connections) == 1
    first, _ = await gateway.ended(2)
    assert first.end is not None
    assert first.end.ended is Ended.COMPLETE


async def test_a_response_arrives_however_it_is_cut(gateway: Gateway, provider: FakeProvider) -> None:
    answer = RESPONSES["chunk sizes, extensions and trailers"]
    provider.play_whole(*[answer[i : i + 1] for i in range(len(answer))])
    wire = await gateway.get("/openai/v1/x")
    assert without_call_id(await wire.exactly(len(answer) + 43)) == answer
    [call] = await gateway.ended()
    assert call.response_body == b"{} 0123456789"
    assert call.trailers == b"X-T: yes\r\nx-t: no\r\n"


async def test_early_hints_arrive_first(gateway: Gateway, provider: FakeProvider) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n"
    go_on = asyncio.Event()
    provider.play_whole(hints, go_on, hints + reply(b"{}"))
    wire = await gateway.get("/openai/v1/x")
    assert await wire.exactly(len(hints)) == hints
    go_on.set()
    assert await wire.exactly(len(hints)) == hints
    assert without_call_id(await wire.until(b"{}")) == reply(b"{}")
    [call] = await gateway.ended()
    assert [head.status for head in call.interim] == [103, 103]


async def test_a_body_that_ends_with_the_connection(gateway: Gateway, provider: FakeProvider) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall that there is"
    provider.play_whole(answer, Pause(0.02), b" and more", HANG_UP)
    wire = await gateway.get("/openai/v1/x")
    assert without_call_id(await wire.rest()) == answer + b" and more"
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.response_body) == (Ended.COMPLETE, b"all that there is and more")


async def test_an_old_server(gateway: Gateway, provider: FakeProvider) -> None:
    answer = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    provider.play_whole(answer)
    wire = await gateway.get("/openai/v1/x")
    assert without_call_id(await wire.rest()) == answer


async def test_an_old_client(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play_whole(b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nold", HANG_UP)
    wire = await gateway.connect()
    await wire.send(b"GET /openai/v1/x HTTP/1.0\r\nHost: " + gateway.authority + b"\r\n\r\n")
    assert without_call_id(await wire.rest()) == b"HTTP/1.1 200 OK\r\n\r\nold"
    assert provider.requests[0].line == b"GET /v1/x HTTP/1.0"


async def test_head(gateway: Gateway, provider: FakeProvider) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    provider.play_whole(answer)
    wire = await gateway.get("/openai/v1/models", method=b"HEAD")
    assert without_call_id(await wire.exactly(len(answer) + 43)) == answer
    await wire.send(gateway.request("/openai/v1/x"))
    await wire.until(b"{}")
    assert len(provider.connections) == 1


async def test_close_is_told_both_ways(gateway: Gateway, provider: FakeProvider) -> None:
    answer = reply(b"{}", ("Connection", "close"))
    provider.play_whole(answer)
    wire = await gateway.get("/openai/v1/x", b"Connection: close")
    assert without_call_id(await wire.rest()) == answer
    assert provider.requests[0].get(b"connection") == b"close"


async def test_a_length_beside_chunks_is_not_passed_on(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play_whole(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk(b"{}")
        + LAST_CHUNK
    )
    wire = await gateway.get("/openai/v1/x")
    raw = without_call_id(await wire.rest())
    assert raw == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"{}") + LAST_CHUNK


async def test_bytes_behind_a_response_go_to_nobody(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play_whole(reply(b"{}") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    wire = await gateway.get("/openai/v1/x")
    assert without_call_id(await wire.rest()) == reply(b"{}")


async def test_fields_of_64_kb(gateway: Gateway, provider: FakeProvider) -> None:
    long = b"x" * (64 * 1024 - 10)
    answer = b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 65536 + b"\r\nContent-Length: 0\r\n\r\n"
    provider.play_whole(answer)
    wire = await gateway.get("/openai/v1/x", b"X-Long: " + long)
    assert without_call_id(await wire.exactly(len(answer) + 43)) == answer
    assert provider.requests[0].get(b"x-long") == long


async def test_each_piece_of_a_stream_arrives_before_the_next_is_sent(
    gateway: Gateway, provider: FakeProvider
) -> None:
    gates = [asyncio.Event() for _ in range(5)]
    pieces = [chunk(b"data: %d\n\n" % i) for i in range(5)]
    steps = [step for gate, piece in zip(gates, pieces, strict=True) for step in (gate, piece)]
    provider.play_whole(stream_head(), *steps, LAST_CHUNK)
    wire = await gateway.get("/openai/v1/x")
    await wire.until(b"\r\n\r\n")
    for gate, piece in zip(gates, pieces, strict=True):
        assert await wire.silent(0.01)
        gate.set()
        assert await wire.exactly(len(piece)) == piece
    assert await wire.exactly(len(LAST_CHUNK)) == LAST_CHUNK
    [call] = await gateway.ended()
    assert call.response_pieces == [b"data: %d\n\n" % i for i in range(5)]


async def test_one_connection_of_a_client_is_one_of_the_upstream(
    gateway: Gateway, provider: FakeProvider
) -> None:
    first, second = await gateway.connect(), await gateway.connect()
    for wire in (first, second, first, second):
        await wire.send(gateway.request("/openai/v1/x", method=b"POST", body=b"{}"))
        await wire.until(b"{}")
    assert len(provider.connections) == 2
    first.close()
    await asyncio.wait_for(provider.connections[0].is_closed.wait(), WAIT_S)
    assert not provider.connections[1].is_closed.is_set()


async def test_a_client_may_speak_to_two_upstreams(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    async with FakeProvider() as other:
        gateway = await start_gateway(upstreams={"openai": provider.url, "anthropic": other.url})
        wire = await gateway.connect()
        for path in ("/openai/v1/x", "/v1/messages", "/openai/v1/x", "/anthropic/v1/models"):
            await wire.send(gateway.request(path))
            await wire.until(b"{}")
        assert (len(provider.connections), len(other.connections)) == (1, 1)
        assert [request.line.split()[1] for request in other.requests] == [b"/v1/messages", b"/v1/models"]


async def test_requests_sent_ahead_are_answered_in_order(gateway: Gateway, provider: FakeProvider) -> None:
    def echo(request: Received) -> Iterator[Step]:
        yield BODY
        yield reply(request.line + bytes(request.body))

    provider.answer = echo
    wire = await gateway.connect()
    count = 100
    await wire.send(
        b"".join(gateway.request(f"/openai/v1/{i}", method=b"POST", body=b"<%d>" % i) for i in range(count))
    )
    for i in range(count):
        assert (await wire.until(b"<%d>" % i)).endswith(b"POST /v1/%d HTTP/1.1<%d>" % (i, i))


async def test_an_answer_may_come_before_the_whole_request(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play(reply(b"{}", status="413 Too Large"), BODY)
    wire = await gateway.get("/openai/v1/x", b"Content-Length: 10", method=b"POST")
    await wire.send(b"01234")
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 413 ")
    await wire.send(b"56789")
    [call] = await gateway.ended()
    assert call.request_body == b"0123456789"
    assert call.end is not None
    assert call.end.ended is Ended.COMPLETE


SIZE = 50 * 1024 * 1024
BLOCK = bytes(range(256)) * 256


async def test_50_mb_each_way_wait_where_nobody_takes_them(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    """What is under way at most are the kernel's buffers and a few of ours."""
    gateway = await start_gateway(capture_body_bytes_max=100_000)
    may_read = asyncio.Event()
    blocks = [BLOCK] * (SIZE // len(BLOCK))
    provider.play(may_read, BODY, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE, *blocks)
    wire = await gateway.get("/openai/v1/x", b"Content-Length: %d" % SIZE, method=b"POST")
    sent = 0

    async def upload() -> None:
        nonlocal sent
        for block in blocks:
            await wire.send(block)
            sent += len(block)

    uploading = asyncio.create_task(upload())
    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.2)
    assert sent < SIZE // 2
    may_read.set()
    await asyncio.wait_for(uploading, 60)
    await wire.until(b"\r\n\r\n")
    await asyncio.sleep(0.3)
    assert provider.connections[0].writer.transport.get_write_buffer_size() > 0
    digest, got = hashlib.sha256(), 0
    while got < SIZE:
        piece = await asyncio.wait_for(wire.reader.read(1 << 20), WAIT_S)
        digest.update(piece)
        got += len(piece)
    assert digest.digest() == hashlib.sha256(BLOCK * (SIZE // len(BLOCK))).digest()
    assert hashlib.sha256(provider.requests[0].body).digest() == digest.digest()
    [call] = await gateway.ended()
    assert len(call.request_body) == len(call.response_body) == 100_000
    assert {gap.side: gap.bytes_dropped for gap in call.gaps} == {
        "request": SIZE - 100_000,
        "response": SIZE - 100_000,
    }
