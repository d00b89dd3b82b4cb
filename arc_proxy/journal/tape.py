"""
The gateway's writer: records in the kernel before their bytes go to a client. Standard library only.

The event loop offers records and flushes once per tick, in one system call. While the disk is slow or
refuses, the tape is not *secure*: the loop only queues and a thread writes (see `keeper`). The queue is
bounded. What does not fit is dropped and counted, never waited for:

* body pieces first. Once one is dropped, the rest of that side of the exchange is too, so that what is kept
  is a beginning, and a GAP with the number of bytes stands before the END;
* heads, ends and all else have a reserve. An exchange whose request head found no room is left out whole.

COUNTS says what happened, one JSON object, in sum since the writer began, at most once a second:

    {"is_secure": false, "lost_calls": 0, "lost_records": 0, "lost_bytes": 0, "lost_segments": 0,
     "unsecured_calls": 3, "slow_writes": 1, "write_errors": 0}

Every exchange that had a record while the tape was not secure also gets, before its END, a COUNTS record of
its own: `{"unsecured": true}` under its exchange id. A client may have seen bytes that a crash at that time
would have lost.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from arc_proxy.journal.frame import FRAME_HEADER, FRAME_HEADER_BYTES, frame
from arc_proxy.journal.head import Gap
from arc_proxy.journal.keeper import Keeper, Pace
from arc_proxy.journal.record import (
    NO_EXCHANGE,
    RECORD_HEADER,
    RECORD_HEADER_BYTES,
    Record,
    RecordKind,
    make_exchange_id,
)
from arc_proxy.journal.segment import (
    PIECE_BYTES_MAX,
    PIECE_KINDS,
    Clock,
    Segment,
    ShortWrite,
    Write,
    drop_in_child,
    write_all,
)
from arc_proxy.journal.writer import new_writer_id, split_record

UNSECURED = b'{"unsecured":true}'

_REQUEST_SIDE = frozenset({RecordKind.REQUEST_BODY, RecordKind.TUNNEL_UP})
# More than this is not kept waiting for the end of a tick, because the write itself would take too long.
_WRITE_BYTES = 1024 * 1024
# Exchanges remembered as damaged or unsecured, at most: more than a gateway can have open.
_MARKS_MAX = 65_536


@dataclass(slots=True)
class _Mark:
    """What is to be said of an exchange before its end."""

    is_lost: bool = False  # its head found no room
    is_unsecured: bool = False
    request_bytes: int = 0  # dropped
    response_bytes: int = 0


class Tape:
    """
    One gateway's journal. Belongs to one thread, the event loop's.

    Never raises for what the disk does: a folder that cannot be written is tried again every few seconds. A
    forked child that uses it becomes another writer.
    """

    def __init__(
        self,
        journal_dir: Path,
        *,
        writer_id: int | None = None,
        pace: Pace | None = None,
        wall_clock: Clock = time.time_ns,
        mono_clock: Clock = time.monotonic_ns,
        write: Write = os.write,
    ) -> None:
        self._journal_dir = journal_dir
        self._pace = pace or Pace()
        self._wall_clock = wall_clock
        self._mono_clock = mono_clock
        self._write = write
        self._begin(new_writer_id() if writer_id is None else writer_id)
        self._start()
        drop_in_child(self)

    def _begin(self, writer_id: int) -> None:
        self._writer_id = writer_id
        self._counter = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._marks: dict[bytes, _Mark] = {}
        self._is_plain = False  # secure, and no exchange is marked: `offer` may take the short way
        self._is_started = self._is_closed = False
        self._keeper = Keeper(
            self._journal_dir,
            writer_id,
            pace=self._pace,
            wall_clock=self._wall_clock,
            mono_clock=self._mono_clock,
            write=self._write,
        )

    def _start(self) -> None:
        self._keeper.start()
        self._is_started = True
        self._is_plain = self._keeper.is_secure

    @property
    def writer_id(self) -> int:
        return self._writer_id

    @property
    def is_secure(self) -> bool:
        """Whether a record that is flushed now is in the kernel when `flush` returns."""
        return self._keeper.is_secure or self._keeper.is_idle

    def make_id(self) -> bytes:
        self._counter += 1
        return make_exchange_id(self._wall_clock() // 1_000_000, self._writer_id, self._counter)

    def counts(self) -> dict[str, int]:
        """What was lost or could not be secured so far, as a COUNTS record says it."""
        return self._keeper.ledger.counts(is_secure=self.is_secure)

    def offer(self, record: Record) -> None:
        """Queue a record for the next `flush`."""
        if self._is_plain and len(record.content) <= PIECE_BYTES_MAX:
            encoded = frame(record.encode())
            self._waiting.append(encoded)
            self._waiting_bytes += len(encoded)
            if self._waiting_bytes > _WRITE_BYTES:
                self.flush()
        elif self._is_closed:
            self._lose(record)
        else:
            for piece in split_record(record):
                self._offer_with_care(piece)

    def offer_event(self, kind: RecordKind, exchange_id: bytes, content: bytes) -> None:
        """
        Offer what happens now. Where the disk is well, this is `offer` without a step between: it stands
        five times in the way of each call.
        """
        now = self._mono_clock()
        if self._is_plain and len(content) <= PIECE_BYTES_MAX:
            header = RECORD_HEADER.pack(kind, exchange_id, now)
            size = RECORD_HEADER_BYTES + len(content)
            # Three pieces, joined once with all others of the tick: a body is not copied before that.
            waiting = self._waiting
            waiting.append(FRAME_HEADER.pack(size, crc32(content, crc32(header))))
            waiting.append(header)
            waiting.append(content)
            self._waiting_bytes += FRAME_HEADER_BYTES + size
            if self._waiting_bytes > _WRITE_BYTES:
                self.flush()
        else:
            self.offer(Record(kind, exchange_id, now, content))

    def flush(self) -> None:
        """Hand all that waits to the kernel, or to the thread while the tape is not secure."""
        if not self._waiting:
            return
        keeper = self._keeper
        if keeper.is_secure or self._come_back():
            frames = b"".join(self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
            self._write_now(frames)
        else:
            keeper.backlog.put([b"".join(self._waiting)])
            self._waiting.clear()
            self._waiting_bytes = 0

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits, sync and seal. What the disk does not take in `timeout_s` is counted as lost."""
        if self._is_closed or not self._is_started:
            return
        if self._keeper.ledger.has_news:
            self._enqueue(self._keeper.counts_frame(self._mono_clock()))
        self.flush()
        self._keeper.close(timeout_s)
        self._is_closed = True
        self._is_plain = False

    def drop_after_fork(self) -> None:
        self._begin(new_writer_id())

    def _enqueue(self, encoded: bytes) -> None:
        self._waiting.append(encoded)
        self._waiting_bytes += len(encoded)

    def _come_back(self) -> bool:
        """Write again ourselves, if the thread has found the disk quick for long enough."""
        if not self._keeper.is_idle:
            return False
        self._keeper.is_secure = True
        self._keeper.ledger.has_news = True
        return True

    def _write_now(self, frames: bytes) -> None:
        keeper = self._keeper
        segment = self._current_segment()
        if segment is None:
            keeper.take_charge(frames, 0)
            self._is_plain = False
            return
        began = self._mono_clock()
        if began - segment.anchored_ns >= self._pace.anchor_every_ns:
            frames = keeper.anchor_frame(began) + frames
            segment.anchored_ns = began
        if keeper.ledger.has_news and began - keeper.ledger.written_ns >= self._pace.counts_every_ns:
            frames += keeper.counts_frame(began)
        written = self._try_write(segment.fd, frames)
        segment.bytes += written
        if written < len(frames) or self._mono_clock() - began > self._pace.slow_write_ns:
            self._is_plain = False
            keeper.take_charge(frames, written)
        elif segment.bytes >= self._pace.segment_bytes_max and keeper.next_segment is None:
            keeper.wake()

    def _try_write(self, fd: int, frames: bytes) -> int:
        """How many bytes the kernel took."""
        written = 0
        try:
            written = self._write(fd, frames)
            if written < len(frames):
                write_all(fd, frames[written:], self._write)
        except ShortWrite as error:
            return written + error.written
        except OSError:
            return written
        return len(frames)

    def _current_segment(self) -> Segment | None:
        """The segment to write to; the next one, once the thread has made it."""
        keeper = self._keeper
        if keeper.next_segment is not None and keeper.segment is not None:
            keeper.retired.append(keeper.segment)
            keeper.segment, keeper.next_segment = keeper.next_segment, None
        return None if keeper.is_segment_lost else keeper.segment

    def _offer_with_care(self, record: Record) -> None:
        """Offer while the tape is not secure, or some exchange is marked."""
        if not self._is_started:
            self._start()
        is_secure = self.is_secure
        mark = self._marks.get(record.exchange_id)
        if not is_secure and record.exchange_id != NO_EXCHANGE:
            mark = self._mark_unsecured(record.exchange_id, mark)
        if record.kind in PIECE_KINDS:
            self._offer_piece(record, mark)
        else:
            self._offer_vital(record, mark)
        self._is_plain = is_secure and not self._marks and self._keeper.is_secure

    def _mark_unsecured(self, exchange_id: bytes, mark: _Mark | None) -> _Mark | None:
        if mark is None and len(self._marks) < _MARKS_MAX:
            mark = self._marks[exchange_id] = _Mark()
        if mark is not None and not mark.is_unsecured:
            mark.is_unsecured = True
            self._keeper.ledger.add(unsecured_calls=1)
        return mark

    def _offer_piece(self, record: Record, mark: _Mark | None) -> None:
        is_request = record.kind in _REQUEST_SIDE
        has_gap = mark is not None and (mark.request_bytes if is_request else mark.response_bytes)
        if not has_gap and self._enqueue_within([record], mark, self._pace.waiting_bytes_max):
            return
        self._lose(record)
        if mark is not None:
            if is_request:
                mark.request_bytes += len(record.content)
            else:
                mark.response_bytes += len(record.content)

    def _offer_vital(self, record: Record, mark: _Mark | None) -> None:
        """A head, an end, a FACT ...: may use the reserve. What is marked goes with the END or not at all."""
        records = [record]
        if record.kind is RecordKind.END and mark is not None:
            records = [*_said_before(record, mark), record]
            self._marks.pop(record.exchange_id, None)
        if self._enqueue_within(records, mark, self._pace.waiting_bytes_max + self._pace.reserve_bytes):
            return
        self._lose(record)
        if record.kind is RecordKind.REQUEST_HEAD:
            self._keeper.ledger.add(lost_calls=1)
            if mark is not None:
                mark.is_lost = True

    def _enqueue_within(self, records: list[Record], mark: _Mark | None, limit: int) -> bool:
        """Queue all of the records if they fit in `limit` bytes, else none of them."""
        if mark is not None and mark.is_lost:
            return False
        try:
            frames = [frame(record.encode()) for record in records]
        except ValueError:  # longer than any frame may be
            return False
        if not self._has_room(sum(map(len, frames)), limit):
            return False
        for encoded in frames:
            self._enqueue(encoded)
        return True

    def _has_room(self, size: int, limit: int) -> bool:
        held = self._waiting_bytes + self._keeper.backlog.bytes
        if held + size > limit and self.is_secure:
            self.flush()  # a large tick on a quick disk: write now rather than drop
            held = self._waiting_bytes + self._keeper.backlog.bytes
        return held + size <= limit

    def _lose(self, record: Record) -> None:
        self._keeper.ledger.add(lost_records=1, lost_bytes=len(record.content))


def _said_before(end: Record, mark: _Mark) -> Iterator[Record]:
    for side, dropped in (("request", mark.request_bytes), ("response", mark.response_bytes)):
        if dropped:
            gap = Gap(side=side, bytes_dropped=dropped).encode()
            yield Record(RecordKind.GAP, end.exchange_id, end.mono_ns, gap)
    if mark.is_unsecured:
        yield Record(RecordKind.COUNTS, end.exchange_id, end.mono_ns, UNSECURED)
