"""A key, wherever it can stand, is found nowhere in what we keep or print."""

from __future__ import annotations

import base64
import gzip
import logging
import os
import zlib
from pathlib import Path

import brotli
import pytest
from backports import zstd

from arc_proxy.journal.record import Ended
from tests.fake_provider import BODY, HANG_UP, LAST_CHUNK, FakeProvider, Pause, chunk, reply, stream_head
from tests.gateway.harness import Gateway, StartGateway

KEY = b"sk-canary-4f1e9a7c2b8d6035e1"


def everything_kept(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> bytes:
    folder = gateway.config.journal_dir.parent
    kept = [caplog.text.encode()]
    for name, _, files in os.walk(folder):
        kept += [(Path(name) / file).read_bytes() for file in files]
    assert len(b"".join(kept)) > 500
    return b"".join(kept)


PLACES = {
    "a bearer": ("/openai/v1/x", b"Authorization: Bearer " + KEY),
    "no scheme": ("/openai/v1/x", b"AUTHORIZATION: " + KEY),
    "x-api-key": ("/openai/v1/x", b"X-Api-Key: " + KEY),
    "api-key": ("/openai/v1/x", b"api-key: " + KEY),
    "google's": ("/openai/v1/x", b"x-goog-api-key: " + KEY),
    "another product's": ("/openai/v1/x", b"Helicone-Auth: Bearer " + KEY),
    "a cookie": ("/openai/v1/x", b"Cookie: a=b; session=" + KEY),
    "for a proxy": ("/openai/v1/x", b"Proxy-Authorization: Bearer " + KEY),
    "the query": (f"/openai/v1/x?alt=sse&key={KEY.decode()}", b"X: y"),
    "the query of a refused path": (f"/nosuch?api_key={KEY.decode()}", b"X: y"),
    "a subprotocol": ("/openai/v1/x", b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key." + KEY),
    "a refused host": ("/openai/v1/x", b"X-Api-Key: " + KEY + b"\r\nOrigin: http://evil"),
    "the wrong provider's": ("/v1/messages", b"Authorization: Bearer sk-or-" + KEY),
    "echoed in another header": ("/openai/v1/x", b"X-Api-Key: " + KEY + b"\r\nX-Note: my key is " + KEY),
}


@pytest.mark.parametrize(("target", "line"), PLACES.values(), ids=PLACES)
async def test_in_a_head(
    gateway: Gateway, provider: FakeProvider, caplog: pytest.LogCaptureFixture, target: str, line: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.play(
        BODY, reply(b"echo " + KEY, ("X-Echo", KEY.decode()), ("Location", f"/x?key={KEY.decode()}"))
    )
    wire = await gateway.get(target, line, b"Connection: close")
    raw = await wire.rest()
    if raw.startswith(b"HTTP/1.1 200"):
        assert raw.count(KEY) == 3, "what the client gets is untouched"
    await gateway.ended()
    await gateway.finish()
    assert KEY not in everything_kept(gateway, caplog)


GARBLED = {
    "a line without an end": b"GET /openai/v1/x HTTP/1.1\r\nAuthorization: Bearer " + KEY + b"\x00\r\n\r\n",
    "a name with a space": b"GET /openai/v1/x HTTP/1.1\r\nHost: localhost\r\nX-Api-Key : "
    + KEY
    + b"\r\n\r\n",
    "a request line": b"GET /openai?key=" + KEY + b" x HTTP/1.1\r\n\r\n",
    "a length": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: " + KEY + b"\r\nContent-Length: x\r\n\r\n",
    "a chunk": b"POST /openai/v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    + KEY
    + b"\r\n",
}


@pytest.mark.parametrize("raw", GARBLED.values(), ids=GARBLED)
async def test_in_what_cannot_be_parsed(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], raw: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    wire = await gateway.connect()
    await wire.send(raw)
    assert KEY not in await wire.rest()
    await gateway.ended()
    await gateway.finish()
    assert KEY not in everything_kept(gateway, caplog)
    assert KEY.decode() not in "".join(capfd.readouterr())


ERROR = b'{"error":{"message":"Incorrect API key provided: %b. You can find it."}}' % KEY
PIECES = {
    "in one piece": [ERROR],
    "in two": [ERROR[:60], ERROR[60:]],
    "in two, at its first byte": [ERROR[: ERROR.index(KEY) + 1], ERROR[ERROR.index(KEY) + 1 :]],
    "byte by byte": [ERROR[i : i + 1] for i in range(len(ERROR))],
}


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
async def test_echoed_in_an_error(
    gateway: Gateway, provider: FakeProvider, caplog: pytest.LogCaptureFixture, pieces: list[bytes]
) -> None:
    steps = [step for piece in pieces for step in (chunk(piece), Pause(0.002))]
    provider.play_whole(stream_head(), *steps, LAST_CHUNK)
    wire = await gateway.get("/openai/v1/x", b"Authorization: Bearer " + KEY)
    raw = await wire.until(LAST_CHUNK)
    assert raw.endswith(b"".join(map(chunk, pieces)) + LAST_CHUNK)
    [call] = await gateway.ended()
    assert b"Incorrect API key provided: cut-" in call.response_body
    assert call.response_body.endswith(b'. You can find it."}}')
    await gateway.finish()
    assert KEY not in everything_kept(gateway, caplog)


async def test_echoed_and_then_cut_off(
    gateway: Gateway, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.play_whole(stream_head() + chunk(b"your key " + KEY[:-1]), HANG_UP)
    wire = await gateway.get("/openai/v1/x", b"Authorization: Bearer " + KEY)
    await wire.rest()
    [call] = await gateway.ended()
    assert call.response_body.startswith(b"your key cut-")
    await gateway.finish()
    assert KEY[:-1] not in everything_kept(gateway, caplog)


ENCODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


@pytest.mark.parametrize("name", ENCODINGS)
async def test_echoed_in_an_encoded_body(gateway: Gateway, provider: FakeProvider, name: str) -> None:
    encoded = ENCODINGS[name](ERROR)
    for body, is_kept in ((encoded, False), (ENCODINGS[name](b"nothing to hide"), True)):
        provider.play_whole(reply(body, ("Content-Encoding", name), status="401 Unauthorized"))
        wire = await gateway.get("/openai/v1/x", b"Authorization: Bearer " + KEY, b"Connection: close")
        assert (await wire.until(body)).endswith(body)
        call = (await gateway.ended(2 if is_kept else 1))[-1]
        assert call.response_body == (body if is_kept else b"")
        assert [gap.bytes_dropped for gap in call.gaps] == ([] if is_kept else [len(body)])


STACKED = {
    "with one that is none": (["gzip, identity"], gzip.compress(ERROR)),
    "in two fields": (["gzip", "identity"], gzip.compress(ERROR)),
    "twice": (["gzip,gzip"], gzip.compress(gzip.compress(ERROR))),
    "twice, in two fields": (["br", "gzip"], gzip.compress(brotli.compress(ERROR))),
}


@pytest.mark.parametrize(("codings", "body"), STACKED.values(), ids=STACKED)
async def test_echoed_in_a_body_that_is_encoded(
    gateway: Gateway, provider: FakeProvider, codings: list[str], body: bytes
) -> None:
    provider.play_whole(reply(body, *(("Content-Encoding", coding) for coding in codings)))
    wire = await gateway.get("/openai/v1/x", b"Authorization: Bearer " + KEY, b"Connection: close")
    assert (await wire.until(body)).endswith(body)
    [call] = await gateway.ended()
    assert call.response_body == b""
    assert [gap.bytes_dropped for gap in call.gaps] == [len(body)]


async def test_a_bomb_is_relayed_and_not_unpacked(gateway: Gateway, provider: FakeProvider) -> None:
    bomb = gzip.compress(bytes(200_000_000), compresslevel=9)
    provider.play_whole(reply(bomb, ("Content-Encoding", "gzip")))
    wire = await gateway.get("/openai/v1/x", b"Authorization: Bearer " + KEY)
    await wire.until(b"\r\n\r\n")
    assert await wire.exactly(len(bomb)) == bomb
    [call] = await gateway.ended()
    assert sum(gap.bytes_dropped for gap in call.gaps) + len(call.response_body) == len(bomb)


BODIES = {
    "json": (b"application/json", b'{"mcp_servers":[{"url":"x","authorization_token":"%b"}]}' % KEY),
    "json in headers": (b"application/json", b'{"tools":[{"headers":{"Authorization":"Bearer %b"}}]}' % KEY),
    "a form": (b"application/x-www-form-urlencoded", b"grant_type=x&client_secret=%b" % KEY),
    "a list": (b"application/json", b'{"api_keys":["first-of-two-keys","%b"]}' % KEY),
    "json with escapes": (
        b"application/json",
        b'{"connection_string":"%b"}' % KEY.replace(b"-", rb"\u002d").replace(b"4", rb"\u0034"),
    ),
    "a part of a form": (
        b"multipart/form-data; boundary=Xy",
        b'--Xy\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n%b\r\n--Xy--\r\n' % KEY,
    ),
    "a session in a part": (
        b"multipart/form-data; boundary=Xy",
        b'--Xy\r\nContent-Disposition: form-data; name="session"\r\n\r\n'
        b'{"tools":[{"type":"mcp","authorization":"%b"}]}\r\n--Xy--\r\n' % KEY,
    ),
}


@pytest.mark.parametrize(("kind", "body"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("is_chunked", [False, True])
async def test_in_a_body_and_echoed(
    gateway: Gateway,
    provider: FakeProvider,
    caplog: pytest.LogCaptureFixture,
    kind: bytes,
    body: bytes,
    is_chunked: bool,
) -> None:
    provider.play_whole(reply(b"cannot log in with " + KEY))
    wire = await gateway.connect()
    if is_chunked:
        at = body.rindex(KEY[-10:]) - 5
        await wire.send(
            gateway.request(
                "/openai/v1/x", b"Content-Type: " + kind, b"Transfer-Encoding: chunked", method=b"POST"
            ),
            chunk(body[:at]),
            chunk(body[at:]) + LAST_CHUNK,
        )
    else:
        await wire.send(gateway.request("/openai/v1/x", b"Content-Type: " + kind, method=b"POST", body=body))
    assert (await wire.until(KEY)).endswith(b"cannot log in with " + KEY)
    [call] = await gateway.ended()
    assert provider.requests[0].body == body
    assert b"cut-" in call.request_body
    assert call.response_body.startswith(b"cannot log in with cut-")
    await gateway.finish()
    assert KEY not in everything_kept(gateway, caplog)


MINTED = {
    "a field": b'{"access_token":"%b","expires_in":3600}' % KEY,
    "a key by its form": b'{"value":"%b","expires_at":1}' % KEY,
    "a key by its form, in a list": b'{"keys":[{"id":"x"},"%b"]}' % KEY,
    "a list": b'{"refresh_tokens":["%b"]}' % KEY,
    "data of a stream": b'event: a\ndata: {"client_secret":{"value":"%b"}}\n\ndata: [DONE]\n\n' % KEY,
    "data of a stream, over two lines": b'data: {"id_token":\ndata: "%b"}\n\n' % KEY,
}


@pytest.mark.parametrize("body", MINTED.values(), ids=MINTED)
@pytest.mark.parametrize("is_whole", [True, False], ids=["in one piece", "in several"])
async def test_minted_by_the_provider(
    gateway: Gateway,
    provider: FakeProvider,
    caplog: pytest.LogCaptureFixture,
    body: bytes,
    is_whole: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    head = (
        stream_head()
        if b"data:" in body
        else stream_head().replace(b"text/event-stream", b"application/json")
    )
    at = body.index(KEY)
    pieces = (
        [body] if is_whole else [body[: at - 4], body[at - 4 : at + 2], body[at + 2 : at + 9], body[at + 9 :]]
    )
    steps = [step for piece in pieces for step in (chunk(piece), Pause(0.002))]
    provider.play_whole(head, *steps, LAST_CHUNK)
    wire = await gateway.get("/openai/v1/x")
    raw = await wire.until(LAST_CHUNK)
    assert raw.endswith(b"".join(map(chunk, pieces)) + LAST_CHUNK)
    [call] = await gateway.ended()
    mark = call.response_body.partition(b"cut-")[2][:8]
    assert call.response_body == body.replace(KEY, b"cut-" + mark)
    await gateway.finish()
    assert KEY not in everything_kept(gateway, caplog)


FIELDS = {
    "Negotiate's token": ("WWW-Authenticate", b"Negotiate " + KEY),
    "a parameter of a challenge": ("WWW-Authenticate", b'Bearer realm="api", ticket="' + KEY + b'"'),
    "what a log-in answers": ("Authentication-Info", b"nextnonce=" + KEY),
}


@pytest.mark.parametrize(("name", "value"), FIELDS.values(), ids=FIELDS)
async def test_in_a_field_of_a_response(
    gateway: Gateway, provider: FakeProvider, caplog: pytest.LogCaptureFixture, name: str, value: bytes
) -> None:
    provider.play_whole(reply(b"again: " + KEY, (name, value.decode()), status="401 Unauthorized"))
    wire = await gateway.get("/openai/v1/x")
    raw = await wire.until(b"again: " + KEY)
    assert value in raw, "what the client gets is untouched"
    [call] = await gateway.ended()
    assert call.response_body.startswith(b"again: cut-")
    await gateway.finish()
    assert KEY not in everything_kept(gateway, caplog)


async def test_in_a_trailer(
    gateway: Gateway, provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    trailers = b"X-T: yes\r\nAuthentication-Info: nextnonce=%b\r\n" % KEY
    provider.play_whole(stream_head(), chunk(b"data: {}\n\n") + b"0\r\n" + trailers + b"\r\n")
    wire = await gateway.get("/openai/v1/x", b"TE: trailers")
    assert (await wire.until(trailers + b"\r\n")).endswith(trailers + b"\r\n")
    [call] = await gateway.ended()
    assert call.trailers.startswith(b"X-T: yes\r\nAuthentication-Info: nextnonce=cut-")
    assert call.trailers.endswith(b"\r\n")
    await gateway.finish()
    assert KEY not in everything_kept(gateway, caplog)


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized"])
async def test_echoed_in_base64(
    gateway: Gateway, provider: FakeProvider, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    body = b'{"debug":"%b"}' % base64.b64encode(b"Authorization: Bearer " + KEY)
    provider.play_whole(reply(body, status=status))
    wire = await gateway.get("/openai/v1/x", b"Authorization: Bearer " + KEY)
    await wire.until(body)
    [call] = await gateway.ended()
    assert b"cut-" in call.response_body
    await gateway.finish()
    kept = everything_kept(gateway, caplog)
    assert all(base64.b64encode(bytes(before) + KEY)[4:-4] not in kept for before in range(3))


async def test_two_calls_with_one_key_show_one_mark(gateway: Gateway) -> None:
    for key in (KEY, KEY, KEY[::-1]):
        wire = await gateway.get("/openai/v1/x", b"Authorization: Bearer " + key)
        await wire.until(b"{}")
    marks = [dict(call.request.headers)[b"Authorization"] for call in await gateway.ended(3)]
    assert marks[0] == marks[1] != marks[2]
    assert all(mark.startswith(b"Bearer cut-") and len(mark) == len(b"Bearer cut-12345678") for mark in marks)


async def test_a_journal_that_cannot_be_written_costs_no_call(
    start_gateway: StartGateway, provider: FakeProvider, tmp_path: Path
) -> None:
    blocked = tmp_path / "no folder"
    blocked.write_bytes(b"")
    gateway = await start_gateway(
        journal_dir=str(blocked / "journal"), secret_key_file=str(blocked / "secret.key")
    )
    for _ in range(5):
        wire = await gateway.get("/openai/v1/x")
        assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200 OK")
    wire = await gateway.get("/_arc/health")
    assert b'"is_secure": 0' in (raw := await wire.until(b"}}")) or b'"is_secure": false' in raw


async def test_a_response_that_ends_is_in_the_journal_before_the_client_has_it(
    gateway: Gateway, provider: FakeProvider
) -> None:
    for _ in range(20):
        wire = await gateway.get("/openai/v1/x")
        await wire.until(b"{}")
        call = gateway.calls()[-1]
        assert call.response_body == b"{}"
        assert call.end is not None
        assert call.end.ended is Ended.COMPLETE
