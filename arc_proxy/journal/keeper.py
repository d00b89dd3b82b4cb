"""
The tape's thread: it looks after the segment, and writes in the loop's place while the disk is not quick.

The segment belongs to the loop while `is_secure`, else to this thread. Only the loop moves between the two:
it leaves by `take_charge`, and may come back when the thread says that it `is_idle`; an idle thread writes
nothing until the loop gives it something. Standard library only.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from arc_proxy import process
from arc_proxy.journal.backlog import Backlog, Ledger
from arc_proxy.journal.frame import frame, whole_frames
from arc_proxy.journal.head import Anchor
from arc_proxy.journal.record import NO_EXCHANGE, Record, RecordKind
from arc_proxy.journal.segment import (
    ANCHOR_EVERY_NS,
    SEGMENT_AGE_NS_MAX,
    SEGMENT_BYTES_MAX,
    Clock,
    Segment,
    SegmentHeader,
    ShortWrite,
    Write,
    create_segment,
    list_segments,
    write_all,
    writer_name,
)

SECOND_NS = 1_000_000_000

# What is written at once: a refused batch is written again whole, and none should take long.
_BATCH_BYTES = 1024 * 1024
# While the thread writes it looks for more this often. Waking it for each record would cost the loop
# milliseconds, because both then want the interpreter's lock at the same moment.
_POLL_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When the tape does what, and how much it holds."""

    sync_every_ns: int = SECOND_NS  # the most capture that a power cut may cost
    slow_write_ns: int = 20_000_000  # a write this slow moves the tape to its thread
    quick_for_ns: int = 10 * SECOND_NS  # how long the disk must have been quick before the loop writes again
    retry_every_ns: int = 3 * SECOND_NS  # between attempts at a disk that refuses
    counts_every_ns: int = SECOND_NS
    anchor_every_ns: int = ANCHOR_EVERY_NS
    segment_bytes_max: int = SEGMENT_BYTES_MAX
    segment_age_ns_max: int = SEGMENT_AGE_NS_MAX
    waiting_bytes_max: int = 16 * 1024 * 1024
    reserve_bytes: int = 4 * 1024 * 1024  # on top, for heads, ends and all else that is no body piece


class Keeper:
    """The segments of one tape, and the thread that keeps them."""

    def __init__(
        self,
        journal_dir: Path,
        writer_id: int,
        *,
        pace: Pace,
        wall_clock: Clock,
        mono_clock: Clock,
        write: Write,
    ) -> None:
        self._folder = journal_dir / writer_name(writer_id)
        self._writer_id = writer_id
        self._pace = pace
        self._wall_clock = wall_clock
        self._mono_clock = mono_clock
        self._write = write

        self.backlog = Backlog()
        self.ledger = Ledger()
        self.is_secure = False
        self.segment: Segment | None = None  # see above whose it is
        self.next_segment: Segment | None = None  # made by the thread; the loop takes it and
        self.retired: deque[Segment] = deque()  # leaves the old one here
        self.is_segment_lost = False  # deleted under us and no new one yet: the loop must not write

        self._seq = max((seq for seq, _ in list_segments(self._folder)), default=0)
        self._is_ready = False  # the disk has been quick for long enough
        self._is_broken = False  # the segment may end in a torn frame, or its bytes are not safe
        self._retry_at_ns = 0
        self._quick_since_ns: int | None = None
        self._synced_ns = 0
        self._synced_bytes = 0
        self._is_closing = False
        self._wake = threading.Event()
        self._worker = threading.Thread(target=self._run, name="arc-tape", daemon=True)

    def start(self) -> None:
        try:
            self.segment = self._open()
            self.is_secure = True
        except OSError:
            self.ledger.add(write_errors=1)
        self._worker.start()

    def wake(self) -> None:
        """There is something to do before the next look."""
        self._wake.set()

    def take_charge(self, frames: bytes, written: int) -> None:
        """From here on the thread writes, first what of `frames` is not whole after `written` bytes."""
        if written < len(frames):
            self.ledger.add(write_errors=1)
            self._is_broken = True
            whole, _ = whole_frames(frames[:written])
            self.backlog.put([frames[whole:]])
        else:
            self.ledger.add(slow_writes=1)
        self._was_not_quick()
        self.is_secure = False
        self._wake.set()

    def close(self, timeout_s: float) -> None:
        """Write what waits, sync, seal. What the disk did not take after `timeout_s` is counted as lost."""
        self._is_closing = True
        self._wake.set()
        self._worker.join(timeout_s)
        records, size = self.backlog.clear()
        if size:
            self.ledger.add(lost_records=records, lost_bytes=size)

    def anchor_frame(self, now: int) -> bytes:
        content = Anchor(wall_ns=self._wall_clock()).encode()
        return frame(Record(RecordKind.ANCHOR, NO_EXCHANGE, now, content).encode())

    def counts_frame(self, now: int) -> bytes:
        content = self.ledger.encode(now, is_secure=self.is_secure)
        return frame(Record(RecordKind.COUNTS, NO_EXCHANGE, now, content).encode())

    @property
    def is_idle(self) -> bool:
        """The disk has been quick for long enough and nothing waits: the loop may write itself again."""
        return self._is_ready and not self.backlog.bytes

    def _run(self) -> None:
        while not self._is_closing:
            self._wake.wait(_POLL_S if self._has_charge else self._pace.sync_every_ns / SECOND_NS)
            self._wake.clear()
            if self._has_charge:
                self._write_backlog()
            else:
                self._look_after_segment(self._mono_clock())
            self._seal_retired()
        self._finish()

    @property
    def _has_charge(self) -> bool:
        return not self.is_secure and not self.is_idle

    def _look_after_segment(self, now: int) -> None:
        """Sync, and make the next segment when it is time. The loop writes meanwhile."""
        segment = self.segment
        if segment is None or self.next_segment is not None:
            return
        is_unsafe = not self._sync(segment, now)
        is_lost = segment.is_lost()
        if is_lost and not self.is_segment_lost:
            self.ledger.add(lost_segments=1, lost_bytes=segment.bytes)
        if not (is_unsafe or is_lost or self._is_due(segment, now)) or now < self._retry_at_ns:
            return
        try:
            self.next_segment = self._open()
            self.is_segment_lost = False
        except OSError:
            self.ledger.add(write_errors=1)
            self._retry_at_ns = now + self._pace.retry_every_ns
            self.is_segment_lost = is_lost

    def _write_backlog(self) -> None:
        """Write in the loop's place, until nothing waits or the disk refuses."""
        self._adopt_next_segment()
        while True:
            now = self._mono_clock()
            if self._needs_segment(now) and now < self._retry_at_ns:
                return
            batch = self.backlog.take(_BATCH_BYTES)
            if batch:
                rest = self._write_batch(batch, now)
                self.backlog.settle(rest)
            elif not self._is_ready and now - self.ledger.written_ns >= self._pace.counts_every_ns:
                rest = self._write_batch(self.counts_frame(now), now)  # also tries how quick the disk is
            else:
                break
            if rest:
                return
        if not self._is_ready:
            self._check_segment(now)
            self._is_ready = self._was_quick(now)

    def _write_batch(self, batch: bytes, now: int) -> bytes:
        """What of the batch could not be written, from a frame's beginning."""
        try:
            if self._needs_segment(now):
                self._replace_segment(self._open(batch))
                rest = b""
            else:
                rest = self._append(batch, now)
        except OSError:
            self._retry_at_ns = now + self._pace.retry_every_ns
            rest = batch
        if rest:
            self.ledger.add(write_errors=1)
            self._was_not_quick()
        elif self._mono_clock() - now > self._pace.slow_write_ns:
            self.ledger.add(slow_writes=1)
            self._was_not_quick()
        elif self._quick_since_ns is None:
            self._quick_since_ns = now
        return rest

    def _append(self, batch: bytes, now: int) -> bytes:
        segment = self.segment
        assert segment is not None
        if now - segment.anchored_ns >= self._pace.anchor_every_ns:
            batch = self.anchor_frame(now) + batch
            segment.anchored_ns = now
        try:
            write_all(segment.fd, batch, self._write)
        except ShortWrite as error:
            self._is_broken = True  # another segment may do, for instance where a file may grow no further
            whole, _ = whole_frames(batch[: error.written])
            return batch[whole:]
        segment.bytes += len(batch)
        return b""

    def _was_not_quick(self) -> None:
        self._quick_since_ns = None
        self._is_ready = False

    def _was_quick(self, now: int) -> bool:
        """Whether the loop may write again."""
        since = self._quick_since_ns
        return since is not None and now - since >= self._pace.quick_for_ns and not self._needs_segment(now)

    def _check_segment(self, now: int) -> None:
        segment = self.segment
        if segment is None or self._is_broken or now - self._synced_ns < self._pace.sync_every_ns:
            return
        if segment.is_lost():
            self.ledger.add(lost_segments=1, lost_bytes=segment.bytes)
            self._is_broken = True
        elif not self._sync(segment, now):
            self._is_broken = True

    def _sync(self, segment: Segment, now: int) -> bool:
        """Whether the segment's bytes are safe, or need not be yet."""
        if now - self._synced_ns < self._pace.sync_every_ns or segment.bytes == self._synced_bytes:
            return True
        self._synced_ns, self._synced_bytes = now, segment.bytes
        return self._sync_now(segment)

    def _sync_now(self, segment: Segment) -> bool:
        try:
            segment.sync()
        except OSError:
            self.ledger.add(write_errors=1)
            return False
        return True

    def _needs_segment(self, now: int) -> bool:
        return self._is_broken or self.segment is None or self._is_due(self.segment, now)

    def _is_due(self, segment: Segment, now: int) -> bool:
        return segment.is_due(now, self._pace.segment_bytes_max, self._pace.segment_age_ns_max)

    def _open(self, first_frames: bytes = b"") -> Segment:
        """The next segment, with these frames in it before anybody sees it. Raises OSError."""
        header = SegmentHeader(
            writer_id=self._writer_id,
            seq=self._seq + 1,
            identity=process.own_identity(),
            wall_ns=self._wall_clock(),
            mono_ns=self._mono_clock(),
        )
        segment = create_segment(self._folder, header, first_frames, write=self._write)
        self._seq += 1
        return segment

    def _adopt_next_segment(self) -> None:
        if self.next_segment is not None:
            self._replace_segment(self.next_segment)
            self.next_segment = None

    def _replace_segment(self, segment: Segment) -> None:
        # The old one is held until now, even if broken: as long as it is, this writer is not gone.
        if self.segment is not None:
            self.retired.append(self.segment)
        self.segment = segment
        self._is_broken = self.is_segment_lost = False

    def _seal_retired(self) -> None:
        while self.retired:
            segment = self.retired.popleft()
            self._sync_now(segment)
            segment.close()

    def _finish(self) -> None:
        """The last of the thread: one more try for what waits."""
        for _ in range(2):  # the first try may only find out that it takes a new segment
            if self._has_charge:
                self._retry_at_ns = 0
                self._write_backlog()
        if self.segment is not None:
            self.retired.append(self.segment)
        if self.next_segment is not None:
            self.retired.append(self.next_segment)
        self._seal_retired()
