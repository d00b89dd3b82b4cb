"""
Records: what the journal holds, one event of an exchange each. Standard library only, no I/O.

    kind         u8
    exchange id  16 bytes   zeros where a record speaks of no exchange
    mono_ns      u64 LE     the writer's monotonic clock; an ANCHOR ties it to wall time
    content      the rest   its form depends on the kind, see `RecordKind`

The exchange id is 48 bits of milliseconds since the epoch, 32 bits of the writer's random id and a
48 bit counter, big-endian, so that ids sort by time and no two writers meet. People see it as 26
characters of base32 in Crockford's alphabet (https://www.crockford.com/base32.html), lower case.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum

ID_BYTES = 16
ID_TEXT_LEN = 26
NO_EXCHANGE = bytes(ID_BYTES)

RECORD_HEADER = struct.Struct("<B16sQ")  # kind, exchange id, mono_ns: what stands before the content
RECORD_HEADER_BYTES = RECORD_HEADER.size
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]  # 10 bits each
_PAIR_SHIFTS = tuple(range(120, -10, -10))
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}


class RecordKind(IntEnum):
    """Values reach the disk: append, never renumber."""

    ANCHOR = 1  # `head.Anchor`: wall time at this record's mono_ns
    REQUEST_HEAD = 2  # `head.RequestHead`
    REQUEST_BODY = 3  # body bytes, framing removed, content-encoding left on
    INTERIM_HEAD = 4  # `head.ResponseHead` of a 1xx response other than 101
    RESPONSE_HEAD = 5  # `head.ResponseHead`
    RESPONSE_BODY = 6  # body bytes, framing removed, content-encoding left on
    TRAILERS = 7  # raw trailer lines of the response
    END = 8  # `head.End`: how the exchange ended, always its last record
    GAP = 9  # `head.Gap`: bytes of this exchange that capture had to drop
    FACT = 10  # one JSON object that came from outside, see `fact`
    TUNNEL_UP = 11  # raw bytes after a 101, client to upstream
    TUNNEL_DOWN = 12  # raw bytes after a 101, upstream to client
    COUNTS = 13  # one JSON object: what this writer lost or could not secure so far


_KINDS = {kind.value: kind for kind in RecordKind}


class Ended(StrEnum):
    """How an exchange ended. Values reach the disk and the export: append, never rename."""

    COMPLETE = "complete"  # the framing says that all of it arrived
    TRUNCATED = "truncated"  # the upstream stopped in the middle of its response
    CLIENT_CLOSED = "client_closed"  # the client left first
    UPSTREAM_ERROR = "upstream_error"  # no response: refused, DNS, TLS, reset or silence
    REFUSED = "refused"  # arc-proxy itself answered: unknown prefix, key guard, bad request
    INTERRUPTED = "interrupted"  # the gateway died; never written, concluded at ingest


@dataclass(frozen=True, slots=True)
class Record:
    kind: RecordKind
    exchange_id: bytes
    mono_ns: int
    content: bytes

    def encode(self) -> bytes:
        """The record as it lies in a frame."""
        return RECORD_HEADER.pack(self.kind, self.exchange_id, self.mono_ns) + self.content


def decode_record(payload: bytes) -> Record:
    """
    Read one frame's payload.

    Raises ValueError for a payload too short to be one, or of a kind that this version does not know.
    """
    if len(payload) < RECORD_HEADER.size:
        raise ValueError(f"a record has at least {RECORD_HEADER.size} bytes, this one has {len(payload)}")
    kind_value, exchange_id, mono_ns = RECORD_HEADER.unpack_from(payload)
    kind = _KINDS.get(kind_value)
    if kind is None:
        raise ValueError(f"{kind_value} is no kind of record that this version knows")
    return Record(kind, exchange_id, mono_ns, payload[RECORD_HEADER.size :])


def make_exchange_id(wall_ms: int, writer_id: int, counter: int) -> bytes:
    """16 bytes that sort by time. `writer_id` is 32 random bits, `counter` counts a writer's exchanges."""
    return (
        (wall_ms & (1 << 48) - 1).to_bytes(6, "big")
        + (writer_id & (1 << 32) - 1).to_bytes(4, "big")
        + (counter & (1 << 48) - 1).to_bytes(6, "big")
    )


def id_text(exchange_id: bytes) -> str:
    """The id as people see it: 26 characters that sort as the bytes do."""
    number = int.from_bytes(exchange_id, "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in _PAIR_SHIFTS])


def id_bytes(text: str) -> bytes:
    """The reverse of `id_text`. Raises ValueError for anything that it did not make."""
    if len(text) != ID_TEXT_LEN:
        raise ValueError(f"a call id has {ID_TEXT_LEN} characters, {text!r} has {len(text)}")
    number = 0
    for character in text:
        if character not in _VALUES:
            raise ValueError(f"{character!r} stands in no call id")
        number = number << 5 | _VALUES[character]
    if number >> 128:
        raise ValueError(f"{text!r} is no call id")
    return number.to_bytes(ID_BYTES, "big")


def id_wall_ms(exchange_id: bytes) -> int:
    """When the exchange began, in milliseconds since the epoch."""
    return int.from_bytes(exchange_id[:6], "big")
