"""`include_usage` before a fake provider, byte by byte on both sides of real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib

import brotli
import pytest
from backports import zstd

from tests.fake_provider import HANG_UP, LAST_CHUNK, FakeProvider, Step, chunk, reply, stream_head
from tests.gateway.harness import Gateway, StartGateway, Wire
from tests.gateway.test_forward import without_call_id

PATH = "/openai/v1/chat/completions"
BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}'
ASKED = BODY[:-1] + b',"stream_options":{"include_usage":true}}'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}\n\n'
TEXT = b'data: {"choices":[{"delta":{"content":"hi"}}],"usage":null}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.fixture
async def asking(start_gateway: StartGateway) -> Gateway:
    return await start_gateway(include_usage=True)


def unchunked(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Head, content and trailers. What one read of the upstream gave is one chunk, however many it was."""
    head, _, body = without_call_id(raw).partition(b"\r\n\r\n")
    content = b""
    while size := int(body.split(b"\r\n", 1)[0], 16):
        body = body.split(b"\r\n", 1)[1]
        content, body = content + body[:size], body[size + 2 :]
    return head + b"\r\n\r\n", content, body


async def send(gateway: Gateway, body: bytes = BODY, *lines: bytes, path: str = PATH) -> Wire:
    wire = await gateway.connect()
    kind = b"Content-Type: application/json"
    await wire.send(gateway.request(path, kind, *lines, method=b"POST", body=body))
    return wire


async def test_a_stream_comes_without_the_usage_that_was_asked_for(
    asking: Gateway, provider: FakeProvider
) -> None:
    provider.play_whole(stream_head(), chunk(TEXT), chunk(USAGE), chunk(DONE), LAST_CHUNK)
    wire = await send(asking)
    assert unchunked(await wire.until(b"0\r\n\r\n")) == (stream_head(), TEXT + DONE, LAST_CHUNK)
    (request,) = provider.requests
    assert bytes(request.body) == ASKED
    host = provider.url.removeprefix("http://").encode()
    assert request.head == (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % (host, len(ASKED))
    )
    (call,) = await asking.ended()
    assert call.request_body == BODY
    assert call.response_body == TEXT + USAGE + DONE


async def test_a_connection_goes_on_and_heads_that_come_again_are_asked_too(
    asking: Gateway, provider: FakeProvider
) -> None:
    wire = await asking.connect()
    for number in range(4):
        body = BODY.replace(b"hi", b"hi" * (number * 50 + 1))
        provider.play_whole(stream_head(), chunk(TEXT + USAGE), chunk(DONE), LAST_CHUNK)
        request = asking.request(PATH, b"Content-Type: application/json", method=b"POST", body=body)
        await wire.send(request[:-10], request[-10:])
        assert unchunked(await wire.until(b"0\r\n\r\n")) == (stream_head(), TEXT + DONE, LAST_CHUNK)
        assert bytes(provider.requests[number].body) == body[:-1] + ASKED[len(BODY) - 1 :]
        assert provider.requests[number].get(b"content-length") == b"%d" % len(provider.requests[number].body)
    assert len(provider.connections) == 1


UNTOUCHED = {
    "usage is declined": (BODY[:-1] + b',"stream_options":{"include_usage":false}}', ()),
    "usage is asked for": (ASKED, ()),
    "no stream": (BODY.replace(b"true", b"false"), ()),
    "no JSON": (BODY[:-1], ()),
    "nothing is kept of the body": (BODY, (b"x-arc-capture: metadata",)),
    "a body that is signed": (BODY, (b"Content-Digest: sha-256=:eA==:",)),
    "a body that is long": (BODY.replace(b"hi", b"h" * 9_000_000), ()),
}


@pytest.mark.parametrize(("body", "lines"), UNTOUCHED.values(), ids=UNTOUCHED)
async def test_what_is_not_ours_to_ask_passes_as_it_is(
    asking: Gateway, provider: FakeProvider, body: bytes, lines: tuple[bytes, ...]
) -> None:
    provider.play_whole(stream_head(), chunk(TEXT + USAGE), chunk(DONE), LAST_CHUNK)
    wire = await send(asking, body, *lines)
    raw = await wire.until(b"0\r\n\r\n")
    assert raw.endswith(chunk(TEXT + USAGE) + chunk(DONE) + LAST_CHUNK)
    assert bytes(provider.requests[0].body) == body


async def test_without_the_setting_nothing_is_asked(gateway: Gateway, provider: FakeProvider) -> None:
    provider.play_whole(stream_head(), chunk(TEXT + USAGE), LAST_CHUNK)
    await (await send(gateway)).until(b"0\r\n\r\n")
    assert bytes(provider.requests[0].body) == BODY


REFUSALS: dict[str, tuple[Step, ...]] = {
    "on a connection that stays": (reply(b'{"detail":"extra"}', status="422 Unprocessable"),),
    "in pieces": (b"HTTP/1.1 400 Bad", b" Request\r\nContent-Le", b"ngth: 2\r\n\r\n", b"{", b"}"),
    "in chunks": (b"HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"{}"), LAST_CHUNK),
    "on a connection that closes": (
        *(reply(b"{}", ("Connection", "close"), status="400 Bad Request"), HANG_UP),
    ),
    "that ends with its connection": (b"HTTP/1.1 400 Bad Request\r\n\r\n{}", HANG_UP),
    "that breaks off": (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\n{}", HANG_UP),
}


@pytest.mark.parametrize("steps", REFUSALS.values(), ids=REFUSALS)
async def test_an_upstream_that_refuses_gets_what_the_client_sent_and_is_asked_no_more(
    asking: Gateway, provider: FakeProvider, steps: tuple[Step, ...]
) -> None:
    provider.play_whole(*steps)
    answer = stream_head() + chunk(TEXT) + LAST_CHUNK
    for _ in range(2):
        provider.play_whole(answer)
        wire = await send(asking)
        assert without_call_id(await wire.until(b"0\r\n\r\n")) == answer
    assert [bytes(request.body) for request in provider.requests] == [ASKED, BODY, BODY]
    calls = await asking.ended(2)
    assert [call.response.status for call in calls if call.response] == [200, 200]


async def test_a_mistake_of_the_clients_is_answered_and_the_next_is_asked(
    asking: Gateway, provider: FakeProvider
) -> None:
    refusal = reply(b'{"error":{"message":"no such model"}}', status="400 Bad Request")
    for _ in range(2):
        provider.play_whole(refusal)
        provider.play_whole(refusal)
        wire = await send(asking)
        assert without_call_id(await wire.until(b"}}")) == refusal
    assert [bytes(request.body) for request in provider.requests] == [ASKED, BODY] * 2


@pytest.mark.parametrize("status", ["401 Unauthorized", "429 Too Many Requests", "500 Oops"])
async def test_other_errors_pass_as_they_are(asking: Gateway, provider: FakeProvider, status: str) -> None:
    answer = reply(b"{}", ("Retry-After", "1"), status=status)
    provider.play_whole(answer)
    assert without_call_id(await (await send(asking)).until(b"{}")) == answer
    assert len(provider.requests) == 1


async def test_a_stream_with_a_length_ends_with_its_connection(
    asking: Gateway, provider: FakeProvider
) -> None:
    provider.play_whole(reply(TEXT + USAGE + DONE).replace(b"application/json", b"text/event-stream"))
    head, _, body = without_call_id(await (await send(asking)).rest()).partition(b"\r\n\r\n")
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream"
    assert body == TEXT + DONE


async def test_a_stream_until_the_close(asking: Gateway, provider: FakeProvider) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    provider.play_whole(head + TEXT + USAGE + TEXT[:20], HANG_UP)
    assert without_call_id(await (await send(asking)).rest()) == head + TEXT + TEXT[:20]


async def test_what_had_come_of_a_stream_that_breaks_is_delivered(
    asking: Gateway, provider: FakeProvider
) -> None:
    provider.play_whole(stream_head(), chunk(TEXT + TEXT[:20]), HANG_UP)
    got, _ = await (await send(asking)).rest_and_error()
    assert without_call_id(got) == stream_head() + chunk(TEXT) + chunk(TEXT[:20])


async def test_trailers_and_events_over_several_chunks_pass(asking: Gateway, provider: FakeProvider) -> None:
    end = b"0\r\nX-Sum: 1\r\n\r\n"
    provider.play_whole(stream_head(), chunk(TEXT + USAGE[:9]), chunk(USAGE[9:] + DONE), end)
    got = await (await send(asking)).until(b"X-Sum: 1\r\n\r\n")
    assert unchunked(got) == (stream_head(), TEXT + DONE, end)


async def test_an_answer_that_is_no_stream_passes_as_it_is(asking: Gateway, provider: FakeProvider) -> None:
    answer = reply(b'{"choices":[],"usage":{"prompt_tokens":1}}')
    provider.play_whole(answer)
    assert without_call_id(await (await send(asking)).until(b"}}")) == answer


CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("coding", CODINGS)
async def test_an_encoded_stream_is_decoded_once_and_then_left_alone(
    asking: Gateway, provider: FakeProvider, coding: str
) -> None:
    coded = CODINGS[coding](TEXT + USAGE + DONE)
    answer = (stream_head(("Content-Encoding", coding)), chunk(coded), LAST_CHUNK)
    provider.play_whole(*answer)
    provider.play_whole(*answer)
    head, _, body = without_call_id(await (await send(asking)).until(b"0\r\n\r\n")).partition(b"\r\n\r\n")
    assert b"encoding: " + coding.encode() not in head.lower()
    assert body == chunk(TEXT + DONE) + LAST_CHUNK
    assert without_call_id(await (await send(asking)).until(b"0\r\n\r\n")) == b"".join(answer)
    assert [bytes(request.body) for request in provider.requests] == [ASKED, BODY]
    assert (await asking.ended(2))[0].response_body == coded


async def test_a_stream_that_is_not_encoded_as_it_says_breaks_off(
    asking: Gateway, provider: FakeProvider
) -> None:
    provider.play_whole(stream_head(("Content-Encoding", "gzip")), chunk(TEXT), LAST_CHUNK)
    await (await send(asking)).rest_and_error()
    (call,) = await asking.ended()
    assert call.end is not None
    assert "not encoded as it says" in call.end.detail


async def test_a_client_that_leaves_in_the_middle_of_its_request(
    asking: Gateway, provider: FakeProvider
) -> None:
    wire = await asking.connect()
    request = asking.request(PATH, b"Content-Type: application/json", method=b"POST", body=BODY)
    await wire.send(request[:-5])
    await asyncio.sleep(0.05)
    wire.close()
    (call,) = await asking.ended()
    assert call.request_body == BODY[:-5]
    assert provider.requests == []


async def test_the_openai_sdk_sees_no_chunk_without_choices(asking: Gateway, provider: FakeProvider) -> None:
    import openai

    text = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "usage": None}
    words = [text | {"choices": [{"index": 0, "delta": {"content": word}}]} for word in ("a", "b")]
    usage = text | {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
    events = [b"data: %b\n\n" % json.dumps(event).encode() for event in (*words, usage)]
    provider.play_whole(stream_head(), *map(chunk, events), chunk(DONE), LAST_CHUNK)
    url = f"http://127.0.0.1:{asking.port}/openai/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="sk-none") as client:
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        assert [event.choices[0].delta.content async for event in stream] == ["a", "b"]
    assert json.loads(provider.requests[0].body)["stream_options"] == {"include_usage": True}
