"""
Header fields on their way through: what passes, what is ours, what is cut for the journal. No I/O.

Names keep their case, fields their order and duplicates. Removed are the fields that belong to one
connection (https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1), those that `Connection` names, and
`x-arc-*`. `Expect` and `TE` pass: upstream's answer to them is relayed too. Of `Connection` itself,
`close` stays, because the two connections live and end together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from arc_proxy.cut import Fingerprints, cut_header, is_secret_header
from arc_proxy.gateway.framing import ResponseStart

Fields = Sequence[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"upgrade"}
)
# `Connection` may not name these away: the message's framing and its destination hang on them.
_NEVER_NAMED = frozenset({b"connection", b"content-length", b"transfer-encoding", b"host", b"te", b"expect"})
_ARC = b"x-arc-"


class FieldKind(IntEnum):
    PLAIN = 0
    HOST = 1
    CONNECTION = 2
    HOP_BY_HOP = 3
    ARC = 4
    SECRET = 5  # passes, and is cut for the journal


_KINDS: dict[bytes, FieldKind] = {}
_KINDS_MAX = 1024


def kind_of(name: bytes) -> FieldKind:
    """What a field of this name is. Names repeat, so the answer is remembered, up to a bound."""
    kind = _KINDS.get(name)
    if kind is None:
        if len(_KINDS) >= _KINDS_MAX:
            _KINDS.clear()
        kind = _KINDS[name] = _classify(name.lower())
    return kind


def _classify(name: bytes) -> FieldKind:
    if name == b"host":
        return FieldKind.HOST
    if name == b"connection":
        return FieldKind.CONNECTION
    if name in _HOP_BY_HOP:
        return FieldKind.HOP_BY_HOP
    if name.startswith(_ARC):
        return FieldKind.ARC
    return FieldKind.SECRET if is_secret_header(name) else FieldKind.PLAIN


def request_fields(fields: Fields, authority: bytes) -> bytes:
    """The header lines to send upstream. `authority` is the upstream's own host."""
    named = _named(value for name, value in fields if kind_of(name) is FieldKind.CONNECTION)
    lines = []
    for name, value in fields:
        kind = kind_of(name)
        if kind is FieldKind.PLAIN or kind is FieldKind.SECRET:
            if named and name.lower() in named:
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        elif kind is FieldKind.HOST:
            lines.append(b"%b: %b\r\n" % (name, authority))
        elif kind is FieldKind.CONNECTION and b"close" in _tokens(value):
            lines.append(name + b": close\r\n")
    return b"".join(lines)


def response_head(start: ResponseStart, added: bytes, *, drop_length: bool) -> bytes:
    """
    The head to send to the client: the upstream's, `added` lines at its end.

    `drop_length`: a Content-Length stands beside a Transfer-Encoding, which overrides it.
    """
    is_as_it_was = not drop_length
    for name, _ in start.fields:
        kind = kind_of(name)
        if kind is not FieldKind.PLAIN and kind is not FieldKind.SECRET:
            is_as_it_was = False
            break
    if is_as_it_was:
        end = -2 if start.raw.endswith(b"\r\n") else -1
        return start.raw[:end] + added + b"\r\n"
    named = _named(value for name, value in start.fields if kind_of(name) is FieldKind.CONNECTION)
    lines = [start.status_line]
    for (name, value), line in zip(start.fields, start.lines, strict=True):
        kind = kind_of(name)
        if kind is FieldKind.CONNECTION:
            lines += _kept_connection(name, value, line, start.version)
        elif kind not in (FieldKind.HOP_BY_HOP, FieldKind.ARC):
            lower = name.lower()
            if lower not in named and not (drop_length and lower == b"content-length"):
                lines.append(line)
    return b"\r\n".join(lines) + b"\r\n" + added + b"\r\n"


def _kept_connection(name: bytes, value: bytes, line: bytes, version: bytes) -> list[bytes]:
    tokens = _tokens(value)
    for token in (b"close", b"keep-alive") if version == b"HTTP/1.0" else (b"close",):
        if token in tokens:
            return [line if len(tokens) == 1 else name + b": " + token]
    return []


def _tokens(value: bytes) -> set[bytes]:
    return {token.strip(b" \t").lower() for token in value.split(b",")}


def _named(connection_values: Iterable[bytes]) -> set[bytes]:
    """The fields that `Connection` names."""
    named: set[bytes] = set()
    for value in connection_values:
        named |= _tokens(value)
    return named - _NEVER_NAMED - {b"close", b"keep-alive", b""}


@dataclass(slots=True)
class KeptFields:
    """Header fields as the journal keeps them, and the secrets that were cut out of them."""

    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    secrets: list[bytes] = field(default_factory=list)


def kept_fields(fields: Fields, fingerprints: Fingerprints) -> KeptFields:
    kept = KeptFields()
    for pair in fields:
        name = pair[0]
        kind = kind_of(name)
        if kind is FieldKind.SECRET or (kind is FieldKind.HOP_BY_HOP and is_secret_header(name)):
            value, secrets = cut_header(name, pair[1], fingerprints)
            kept.fields.append((name, value))
            kept.secrets += secrets
        else:
            kept.fields.append(pair)
    return kept
