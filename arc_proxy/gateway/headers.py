"""
Header fields on their way through: what passes, what is ours, what is cut for the journal. No I/O.

Names keep their case, fields their order and duplicates. Removed are the fields that belong to one
connection, those that `Connection` names, `x-arc-*`, and on their way to a provider those that are meant for
another product's gateway (see `arc_proxy.foreign`). `Expect` and `TE` pass: upstream's answer to them
is relayed too. Of `Connection` itself, `close` stays, because the two connections live and end together.
Where a WebSocket is asked for, and where it is granted, `Upgrade` and `Connection` pass as they came
(https://www.rfc-editor.org/rfc/rfc6455#section-4.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from arc_proxy.cut import Fingerprints
from arc_proxy.gateway.fields import (
    ASKS_LESS,
    CHANGES_FROM,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_TYPE,
    CUT,
    FOR_GATEWAYS,
    HOST,
    KIND_OF,
    UPGRADE,
    tokens_of,
)
from arc_proxy.gateway.framing import ResponseStart, split_lines

# `Connection` may not name these away: the message's framing and its destination hang on them.
_NEVER_NAMED = frozenset({b"connection", b"content-length", b"transfer-encoding", b"host", b"te", b"expect"})
_UPGRADE = frozenset({b"upgrade"})
_KEEP_ALIVE = re.compile(rb"^connection:[ \t]*keep-alive[ \t]*\r?\n", re.I | re.M)


@dataclass(slots=True)
class RequestFields:
    """
    A request's fields in both their forms, lines with their ends: as they are sent upstream, and as the
    journal keeps them; the secrets in them, and what they say of the body.
    """

    sent: list[bytes]
    kept: list[bytes]
    secrets: list[bytes]
    content_type: bytes = b""  # in lower case
    content_encoding: bytes = b""
    asks: tuple[tuple[bytes, bytes], ...] = ()  # fields that ask us to keep less


def read_request_fields(
    fields: Sequence[tuple[bytes, bytes]],
    authority: bytes,
    fingerprints: Fingerprints,
    *,
    may_be_gateway: bool = True,
    switches: bool = False,
) -> RequestFields:
    """
    `authority` is what `Host` says upstream; `may_be_gateway` is said of the upstream; `switches`: the
    request asks for a WebSocket.
    """
    sent: list[bytes] = []
    kept: list[bytes] = []
    read = RequestFields(sent, kept, [])
    connection: list[bytes] = []
    for name, value in fields:
        kind = KIND_OF[name]
        line = b"%b: %b\r\n" % (name, value)
        if not kind:  # as nearly all are
            sent.append(line)
            kept.append(line)
            continue
        if kind < CHANGES_FROM:
            if may_be_gateway or kind not in FOR_GATEWAYS:
                sent.append(line)
        elif kind == HOST:
            sent.append(b"%b: %b\r\n" % (name, authority))
        elif kind == CONNECTION:
            connection.append(value)
            if switches:
                sent.append(line)
            elif b"close" in tokens_of(value):
                sent.append(name + b": close\r\n")
        elif kind == UPGRADE and switches:
            sent.append(line)
        if kind in CUT:
            cut, secrets = fingerprints.cut_header(name, value)
            read.secrets += secrets
            line = b"%b: %b\r\n" % (name, cut)
        elif kind == CONTENT_TYPE:
            read.content_type = value.lower()
        elif kind == CONTENT_ENCODING:
            read.content_encoding += b"," + value if read.content_encoding else value
        elif kind == ASKS_LESS:
            read.asks += ((name, value),)
        kept.append(line)
    if connection:
        named = _named(connection)
        if switches:
            named -= _UPGRADE
        if named:
            read.sent = [line for line in sent if line.partition(b":")[0].lower() not in named]
    return read


def response_head(start: ResponseStart, added: bytes, dropped: Set[bytes] = frozenset()) -> bytes:
    """
    The head to send to the client: the upstream's, `added` lines at its end.

    `dropped`: names, in lower case, of fields that do not hold for what the client gets.
    """
    if start.changes == start.keep_alives and not dropped:
        raw = _KEEP_ALIVE.sub(b"", start.raw) if start.changes else start.raw
        end = -2 if raw.endswith(b"\r\n") else -1
        return b"%b%b\r\n" % (raw[:end], added)
    named = _named(value for kind, value in start.framing if kind == CONNECTION)
    status_line, *field_lines = split_lines(start.raw)
    lines = [status_line]
    for (name, value), line in zip(start.fields, field_lines, strict=True):
        kind = KIND_OF[name]
        if kind == CONNECTION:
            lines += _kept_connection(name, value, line, start.version)
        elif kind < CHANGES_FROM:
            lower = name.lower()
            if lower not in named and lower not in dropped:
                lines.append(line)
    return b"\r\n".join(lines) + b"\r\n" + added + b"\r\n"


def switching_head(start: ResponseStart, added: bytes) -> bytes:
    """The head of a 101 as the client gets it: all but what is ours, `added` lines at its end."""
    status_line, *field_lines = split_lines(start.raw)
    lines = [status_line]
    for (name, _), line in zip(start.fields, field_lines, strict=True):
        kind = KIND_OF[name]
        if kind < CHANGES_FROM or kind in (CONNECTION, UPGRADE):
            lines.append(line)
    return b"\r\n".join(lines) + b"\r\n" + added + b"\r\n"


def kept_response_lines(start: ResponseStart, fingerprints: Fingerprints) -> tuple[list[bytes], list[bytes]]:
    """A response's field lines as the journal keeps them, and the secrets in them."""
    if not start.has_secret:
        return [b"%b: %b\r\n" % pair for pair in start.fields], []
    lines: list[bytes] = []
    secrets: list[bytes] = []
    for name, value in start.fields:
        if KIND_OF[name] in CUT:
            value, found = fingerprints.cut_header(name, value)
            secrets += found
        lines.append(b"%b: %b\r\n" % (name, value))
    return lines, secrets


def _kept_connection(name: bytes, value: bytes, line: bytes, version: bytes) -> list[bytes]:
    tokens = tokens_of(value)
    for token in (b"close", b"keep-alive") if version == b"HTTP/1.0" else (b"close",):
        if token in tokens:
            return [line if len(tokens) == 1 else name + b": " + token]
    return []


def _named(connection_values: Iterable[bytes]) -> set[bytes]:
    """The fields that `Connection` names."""
    named: set[bytes] = set()
    for value in connection_values:
        named |= tokens_of(value)
    return named - _NEVER_NAMED - {b"close", b"keep-alive", b""}
