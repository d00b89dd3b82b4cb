"""
How a response's body is cut into events, told by its bytes rather than by what its headers claim. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from arc_proxy.wire.documents import read_items, read_lines
from arc_proxy.wire.eventstream import EventStreamDecoder, begins_event_stream
from arc_proxy.wire.sse import SseDecoder, read_events
from arc_proxy.wire.stream import StreamEvent

# Reads a whole body; appends to the list, in words, what it could not read.
Framing = Callable[[bytes, list[str]], Iterator[StreamEvent]]

# Servers that keep a connection alive put empty lines before anything.
_BLANK = re.compile(rb"(?:\xef\xbb\xbf)?\s*")
# An event stream begins with one of these, a JSON document never does, whatever the content type claims.
_SSE_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_LINES_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/stream+json")
_OBJECT_BEGINS = re.compile(rb"\s*\{")
_SLICE_BYTES = 64 * 1024
_FIRST_ITEM = re.compile(rb"\[\s*\{")


def recognise_framing(body: bytes, content_type: str, *, arrays: bool = False) -> Framing | None:
    """None for a body that is one document, or nothing that we know. `arrays`: one may be a stream."""
    if begins_event_stream(body):
        return _read_event_stream
    blank = _BLANK.match(body)
    begin = blank.end() if blank else 0
    start = body[begin : begin + 8]
    if start.startswith(_SSE_STARTS):
        return _read_sse
    content_type = content_type.lower()
    if content_type.startswith("text/event-stream") and not start.startswith((b"{", b"[")):
        return _read_sse
    if content_type.startswith(_LINES_TYPES) or _has_lines(body, begin):
        return _read_lines
    if arrays and _FIRST_ITEM.match(body, begin):
        return _read_items
    return None


def _has_lines(body: bytes, begin: int) -> bool:
    """Whether a first line is an object by the look of it, and another begins behind it."""
    end = body.find(b"\n", begin)
    if end == -1 or not body.startswith(b"{", begin):
        return False
    return body[begin:end].rstrip().endswith(b"}") and _OBJECT_BEGINS.match(body, end) is not None


def _read_sse(body: bytes, notes: list[str]) -> Iterator[StreamEvent]:
    decoder = SseDecoder()
    yield from read_events(decoder, body)
    if decoder.dropped_events:
        notes.append(f"response: {decoder.dropped_events} events were too large to read")


def _read_event_stream(body: bytes, notes: list[str]) -> Iterator[StreamEvent]:
    decoder = EventStreamDecoder()
    for start in range(0, len(body), _SLICE_BYTES):
        yield from decoder.feed(body[start : start + _SLICE_BYTES])
    if decoder.broken:
        notes.append(f"response: {decoder.broken} messages of the event stream are broken")


def _read_lines(body: bytes, _notes: list[str]) -> Iterator[StreamEvent]:
    return read_lines(body)


def _read_items(body: bytes, _notes: list[str]) -> Iterator[StreamEvent]:
    return read_items(body)
