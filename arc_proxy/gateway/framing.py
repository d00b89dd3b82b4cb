"""
Where an HTTP/1.1 response begins and ends. Bytes in, positions out; no I/O.

The bytes themselves are relayed as they came; this only finds the head, the body in its framing, and the
end. Source: https://www.rfc-editor.org/rfc/rfc9112#section-6.3
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from arc_proxy.gateway.fields import (
    CHANGES_FROM,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CUT,
    KIND_OF,
    TRANSFER_ENCODING,
    tokens_of,
)

HEAD_BYTES_MAX = 256 * 1024
TRAILER_BYTES_MAX = 64 * 1024
CHUNK_LINE_BYTES_MAX = 4 * 1024

_STATUS_LINE = re.compile(rb"(HTTP/1\.[0-9]) ([1-5][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME = re.compile(_TOKEN)
_FIELD = re.compile(rb"^(" + _TOKEN + rb"):[ \t]*([^\r\n]*)\r?\n", re.M)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_START = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.S)


class FramingError(Exception):
    """The upstream sent what is no HTTP response. Holds none of its bytes."""


@dataclass(slots=True)
class ResponseStart:
    """A response's head: its bytes with the empty line, and what they say. Not to be changed."""

    raw: bytes
    version: bytes
    status: int
    reason: bytes
    fields: list[tuple[bytes, bytes]]
    framing: list[tuple[int, bytes]]  # kind (see `fields`) and value of those that frame the message
    content_type: bytes = b""
    content_encoding: bytes = b""
    has_secret: bool = False
    changes: int = 0  # fields that do not pass as they are: of this connection only, or ours
    keep_alives: int = 0  # those of them that say what goes without saying, `Connection: keep-alive`


def find_head_end(buffer: bytes, start: int = 0) -> int:
    """The length of the head at the front of the buffer, -1 while it is not complete."""
    start = max(0, start - 3)
    end = buffer.find(b"\n\r\n", start)
    bare = buffer.find(b"\n\n", start) if end == -1 else buffer.find(b"\n\n", start, end + 1)
    if bare != -1:
        return bare + 2
    if end != -1:
        return end + 3
    if len(buffer) > HEAD_BYTES_MAX:
        raise FramingError(f"a head of more than {HEAD_BYTES_MAX} bytes")
    return -1


def parse_start(raw: bytes) -> ResponseStart:
    """Read a complete head. Raises FramingError for what is none."""
    found = _STATUS_LINE.match(raw)
    if found is None:
        raise FramingError("no status line of HTTP/1")
    fields = _FIELD.findall(raw, found.end())
    if len(fields) != raw.count(b"\n") - 2:
        fields = _parse_lines(raw[found.end() :])
    start = ResponseStart(raw, found[1], int(found[2]), found[3] or b"", fields, [])
    for name, value in fields:
        kind = KIND_OF[name]
        if kind:
            _note(start, kind, value.rstrip(b" \t"))
    return start


def _note(start: ResponseStart, kind: int, value: bytes) -> None:
    if kind == CONTENT_TYPE:
        start.content_type = value.lower()
    elif kind == CONTENT_ENCODING:
        start.content_encoding += b"," + value if start.content_encoding else value
    elif kind in (CONTENT_LENGTH, TRANSFER_ENCODING):
        start.framing.append((kind, value))
    else:
        if kind == CONNECTION:
            start.framing.append((kind, value))
            start.keep_alives += value.lower() == b"keep-alive" and start.version != b"HTTP/1.0"
        elif kind in CUT:
            start.has_secret = True
        start.changes += kind >= CHANGES_FROM


def split_lines(raw: bytes) -> list[bytes]:
    """The lines of a head's fields as they came, a folded one with its folds, without their ends."""
    lines: list[bytes] = []
    for line in raw.split(b"\n")[:-2]:
        line = line.removesuffix(b"\r")
        if line[:1] in (b" ", b"\t") and lines:
            lines[-1] += b"\r\n" + line
        else:
            lines.append(line)
    return lines


def _parse_lines(raw: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of a head with folded lines, or of one that is none."""
    fields = []
    for line in split_lines(raw):
        name, colon, value = line.partition(b":")
        if not colon or _NAME.fullmatch(name) is None:
            raise FramingError("a header line without a name")
        fields.append((name, b" ".join(part.strip(b" \t") for part in value.split(b"\r\n"))))
    return fields


class Body(Protocol):
    """How one response's body is framed."""

    is_done: bool
    trailers: bytes  # raw lines, of a chunked body that has some

    def feed(self, data: bytes) -> tuple[int, bytes]:
        """
        How many of these bytes belong to the response, and the body bytes in them without framing.

        Raises FramingError where the framing is broken: the end cannot be found any more.
        """
        ...

    def ends_with_connection(self) -> bool:
        """Whether the response is complete if the connection closes now."""
        ...


class LengthBody:
    """A body of a known length; 0 where there is none."""

    __slots__ = ("_left", "is_done", "trailers")

    def __init__(self, length: int) -> None:
        self._left = length
        self.is_done = length == 0
        self.trailers = b""

    def feed(self, data: bytes) -> tuple[int, bytes]:
        size = len(data)
        if size > self._left:
            data = data[: self._left]
            size = self._left
        self._left -= size
        self.is_done = self._left == 0
        return size, data

    def ends_with_connection(self) -> bool:
        return self.is_done


class ClosingBody:
    """A body that goes on until the connection closes."""

    __slots__ = ("is_done", "trailers")

    def __init__(self) -> None:
        self.is_done = False
        self.trailers = b""

    def feed(self, data: bytes) -> tuple[int, bytes]:
        return len(data), data

    def ends_with_connection(self) -> bool:
        return True


class ChunkedBody:
    """A chunked body; chunk extensions and trailers are part of it."""

    __slots__ = ("_in_trailers", "_left", "_line", "_wants_line_end", "is_done", "trailers")

    def __init__(self) -> None:
        self._left = 0  # of the chunk we are in
        self._line = b""  # the beginning of a line whose end has not come
        self._wants_line_end = False  # behind a chunk's data
        self._in_trailers = False
        self.is_done = False
        self.trailers = b""

    def feed(self, data: bytes) -> tuple[int, bytes]:
        at, size = 0, len(data)
        if not (self._left or self._line or self._wants_line_end or self._in_trailers):
            # The usual read of a stream is one whole chunk.
            found = _CHUNK_START.match(data)
            if found is not None and data.endswith(b"\r\n"):
                start = found.end()
                if 0 < int(found[1], 16) == size - start - 2:
                    return size, data[start:-2]
        pieces: list[bytes] = []
        while at < size and not self.is_done:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            end = data.find(b"\n", at)
            if end == -1:
                self._line += data[at:]
                at = size
                if len(self._line) > CHUNK_LINE_BYTES_MAX and not self._in_trailers:
                    raise FramingError("a chunk line without an end")
            else:
                line = self._line + data[at:end] if self._line else data[at:end]
                self._line = b""
                at = end + 1
                self._take_line(line)
            if len(self.trailers) + len(self._line) > TRAILER_BYTES_MAX:
                raise FramingError("trailers without an end")
        return at, pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def ends_with_connection(self) -> bool:
        return self.is_done

    def _take_line(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        if self._in_trailers:
            if line:
                self.trailers += line + b"\r\n"
            else:
                self.is_done = True
        elif self._wants_line_end:
            if line:
                raise FramingError("a chunk longer than it says")
            self._wants_line_end = False
        else:
            found = _CHUNK_SIZE.fullmatch(line)
            if found is None:
                raise FramingError("a chunk without a size")
            self._left = int(found[1], 16)
            self._wants_line_end = self._left > 0
            self._in_trailers = self._left == 0


def body_of(start: ResponseStart, *, is_head: bool) -> Body:
    """
    How the body behind this head is framed. `is_head`: it answers a HEAD request.

    Raises FramingError where the head contradicts itself.
    """
    if is_head or start.status in (204, 304) or start.status < 200:
        return LengthBody(0)
    codings, lengths = [], []
    for kind, value in start.framing:
        if kind == CONTENT_LENGTH:
            lengths.append(value)
        elif kind == TRANSFER_ENCODING:
            codings.append(value)
    if codings:
        last = b",".join(codings).lower().rpartition(b",")[2].strip(b" \t")
        return ChunkedBody() if last == b"chunked" and start.version != b"HTTP/1.0" else ClosingBody()
    if not lengths:
        return ClosingBody()
    if len(lengths) > 1 or b"," in lengths[0]:
        lengths = list({part.strip(b" \t") for value in lengths for part in value.split(b",")})
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        raise FramingError("a Content-Length that is no number, or two that differ")
    return LengthBody(int(lengths[0]))


def has_length(start: ResponseStart) -> bool:
    return any(kind == CONTENT_LENGTH for kind, _ in start.framing)


def stays_open(start: ResponseStart) -> bool:
    """Whether the upstream keeps the connection for another request, as far as its head says."""
    is_old = start.version == b"HTTP/1.0"
    is_open = not is_old
    for kind, value in start.framing:
        if kind == CONNECTION:
            tokens = tokens_of(value)
            if b"close" in tokens:
                return False
            is_open = is_open or b"keep-alive" in tokens
    return is_open
