"""
What stands inside the records that are not plain body bytes. Standard library only, no I/O.

A head is kept as it went over the wire, credentials cut, behind one line of our own:

    REQUEST_HEAD    arc1 SP upstream SP url SP connection CRLF  request-line CRLF (field CRLF)* CRLF
    RESPONSE_HEAD   arc1 SP origin CRLF                         status-line CRLF (field CRLF)* CRLF
    INTERIM_HEAD    the same

`upstream` is the provider prefix that was chosen ("openai"; "-" where none was), `url` the whole URL that
the request was sent on to ("-" likewise), `connection` a number that the gateway gives each client
connection. The request line carries the target as the client sent it. `origin` is "upstream", or "proxy"
where arc-proxy itself answered.

    END             ended SP detail            detail: free text, credentials cut, may be empty
    GAP             side SP bytes              side: "request" or "response"
    ANCHOR          wall_ns                    decimal, nanoseconds since the epoch
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from arc_proxy.journal.record import Ended

Headers = tuple[tuple[bytes, bytes], ...]

_NONE = b"-"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    upstream: str | None
    url: str | None
    connection: int
    method: bytes
    target: bytes
    version: bytes  # "HTTP/1.1"
    headers: Headers  # case, order and duplicates as they came

    def encode(self) -> bytes:
        return encode_request_head(
            upstream=self.upstream,
            url=self.url,
            connection=self.connection,
            line=b"%b %b %b" % (self.method, self.target, self.version),
            field_lines=_fields(self.headers),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    origin: str  # "upstream" or "proxy"
    status: int
    reason: bytes
    version: bytes
    headers: Headers

    def encode(self) -> bytes:
        line = b"%b %d %b" % (self.version, self.status, self.reason)
        return encode_response_head(origin=self.origin, line=line, field_lines=_fields(self.headers))


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    ended: Ended
    detail: str = ""

    def encode(self) -> bytes:
        return f"{self.ended} {self.detail}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    side: str  # "request" or "response"
    bytes_dropped: int

    def encode(self) -> bytes:
        return f"{self.side} {self.bytes_dropped}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    wall_ns: int

    def encode(self) -> bytes:
        return str(self.wall_ns).encode()


def encode_request_head(
    *, upstream: str | None, url: str | None, connection: int, line: bytes, field_lines: bytes
) -> bytes:
    """`line` is the request line without its end, `field_lines` the fields, `name: value CRLF` each."""
    return b"arc1 %b %b %d\r\n%b\r\n%b\r\n" % (
        upstream.encode() if upstream else _NONE,
        url.encode() if url else _NONE,
        connection,
        line,
        field_lines,
    )


def encode_response_head(*, origin: str, line: bytes, field_lines: bytes) -> bytes:
    """`line` is the status line without its end, with a space behind the status."""
    return b"arc1 %b\r\n%b\r\n%b\r\n" % (origin.encode(), line, field_lines)


def decode_request_head(content: bytes) -> RequestHead:
    """Raises ValueError for content that `RequestHead.encode` did not make."""
    ours, line, headers = _split(content)
    mark, upstream, url, connection = ours.split(b" ")
    _check_mark(mark)
    method, target, version = line.split(b" ", 2)
    return RequestHead(
        upstream=None if upstream == _NONE else upstream.decode(),
        url=None if url == _NONE else url.decode(),
        connection=int(connection),
        method=method,
        target=target,
        version=version,
        headers=headers,
    )


def decode_response_head(content: bytes) -> ResponseHead:
    """Raises ValueError for content that `ResponseHead.encode` did not make."""
    ours, line, headers = _split(content)
    mark, origin = ours.split(b" ")
    _check_mark(mark)
    version, status, *reason = line.split(b" ", 2)
    return ResponseHead(
        origin=origin.decode(),
        status=int(status),
        reason=reason[0] if reason else b"",
        version=version,
        headers=headers,
    )


def decode_end(content: bytes) -> End:
    ended, _, detail = content.decode(errors="replace").partition(" ")
    return End(ended=Ended(ended), detail=detail)


def decode_gap(content: bytes) -> Gap:
    side, _, dropped = content.decode().partition(" ")
    return Gap(side=side, bytes_dropped=int(dropped))


def decode_anchor(content: bytes) -> Anchor:
    return Anchor(wall_ns=int(content))


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in headers])


def _split(content: bytes) -> tuple[bytes, bytes, Headers]:
    lines: Sequence[bytes] = content.split(b"\r\n")
    if len(lines) < 4 or lines[-2:] != [b"", b""]:
        raise ValueError("a head ends with an empty line")
    fields = []
    for line in lines[2:-2]:
        name, colon, value = line.partition(b": ")
        if not colon:
            raise ValueError(f"no field: {line[:40]!r}")
        fields.append((name, value))
    return lines[0], lines[1], tuple(fields)


def _check_mark(mark: bytes) -> None:
    if mark != b"arc1":
        raise ValueError(f"unknown head format {mark[:20]!r}")
