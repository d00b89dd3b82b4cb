from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_proxy.journal.head import decode_gap
from arc_proxy.journal.keeper import Pace
from arc_proxy.journal.reader import JournalReader
from arc_proxy.journal.record import NO_EXCHANGE, Record, RecordKind
from arc_proxy.journal.segment import is_writer_gone, list_segments, list_writers
from arc_proxy.journal.tape import UNSECURED, Tape

MS = 1_000_000
# No write of a busy machine is slow here.
STEADY = Pace(slow_write_ns=60_000 * MS)
# So quick that a test need not wait, with room for few records.
QUICK = Pace(
    sync_every_ns=20 * MS,
    slow_write_ns=60_000 * MS,
    quick_for_ns=50 * MS,
    retry_every_ns=20 * MS,
    counts_every_ns=10 * MS,
    waiting_bytes_max=4000,
    reserve_bytes=1000,
)
IMPATIENT = replace(QUICK, slow_write_ns=200 * MS)


def until(condition: Callable[[], object], what: str) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(what)


def offer(tape: Tape, kind: RecordKind, exchange_id: bytes, content: bytes = b"") -> Record:
    record = Record(kind, exchange_id, time.monotonic_ns(), content)
    tape.offer(record)
    return record


def play(tape: Tape, pieces: int = 2, size: int = 10) -> list[Record]:
    """One exchange, flushed after every record."""
    exchange_id = tape.make_id()
    records = []
    for kind in [RecordKind.REQUEST_HEAD, RecordKind.RESPONSE_HEAD, *[RecordKind.RESPONSE_BODY] * pieces]:
        records.append(offer(tape, kind, exchange_id, b"x" * size))
        tape.flush()
    records.append(offer(tape, RecordKind.END, exchange_id, b"complete "))
    tape.flush()
    return records


def counts_of(journal: Path) -> list[dict[str, int]]:
    """What the writers wrote about themselves, in order."""
    return [
        json.loads(record.content)
        for _, record, _, _ in JournalReader(journal).read({}, 1 << 30)
        if record.kind is RecordKind.COUNTS and record.exchange_id == NO_EXCHANGE
    ]


def marked_unsecured(journal: Path) -> set[bytes]:
    return {
        record.exchange_id
        for _, record, _, _ in JournalReader(journal).read({}, 1 << 30)
        if record.kind is RecordKind.COUNTS and record.content == UNSECURED
    }


class Disk:
    """Stands for `os.write`, and can be slow, full, or take a part only."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.error: int | None = None
        self.room_bytes: int | None = None
        self.writes = 0
        self._taking = threading.Lock()  # the tape's own thread writes too

    def write(self, fd: int, data: bytes) -> int:
        self.writes += 1
        time.sleep(self.delay_s)
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        with self._taking:
            if self.room_bytes is None:
                return os.write(fd, data)
            if self.room_bytes == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = os.write(fd, data[: self.room_bytes])
            self.room_bytes -= written
            return written


def test_what_was_flushed_is_in_the_kernel(journal: Path, read_all):
    tape = Tape(journal, pace=STEADY)
    records = play(tape)
    assert tape.is_secure
    assert read_all(journal) == records
    tape.close()
    assert set(tape.counts().values()) <= {0, True}
    assert is_writer_gone(journal / list_writers(journal)[0])


def test_an_event_is_a_record_of_now(journal: Path, read_all):
    tape = Tape(journal, pace=STEADY, mono_clock=lambda: 7)
    exchange_id = tape.make_id()
    tape.offer_event(RecordKind.REQUEST_HEAD, exchange_id, b"head")
    tape.offer_event(RecordKind.REQUEST_BODY, exchange_id, b"x" * 3_000_000)
    tape.flush()
    head, *pieces = read_all(journal)
    assert head == Record(RecordKind.REQUEST_HEAD, exchange_id, 7, b"head")
    assert b"".join(piece.content for piece in pieces) == b"x" * 3_000_000
    tape.close()


def test_a_tick_is_one_write(journal: Path):
    disk = Disk()
    tape = Tape(journal, pace=STEADY, write=disk.write)
    before = disk.writes
    for _ in range(50):
        offer(tape, RecordKind.RESPONSE_BODY, tape.make_id(), b"x")
    tape.flush()
    tape.flush()
    assert disk.writes == before + 1
    tape.close()


def test_ids_sort_by_time_and_are_never_twice(journal: Path):
    tape = Tape(journal, wall_clock=iter(range(10**15, 10**18, 10**6)).__next__)
    ids = [tape.make_id() for _ in range(1000)]
    assert ids == sorted(set(ids))
    tape.close()


def test_nothing_of_a_kill_9_is_lost_that_was_flushed(journal: Path, read_all):
    code = f"""
import sys
from pathlib import Path
from arc_proxy.journal.keeper import Pace
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.tape import Tape
tape = Tape(Path({str(journal)!r}), pace=Pace(slow_write_ns=60 * 10**9))  # secure, however busy the machine
number = last = 0
while True:
    for _ in range(number % 5):
        last = number = number + 1
        tape.offer(Record(RecordKind.RESPONSE_BODY, tape.make_id(), number, b"%d" % number * (number % 300)))
    number += 1
    tape.flush()
    print(last, flush=True)
"""
    for _ in range(3):
        shutil.rmtree(journal, ignore_errors=True)
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(random.randrange(1, 300)):
                told = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
        assert is_writer_gone(journal / list_writers(journal)[0])
        read = read_all(journal)
        for record in read:
            assert record.content == b"%d" % record.mono_ns * (record.mono_ns % 300)
        numbers = [record.mono_ns for record in read]
        assert numbers == sorted(set(numbers))
        assert max(numbers, default=0) >= told


def test_the_next_segment_takes_over_and_nothing_is_lost_between(journal: Path, read_all):
    tape = Tape(journal, pace=replace(STEADY, sync_every_ns=2 * MS, segment_bytes_max=2000))
    reader, positions, read = JournalReader(journal), {}, []
    written = []
    for _ in range(60):
        written += play(tape, size=50)
        time.sleep(0.002)
        for writer, record, _, after in reader.read(positions, 1 << 30):
            positions[writer] = after
            read.append(record)
    tape.close()
    read += [record for _, record, _, _ in reader.read(positions, 1 << 30)]
    assert len(list_segments(journal / list_writers(journal)[0])) > 3
    assert [record for record in read if record.kind is not RecordKind.ANCHOR] == written
    assert not reader.problems
    assert tape.counts()["is_secure"]


def test_an_anchor_stands_at_each_beginning_and_then_every_minute(journal: Path):
    now = [10**18]
    tape = Tape(journal, wall_clock=lambda: 5 * 10**18 + now[0], mono_clock=lambda: now[0])
    for _ in range(10):
        play(tape)
        now[0] += 25 * 10**9
    tape.close()
    read = list(JournalReader(journal).read({}, 1 << 30))
    assert read[0][1].kind is RecordKind.ANCHOR
    assert sum(record.kind is RecordKind.ANCHOR for _, record, _, _ in read) == 1 + 3
    assert all(wall_ns - record.mono_ns == 5 * 10**18 for _, record, wall_ns, _ in read[:1])


def test_a_slow_write_moves_the_tape_to_its_thread_and_a_quick_disk_brings_it_back(journal: Path, read_all):
    disk = Disk()
    tape = Tape(journal, pace=IMPATIENT, write=disk.write)
    secured = play(tape)
    disk.delay_s = 0.3
    slow = play(tape)
    assert not tape.is_secure
    unsecured = play(tape)
    disk.delay_s = 0
    until(lambda: tape.is_secure, "the tape did not come back")
    after = play(tape)
    assert tape.counts()["unsecured_calls"] == 2
    assert tape.counts()["slow_writes"] >= 1
    tape.close()
    assert read_all(journal) == secured + slow + unsecured + after
    assert marked_unsecured(journal) == {slow[0].exchange_id, unsecured[0].exchange_id}
    assert counts_of(journal)[-1]["unsecured_calls"] == 2
    assert counts_of(journal)[-1]["is_secure"]


def test_a_full_queue_drops_pieces_first_and_says_how_many_bytes(journal: Path, read_all):
    disk = Disk()
    tape = Tape(journal, pace=QUICK, write=disk.write)
    disk.error = errno.ENOSPC
    records = play(tape, pieces=10, size=1000)
    later = offer(tape, RecordKind.REQUEST_BODY, records[0].exchange_id)
    tape.flush()
    assert later is not None
    assert tape.counts()["write_errors"] >= 1
    disk.error = None
    until(lambda: tape.is_secure, "the tape did not come back")
    tape.close()
    read = read_all(journal)
    [gap] = [record for record in read if record.kind is RecordKind.GAP]
    pieces = [record for record in read if record.kind is RecordKind.RESPONSE_BODY]
    assert 0 < len(pieces) < 10
    assert decode_gap(gap.content).side == "response"
    assert decode_gap(gap.content).bytes_dropped == (10 - len(pieces)) * 1000
    assert [r for r in read if r.kind is not RecordKind.GAP][: len(pieces) + 2] == records[: len(pieces) + 2]
    assert tape.counts()["lost_bytes"] == (10 - len(pieces)) * 1000


def test_a_gap_stays_a_gap_though_room_comes_back(journal: Path, read_all):
    disk = Disk()
    tape = Tape(journal, pace=QUICK, write=disk.write)
    disk.error = errno.ENOSPC
    exchange_id = tape.make_id()
    for number in range(8):
        offer(tape, RecordKind.RESPONSE_BODY, exchange_id, b"%d" % number * 900)
        tape.flush()
    disk.error = None
    until(lambda: tape.is_secure, "the tape did not come back")
    offer(tape, RecordKind.RESPONSE_BODY, exchange_id, b"after the hole")
    offer(tape, RecordKind.REQUEST_BODY, exchange_id, b"the other side has none")
    offer(tape, RecordKind.END, exchange_id, b"complete ")
    tape.flush()
    other = play(tape)
    tape.close()
    read = read_all(journal)
    kept = [r.content for r in read if r.kind is RecordKind.RESPONSE_BODY and r.exchange_id == exchange_id]
    assert kept == [b"%d" % number * 900 for number in range(len(kept))]
    assert b"the other side has none" in [record.content for record in read]
    assert read[-len(other) :] == other


def test_an_exchange_whose_head_found_no_room_is_left_out_whole(journal: Path, read_all):
    disk = Disk()
    tape = Tape(journal, pace=QUICK, write=disk.write)
    disk.error = errno.ENOSPC
    for _ in range(30):
        play(tape, size=200)
    assert tape.counts()["lost_calls"] > 0
    disk.error = None
    until(lambda: tape.is_secure, "the tape did not come back")
    tape.close()
    by_exchange = defaultdict(list)
    for record in read_all(journal):
        by_exchange[record.exchange_id].append(record.kind)
    assert len(by_exchange) == 30 - tape.counts()["lost_calls"]
    assert {kinds[0] for kinds in by_exchange.values()} == {RecordKind.REQUEST_HEAD}
    assert counts_of(journal)[-1]["lost_calls"] == tape.counts()["lost_calls"]


def test_a_write_that_breaks_off_leaves_no_garbage_before_later_records(journal: Path, read_all):
    disk = Disk()
    tape = Tape(journal, pace=QUICK, write=disk.write)
    written = play(tape)
    disk.room_bytes = 100
    written += play(tape)
    disk.room_bytes = None
    until(lambda: tape.is_secure, "the tape did not come back")
    written += play(tape)
    tape.close()
    assert read_all(journal) == written
    assert len(list_segments(journal / list_writers(journal)[0])) == 2
    assert tape.counts()["lost_records"] == 0


def test_a_disk_that_refuses_for_long_is_not_littered_with_segments(journal: Path):
    disk = Disk()
    tape = Tape(journal, pace=QUICK, write=disk.write)
    disk.error = errno.EIO
    play(tape)
    until(lambda: tape.counts()["write_errors"] > 5, "no further attempts")
    assert len(list((journal / list_writers(journal)[0]).iterdir())) == 1
    assert not is_writer_gone(journal / list_writers(journal)[0])
    tape.close()
    assert tape.counts()["lost_records"] >= 5


def test_a_small_disk_fills_up_and_is_made_free_again(small_disk: Path, read_all):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(150_000))
    tape = Tape(small_disk / "journal", pace=QUICK)
    written = []
    while tape.counts()["write_errors"] == 0:
        written += play(tape, size=900)
    ballast.unlink()
    until(lambda: tape.is_secure, "the tape did not come back")
    written += play(tape)
    tape.close()
    read = read_all(small_disk / "journal")
    assert len(written) - len(read) == tape.counts()["lost_records"] <= 5
    assert [record for record in written if record in read] == read


def test_a_file_that_may_grow_no_further_is_followed_by_another(journal: Path):
    code = f"""
import resource, time
from pathlib import Path
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.tape import Tape
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
tape = Tape(Path({str(journal)!r}))
for number in range(100):
    tape.offer(Record(RecordKind.RESPONSE_BODY, tape.make_id(), number, b"x" * 500))
    tape.flush()
    if number % 10 == 0:
        time.sleep(0.05)
tape.close()
print(tape.counts()["lost_records"])
"""
    assert int(subprocess.check_output([sys.executable, "-c", code])) == 0
    numbers = [
        record.mono_ns
        for _, record, _, _ in JournalReader(journal).read({}, 1 << 30)
        if record.kind is RecordKind.RESPONSE_BODY
    ]
    assert numbers == list(range(100))


def test_a_folder_that_cannot_be_made_is_tried_again(journal: Path, read_all):
    journal.parent.mkdir()
    journal.write_text("a file stands in the way")
    tape = Tape(journal, pace=QUICK)
    assert not tape.is_secure
    written = play(tape)
    journal.unlink()
    until(lambda: tape.is_secure, "the tape did not come back")
    tape.close()
    assert read_all(journal) == written
    assert tape.counts()["unsecured_calls"] == 1


def test_a_read_only_folder_is_tried_again(read_all):
    code = """
import os, sys, time
from pathlib import Path
from arc_proxy.journal.keeper import Pace
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.tape import Tape
journal = Path(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)  # root may write to a read-only folder
journal.mkdir(mode=0o500)
tape = Tape(journal, pace=Pace(retry_every_ns=10_000_000, quick_for_ns=10_000_000, counts_every_ns=1_000_000))
tape.offer(Record(RecordKind.FACT, tape.make_id(), 1, b"{}"))
tape.flush()
assert not tape.is_secure
journal.chmod(0o700)
while not tape.is_secure:
    time.sleep(0.01)
tape.close()
"""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        journal = Path(folder) / "journal"
        subprocess.run([sys.executable, "-c", code, str(journal)], check=True, timeout=60)
        assert [record.content for record in read_all(journal)] == [b"{}"]


def test_a_read_only_file_system_is_survived(small_disk: Path, read_all):
    tape = Tape(small_disk / "journal", pace=QUICK)
    written = play(tape)
    tape.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    second = Tape(small_disk / "journal", pace=QUICK)
    unsecured = play(second)
    assert not second.is_secure
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    until(lambda: second.is_secure, "the tape did not come back")
    second.close()
    assert sorted(read_all(small_disk / "journal"), key=lambda r: r.mono_ns) == written + unsecured


def test_a_folder_deleted_under_us_is_made_anew_and_counted(journal: Path, read_all):
    tape = Tape(journal, pace=QUICK)
    play(tape)
    shutil.rmtree(journal.parent)
    until(lambda: tape.counts()["lost_segments"], "the loss was not noticed")
    until(journal.exists, "no new folder")
    written = play(tape)
    tape.close()
    assert read_all(journal) == written
    assert tape.counts()["lost_segments"] == 1
    assert tape.counts()["lost_bytes"] > 0


def put_a_file_in_the_way(folder: Path) -> None:
    """In a folder's place. The tape may make the folder anew at any moment until the file is there."""
    while not folder.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.write_text("a file stands in the way")


def test_a_deleted_folder_that_cannot_be_made_anew_is_not_written_to_in_vain(journal: Path, read_all):
    tape = Tape(journal, pace=QUICK)
    play(tape)
    put_a_file_in_the_way(journal.parent)
    until(lambda: tape.counts()["write_errors"], "no attempt at a new segment")
    written = play(tape)
    journal.parent.unlink()
    until(lambda: tape.is_secure, "the tape did not come back")
    tape.close()
    assert read_all(journal) == written


def test_a_forked_child_gets_a_tape_of_its_own(journal: Path):
    code = f"""
import os
from pathlib import Path
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.tape import Tape
tape = Tape(Path({str(journal)!r}))
def say(what):
    tape.offer(Record(RecordKind.RESPONSE_BODY, tape.make_id(), 1, what))
    tape.flush()
say(b"before")
tape.offer(Record(RecordKind.RESPONSE_BODY, tape.make_id(), 1, b"waits in the parent"))
if os.fork() == 0:
    say(b"child")
    tape.close()
    os._exit(0)
os.wait()
say(b"parent")
tape.close()
"""
    subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", code], check=True)
    assert len(list_writers(journal)) == 2
    contents = sorted(
        record.content
        for _, record, _, _ in JournalReader(journal).read({}, 1 << 30)
        if record.kind is RecordKind.RESPONSE_BODY
    )
    assert contents == [b"before", b"child", b"parent", b"waits in the parent"]


def test_a_disk_that_hangs_does_not_hang_close(journal: Path):
    disk = Disk()
    tape = Tape(journal, pace=IMPATIENT, write=disk.write)
    disk.delay_s = 0.3
    play(tape)
    disk.delay_s = 2.0
    play(tape)
    tape.close(timeout_s=0.05)
    assert tape.counts()["lost_records"] > 0
    lost = tape.counts()["lost_records"]
    play(tape)  # after the end: counted, not written, not raised
    assert tape.counts()["lost_records"] == lost + 5


def test_a_piece_of_any_size_is_taken(journal: Path, read_all):
    tape = Tape(journal, pace=STEADY)
    exchange_id = tape.make_id()
    body = os.urandom(20 * 1024 * 1024)
    offer(tape, RecordKind.RESPONSE_BODY, exchange_id, body)
    offer(tape, RecordKind.FACT, exchange_id, bytes(17 * 1024 * 1024))
    tape.flush()
    tape.close()
    assert b"".join(record.content for record in read_all(journal)) == body
    assert tape.counts()["lost_records"] == 1


steps = st.lists(
    st.tuples(
        st.sampled_from(["good", "good", "good", "partial", "full", "slow", "nap"]),
        st.integers(min_value=0, max_value=4),  # exchanges offered in this tick
        st.integers(min_value=1, max_value=1200),  # bytes of a piece
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_whatever_the_disk_does_each_record_is_read_once_or_counted(tmp_path_factory, steps):
    journal = tmp_path_factory.mktemp("any") / "journal"
    disk = Disk()
    pace = Pace(
        sync_every_ns=2 * MS,
        slow_write_ns=3 * MS,
        quick_for_ns=4 * MS,
        retry_every_ns=2 * MS,
        counts_every_ns=MS,
        segment_bytes_max=3000,
        waiting_bytes_max=4000,
        reserve_bytes=1000,
    )
    tape = Tape(journal, pace=pace, write=disk.write)
    offered: dict[bytes, list[Record]] = defaultdict(list)
    open_ids: list[bytes] = []
    for state, exchanges, size in steps:
        disk.error = errno.ENOSPC if state == "full" else None
        disk.room_bytes = size if state == "partial" else None
        disk.delay_s = 0.004 if state == "slow" else 0
        for _ in range(exchanges):
            exchange_id = tape.make_id()
            open_ids.append(exchange_id)
            offered[exchange_id].append(offer(tape, RecordKind.REQUEST_HEAD, exchange_id, b"head"))
        for exchange_id in open_ids:
            offered[exchange_id].append(offer(tape, RecordKind.RESPONSE_BODY, exchange_id, b"x" * size))
        if len(open_ids) > 3:
            exchange_id = open_ids.pop(0)
            offered[exchange_id].append(offer(tape, RecordKind.END, exchange_id, b"complete "))
        tape.flush()
        if state == "nap":
            time.sleep(0.01)
    disk.error, disk.room_bytes, disk.delay_s = None, None, 0
    tape.close()

    reader = JournalReader(journal)
    read: dict[bytes, list[Record]] = defaultdict(list)
    for _, record, _, _ in reader.read({}, 1 << 30):
        if record.kind in (RecordKind.REQUEST_HEAD, RecordKind.RESPONSE_BODY, RecordKind.END):
            read[record.exchange_id].append(record)
    assert not reader.problems
    assert set(read) <= set(offered)
    for exchange_id, records in read.items():
        pieces = [record for record in records if record.kind is RecordKind.RESPONSE_BODY]
        wanted = [record for record in offered[exchange_id] if record.kind is RecordKind.RESPONSE_BODY]
        assert pieces == wanted[: len(pieces)]  # a beginning
        assert records[0] == offered[exchange_id][0]
    lost = sum(map(len, offered.values())) - sum(map(len, read.values()))
    counted = tape.counts()
    assert counted["lost_records"] == lost
    if lost == 0:
        assert {i: r for i, r in offered.items() if r} == {i: r for i, r in read.items() if r}
