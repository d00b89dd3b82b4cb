"""
Frames: how one record lies on disk. No file handles here.

    length   u32 LE   payload bytes, 1..FRAME_BYTES_MAX
    crc32    u32 LE   zlib.crc32 of payload
    payload  bytes    one encoded record, opaque at this level

A writer killed in mid-write leaves a torn last frame, and a power cut may leave zeros or half a page
behind the last whole frame. That is normal: `Deframer.whole_bytes` is where to resume. A bad frame with
anything but zeros behind it is not normal and raises `CorruptRecord`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from arc_proxy.errors import CorruptRecord

# A record of body bytes is at most a socket read; what is imported or reported from outside may be longer.
FRAME_BYTES_MAX = 16 * 1024 * 1024

FRAME_HEADER = struct.Struct("<II")
FRAME_HEADER_BYTES = FRAME_HEADER.size


def frame(payload: bytes) -> bytes:
    """Raises ValueError for an empty payload or one over FRAME_BYTES_MAX."""
    length = len(payload)
    if not 1 <= length <= FRAME_BYTES_MAX:
        raise ValueError(f"a frame holds 1 to {FRAME_BYTES_MAX} bytes, not {length}")
    return FRAME_HEADER.pack(length, zlib.crc32(payload)) + payload


def whole_frames(written: bytes) -> tuple[int, int]:
    """How many bytes, and how many frames, of a run of frames that was cut anywhere are whole."""
    end, count = 0, 0
    while len(written) - end >= FRAME_HEADER_BYTES:
        length, _ = FRAME_HEADER.unpack_from(written, end)
        if len(written) - end < FRAME_HEADER_BYTES + length:
            break
        end += FRAME_HEADER_BYTES + length
        count += 1
    return end, count


class Deframer:
    """
    Bytes of any size in, whole payloads out.

    `whole_bytes` is the offset behind the last whole frame that was given out, counted from `start`, the
    offset of the first byte fed. Holds at most one frame and one chunk.
    """

    def __init__(self, start: int = 0) -> None:
        self.whole_bytes = start
        self._pieces: list[bytes] = []
        self._have = 0  # bytes in _pieces
        self._wanted = FRAME_HEADER_BYTES  # bytes needed before the next frame can be judged
        self._doubt: str | None = None  # why the bytes from whole_bytes on are no frame

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """
        The payloads that this chunk completes.

        Raises CorruptRecord with the offset of a bad frame as soon as a byte other than zero follows it.
        """
        if self._doubt is not None:
            self._expect_zeros(chunk)
            return
        self._pieces.append(chunk)
        self._have += len(chunk)
        if self._have < self._wanted:
            return
        buffer = b"".join(self._pieces)
        at = 0
        try:
            while (end := self._frame_end(buffer, at)) is not None:
                payload = buffer[at + FRAME_HEADER_BYTES : end]
                self.whole_bytes += end - at
                at = end
                yield payload
        finally:  # a reader that has enough may leave in the middle
            self._pieces = [buffer[at:]]
            self._have = len(buffer) - at

    def _frame_end(self, buffer: bytes, at: int) -> int | None:
        """Where the frame at `at` ends. None: more bytes are needed, or it is no frame."""
        if len(buffer) - at < FRAME_HEADER_BYTES:
            self._wanted = FRAME_HEADER_BYTES
            return None
        length, crc = FRAME_HEADER.unpack_from(buffer, at)
        if length > FRAME_BYTES_MAX:  # a torn length is smaller than the one meant, never larger
            raise CorruptRecord(f"a frame of {length} bytes", offset=self.whole_bytes)
        end: int = at + FRAME_HEADER_BYTES + length
        if end > len(buffer):
            self._wanted = end - at
            return None
        if length == 0:
            self._doubt = "an empty frame"
        elif zlib.crc32(buffer[at + FRAME_HEADER_BYTES : end]) != crc:
            self._doubt = "a frame with a bad checksum"
        else:
            return end
        self._expect_zeros(buffer[end:])
        return None

    def _expect_zeros(self, rest: bytes) -> None:
        if rest.strip(b"\0"):
            raise CorruptRecord(self._doubt or "a bad frame", offset=self.whole_bytes)
