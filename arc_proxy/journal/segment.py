"""
Segments: the files of the journal, `<journal>/<writer>/<seq>.seg`. Standard library only.

A writer is one process's hand: 8 hex digits of its 32-bit id name its folder, 8 digits count its segments
from 1. A segment begins with a header and goes on with frames (see `frame`) until the end of the file:

    magic          8 bytes  b"arc-jrnl"
    version        u16 LE   SEGMENT_VERSION
    header_bytes   u16 LE   where the first frame begins
    writer_id      u32 LE
    seq            u32 LE
    pid            u32 LE   of the writing process, see `arc_proxy.process.Identity`
    start_time     u64 LE
    pid_namespace  u64 LE
    boot_id        16 bytes
    wall_ns        u64 LE   both clocks at the moment the segment was made
    mono_ns        u64 LE
    crc32          u32 LE   zlib.crc32 of all of the above

It is made under a temporary name, locked (flock), filled with its header and an ANCHOR, and only then gets
its name, so a reader never sees half a header of a living writer. The lock is held until the writer is done
with the segment: one that nobody holds is *sealed*, nothing will be added to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import weakref
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from arc_proxy import process
from arc_proxy.errors import JournalError
from arc_proxy.journal.frame import frame
from arc_proxy.journal.head import Anchor
from arc_proxy.journal.record import NO_EXCHANGE, Record, RecordKind

SEGMENT_VERSION = 1

SEGMENT_BYTES_MAX = 64 * 1024 * 1024
SEGMENT_AGE_NS_MAX = 600 * 1_000_000_000
ANCHOR_EVERY_NS = 60 * 1_000_000_000

# Body bytes in one record at most: readers hold a whole frame, so a frame is kept small.
PIECE_BYTES_MAX = 1024 * 1024

PIECE_KINDS = frozenset(
    {
        RecordKind.REQUEST_BODY,
        RecordKind.RESPONSE_BODY,
        RecordKind.TUNNEL_UP,
        RecordKind.TUNNEL_DOWN,
    }
)

Write = Callable[[int, bytes], int]
Clock = Callable[[], int]

_MAGIC = b"arc-jrnl"
_HEADER = struct.Struct("<8sHHIIIQQ16sQQ")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size

_WRITER_NAME = re.compile(r"[0-9a-f]{8}")
_SEGMENT_NAME = re.compile(r"[0-9]{8}\.seg")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHeader:
    writer_id: int
    seq: int
    identity: process.Identity
    wall_ns: int
    mono_ns: int
    header_bytes: int = HEADER_BYTES

    def encode(self) -> bytes:
        identity = self.identity
        fields = _HEADER.pack(
            _MAGIC,
            SEGMENT_VERSION,
            HEADER_BYTES,
            self.writer_id,
            self.seq,
            identity.pid,
            identity.start_time,
            identity.pid_namespace,
            identity.boot_id,
            self.wall_ns,
            self.mono_ns,
        )
        return fields + _CRC.pack(zlib.crc32(fields))


class UnreadableHeader(JournalError):
    """The file's beginning is no segment header, or a torn one."""


class NewerSegment(JournalError):
    """Written by a later arc-proxy in a form that this one does not know."""


def decode_header(beginning: bytes) -> SegmentHeader:
    """Read at least HEADER_BYTES of a segment's beginning. Raises UnreadableHeader or NewerSegment."""
    if len(beginning) < HEADER_BYTES:
        raise UnreadableHeader(f"{len(beginning)} bytes are too few for a segment header")
    magic, version, header_bytes, writer_id, seq, pid, start, namespace, boot, wall_ns, mono_ns = (
        _HEADER.unpack_from(beginning)
    )
    if magic != _MAGIC:
        raise UnreadableHeader("no journal segment")
    if version > SEGMENT_VERSION:
        raise NewerSegment(f"segment format {version}, this arc-proxy knows {SEGMENT_VERSION}")
    if _CRC.unpack_from(beginning, _HEADER.size)[0] != zlib.crc32(beginning[: _HEADER.size]):
        raise UnreadableHeader("the segment header fails its checksum")
    return SegmentHeader(
        writer_id=writer_id,
        seq=seq,
        identity=process.Identity(pid, start, namespace, boot),
        wall_ns=wall_ns,
        mono_ns=mono_ns,
        header_bytes=header_bytes,
    )


class Segment:
    """A segment that this process writes. Not safe for threads: whoever owns it writes."""

    def __init__(self, fd: int, path: Path, seq: int, *, bytes_written: int, mono_ns: int) -> None:
        self.fd = fd
        self.path = path
        self.seq = seq
        self.bytes = bytes_written
        self.opened_ns = mono_ns
        self.anchored_ns = mono_ns
        self._folder_synced = False
        drop_in_child(self)

    def is_due(self, mono_ns: int, bytes_max: int, age_ns_max: int) -> bool:
        """Whether the next segment should take over. An old one without records may stay."""
        if self.bytes >= bytes_max:
            return True
        return mono_ns - self.opened_ns >= age_ns_max and self.bytes > 2 * HEADER_BYTES

    def is_lost(self) -> bool:
        """Whether the file no longer lies where readers look for it."""
        try:
            there, here = self.path.stat(), os.fstat(self.fd)
        except OSError:
            return True
        return (there.st_ino, there.st_dev) != (here.st_ino, here.st_dev)

    def sync(self) -> None:
        """Blocks until the disk has it. Raises OSError."""
        os.fsync(self.fd)
        if not self._folder_synced:
            sync_folder(self.path.parent)
            self._folder_synced = True

    def close(self) -> None:
        """Give up the lock; the segment is sealed."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def drop_after_fork(self) -> None:
        # Closing leaves the parent's lock alone: flock belongs to the open file that both share.
        with contextlib.suppress(OSError):
            self.close()


def create_segment(
    folder: Path, header: SegmentHeader, first_frames: bytes = b"", *, write: Write = os.write
) -> Segment:
    """
    Make, lock, fill and name a segment: header, ANCHOR, `first_frames`.

    Raises OSError, and then leaves nothing behind.
    """
    make_folder(folder)
    path = folder / segment_name(header.seq)
    temporary = path.with_suffix(f".{header.identity.pid}.tmp")
    anchor = Record(RecordKind.ANCHOR, NO_EXCHANGE, header.mono_ns, Anchor(wall_ns=header.wall_ns).encode())
    content = header.encode() + frame(anchor.encode()) + first_frames
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write_all(fd, content, write)
        temporary.rename(path)
    except BaseException:
        os.close(fd)
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return Segment(fd, path, header.seq, bytes_written=len(content), mono_ns=header.mono_ns)


def write_all(fd: int, content: bytes, write: Write) -> None:
    """Write until all is written. Raises OSError, whose `written` attribute is how much was."""
    written = 0
    try:
        while written < len(content):
            written += write(fd, content[written:] if written else content)
    except OSError as error:
        raise ShortWrite(error, written) from error


class ShortWrite(OSError):
    """A write that failed after `written` bytes."""

    def __init__(self, cause: OSError, written: int) -> None:
        super().__init__(cause.errno, cause.strerror)
        self.written = written


def make_folder(folder: Path) -> None:
    """The folder and its parents, 0700. Raises OSError."""
    if not folder.is_dir():
        if not folder.parent.is_dir():
            make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)


def sync_folder(folder: Path) -> None:
    """Blocks until the names of its files are on disk. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def writer_name(writer_id: int) -> str:
    return f"{writer_id:08x}"


def segment_name(seq: int) -> str:
    return f"{seq:08d}.seg"


def list_writers(journal_dir: Path) -> list[str]:
    """The names of the writers that left a folder, in order. Empty if there is no journal to be read."""
    try:
        with os.scandir(journal_dir) as entries:
            return sorted(e.name for e in entries if _WRITER_NAME.fullmatch(e.name) and e.is_dir())
    except OSError:
        return []


def list_segments(writer_dir: Path) -> list[tuple[int, Path]]:
    """(seq, path) of a writer's segments, in order. Empty if there is no such folder to be read."""
    try:
        paths = sorted(writer_dir.iterdir())
    except OSError:
        return []
    return [(int(path.stem), path) for path in paths if _SEGMENT_NAME.fullmatch(path.name)]


def is_sealed(path: Path) -> bool:
    """
    Whether nothing will be added to the segment: its lock is free, or its process is gone.

    A lock outlives its process where a child inherited the descriptor, which is why the pid and its start
    time are asked too. Where they mean nothing (another boot, another container) the lock decides. Of a file
    that is gone or may not be read nothing more will come either.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _is_writer_dead(fd)
    finally:
        os.close(fd)
    return True


def _is_writer_dead(fd: int) -> bool:
    """Whether the process named in the header is known to be gone."""
    try:
        return process.is_alive(decode_header(os.pread(fd, HEADER_BYTES, 0)).identity) is False
    except (JournalError, OSError):
        return False


def is_writer_gone(writer_dir: Path) -> bool:
    """
    Whether no process will add to this writer any more.

    Ask before reading to the end, conclude after: what was written in between has then been read.
    """
    segments = list_segments(writer_dir)
    return not segments or is_sealed(segments[-1][1])


class Forkable(Protocol):
    def drop_after_fork(self) -> None: ...


_forkable: weakref.WeakSet[Forkable] = weakref.WeakSet()


def drop_in_child(holder: Forkable) -> None:
    """Have `holder.drop_after_fork` called in every forked child: a child must not write as its parent."""
    _forkable.add(holder)


def _drop_all() -> None:
    for holder in list(_forkable):
        holder.drop_after_fork()


os.register_at_fork(after_in_child=_drop_all)
