"""What is answered by ourselves, and what never reaches an upstream."""

from __future__ import annotations

import asyncio
import json

import pytest

from arc_proxy.journal.record import Ended
from tests.fake_provider import BODY, FakeProvider, reply
from tests.gateway.harness import Call, Gateway, StartGateway

HOST = b"Host: 127.0.0.1\r\n"

# Each of these can be read in two ways by two parsers in a row.
SMUGGLED = {
    "a length and chunks": b"POST /v1/x HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"POST /v1/x HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    "the same length twice": b"POST /v1/x HTTP/1.1\r\n"
    + HOST
    + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "a length with a sign": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: +4\r\n\r\nabcd",
    "a length in hex": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 0x4\r\n\r\nabcd",
    "another coding": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: identity\r\n\r\nabcd",
    "a coding with a space before the colon": b"POST /v1/x HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunked is not last": b"POST /v1/x HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"GET /v1/x HTTP/1.1\nHost: 127.0.0.1\n\n",
    "a folded line": b"GET /v1/x HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    "a carriage return in a value": b"GET /v1/x HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n",
    "a zero byte in a value": b"GET /v1/x HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",
    "no host": b"GET /v1/x HTTP/1.1\r\nX: a\r\n\r\n",
    "two hosts": b"GET /v1/x HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "a field without a name": b"GET /v1/x HTTP/1.1\r\n" + HOST + b": a\r\n\r\n",
    "no slash": b"GET v1/x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the target": b"GET /v1/x y HTTP/1.1\r\n" + HOST + b"\r\n",
    "a control character in the target": b"GET /v1/\x01x HTTP/1.1\r\n" + HOST + b"\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another version": b"GET /v1/x HTTP/3.7\r\n" + HOST + b"\r\n",
    "a field of 70 KB": b"GET /v1/x HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
    "a name of 70 KB": b"GET /v1/x HTTP/1.1\r\n" + HOST + b"x" * 70_000 + b": x\r\n\r\n",
    "a target of 70 KB": b"GET /v1/" + b"x" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "2,000 fields": b"GET /v1/x HTTP/1.1\r\n" + HOST + b"X: x\r\n" * 2_000 + b"\r\n",
}


@pytest.mark.parametrize("raw", SMUGGLED.values(), ids=SMUGGLED)
async def test_what_two_parsers_may_read_in_two_ways(
    gateway: Gateway, provider: FakeProvider, raw: bytes
) -> None:
    wire = await gateway.connect()
    await wire.send(raw)
    answer = await wire.rest()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Connection: close\r\n" in answer
    assert provider.connections == []
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.request.method, call.request.headers) == (b"-", ())
    assert call.end.ended is Ended.REFUSED


async def test_chunks_that_are_none(gateway: Gateway, provider: FakeProvider) -> None:
    wire = await gateway.get("/openai/v1/x", b"Transfer-Encoding: chunked", method=b"POST")
    await wire.send(b"3\r\nabc\r\n")
    await wire.send(b"zz\r\n")
    assert (await wire.rest()).startswith(b"HTTP/1.1 400 ")
    [call] = await gateway.ended()
    assert call.end is not None
    assert call.end.ended is Ended.REFUSED
    assert not provider.requests or not provider.requests[0].is_whole


async def test_an_answer_in_progress_is_not_mixed_with_a_refusal(
    gateway: Gateway, provider: FakeProvider
) -> None:
    go_on = asyncio.Event()
    provider.play(go_on, reply(b"{}"))
    wire = await gateway.get("/openai/v1/x")
    while not provider.requests:
        await asyncio.sleep(0.01)
    await wire.send(b"nonsense\r\n\r\n")
    go_on.set()
    raw = await wire.rest()
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert raw.partition(b"\r\n\r\n{}")[2].startswith(b"HTTP/1.1 400 ")


FORMS = {
    "another host": ("/openai/v1/x", [b"Host: evil.example"], 421, "host_not_allowed"),
    "a host with a fragment": ("/openai/v1/x", [b"Host: localhost:4000/#@attacker"], 400, "bad_host"),
    "a host with a user": ("/openai/v1/x", [b"Host: x@localhost"], 400, "bad_host"),
    "a host with a space": ("/openai/v1/x", [b"Host: local host"], 400, "bad_host"),
    "a host before our own pages": ("/_arc/health", [b"Host: evil.example"], 421, "host_not_allowed"),
    "a page of another site": ("/openai/v1/x", [b"Origin: http://evil.example"], 403, "cross_site"),
    "an image on another site": ("/_arc/", [b"Sec-Fetch-Site: cross-site"], 403, "cross_site"),
    "an absolute target": ("http://evil.example/v1/x", [], 400, "no_forward_proxy"),
    "an absolute target of ours": ("http://127.0.0.1/openai/v1/x", [], 400, "no_forward_proxy"),
    "a fragment": ("/openai/v1/x#y", [], 400, "bad_target"),
    "a host in the path": ("//evil.example/v1/x", [], 404, "unknown_prefix"),
    "a user in the path": ("/@evil.example/v1/x", [], 404, "unknown_prefix"),
    "a prefix with a user": ("/openai@evil.example/v1/x", [], 404, "unknown_prefix"),
    "an encoded line break in a prefix": ("/openai%0d%0a/v1/x", [], 404, "unknown_prefix"),
    "an unknown prefix": ("/nosuch/v1/x", [], 404, "unknown_prefix"),
    "a target that nobody allowed": (
        "/v1/x",
        [b"x-arc-upstream: http://evil.example"],
        403,
        "upstream_not_allowed",
    ),
    "another provider's key": ("/v1/messages", [b"Authorization: Bearer gsk_abc"], 421, "wrong_provider_key"),
    "another provider's key in the query": ("/v1/messages?key=AIzaSyA", [], 421, "wrong_provider_key"),
}


@pytest.mark.parametrize(("target", "lines", "status", "code"), FORMS.values(), ids=FORMS)
async def test_refuses(
    gateway: Gateway, provider: FakeProvider, target: str, lines: list[bytes], status: int, code: str
) -> None:
    wire = await gateway.connect()
    if not any(line.startswith(b"Host:") for line in lines):
        lines = [b"Host: " + gateway.authority, *lines]
    await wire.send(b"GET %b HTTP/1.1\r\n%b\r\n\r\n" % (target.encode(), b"\r\n".join(lines)))
    answer = await read_json(wire.reader)
    assert (answer.status, answer.code) == (status, code)
    assert b"x-arc-call-id: " in answer.head
    assert b"x-should-retry: false\r\n" in answer.head
    assert provider.connections == []
    [call] = await gateway.ended()
    assert call.end is not None
    assert call.response is not None
    assert (call.end.ended, call.end.detail, call.response.status) == (Ended.REFUSED, code, status)
    assert (call.request.url, call.response.origin) == (None, "proxy")
    # The connection goes on.
    await wire.send(gateway.request("/openai/v1/x"))
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200 OK")


class Answer:
    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.status = int(head.split()[1])
        self.body = json.loads(body)

    @property
    def code(self) -> str:
        error = self.body["error"]
        return str(error["details"][0]["reason"] if "details" in error else error["code"])


async def read_json(reader: asyncio.StreamReader) -> Answer:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return Answer(head, await reader.readexactly(length))


async def test_connect_is_refused(gateway: Gateway) -> None:
    wire = await gateway.connect()
    await wire.send(b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (await wire.rest()).startswith(b"HTTP/1.1 405 ")


async def test_the_unknown_prefix_lists_the_known(gateway: Gateway) -> None:
    wire = await gateway.get("/nosuch/v1/x")
    answer = await read_json(wire.reader)
    assert all(f"/{name}" in answer.body["error"]["message"] for name in ("openai", "anthropic", "gemini"))


SHAPES = {
    "openai": ("/openai/v1/x", lambda body: body["error"]["type"] == "arc_proxy_error"),
    "anthropic": ("/v1/messages", lambda body: body["type"] == "error" and body["error"]["message"]),
    "gemini": ("/v1beta/models/x:y", lambda body: body["error"]["code"] == 421 and body["error"]["status"]),
    "bedrock": ("/bedrock/us-east-1/model/m/converse", lambda body: list(body) == ["message"]),
}


@pytest.mark.parametrize(("target", "is_right"), SHAPES.values(), ids=SHAPES)
async def test_a_refusal_has_the_providers_shape(
    start_gateway: StartGateway, target: str, is_right: object
) -> None:
    gateway = await start_gateway(upstreams={})
    wire = await gateway.get(target, b"Authorization: Bearer gsk_abc")
    answer = await read_json(wire.reader)
    assert callable(is_right)
    assert is_right(answer.body)


WEBSOCKET = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.sk-canary-0123456789",
)


async def test_without_websockets_a_client_is_told_to_use_requests(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    gateway = await start_gateway(websockets=False)
    wire = await gateway.get("/openai/v1/responses", *WEBSOCKET)
    raw = await wire.rest()
    assert raw.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert b"\r\nUpgrade: websocket\r\n" in raw
    assert b"\r\nConnection: Upgrade, close\r\n" in raw
    assert provider.connections == []
    [call] = await gateway.ended()
    assert call.end is not None
    assert (call.end.ended, call.request.upstream) == (Ended.REFUSED, "openai")
    assert b"sk-canary" not in b"".join(record.content for record in gateway.records())


async def test_another_upgrade_is_not_offered_to_the_upstream(
    gateway: Gateway, provider: FakeProvider
) -> None:
    """As Java's client does with every request that it sends without TLS."""
    wire = await gateway.connect()
    lines = (
        b"Connection: Upgrade, HTTP2-Settings",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    )
    for _ in range(2):
        await wire.send(gateway.request("/openai/v1/x", *lines, method=b"POST", body=b"{}"))
        assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200 OK\r\n")
    for request in provider.requests:
        assert request.body == b"{}"
        assert [name.lower() for name, _ in request.fields] == [b"host", b"content-length"]


async def test_a_refusal_takes_in_what_is_still_being_sent(gateway: Gateway) -> None:
    """So that the client reads the answer instead of a reset."""
    size = 5_000_000
    wire = await gateway.get("/nosuch", b"Content-Length: %d" % size, method=b"POST")
    sending = asyncio.create_task(wire.send(*[b"x" * 50_000] * (size // 50_000)))
    raw = await wire.until(b"}}")
    assert raw.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nConnection: close\r\n" in raw
    await asyncio.wait_for(sending, 10)
    assert await wire.rest() == b""


CAPTURE = {
    "nothing said": ("full", [], "full"),
    "lowered to metadata": ("full", [b"x-arc-capture: metadata"], "metadata"),
    "lowered to none": ("full", [b"X-Arc-Capture: None"], "none"),
    "not raised": ("metadata", [b"x-arc-capture: full"], "metadata"),
    "nonsense": ("full", [b"x-arc-capture: everything"], "full"),
}


@pytest.mark.parametrize(("ceiling", "lines", "is_kept"), CAPTURE.values(), ids=CAPTURE)
async def test_how_much_is_kept(
    start_gateway: StartGateway, provider: FakeProvider, ceiling: str, lines: list[bytes], is_kept: str
) -> None:
    gateway = await start_gateway(capture=ceiling)
    provider.play(BODY, reply(b"answer", ("X-Their-Own", "y")))
    wire = await gateway.connect()
    lines = [*lines, b"x-arc-run-id: r", b"X-Own: z"]
    await wire.send(gateway.request("/openai/v1/x?q=private", *lines, method=b"POST", body=b"request"))
    await wire.until(b"answer")
    [call] = await gateway.ended()
    assert call.response is not None
    assert kept_of(call) == is_kept
    assert (b"x-arc-run-id", b"r") in call.request.headers
    if is_kept != "full":
        assert {gap.side: gap.bytes_dropped for gap in call.gaps} == {"request": 7, "response": 6}


def kept_of(call: Call) -> str:
    assert call.response is not None
    names = {name for name, _ in (*call.request.headers, *call.response.headers)}
    match (call.request_body, call.response_body, {b"X-Own", b"X-Their-Own"} <= names, call.request.target):
        case (b"request", b"answer", True, b"/openai/v1/x?q=private"):
            return "full"
        case (b"", b"", True, b"/openai/v1/x?q=private"):
            return "metadata"
        case (b"", b"", False, b"/openai/v1/x"):
            return "none"
        case other:
            return f"{other}"


RUNS = {
    "by a header": ("/openai/v1/x", b"x-arc-run-id: run 1", b"run 1"),
    "by a prefix": ("/run/a%20b/openai/v1/x", b"X: y", b"a b"),
    "a header beats a prefix": ("/run/a/openai/v1/x", b"X-Arc-Run-Id: b", b"b"),
    "beyond ASCII": ("/run/%C3%BC/openai/v1/x", b"X: y", b"\xc3\xbc"),
    "not at all": ("/openai/v1/x", b"x-arc-agent: finance", None),
    "by what is no name": ("/openai/v1/x", b"x-arc-run-id: " + b"x" * 201, None),
    "by a prefix that is no name": ("/run/%0d%0aX:y/openai/v1/x", b"X: y", None),
}


@pytest.mark.parametrize(("target", "line", "run_id"), RUNS.values(), ids=RUNS)
async def test_a_run_that_the_caller_named_is_told_back(
    gateway: Gateway, provider: FakeProvider, target: str, line: bytes, run_id: bytes | None
) -> None:
    wire = await gateway.get(target, line)
    head = await wire.until(b"\r\n\r\n")
    lines = [each for each in head.split(b"\r\n") if each.startswith(b"x-arc-run-id: ")]
    assert lines == ([] if run_id is None else [b"x-arc-run-id: " + run_id])
    assert not [name for name, _ in provider.requests[0].fields if name.lower().startswith(b"x-arc")]


async def test_an_upstream_that_a_header_may_choose(
    start_gateway: StartGateway, provider: FakeProvider
) -> None:
    gateway = await start_gateway(allow_targets=[provider.url, "openai"])
    for line in (
        b"x-arc-upstream: " + provider.url.encode(),
        b"Helicone-Target-URL: " + provider.url.encode() + b"/",
        b"x-arc-upstream: openai",
    ):
        wire = await gateway.get("/some/path?x", line)
        await wire.until(b"{}")
    assert {request.line for request in provider.requests} == {b"GET /some/path?x HTTP/1.1"}
