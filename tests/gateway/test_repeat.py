"""Heads that come again: the same requests arrive, the same records are written, however they are cut."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.cut import Fingerprints
from arc_proxy.gateway.config import GatewayConfig
from arc_proxy.gateway.decide import Desk
from arc_proxy.gateway.headers import read_request_fields
from arc_proxy.gateway.repeat import MISSES_MAX, WAITING_BYTES_MAX, Asked, RepeatedBody, Repeats
from tests.fake_provider import FakeProvider
from tests.gateway.harness import Gateway

HEAD = (
    b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer sk-canary-0123456789\r\n"
    b"content-LENGTH: %d\r\nX-Last: 1\r\n\r\n"
)


def pieces_of(data: bytes, rng: random.Random) -> list[bytes]:
    cuts = sorted(rng.randrange(len(data)) for _ in range(rng.choice([0, 0, 1, 3])))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]


@pytest.mark.parametrize("seed", range(6))
async def test_every_request_arrives_whole_and_in_order(
    gateway: Gateway, provider: FakeProvider, seed: int
) -> None:
    rng = random.Random(seed)
    bodies = [rng.randbytes(rng.choice([0, 1, 9, 10, 99, 100, 5_000, 70_000])) for _ in range(30)]
    wire = await gateway.connect()
    for body in bodies:
        head = HEAD % (gateway.authority, len(body))
        if rng.random() < 0.2:
            head = head.replace(b"X-Last: 1", b"X-Last: 2")
        for piece in pieces_of(head + body, rng):
            await wire.send(piece)
            if rng.random() < 0.5:
                await asyncio.sleep(0.002)
        answer = await wire.until(b"{}")
        assert answer.startswith(b"HTTP/1.1 200")
    assert [bytes(received.body) for received in provider.requests] == bodies
    for received, body in zip(provider.requests, bodies, strict=True):
        assert b"content-LENGTH: %d\r\n" % len(body) in received.raw
        assert b"Bearer sk-canary-0123456789\r\n" in received.raw
    calls = gateway.calls()
    assert [call.request_body for call in calls] == bodies
    for call, body in zip(calls, bodies, strict=True):
        lengths = [value for name, value in call.request.headers if name == b"content-LENGTH"]
        assert lengths == [str(len(body)).encode()]
        assert all(b"canary" not in value for _, value in call.request.headers)


async def test_requests_sent_ahead_of_their_turn_are_answered_in_order(
    gateway: Gateway, provider: FakeProvider
) -> None:
    wire = await gateway.connect()
    bodies = [b"first", b"second one", b"3", b"", b"the fifth", b"6"]
    requests = [HEAD % (gateway.authority, len(body)) + body for body in bodies]
    await wire.send(requests[0])
    await wire.until(b"{}")
    await wire.send(requests[1] + requests[2][:40])
    await wire.until(b"{}")
    await wire.send(requests[2][40:] + requests[3])
    await wire.until(b"{}")
    await wire.until(b"{}")
    await wire.send(requests[4], requests[5])
    await wire.until(b"{}")
    await wire.until(b"{}")
    assert [bytes(received.body) for received in provider.requests] == bodies


async def test_a_client_that_leaves_within_a_repeated_body_is_a_client_that_left(
    gateway: Gateway, provider: FakeProvider
) -> None:
    wire = await gateway.connect()
    await wire.send(HEAD % (gateway.authority, 2) + b"ab")
    await wire.until(b"{}")
    await wire.send(HEAD % (gateway.authority, 1000) + b"only this")
    wire.close()
    while len(calls := gateway.calls()) < 2 or calls[1].end is None:
        await asyncio.sleep(0.01)
    assert calls[1].request_body == b"only this"
    assert str(calls[1].end.ended) == "client_closed"


class Taker:
    def __init__(self) -> None:
        self.held = 0

    def hold_body(self) -> None:
        self.held += 1

    def release_body(self) -> None:
        self.held -= 1


def test_a_body_that_nobody_takes_holds_the_socket() -> None:
    taker = Taker()
    body = RepeatedBody(taker, WAITING_BYTES_MAX + 10)
    assert body.feed(bytes(WAITING_BYTES_MAX + 1)) == b""
    assert taker.held == 1
    assert len(body.read_nowait()) == WAITING_BYTES_MAX + 1
    assert taker.held == 0
    assert not body.is_eof()
    assert body.feed(b"123456789the next") == b"the next"
    assert body.is_eof()


DESK = Desk(GatewayConfig(journal_dir=Path("none"), secret_key_file=Path("none")))
FINGERPRINTS = Fingerprints(b"k" * 32)


def asked_of(message: RawRequestMessage) -> Asked:
    fields = read_request_fields(message.raw_headers, b"api.example", FINGERPRINTS)
    return Asked(message, DESK.decide(message), fields)


class Connection:
    """A client connection as far as the parser is concerned."""

    connected = True

    def pause_reading(self) -> None: ...
    def resume_reading(self, resume_parser: bool = True) -> None: ...


def new_parser() -> HttpRequestParser:
    loop = asyncio.new_event_loop()
    loop.close()
    return HttpRequestParser(Connection(), loop, 2**20, max_line_size=9000, max_field_size=9000)  # type: ignore[arg-type]


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from([b"X-A: 1", b"X-A: 1", b"X-A: 2", b"x-trace: %d"]),
        st.binary(max_size=40) | st.just(HEAD % (b"127.0.0.1", 3) + b"abc"),
        st.booleans(),
    ),
    min_size=2,
    max_size=14,
)


@given(
    REQUESTS, st.lists(st.integers(1, 300), max_size=30), st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n"])
)
def test_a_match_stands_where_a_request_begins(
    requests: list[tuple[bytes, bytes, bool]], sizes: list[int], before: bytes
) -> None:
    """Bodies that look like requests, line ends before a request line, any cuts."""
    raw = []
    for number, (line, body, has_length) in enumerate(requests):
        line = line.replace(b"%d", b"%d" % number)
        if has_length:
            raw.append(HEAD.replace(b"X-Last: 1", line) % (b"127.0.0.1", len(body)) + body)
        else:
            raw.append(b"GET /openai/v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n%b\r\n\r\n" % line)
    stream = before + b"".join(raw)
    begins = {len(before) + sum(map(len, raw[:number])) for number in range(len(raw))}
    repeats, parser, at = Repeats(), new_parser(), 0
    cuts = iter(sizes)
    while at < len(stream):
        data = stream[at : at + next(cuts, 200)]
        found = repeats.match(data)
        if found is not None:
            asked, length, came = found
            assert at in begins
            # The whole body is taken by its length, as the connection does.
            head_bytes = len(data) - len(came)
            assert stream[at : at + head_bytes].endswith(b"\r\n\r\n")
            assert b"content-LENGTH: %d\r\n" % length in b"".join(asked.fields.sent)
            at += head_bytes + length
            assert at in begins or at == len(stream)
            continue
        messages, _, _ = parser.feed_data(data)
        repeats.note(data, [message for message, _ in messages])
        for message, _ in messages:
            repeats.remember(asked_of(message))
        at += len(data)


def test_heads_that_never_come_again_are_given_up() -> None:
    repeats, parser = Repeats(), new_parser()
    raw = HEAD % (b"127.0.0.1", 0)
    for number in range(MISSES_MAX + 3):
        data = raw.replace(b"X-Last: 1", b"traceparent: %d" % number)
        assert repeats.match(data) is None
        messages, _, _ = parser.feed_data(data)
        repeats.note(data, [message for message, _ in messages])
        repeats.remember(asked_of(messages[0][0]))
    assert repeats.match(data) is None


def test_a_head_that_came_before_is_known_but_for_its_length() -> None:
    repeats, parser = Repeats(), new_parser()
    data = HEAD % (b"127.0.0.1", 2) + b"ab"
    messages, _, _ = parser.feed_data(data)
    repeats.note(data, [message for message, _ in messages])
    repeats.remember(asked_of(messages[0][0]))
    found = repeats.match(HEAD % (b"127.0.0.1", 17) + b"its beginning")
    assert found is not None
    asked, length, came = found
    assert (length, came) == (17, b"its beginning")
    assert [line for line in asked.fields.kept if b"LENGTH" in line] == [b"content-LENGTH: 17\r\n"]
    assert repeats.match(HEAD % (b"127.0.0.1", 2) + b"abPOST ") is None
