from __future__ import annotations

import base64
import struct
from zlib import crc32

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.wire.eventstream import EventStreamDecoder, begins_event_stream
from arc_proxy.wire.stream import StreamEvent


def header(name: str, value: str | int) -> bytes:
    named = bytes([len(name)]) + name.encode()
    if isinstance(value, int):
        return named + b"\x04" + struct.pack(">i", value)
    return named + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()


def message(payload: bytes, **headers: str | int) -> bytes:
    block = b"".join(header(":" + name.replace("_", "-"), value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    whole = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return whole + struct.pack(">I", crc32(whole))


HELLO = message(b'{"delta":1}', event_type="contentBlockDelta", message_type="event")
INNER = base64.b64encode(b'{"type":"message_stop"}').decode()
CASES = {
    "an event": (HELLO, [("contentBlockDelta", b'{"delta":1}')]),
    "two events": (HELLO * 2, [("contentBlockDelta", b'{"delta":1}')] * 2),
    "a number among the headers": (message(b"{}", date=7, event_type="x"), [("x", b"{}")]),
    "no name": (message(b"{}"), [("message", b"{}")]),
    "no payload": (message(b"", event_type="ping"), [("ping", b"")]),
    "a model's own JSON is unwrapped": (
        message(orjson.dumps({"bytes": INNER, "p": "abc"}), event_type="chunk"),
        [("chunk", b'{"type":"message_stop"}')],
    ),
    "its padding may come first": (
        message(b'{"p":"abc", "bytes":"' + INNER.encode() + b'"}', event_type="chunk"),
        [("chunk", b'{"type":"message_stop"}')],
    ),
    "bytes of another event are its own": (
        message(orjson.dumps({"bytes": INNER}), event_type="image"),
        [("image", orjson.dumps({"bytes": INNER}))],
    ),
    "what is no base64 stays as it is": (
        message(b'{"bytes":"?"}', event_type="chunk"),
        [("chunk", b'{"bytes":"?"}')],
    ),
    "an exception": (
        message(b'{"message":"slow down"}', message_type="exception", exception_type="throttlingException"),
        [("error", b'{"error":{"type":"throttlingException","message":"slow down"}}')],
    ),
    "an error": (
        message(b"", message_type="error", error_code="InternalError", error_message="boom"),
        [("error", b'{"error":{"type":"InternalError","message":"boom"}}')],
    ),
    "a message that is cut": (HELLO + HELLO[:-1], [("contentBlockDelta", b'{"delta":1}')]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("body", "events"), CASES.values(), ids=CASES)
def test_decodes(body: bytes, events: list[tuple[str, bytes]]) -> None:
    decoder = EventStreamDecoder()
    assert decoder.feed(body) == [StreamEvent(*event) for event in events]
    assert decoder.broken == 0


def test_a_message_whose_body_is_broken_is_left_out() -> None:
    broken = HELLO[:-6] + b"?" + HELLO[-5:]
    decoder = EventStreamDecoder()
    assert len(decoder.feed(HELLO + broken + HELLO)) == 2
    assert decoder.broken == 1


def test_a_broken_prelude_ends_the_stream() -> None:
    decoder = EventStreamDecoder()
    assert len(decoder.feed(HELLO + b"\0" * 20 + HELLO)) == 1
    assert decoder.feed(HELLO) == []
    assert decoder.broken == 1


def test_a_message_larger_than_any_may_be_ends_the_stream() -> None:
    prelude = struct.pack(">II", 2**31, 0)
    decoder = EventStreamDecoder()
    assert decoder.feed(prelude + struct.pack(">I", crc32(prelude))) == []
    assert decoder.broken == 1


BEGINNINGS = {
    "a message": (HELLO, True),
    "JSON": (b'{"message": "The provided model identifier is invalid."}', False),
    "too little": (HELLO[:11], False),
    "zeros": (b"\0" * 12, False),
}


@pytest.mark.parametrize(("body", "begins"), BEGINNINGS.values(), ids=BEGINNINGS)
def test_tells_an_event_stream_by_its_first_bytes(body: bytes, begins: bool) -> None:
    assert begins_event_stream(body) is begins


payloads = st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=50)), max_size=5)


@given(payloads, st.lists(st.integers(1, 40)))
def test_any_chunking_gives_the_same_events(written: list[tuple[str, bytes]], sizes: list[int]) -> None:
    body = b"".join(message(payload, event_type=name) for name, payload in written)
    decoder = EventStreamDecoder()
    events = []
    start = 0
    for size in [*sizes, len(body)]:
        events += decoder.feed(body[start : start + size])
        start += size
    assert events == EventStreamDecoder().feed(body)
    assert len(events) == len(written)


@given(payloads, st.integers(min_value=0))
def test_a_cut_anywhere_gives_the_first_events(written: list[tuple[str, bytes]], cut: int) -> None:
    body = b"".join(message(payload, event_type=name) for name, payload in written)
    whole = EventStreamDecoder().feed(body)
    events = EventStreamDecoder().feed(body[: cut % (len(body) + 1)])
    assert events == whole[: len(events)]


@given(st.binary(), st.binary(max_size=30))
def test_any_bytes_are_read_without_an_error(body: bytes, block: bytes) -> None:
    EventStreamDecoder().feed(body)
    prelude = struct.pack(">II", 16 + len(block), len(block))
    whole = prelude + struct.pack(">I", crc32(prelude)) + block
    decoder = EventStreamDecoder()
    assert len(decoder.feed(whole + struct.pack(">I", crc32(whole)))) == 1
