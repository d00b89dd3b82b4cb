"""
Server-sent events: bytes in, events out. No I/O.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

`id` and `retry` are read over: they are for reconnecting, and nobody reconnects to a model. Two things go
beyond the standard. An event larger than `event_bytes_max` is dropped and counted, so that memory stays
bounded whatever arrives. And `close` gives the event that the end of the stream cut off, which a browser
would throw away: of a broken stream we want what did arrive.
"""

from __future__ import annotations

from collections.abc import Iterator

from arc_proxy.wire.stream import StreamEvent

# An event can hold a base64 image, so the usual line limits of 16 or 64 KiB are far too small for us.
EVENT_BYTES_MAX = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_SLICE_BYTES = 64 * 1024
# What is kept of a line that is too long: enough that its end is not taken for an empty line.
_REST_OF_A_LINE = b":"


class SseDecoder:
    """Takes chunks of any size; `dropped_events` counts those over the limit."""

    def __init__(self, *, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._event_bytes_max = event_bytes_max
        self._line = bytearray()  # the beginning of a line whose end has not come
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False
        self._at_start = True
        self._skipping = False  # this event is too large: nothing of it counts until the empty line
        self.dropped_events = 0

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that this chunk completes."""
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        if not chunk:
            return []
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *lines = chunk.split(b"\n")
        self._line += first
        if len(self._line) + self._data_bytes > self._event_bytes_max:
            self._skip()
            self._line[:] = _REST_OF_A_LINE
        if not lines:
            return []
        lines.insert(0, bytes(self._line))
        self._line[:] = lines.pop()
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        events = []
        for line in lines:
            if line:
                self._read_line(line)
            elif self._data or self._skipping:
                events += self._dispatch()
            else:
                self._name = ""
        return events

    def close(self) -> list[StreamEvent]:
        """The event that the end of the stream cut off, if any of its data came."""
        line = bytes(self._line)
        self._line.clear()
        if self._at_start:
            line = line.removeprefix(_BOM)
        if line:
            self._read_line(line)
        return self._dispatch()

    def _read_line(self, line: bytes) -> None:
        if self._skipping:
            return
        if line.startswith(b"data: "):  # nearly every line, so it goes first
            self._add_data(line[6:])
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._add_data(value)
        elif field == b"event":
            self._name = value.decode(errors="replace")

    def _add_data(self, value: bytes) -> None:
        self._data.append(value)
        self._data_bytes += len(value) + 1
        if self._data_bytes > self._event_bytes_max:
            self._skip()

    def _skip(self) -> None:
        self._skipping = True
        self._data.clear()
        self._data_bytes = 0

    def _dispatch(self) -> list[StreamEvent]:
        events = []
        if self._skipping:
            self.dropped_events += 1
        elif self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append(StreamEvent(self._name or "message", data))
        self._skipping = False
        self._name = ""
        self._data.clear()
        self._data_bytes = 0
        return events


def read_events(decoder: SseDecoder, body: bytes) -> Iterator[StreamEvent]:
    """The events of a whole body, the one cut off at its end included, a slice at a time."""
    for start in range(0, len(body), _SLICE_BYTES):
        yield from decoder.feed(body[start : start + _SLICE_BYTES])
    yield from decoder.close()
