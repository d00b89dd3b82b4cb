"""
WebSocket frames: the bytes of one direction in, messages out. No I/O.

    for message in reader.feed(piece, at_ns): ...

Pieces may be cut anywhere. A message in several frames is put together, control frames between them stand on
their own, and what was compressed comes out as it was said. An end in the middle of a frame is an end: what
is not whole is not given out.

Bytes that are no frames end the reading of that direction, as they end the connection at its peer
(`is_broken`): from there on nobody can tell where a frame begins. A message of more than MESSAGE_BYTES_MAX is
skipped and counted (`skipped`); a compressed one takes the memory of its direction with it unless none is
kept between messages, so then that direction is broken.

Sources: https://www.rfc-editor.org/rfc/rfc6455#section-5 (frames) and
https://www.rfc-editor.org/rfc/rfc7692#section-7 (permessage-deflate). Window bits need not be known: the
largest window reads what any smaller one wrote.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Self

from arc_proxy.wire.document import to_bytes, to_text

MESSAGE_BYTES_MAX = 16 * 1024 * 1024  # as sent, and as it comes out

_CONTROL_BYTES_MAX = 125
_WINDOW_BYTES = 32 * 1024
_FIN, _RSV1, _RSV23, _OPCODE = 0x80, 0x40, 0x30, 0x0F
_MASK, _LENGTH = 0x80, 0x7F
_LENGTH_16, _LENGTH_64 = 126, 127
_TAIL = b"\x00\x00\xff\xff"
_EXTENSION = re.compile(r"\s*permessage-deflate\s*(?:;|\Z)", re.I)


class Direction(StrEnum):
    UP = "up"  # client to server
    DOWN = "down"


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8  # two bytes of code, then a reason, or nothing
    PING = 9
    PONG = 10


_OPCODES = {each.value: each for each in Opcode}


@dataclass(frozen=True, slots=True)
class Message:
    direction: Direction
    opcode: Opcode
    data: bytes
    at_ns: int  # when its last byte came


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflate:
    """What both sides agreed on: whether a direction starts anew with each message."""

    up_forgets: bool = False
    down_forgets: bool = False


def read_deflate(extensions: str) -> Deflate | None:
    """The agreement in the server's `Sec-WebSocket-Extensions`; None if nothing is compressed."""
    for extension in extensions.split(","):
        if _EXTENSION.match(extension):
            words = {word.partition("=")[0].strip().lower() for word in extension.split(";")[1:]}
            return Deflate(
                up_forgets="client_no_context_takeover" in words,
                down_forgets="server_no_context_takeover" in words,
            )
    return None


class FrameReader:
    """One direction. `deflate` is what the server's answer agreed to."""

    def __init__(self, direction: Direction, deflate: Deflate | None) -> None:
        self._direction = direction
        self._inflates = deflate is not None
        self._forgets = deflate is not None and (
            deflate.up_forgets if direction is Direction.UP else deflate.down_forgets
        )
        self._waiting = bytearray()  # the beginning of a frame
        self._wanted = 0  # the size of that frame, once it is known: until then nothing is looked at again
        self._skip: int | None = None  # bytes still to come of a payload that is not kept
        self._opcode: Opcode | None = None  # of the message whose frames are coming
        self._is_compressed = False
        self._is_too_large = False
        self._pieces = bytearray()  # of that message
        self._window = b""  # the end of what was said before, which later messages may refer to
        self._ends_message = False  # the frame that is being skipped is its message's last
        self.skipped = 0
        self.is_broken = False

    def feed(self, piece: bytes, at_ns: int) -> Iterator[Message]:
        """The messages that these bytes complete. `at_ns` is any clock's: it is handed on."""
        if self.is_broken:
            return
        if len(self._waiting) + len(piece) < self._wanted:
            self._waiting += piece
            return
        buffer = bytes(self._waiting) + piece if self._waiting else piece
        self._waiting.clear()
        self._wanted = 0
        at, size = 0, len(buffer)
        while not self.is_broken:
            if self._skip is not None:
                taken = min(self._skip, size - at)
                self._skip -= taken
                at += taken
                if self._skip:
                    return
                self._skip = None
                self._end_frame(self._ends_message)
                continue
            head = _read_head(buffer, at)
            if head is None:
                break
            start, length, first, mask = head
            if not self._accepts(first, length):
                self._break()
                return
            if self._is_oversize(first, length):
                at = start
                self._skip, self._ends_message = length, bool(first & _FIN)
                continue
            if size - start < length:
                self._wanted = start - at + length
                break
            payload = buffer[start : start + length]
            at = start + length
            message = self._take(first, _unmasked(payload, mask) if mask else payload, at_ns)
            if message is not None:
                yield message
        if not self.is_broken:
            self._waiting += buffer[at:]

    def state(self) -> dict[str, Any]:
        """All that is remembered, as JSON values. May hold what was said: keep it as the bytes are kept."""
        return {
            "waiting": to_text(self._waiting),
            "skip": self._skip,
            "ends_message": self._ends_message,
            "opcode": self._opcode,
            "is_compressed": self._is_compressed,
            "is_too_large": self._is_too_large,
            "pieces": to_text(self._pieces),
            "window": to_text(self._window),
            "skipped": self.skipped,
            "is_broken": self.is_broken,
        }

    @classmethod
    def restored(cls, direction: Direction, deflate: Deflate | None, state: dict[str, Any]) -> Self:
        """The reader whose `state` this was. Raises ValueError, KeyError or TypeError for what is none."""
        reader = cls(direction, deflate)
        reader._waiting = bytearray(to_bytes(state["waiting"]))
        reader._skip = None if state["skip"] is None else int(state["skip"])
        reader._ends_message = bool(state["ends_message"])
        reader._opcode = None if state["opcode"] is None else Opcode(state["opcode"])
        reader._is_compressed = bool(state["is_compressed"])
        reader._is_too_large = bool(state["is_too_large"])
        reader._pieces = bytearray(to_bytes(state["pieces"]))
        reader._window = to_bytes(state["window"])
        reader.skipped = int(state["skipped"])
        reader.is_broken = bool(state["is_broken"])
        return reader

    def _accepts(self, first: int, length: int) -> bool:
        """Whether a frame may begin so here."""
        opcode = _OPCODES.get(first & _OPCODE)
        if opcode is None or first & _RSV23 or length >> 63:
            return False
        if opcode >= Opcode.CLOSE:
            return bool(first & _FIN) and not first & _RSV1 and length <= _CONTROL_BYTES_MAX
        if opcode is Opcode.CONTINUATION:
            return self._opcode is not None and not first & _RSV1
        return self._opcode is None and (self._inflates or not first & _RSV1)

    def _is_oversize(self, first: int, length: int) -> bool:
        """Whether the frame is part of a message that is too large; begins or goes on with that message."""
        opcode = _OPCODES[first & _OPCODE]
        if opcode >= Opcode.CLOSE:
            return False
        if not self._is_too_large and len(self._pieces) + length <= MESSAGE_BYTES_MAX:
            return False
        if opcode is not Opcode.CONTINUATION:
            self._opcode, self._is_compressed = opcode, bool(first & _RSV1)
        self._is_too_large = True
        self._pieces.clear()
        return True

    def _end_frame(self, ends_message: bool) -> None:
        """A frame of a message that is too large is over."""
        if ends_message:
            self._lose()
            self._opcode, self._is_too_large = None, False

    def _take(self, first: int, payload: bytes, at_ns: int) -> Message | None:
        opcode = _OPCODES[first & _OPCODE]
        if opcode >= Opcode.CLOSE:
            return Message(self._direction, opcode, payload, at_ns)
        if opcode is not Opcode.CONTINUATION:
            self._opcode, self._is_compressed = opcode, bool(first & _RSV1)
        if not first & _FIN:
            self._pieces += payload
            return None
        said = bytes(self._pieces) + payload if self._pieces else payload
        self._pieces.clear()
        opcode, self._opcode = self._opcode or opcode, None
        data = self._inflated(said) if self._is_compressed else said
        return None if data is None else Message(self._direction, opcode, data, at_ns)

    def _inflated(self, payload: bytes) -> bytes | None:
        """None where it is not what it claims, or becomes too much."""
        inflater = (
            zlib.decompressobj(-zlib.MAX_WBITS, zdict=self._window)
            if self._window
            else zlib.decompressobj(-zlib.MAX_WBITS)
        )
        try:
            data = inflater.decompress(payload + _TAIL, MESSAGE_BYTES_MAX)
        except zlib.error:
            self._break()
            return None
        if inflater.unconsumed_tail:
            self._lose()
            return None
        if not self._forgets:
            self._window = (self._window + data)[-_WINDOW_BYTES:]
        return data

    def _lose(self) -> None:
        self.skipped += 1
        if self._is_compressed and not self._forgets:
            self._break()

    def _break(self) -> None:
        self.is_broken = True
        self._waiting.clear()
        self._pieces.clear()
        self._window = b""


def write_frame(opcode: Opcode, data: bytes) -> bytes:
    """One message as one frame, neither masked nor compressed."""
    size = len(data)
    if size < _LENGTH_16:
        return bytes((_FIN | opcode, size)) + data
    wide, width = (_LENGTH_16, 2) if size < 1 << 16 else (_LENGTH_64, 8)
    return bytes((_FIN | opcode, wide)) + size.to_bytes(width, "big") + data


def _read_head(buffer: bytes, at: int) -> tuple[int, int, int, bytes] | None:
    """Where the payload starts, its length, the first byte and the mask, b"" without. None: not all there."""
    size = len(buffer)
    if size - at < 2:
        return None
    first, second = buffer[at], buffer[at + 1]
    start, length = at + 2, second & _LENGTH
    wide = {_LENGTH_16: 2, _LENGTH_64: 8}.get(length, 0)
    if wide:
        if size - start < wide:
            return None
        length = int.from_bytes(buffer[start : start + wide], "big")
        start += wide
    if not second & _MASK:
        return start, length, first, b""
    if size - start < 4:
        return None
    return start + 4, length, first, buffer[start : start + 4]


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
