"""
Amazon's event stream: bytes in, events out. No I/O.

    total length    u32 BE   of the whole message, these four bytes included
    headers length  u32 BE
    prelude CRC     u32 BE   CRC-32 of the eight bytes before
    headers                  name length u8, name, type u8, value (of a string: length u16 BE, UTF-8)
    payload
    message CRC     u32 BE   CRC-32 of everything before

Source: https://smithy.io/2.0/aws/amazon-eventstream.html

An event is named by its `:event-type`. An exception is given as other dialects give their errors,
`{"error": {"type": ..., "message": ...}}`, so that every fold reads it. What a model answers to
InvokeModelWithResponseStream comes wrapped in base64, and is given unwrapped. A message whose prelude is
broken ends the stream, because nobody can tell where the next one begins; one whose body is broken is left
out and counted. The beginning of a message that never ended is left out.
"""

from __future__ import annotations

import binascii
import struct
from zlib import crc32

import orjson

from arc_proxy.wire.document import as_text, read_object
from arc_proxy.wire.stream import StreamEvent

# The protocol allows 16 MiB of payload; headers are small.
MESSAGE_BYTES_MAX = 24 * 1024 * 1024

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_FRAME_BYTES = _PRELUDE.size + _CRC.size
# Sizes of header values by their type; byte arrays (6) and strings (7) say theirs.
_VALUE_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_STRING = 7
_WRAPPER = "chunk"  # what InvokeModelWithResponseStream calls its events


class EventStreamDecoder:
    """Takes chunks of any size. `broken`: messages that were left out because they are damaged."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_lost = False
        self.broken = 0

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that this chunk completes."""
        if self._is_lost:
            return []
        self._buffer += chunk
        events = []
        start = 0
        while (size := self._message_size(start)) and start + size <= len(self._buffer):
            event = self._read(bytes(self._buffer[start : start + size]))
            if event is not None:
                events.append(event)
            start += size
        del self._buffer[:start]
        return events

    def _message_size(self, start: int) -> int:
        """0 where no message can be told: too little has come, or it is none."""
        if len(self._buffer) - start < _PRELUDE.size:
            return 0
        total, headers, crc = _PRELUDE.unpack_from(self._buffer, start)
        is_whole = crc32(self._buffer[start : start + 8]) == crc
        if not is_whole or not _FRAME_BYTES + headers <= total <= MESSAGE_BYTES_MAX:
            self._is_lost = True
            self._buffer.clear()
            self.broken += 1
            return 0
        return int(total)

    def _read(self, message: bytes) -> StreamEvent | None:
        if crc32(message[: -_CRC.size]) != _CRC.unpack_from(message, len(message) - _CRC.size)[0]:
            self.broken += 1
            return None
        headers_end = _PRELUDE.size + _PRELUDE.unpack_from(message)[1]
        headers = _read_headers(message[_PRELUDE.size : headers_end])
        return _event(headers, message[headers_end : -_CRC.size])


def begins_event_stream(body: bytes) -> bool:
    """Whether the bytes begin as a message does; chance makes them so once in four billion."""
    if len(body) < _PRELUDE.size:
        return False
    crc: int = _PRELUDE.unpack_from(body)[2]
    return crc32(body[:8]) == crc


def _read_headers(block: bytes) -> dict[str, str]:
    """Those whose value is a string, as far as the block can be read."""
    headers: dict[str, str] = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name = block[at + 1 : name_end].decode(errors="replace")
        if name_end >= len(block):
            break
        kind = block[name_end]
        at = name_end + 1
        size = _VALUE_BYTES.get(kind)
        if size is None:
            if at + 2 > len(block):
                break
            size = int.from_bytes(block[at : at + 2], "big")
            at += 2
        if kind == _STRING:
            headers[name] = block[at : at + size].decode(errors="replace")
        at += size
    return headers


def _event(headers: dict[str, str], payload: bytes) -> StreamEvent:
    if headers.get(":message-type") in ("exception", "error"):
        kind = headers.get(":exception-type") or headers.get(":error-code")
        said = read_object(payload) or {}
        text = as_text(said.get("message")) or as_text(said.get("Message")) or headers.get(":error-message")
        return StreamEvent("error", orjson.dumps({"error": {"type": kind, "message": text}}))
    name = headers.get(":event-type", "message")
    return StreamEvent(name, _unwrapped(payload) if name == _WRAPPER else payload)


def _unwrapped(payload: bytes) -> bytes:
    """A model's own JSON out of `{"bytes": base64, "p": padding}`."""
    wrapper = read_object(payload) or {}
    try:
        return binascii.a2b_base64(as_text(wrapper.get("bytes")) or "", strict_mode=True) or payload
    except (binascii.Error, ValueError):
        return payload
