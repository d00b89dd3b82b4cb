from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy import process
from arc_proxy.journal import segment
from arc_proxy.journal.segment import (
    HEADER_BYTES,
    NewerSegment,
    SegmentHeader,
    UnreadableHeader,
    create_segment,
    decode_header,
    is_sealed,
    is_writer_gone,
    list_segments,
    list_writers,
)

HEADER = SegmentHeader(
    writer_id=0xA1B2C3D4, seq=1, identity=process.own_identity(), wall_ns=1_700_000_000 * 10**9, mono_ns=42
)


def test_a_header_reads_back():
    assert decode_header(HEADER.encode() + b"frames") == HEADER
    assert len(HEADER.encode()) == HEADER_BYTES


@given(st.integers(min_value=0, max_value=HEADER_BYTES - 1), st.integers(min_value=1, max_value=255))
def test_a_changed_header_is_never_read_as_one(at, change):
    changed = bytearray(HEADER.encode())
    changed[at] ^= change
    with pytest.raises((UnreadableHeader, NewerSegment)):
        decode_header(bytes(changed))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_politely(beginning):
    with pytest.raises((UnreadableHeader, NewerSegment)):
        decode_header(beginning)


def test_files_and_folders_are_the_owners_alone(journal: Path):
    umask = os.umask(0)
    try:
        made = create_segment(journal / "a1b2c3d4", HEADER)
    finally:
        os.umask(umask)
    made.close()
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    for folder in (made.path.parent, journal, journal.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_segment_is_held_until_it_is_closed(journal: Path):
    made = create_segment(journal / "a1b2c3d4", HEADER)
    assert not is_sealed(made.path)
    assert not is_writer_gone(made.path.parent)
    made.close()
    assert is_sealed(made.path)
    assert is_writer_gone(made.path.parent)


def test_a_writer_is_not_gone_while_its_newest_segment_is_held(journal: Path):
    create_segment(journal / "a1b2c3d4", HEADER).close()
    newest = create_segment(journal / "a1b2c3d4", replace(HEADER, seq=2))
    assert not is_writer_gone(newest.path.parent)
    newest.close()


def test_a_lock_that_a_child_inherited_does_not_keep_its_dead_parent_alive(journal: Path):
    code = f"""
import os, subprocess, sys
from pathlib import Path
from arc_proxy import process
from arc_proxy.journal.segment import SegmentHeader, create_segment
header = SegmentHeader(writer_id=1, seq=1, identity=process.own_identity(), wall_ns=1, mono_ns=1)
made = create_segment(Path({str(journal)!r}) / "00000001", header)
child = subprocess.Popen(["sleep", "60"], pass_fds=[made.fd])
print(child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        child_pid = int(writer.stdout.readline())
        try:
            path = journal / "00000001" / "00000001.seg"
            assert not is_sealed(path)
            writer.kill()
            writer.wait()
            assert is_sealed(path)
        finally:
            os.kill(child_pid, 9)


def test_a_pid_of_another_boot_or_container_proves_nothing():
    own = process.own_identity()
    assert process.is_alive(own) is True
    assert process.is_alive(own._replace(start_time=own.start_time + 1)) is False
    assert process.is_alive(own._replace(boot_id=b"\1" * 16)) is None
    assert process.is_alive(own._replace(pid_namespace=1)) is None


def test_a_segment_that_cannot_be_filled_leaves_nothing_behind(journal: Path):
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        create_segment(journal / "a1b2c3d4", HEADER, write=full)
    assert list((journal / "a1b2c3d4").iterdir()) == []


def test_only_writers_and_segments_are_listed(journal: Path):
    create_segment(journal / "a1b2c3d4", replace(HEADER, seq=10)).close()
    create_segment(journal / "a1b2c3d4", replace(HEADER, seq=9)).close()
    (journal / "a1b2c3d4" / "00000011.1234.tmp").touch()
    (journal / ".b1b2c3d4.partial").mkdir()
    (journal / "b1b2c3d4").touch()
    assert list_writers(journal) == ["a1b2c3d4"]
    assert [seq for seq, _ in list_segments(journal / "a1b2c3d4")] == [9, 10]
    assert list_writers(journal / "nowhere") == []
    assert list_segments(journal / "nowhere") == []


def test_a_segment_that_was_moved_or_deleted_is_lost(journal: Path):
    made = create_segment(journal / "a1b2c3d4", HEADER)
    assert not made.is_lost()
    made.path.rename(made.path.with_suffix(".old"))
    assert made.is_lost()
    made.path.touch()
    assert made.is_lost()
    made.close()


def test_a_short_write_is_completed():
    taken: list[bytes] = []

    def one_byte(fd: int, data: bytes) -> int:
        taken.append(data[:1])
        return 1

    segment.write_all(0, b"abc", one_byte)
    assert b"".join(taken) == b"abc"


def test_the_journal_needs_the_standard_library_alone():
    code = """
import sys
before = set(sys.modules)
import arc_proxy.journal.tape, arc_proxy.journal.reader, arc_proxy.journal.retention
new = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
heavy = {"subprocess", "asyncio", "random", "shutil"} & set(sys.modules)
print(sorted(new), sorted(heavy))
"""
    told = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[2])
    assert told.strip() == "['arc_proxy'] []"
