from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_proxy.errors import JournalError
from arc_proxy.journal.reader import JournalReader
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.segment import PIECE_BYTES_MAX, is_writer_gone, list_segments, list_writers
from arc_proxy.journal.writer import SegmentWriter


def fact(writer: SegmentWriter, content: bytes = b"{}") -> Record:
    return Record(RecordKind.FACT, writer.make_id(), 1, content)


def test_nothing_is_made_before_the_first_record(journal: Path):
    with SegmentWriter(journal) as writer:
        assert not writer.exists
    assert not journal.exists()


def test_records_can_be_read_as_soon_as_append_returns(journal: Path, read_all):
    writer = SegmentWriter(journal)
    records = [fact(writer, b"{%d}" % number) for number in range(3)]
    writer.append(records)
    assert read_all(journal) == records
    writer.close()
    assert is_writer_gone(writer.folder)


def test_a_full_segment_is_followed_by_the_next(journal: Path, read_all):
    with SegmentWriter(journal, segment_bytes_max=1000) as writer:
        records = [fact(writer, b"x" * 300) for _ in range(10)]
        for record in records:
            writer.append([record])
        assert len(list_segments(writer.folder)) > 2
    assert read_all(journal) == records


def test_a_body_of_any_size_is_split_and_reads_back(journal: Path, read_all):
    body = os.urandom(2 * PIECE_BYTES_MAX + 5)
    with SegmentWriter(journal) as writer:
        writer.append([Record(RecordKind.RESPONSE_BODY, writer.make_id(), 7, body)])
    pieces = read_all(journal)
    assert b"".join(piece.content for piece in pieces) == body
    assert {piece.mono_ns for piece in pieces} == {7}


def test_a_record_too_long_for_a_frame_is_the_callers_error(journal: Path):
    with SegmentWriter(journal) as writer, pytest.raises(ValueError, match="a frame holds"):
        writer.append([fact(writer, bytes(17 * 1024 * 1024))])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=20))
def test_two_writers_never_mix(tmp_path_factory, steps):
    journal = tmp_path_factory.mktemp("two") / "journal"
    with SegmentWriter(journal) as one, SegmentWriter(journal) as other:
        written: dict[str, list[bytes]] = {one.folder.name: [], other.folder.name: []}
        for is_one, content in steps:
            writer = one if is_one else other
            writer.append([fact(writer, content)])
            written[writer.folder.name].append(content)
    read: dict[str, list[bytes]] = {name: [] for name in written}
    for name, record, _, _ in JournalReader(journal).read({}, 1 << 30):
        if record.kind is RecordKind.FACT:
            read[name].append(record.content)
    assert read == written


def test_threads_may_share_a_writer(journal: Path, read_all):
    with SegmentWriter(journal) as writer:

        def work() -> None:
            for _ in range(100):
                writer.append([fact(writer)])

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    records = read_all(journal)
    assert len({record.exchange_id for record in records}) == 400


def test_a_forked_child_is_another_writer(journal: Path, read_all):
    code = f"""
import os
from pathlib import Path
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.writer import SegmentWriter
writer = SegmentWriter(Path({str(journal)!r}))
def say(what): writer.append([Record(RecordKind.FACT, writer.make_id(), 1, what)])
say(b"before")
if os.fork() == 0:
    say(b"child")
    os._exit(0)
os.wait()
say(b"parent")
writer.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(list_writers(journal)) == 2
    records = read_all(journal)
    assert {record.content for record in records} == {b"before", b"child", b"parent"}
    assert len({record.exchange_id for record in records}) == 3


def test_an_import_appears_whole_and_is_found_again(journal: Path, read_all):
    clocks = {"wall_clock": lambda: 0, "mono_clock": lambda: 0}
    with SegmentWriter(journal, writer_id=0xABC, **clocks) as writer:
        record = Record(RecordKind.FACT, writer.make_id(1_700_000_000_000), 1_700_000_000 * 10**9, b"{}")
        writer.append([record])
        assert read_all(journal) == []
    again = SegmentWriter(journal, writer_id=0xABC, **clocks)
    assert again.exists
    assert again.make_id(1_700_000_000_000) == record.exchange_id
    [(_, _, wall_ns, _)] = [r for r in JournalReader(journal).read({}, 1 << 20) if r[1] == record]
    assert wall_ns == 1_700_000_000 * 10**9


def test_an_import_that_fails_leaves_nothing(journal: Path):
    def import_half() -> None:
        with SegmentWriter(journal, writer_id=0xABC) as writer:
            writer.append([fact(writer)])
            raise RuntimeError("the 7th entry is no call")

    with pytest.raises(RuntimeError):
        import_half()
    assert list(journal.iterdir()) == []


def test_an_import_that_was_killed_is_begun_again(journal: Path, read_all):
    code = f"""
import os
from pathlib import Path
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.writer import SegmentWriter
writer = SegmentWriter(Path({str(journal)!r}), writer_id=0xABC)
writer.append([Record(RecordKind.FACT, writer.make_id(), 1, b"first try")])
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code])
    assert read_all(journal) == []
    with SegmentWriter(journal, writer_id=0xABC) as writer:
        assert not writer.exists
        writer.append([fact(writer, b"second try")])
    assert [record.content for record in read_all(journal)] == [b"second try"]


def test_two_imports_of_one_file_at_once_are_refused(journal: Path, read_all):
    with SegmentWriter(journal, writer_id=0xABC) as writer:
        writer.append([fact(writer)])
        other = SegmentWriter(journal, writer_id=0xABC)
        with pytest.raises(JournalError, match="importing the same file"):
            other.append([fact(other)])
    assert len(read_all(journal)) == 1


def test_a_folder_that_cannot_be_written_is_a_journal_error(tmp_path: Path):
    (tmp_path / "journal").write_text("a file stands in the way")
    with SegmentWriter(tmp_path / "journal") as writer, pytest.raises(JournalError, match="cannot write"):
        writer.append([fact(writer)])


def test_a_full_disk_ends_the_segment_and_the_next_append_begins_another(journal: Path, read_all):
    code = f"""
import resource
from pathlib import Path
from arc_proxy.errors import JournalError
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.writer import SegmentWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
writer = SegmentWriter(Path({str(journal)!r}))
refused = 0
for number in range(20):
    try:
        writer.append([Record(RecordKind.FACT, writer.make_id(), 1, b"%d" % number * 100)])
    except JournalError:
        refused += 1
writer.close()
print(refused)
"""
    refused = int(subprocess.check_output([sys.executable, "-c", code]))
    assert 0 < refused < 20
    assert len(read_all(journal)) == 20 - refused


def test_sync_and_close_do_no_harm_before_the_first_record(journal: Path):
    writer = SegmentWriter(journal)
    writer.sync()
    writer.close()
    writer.close()
