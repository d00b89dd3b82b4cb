"""
Retention: which segments may go, and how they go. Standard library only.

A segment may go when it is sealed, has been read to its end, and is too old or one too many. FACTs outlive
it: they came from outside and no traffic can tell them again, so they are gathered first, under their own
ids, in segments of the writer `FACTS_WRITER`. There a record's mono_ns is wall time. A crash between
gathering and deleting leaves a FACT twice, and reading it twice changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from arc_proxy import process
from arc_proxy.errors import CorruptRecord, JournalError
from arc_proxy.journal.frame import Deframer, frame
from arc_proxy.journal.reader import START, JournalReader
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.segment import (
    SegmentHeader,
    create_segment,
    is_sealed,
    list_segments,
    list_writers,
    writer_name,
)

FACTS_WRITER = 0

DAY_NS = 86_400 * 1_000_000_000
# What a process that died while making a segment leaves behind is swept after this time.
_LEFTOVER_NS = DAY_NS
# So many segments of gathered facts are made one again.
_FACTS_SEGMENTS_MAX = 32
_GATHER_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFile:
    writer: str
    seq: int
    path: Path
    bytes: int
    changed_ns: int  # wall time of the last write
    is_read: bool  # sealed, and ingest will not want it again

    @property
    def holds_gathered_facts(self) -> bool:
        return self.writer == writer_name(FACTS_WRITER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    segments: int
    bytes: int
    facts_kept: int
    bytes_left: int  # may exceed the limit: what has not been read is never removed


def expired_segments(
    segments: Iterable[SegmentFile], *, now_ns: int, days: float | None, bytes_max: int | None
) -> list[SegmentFile]:
    """What may go, oldest first. None: no limit. Gathered facts count, but are not among them."""
    ordered = sorted(segments, key=lambda each: (each.changed_ns, each.writer, each.seq))
    total = sum(each.bytes for each in ordered)
    expired = []
    for each in ordered:
        is_old = days is not None and now_ns - each.changed_ns > days * DAY_NS
        is_too_much = bytes_max is not None and total > bytes_max
        if each.is_read and not each.holds_gathered_facts and (is_old or is_too_much):
            expired.append(each)
            total -= each.bytes
    return expired


def find_segments(journal_dir: Path, positions: Mapping[str, tuple[int, int]]) -> list[SegmentFile]:
    """All segments. `positions`: per writer, the oldest place that ingest may still want to read from."""
    found = []
    for writer in list_writers(journal_dir):
        position = positions.get(writer, START)
        for seq, path in list_segments(journal_dir / writer):
            with contextlib.suppress(OSError):  # one that may not be read is not ours to remove
                found.append(_look_at(writer, seq, path, position))
    return found


def prune_journal(
    journal_dir: Path,
    positions: Mapping[str, tuple[int, int]],
    *,
    now_ns: int,
    days: float | None,
    bytes_max: int | None,
    facts_days: float | None = None,
) -> Pruned:
    """
    Remove what `expired_segments` names. Call it under `ingest.lock`.

    Raises JournalError if the disk refuses. Facts older than `facts_days` are not
    gathered again; None keeps all of them.
    """
    segments = find_segments(journal_dir, positions)
    expired = expired_segments(segments, now_ns=now_ns, days=days, bytes_max=bytes_max)
    gathered = [each for each in segments if each.holds_gathered_facts]
    going = expired + (gathered if len(gathered) > _FACTS_SEGMENTS_MAX else [])
    facts_since_ns = 0 if facts_days is None else now_ns - int(facts_days * DAY_NS)
    try:
        kept = _gather_facts(journal_dir, going, facts_since_ns)
        for each in going:
            each.path.unlink(missing_ok=True)
        _sweep(journal_dir, now_ns)
    except OSError as error:
        raise JournalError(f"cannot prune {journal_dir}: {error.strerror or error}") from error
    left = sum(each.bytes for each in segments) - sum(each.bytes for each in going)
    return Pruned(
        segments=len(expired), bytes=sum(each.bytes for each in expired), facts_kept=kept, bytes_left=left
    )


def _look_at(writer: str, seq: int, path: Path, position: tuple[int, int]) -> SegmentFile:
    stat = path.stat()
    is_behind = seq < position[0] or (seq == position[0] and not _has_more(path, position[1]))
    return SegmentFile(
        writer=writer,
        seq=seq,
        path=path,
        bytes=stat.st_size,
        changed_ns=stat.st_mtime_ns,
        is_read=is_behind and is_sealed(path),
    )


def _has_more(path: Path, offset: int) -> bool:
    """Whether a whole frame lies behind `offset`."""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        deframer = Deframer()
        try:
            while chunk := file.read(_CHUNK_BYTES):
                if any(True for _ in deframer.feed(chunk)):
                    return True
        except CorruptRecord:
            return False
    return False


def _gather_facts(journal_dir: Path, segments: Sequence[SegmentFile], since_ns: int) -> int:
    """Copy their FACTs to segments of the facts' own writer, on disk before it returns. Raises OSError."""
    reader = JournalReader(journal_dir)
    count, waiting, waiting_bytes = 0, [], 0
    for each in segments:
        for fact in _facts_of(reader, each, since_ns):
            waiting.append(frame(fact.encode()))
            waiting_bytes += len(waiting[-1])
            count += 1
            if waiting_bytes > _GATHER_BYTES:
                _write_facts(journal_dir, b"".join(waiting))
                waiting, waiting_bytes = [], 0
    if waiting:
        _write_facts(journal_dir, b"".join(waiting))
    return count


def _facts_of(reader: JournalReader, segment: SegmentFile, since_ns: int) -> Iterator[Record]:
    end = (segment.seq + 1, 0)
    for record, wall_ns, _ in reader.read_between(segment.writer, (segment.seq, 0), end):
        if record.kind is RecordKind.FACT and wall_ns >= since_ns:
            yield Record(record.kind, record.exchange_id, wall_ns, record.content)


def _write_facts(journal_dir: Path, frames: bytes) -> None:
    folder = journal_dir / writer_name(FACTS_WRITER)
    header = SegmentHeader(
        writer_id=FACTS_WRITER,
        seq=max((seq for seq, _ in list_segments(folder)), default=0) + 1,
        identity=process.own_identity(),
        wall_ns=0,
        mono_ns=0,
    )
    segment = create_segment(folder, header, frames)
    try:
        segment.sync()
    finally:
        segment.close()


def _sweep(journal_dir: Path, now_ns: int) -> None:
    """Remove empty folders and what died in the making. Raises OSError."""
    for folder in list(journal_dir.iterdir()) if journal_dir.is_dir() else []:
        if not folder.is_dir():
            continue
        for path in folder.iterdir():
            is_unfinished = path.suffix == ".tmp" or folder.suffix == ".partial"
            if is_unfinished and now_ns - path.stat().st_mtime_ns > _LEFTOVER_NS and is_sealed(path):
                path.unlink(missing_ok=True)
        if now_ns - folder.stat().st_mtime_ns > _LEFTOVER_NS:  # a younger one may be about to be used
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()
