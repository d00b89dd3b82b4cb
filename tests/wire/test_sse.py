from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.wire.sse import SseDecoder, read_events
from arc_proxy.wire.stream import StreamEvent

CASES = {
    "one event": (b"data: a\n\n", [("message", b"a")]),
    "a named event": (b"event: ping\ndata: {}\n\n", [("ping", b"{}")]),
    "no space behind the colon": (b"data:a\n\n", [("message", b"a")]),
    "only the first space is not data": (b"data:  a\n\n", [("message", b" a")]),
    "several data lines are joined by line feeds": (b"data: a\ndata: b\n\n", [("message", b"a\nb")]),
    "a data line without a colon is empty data": (b"data\n\n", [("message", b"")]),
    "an event without data is none": (b"event: ping\n\n", []),
    "and its name is forgotten": (b"event: ping\n\ndata: a\n\n", [("message", b"a")]),
    "openrouter's keep-alive is a comment": (b": OPENROUTER PROCESSING\n\n", []),
    "a comment inside an event": (b"data: a\n: still there\ndata: b\n\n", [("message", b"a\nb")]),
    "id and retry are read over": (b"id: 1\nretry: 10\ndata: a\n\n", [("message", b"a")]),
    "a field nobody knows": (b"colour: red\ndata: a\n\n", [("message", b"a")]),
    "empty lines before the first event": (b"\n\n\n\ndata: a\n\n", [("message", b"a")]),
    "carriage returns end lines": (b"data: a\r\rdata: b\r\r", [("message", b"a"), ("message", b"b")]),
    "so do both together": (b"data: a\r\n\r\ndata: b\r\n\r\n", [("message", b"a"), ("message", b"b")]),
    "and all of them mixed": (b"event: x\rdata: a\r\ndata: b\n\r", [("x", b"a\nb")]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("message", b"a")]),
    "one that is no mark any more": (b"\n\xef\xbb\xbfdata: a\n\n", []),
    "nothing": (b"", []),
    "cut before the empty line": (b"data: a\n", []),
    "cut in the middle of a line": (b"data: a", []),
    "a name that is no UTF-8": (b"event: \xff\ndata: a\n\n", [("\ufffd", b"a")]),
}


@pytest.mark.parametrize(("body", "events"), CASES.values(), ids=CASES)
def test_decodes(body: bytes, events: list[tuple[str, bytes]]) -> None:
    assert SseDecoder().feed(body) == [StreamEvent(*event) for event in events]


@pytest.mark.parametrize(("body", "events"), CASES.values(), ids=CASES)
def test_decodes_byte_by_byte(body: bytes, events: list[tuple[str, bytes]]) -> None:
    assert _decode(body, [1] * len(body)) == [StreamEvent(*event) for event in events]


CUT = {
    "in the middle of a line": (b"data: a\n\ndata: {b", [b"a", b"{b"]),
    "behind a line": (b"data: a\n", [b"a"]),
    "behind the first of two line ends": (b"data: a\r", [b"a"]),
    "in the name of the next event": (b"data: a\n\nevent: pi", [b"a"]),
    "in a first event with a byte order mark": (b"\xef\xbb\xbfdata: a", [b"a"]),
    "nowhere": (b"data: a\n\n", [b"a"]),
}


@pytest.mark.parametrize(("body", "data"), CUT.values(), ids=CUT)
def test_a_stream_that_is_cut_gives_what_did_arrive(body: bytes, data: list[bytes]) -> None:
    assert [event.data for event in read_events(SseDecoder(), body)] == data


TOO_LARGE = b"data: " + b"x" * 100 + b"\n\n"


@pytest.mark.parametrize(
    "body",
    [
        TOO_LARGE,
        b"event: big\n" + TOO_LARGE,
        b"data: " + b"x" * 40 + b"\ndata: " + b"x" * 40 + b"\n\n",
        b"data: " + b"x" * 100 + b"\ndata: y\n\n",
        b"data:\n" * 100 + b"\n",
    ],
    ids=["one line", "a named one", "by its lines together", "with more behind", "many empty lines"],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_event_over_the_limit_is_dropped_and_counted(body: bytes, size: int) -> None:
    decoder = SseDecoder(event_bytes_max=50)
    events = []
    stream = b"data: before\n\n" + body + b"data: behind\n\n"
    for start in range(0, len(stream), size):
        events += decoder.feed(stream[start : start + size])
        assert len(decoder._line) + decoder._data_bytes <= 50 + size
    assert [event.data for event in events] == [b"before", b"behind"]
    assert decoder.dropped_events == 1


def test_an_event_without_end_takes_no_more_memory_than_the_limit() -> None:
    decoder = SseDecoder(event_bytes_max=1000)
    for _ in range(1000):
        assert decoder.feed(b"x" * 64) == []
        assert len(decoder._line) <= 1000
    assert decoder.close() == []
    assert decoder.dropped_events == 1


streams = st.lists(
    st.sampled_from(
        [b"data: ", b"data", b"event: x", b": c", b"id: 1", b"\n", b"\r", b"\r\n", b"a", b":", b" "]
    )
    | st.binary(max_size=4)
).map(b"".join)


@given(streams, st.lists(st.integers(min_value=0, max_value=5), max_size=40), st.booleans())
def test_any_chunking_gives_the_same_events(body: bytes, sizes: list[int], mark: bool) -> None:
    body = b"\xef\xbb\xbf" + body if mark else body
    assert _decode(body, sizes) == SseDecoder().feed(body)


@given(streams)
def test_reads_what_the_standard_says(body: bytes) -> None:
    assert SseDecoder().feed(body) == _decode_by_the_standard(body)


@given(streams)
def test_the_events_of_a_whole_body_begin_with_those_that_are_complete(body: bytes) -> None:
    complete = SseDecoder().feed(body)
    assert list(read_events(SseDecoder(), body))[: len(complete)] == complete


def _decode(body: bytes, sizes: list[int]) -> list[StreamEvent]:
    decoder = SseDecoder()
    events, start = [], 0
    for size in [*sizes, len(body)]:
        events += decoder.feed(body[start : start + size])
        start += size
    return events


def _decode_by_the_standard(body: bytes) -> list[StreamEvent]:
    """The standard's own steps, one by one and slow."""
    events, name, data = [], b"", b""
    lines = re.split(rb"\r\n|\r|\n", body.removeprefix(b"\xef\xbb\xbf"))
    for line in lines[:-1]:
        if not line:
            if data:
                events.append(StreamEvent(name.decode(errors="replace") or "message", data[:-1]))
            name, data = b"", b""
            continue
        field, colon, value = line.partition(b":")
        if not field and colon:
            continue
        value = value[1:] if value.startswith(b" ") else value
        if field == b"event":
            name = value
        elif field == b"data":
            data += value + b"\n"
    return events
