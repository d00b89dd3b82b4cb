"""
The reader: records of all writers from where the last reader stopped, those being written included.

Streams: holds one frame and one chunk, whatever a segment's size. Standard library only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from arc_proxy.errors import CorruptRecord, JournalError
from arc_proxy.journal.frame import Deframer
from arc_proxy.journal.head import decode_anchor
from arc_proxy.journal.record import Record, RecordKind, decode_record
from arc_proxy.journal.segment import (
    HEADER_BYTES,
    SegmentHeader,
    decode_header,
    is_sealed,
    list_segments,
    list_writers,
)

_CHUNK_BYTES = 256 * 1024
# A folder changed this recently may change again without its time showing it.
_FOLDER_SETTLED_NS = 2_000_000_000


class Position(NamedTuple):
    """Where to read on in one writer: behind the last record read."""

    seq: int
    offset: int


START = Position(0, 0)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a segment could not be read to its end."""

    writer: str
    seq: int
    offset: int
    reason: str


@dataclass(slots=True)
class _Cursor:
    """Where a writer was read to, and what a clock reading means there."""

    position: Position
    wall_minus_mono_ns: int
    finished_folder_ns: int | None = None  # the folder's time when all of a gone writer had been read


class JournalReader:
    """
    Reads a journal again and again. Keeps a small note per writer, so keep the reader.

    `problems` names the segments that could not be read to their end; reading went on with the next one.
    `unknown_records` counts records of a kind that this version does not know.
    """

    def __init__(self, journal_dir: Path) -> None:
        self.problems: dict[tuple[str, int], Problem] = {}
        self.unknown_records = 0
        self._journal_dir = journal_dir
        self._cursors: dict[str, _Cursor] = {}
        self._turn = 0

    def read(
        self, positions: Mapping[str, tuple[int, int]], budget_bytes: int
    ) -> Iterator[tuple[str, Record, int, Position]]:
        """
        (writer, record, wall_ns, where to read on) of what follows `positions`, ANCHORs and all.

        In order within a writer; writers one after another, the first in turn. Ends when nothing is left or
        `budget_bytes` were given out; a writer that is missing in `positions` is read from its beginning.
        """
        writers = list_writers(self._journal_dir)
        for gone in self._cursors.keys() - set(writers):
            del self._cursors[gone]
        self._turn += 1
        start = self._turn % len(writers) if writers else 0
        spent = 0
        for writer in writers[start:] + writers[:start]:
            position = Position(*positions.get(writer, START))
            for record, wall_ns, after in self._read_writer(writer, position, remember=True):
                spent += len(record.content) + 1
                yield writer, record, wall_ns, after
                if spent >= budget_bytes:
                    return

    def read_between(
        self, writer: str, first: tuple[int, int], after: tuple[int, int]
    ) -> Iterator[tuple[Record, int, Position]]:
        """(record, wall_ns, where to read on) of one writer behind `first`, up to and including `after`."""
        for record, wall_ns, position in self._read_writer(writer, Position(*first), remember=False):
            if position > tuple(after):
                return
            yield record, wall_ns, position
            if position == tuple(after):
                return

    def _read_writer(
        self, writer: str, position: Position, *, remember: bool
    ) -> Iterator[tuple[Record, int, Position]]:
        folder = self._journal_dir / writer
        try:
            folder_ns = folder.stat().st_mtime_ns
        except OSError:
            return
        cursor = self._cursors.get(writer)
        if cursor is not None and cursor.position == position and cursor.finished_folder_ns == folder_ns:
            return
        for seq, path in list_segments(folder):
            if seq < position.seq:
                continue
            # Asked before reading: all that was written until then is read before the next segment is.
            sealed = is_sealed(path)
            offset = position.offset if seq == position.seq else 0
            for record, wall_ns, after in self._read_segment(writer, seq, path, offset, remember=remember):
                position = after
                yield record, wall_ns, after
            if not sealed:
                return
        cursor = self._cursors.get(writer)
        if remember and cursor is not None and time.time_ns() - folder_ns > _FOLDER_SETTLED_NS:
            cursor.finished_folder_ns = folder_ns

    def _read_segment(
        self, writer: str, seq: int, path: Path, offset: int, *, remember: bool
    ) -> Iterator[tuple[Record, int, Position]]:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # retention was quicker
            return
        except OSError as error:
            self._note(writer, seq, offset, str(error.strerror))
            return
        try:
            header = decode_header(os.pread(fd, HEADER_BYTES, 0))
            offset = max(offset, header.header_bytes)
            clock = self._clock_at(fd, writer, header, offset)
            cursor = _Cursor(Position(seq, offset), clock)
            if remember:
                self._cursors[writer] = cursor
            for record, after in self._records(fd, seq, offset):
                if record.kind is RecordKind.ANCHOR:
                    cursor.wall_minus_mono_ns = _wall_minus_mono(record)
                cursor.position = after
                yield record, max(0, record.mono_ns + cursor.wall_minus_mono_ns), after
        except CorruptRecord as error:
            self._note(writer, seq, error.offset, str(error))
        except (JournalError, OSError) as error:
            self._note(writer, seq, offset, str(error))
        finally:
            os.close(fd)

    def _records(self, fd: int, seq: int, offset: int) -> Iterator[tuple[Record, Position]]:
        """Raises CorruptRecord and OSError."""
        deframer = Deframer(offset)
        while chunk := os.pread(fd, _CHUNK_BYTES, offset):
            offset += len(chunk)
            for payload in deframer.feed(chunk):
                try:
                    record = decode_record(payload)
                except ValueError:
                    self.unknown_records += 1
                    continue
                yield record, Position(seq, deframer.whole_bytes)

    def _clock_at(self, fd: int, writer: str, header: SegmentHeader, offset: int) -> int:
        """
        Wall time minus the writer's clock at a record, in ns: by the last ANCHOR before it.

        The same for each reading, so that a call's times do not depend on where a reader resumed.
        """
        cursor = self._cursors.get(writer)
        if cursor is not None and cursor.position == (header.seq, offset):
            return cursor.wall_minus_mono_ns
        clock = header.wall_ns - header.mono_ns
        if offset == header.header_bytes:
            return clock
        for record, after in self._records(fd, header.seq, header.header_bytes):
            if after.offset > offset:
                break
            if record.kind is RecordKind.ANCHOR:
                clock = _wall_minus_mono(record)
            if after.offset == offset:
                break
        return clock

    def _note(self, writer: str, seq: int, offset: int, reason: str) -> None:
        self.problems[writer, seq] = Problem(writer, seq, offset, reason)


def _wall_minus_mono(anchor: Record) -> int:
    return decode_anchor(anchor.content).wall_ns - anchor.mono_ns
