"""
The writer for tracer, imports and command-line FACTs: each `append` is in the kernel when it returns.

The gateway's event loop has its own, see `tape`. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from arc_proxy import process
from arc_proxy.errors import JournalError
from arc_proxy.journal.frame import frame
from arc_proxy.journal.head import Anchor
from arc_proxy.journal.record import NO_EXCHANGE, Record, RecordKind, make_exchange_id
from arc_proxy.journal.segment import (
    ANCHOR_EVERY_NS,
    PIECE_BYTES_MAX,
    PIECE_KINDS,
    SEGMENT_AGE_NS_MAX,
    SEGMENT_BYTES_MAX,
    Clock,
    Segment,
    SegmentHeader,
    create_segment,
    drop_in_child,
    is_sealed,
    list_segments,
    sync_folder,
    write_all,
    writer_name,
)

# Frames of one system call at most, so that an import of any size needs little memory.
_BATCH_BYTES = 1024 * 1024


class SegmentWriter:
    """
    Appends records to segments of its own. Safe for threads; a forked child becomes another writer.

    Nothing is made on disk before the first record. With a `writer_id` given (an import: the id is the
    file's hash) the writer is whole or not at all: `exists` says whether it was written before, its
    segments get their place when `close` is reached, and leaving the `with` block by an exception drops
    them. Records of an import carry wall time as mono_ns: give both clocks as `lambda: 0`.
    """

    def __init__(
        self,
        journal_dir: Path,
        *,
        writer_id: int | None = None,
        wall_clock: Clock = time.time_ns,
        mono_clock: Clock = time.monotonic_ns,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        self._journal_dir = journal_dir
        self._is_staged = writer_id is not None
        self._wall_clock = wall_clock
        self._mono_clock = mono_clock
        self._segment_bytes_max = segment_bytes_max
        self._begin(new_writer_id() if writer_id is None else writer_id)
        drop_in_child(self)

    def _begin(self, writer_id: int) -> None:
        self._lock = threading.Lock()
        self._writer_id = writer_id
        self._counter = 0
        self._seq = 0
        self._segment: Segment | None = None

    @property
    def writer_id(self) -> int:
        return self._writer_id

    @property
    def folder(self) -> Path:
        """Where this writer's segments lie once readers may see them."""
        return self._journal_dir / writer_name(self._writer_id)

    @property
    def exists(self) -> bool:
        """Whether the journal already holds segments of this writer."""
        return bool(list_segments(self.folder))

    def make_id(self, wall_ms: int | None = None) -> bytes:
        """A new exchange id, of now or of the given milliseconds since the epoch."""
        with self._lock:
            self._counter += 1
            moment = self._wall_clock() // 1_000_000 if wall_ms is None else wall_ms
            return make_exchange_id(moment, self._writer_id, self._counter)

    def append(self, records: Iterable[Record]) -> None:
        """
        Hand the records to the kernel.

        Raises JournalError if the disk refuses (some of the records may be in; the next call tries a new
        segment) and ValueError for a record longer than FRAME_BYTES_MAX.
        """
        with self._lock:
            try:
                for batch in _batches(records):
                    self._write(batch)
            except OSError as error:
                raise JournalError(f"cannot write to {self.folder}: {error.strerror or error}") from error

    def sync(self) -> None:
        """Blocks until what was appended is on the disk. Raises JournalError."""
        with self._lock:
            if self._segment is None:
                return
            try:
                self._segment.sync()
            except OSError as error:
                raise JournalError(f"cannot sync {self._segment.path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Seal the segment. Of an import: put it in its place, on the disk; raises JournalError."""
        if self._is_staged:
            self.sync()
        with self._lock:
            if self._segment is None:
                return
            self._segment.close()
            self._segment = None
            if self._is_staged:
                self._unveil()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_staged and error is not None:
            self._discard()
        else:
            self.close()

    def drop_after_fork(self) -> None:
        self._begin(new_writer_id())
        self._is_staged = False

    def _write(self, frames: bytes) -> None:
        now = self._mono_clock()
        segment = self._segment
        if segment is None or segment.is_due(now, self._segment_bytes_max, SEGMENT_AGE_NS_MAX):
            segment = self._next_segment(now)
        elif now - segment.anchored_ns >= ANCHOR_EVERY_NS:
            anchor = Record(RecordKind.ANCHOR, NO_EXCHANGE, now, Anchor(wall_ns=self._wall_clock()).encode())
            frames = frame(anchor.encode()) + frames
            segment.anchored_ns = now
        try:
            write_all(segment.fd, frames, os.write)
        except OSError:
            # What stands behind a torn frame cannot be read, so this segment ends here.
            segment.close()
            self._segment = None
            raise
        segment.bytes += len(frames)

    def _next_segment(self, now: int) -> Segment:
        folder = self._staging if self._is_staged else self.folder
        if self._seq == 0:
            if self._is_staged:
                self._clear_staging()
            else:
                self._seq = max((seq for seq, _ in list_segments(folder)), default=0)
        self._seq += 1
        header = SegmentHeader(
            writer_id=self._writer_id,
            seq=self._seq,
            identity=process.own_identity(),
            wall_ns=self._wall_clock(),
            mono_ns=now,
        )
        segment = create_segment(folder, header)
        if self._segment is not None:
            if self._is_staged:
                self._segment.sync()
            self._segment.close()
        self._segment = segment
        return segment

    @property
    def _staging(self) -> Path:
        return self._journal_dir / f".{writer_name(self._writer_id)}.partial"

    def _clear_staging(self) -> None:
        """Drop what an import that died left. Raises JournalError while another one is at it."""
        if any(not is_sealed(path) for _, path in list_segments(self._staging)):
            raise JournalError("another process is importing the same file")
        self._remove_staging()

    def _remove_staging(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            for path in self._staging.iterdir():
                path.unlink()
            self._staging.rmdir()

    def _unveil(self) -> None:
        try:
            self._staging.rename(self.folder)
            sync_folder(self._journal_dir)
        except OSError as error:
            raise JournalError(f"cannot write to {self.folder}: {error.strerror or error}") from error

    def _discard(self) -> None:
        with self._lock:
            if self._segment is not None:
                self._segment.close()
                self._segment = None
                self._remove_staging()


def new_writer_id() -> int:
    """A random writer id. 0 is kept for the facts that retention gathers."""
    return int.from_bytes(os.urandom(4), "big") or 1


def split_record(record: Record) -> Iterator[Record]:
    """The record itself, or body bytes in pieces so that readers need to hold little."""
    if record.kind not in PIECE_KINDS or len(record.content) <= PIECE_BYTES_MAX:
        yield record
        return
    for start in range(0, len(record.content), PIECE_BYTES_MAX):
        piece = record.content[start : start + PIECE_BYTES_MAX]
        yield Record(record.kind, record.exchange_id, record.mono_ns, piece)


def _batches(records: Iterable[Record]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    waiting_bytes = 0
    for record in records:
        for piece in split_record(record):
            encoded = frame(piece.encode())
            waiting.append(encoded)
            waiting_bytes += len(encoded)
            if waiting_bytes >= _BATCH_BYTES:
                yield b"".join(waiting)
                waiting.clear()
                waiting_bytes = 0
    if waiting:
        yield b"".join(waiting)
