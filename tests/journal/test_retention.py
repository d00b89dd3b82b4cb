from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.journal.reader import JournalReader, Position
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.retention import (
    DAY_NS,
    SegmentFile,
    expired_segments,
    find_segments,
    prune_journal,
)
from arc_proxy.journal.segment import list_segments, list_writers
from arc_proxy.journal.writer import SegmentWriter

NOW_NS = 20_000 * DAY_NS


def file(seq: int, *, age_days: float = 0, size: int = 100, is_read: bool = True, writer: str = "a1b2c3d4"):
    return SegmentFile(
        writer=writer,
        seq=seq,
        path=Path(writer) / f"{seq:08d}.seg",
        bytes=size,
        changed_ns=NOW_NS - int(age_days * DAY_NS),
        is_read=is_read,
    )


CASES = {
    "nothing is too old": ([file(1, age_days=6)], 7, None, []),
    "what is older than the days goes": ([file(1, age_days=8), file(2, age_days=6)], 7, None, [1]),
    "what was not read never goes": ([file(1, age_days=800, is_read=False)], 7, 0, []),
    "the oldest go until the rest fits": ([file(n, age_days=9 - n) for n in (1, 2, 3)], None, 250, [1]),
    "unread ones count for the size": (
        [file(1, age_days=3, is_read=False), file(2, age_days=2), file(3, age_days=1)],
        None,
        100,
        [2, 3],
    ),
    "gathered facts stay": ([file(1, age_days=800, writer="00000000")], 7, 0, []),
    "without limits nothing goes": ([file(1, age_days=800)], None, None, []),
}


@pytest.mark.parametrize(("segments", "days", "bytes_max", "gone"), CASES.values(), ids=CASES)
def test_decides(segments, days, bytes_max, gone):
    expired = expired_segments(segments, now_ns=NOW_NS, days=days, bytes_max=bytes_max)
    assert [each.seq for each in expired] == gone


files = st.builds(
    file,
    st.integers(min_value=1, max_value=9),
    age_days=st.floats(min_value=0, max_value=99),
    size=st.integers(min_value=0, max_value=1000),
    is_read=st.booleans(),
)


@given(st.lists(files, max_size=20), st.floats(min_value=0, max_value=99), st.integers(0, 9999))
def test_what_goes_was_read_and_what_stays_fits_or_was_not(segments, days, bytes_max):
    expired = expired_segments(segments, now_ns=NOW_NS, days=days, bytes_max=bytes_max)
    assert all(each.is_read for each in expired)
    staying = list(segments)
    for each in expired:
        staying.remove(each)
    if any(each.is_read for each in staying):
        assert sum(each.bytes for each in staying) <= bytes_max


def write(journal: Path, count: int = 10, *, facts: bool = False) -> Path:
    with SegmentWriter(journal, segment_bytes_max=400) as writer:
        for number in range(count):
            kind = RecordKind.FACT if facts and number % 2 else RecordKind.RESPONSE_BODY
            writer.append([Record(kind, writer.make_id(), 1, b"%d" % number * 100)])
    return writer.folder


def read_to_end(journal: Path) -> dict[str, Position]:
    return {writer: after for writer, _, _, after in JournalReader(journal).read({}, 1 << 40)}


def facts_in(journal: Path) -> dict[bytes, tuple[bytes, int]]:
    return {
        record.exchange_id: (record.content, wall_ns)
        for _, record, wall_ns, _ in JournalReader(journal).read({}, 1 << 40)
        if record.kind is RecordKind.FACT
    }


def prune(journal: Path, positions, **options):
    return prune_journal(journal, positions, **{"now_ns": NOW_NS, "days": 7, "bytes_max": None, **options})


def test_what_lies_before_the_position_may_go_and_what_lies_behind_may_not(journal: Path):
    folder = write(journal)
    segments = list_segments(folder)
    assert len(segments) >= 3
    positions = [after for _, _, _, after in JournalReader(journal).read({}, 1 << 40)]
    everything = positions[-1]
    in_second = {folder.name: next(after for after in positions if after.seq == segments[1][0])}
    assert [each.is_read for each in find_segments(journal, in_second)][:3] == [True, False, False]
    assert all(each.is_read for each in find_segments(journal, {folder.name: everything}))
    assert not any(each.is_read for each in find_segments(journal, {}))


def test_a_segment_that_is_written_to_never_goes(journal: Path):
    with SegmentWriter(journal) as writer:
        writer.append([Record(RecordKind.RESPONSE_BODY, writer.make_id(), 1, b"x")])
        assert not any(each.is_read for each in find_segments(journal, read_to_end(journal)))


def test_a_torn_tail_does_not_keep_a_segment(journal: Path):
    folder = write(journal, 3)
    path = list_segments(folder)[-1][1]
    path.write_bytes(path.read_bytes()[:-3])
    assert all(each.is_read for each in find_segments(journal, read_to_end(journal)))


def test_pruned_segments_are_gone_and_their_facts_are_not(journal: Path):
    folder = write(journal, facts=True)
    positions = read_to_end(journal)
    facts = facts_in(journal)
    for _, path in list_segments(folder):
        os.utime(path, ns=(0, 0))
    pruned = prune(journal, positions)
    assert pruned.segments >= 3
    assert pruned.facts_kept == len(facts) == 5
    assert list_segments(folder) == []
    assert facts_in(journal) == facts  # ids, content and times


def test_facts_that_were_gathered_often_are_gathered_again_into_one(journal: Path):
    for _ in range(34):
        folder = write(journal, 2, facts=True)
        for _, path in list_segments(folder):
            os.utime(path, ns=(0, 0))
        prune(journal, read_to_end(journal))
    facts = facts_in(journal)
    assert len(facts) == 34
    assert len(list_segments(journal / "00000000")) <= 33


def test_facts_older_than_their_rows_may_go(journal: Path):
    folder = write(journal, facts=True)
    for _, path in list_segments(folder):
        os.utime(path, ns=(0, 0))
    assert prune(journal, read_to_end(journal), now_ns=NOW_NS * 10, facts_days=30).facts_kept == 0


def test_a_crash_between_gathering_and_deleting_loses_nothing(journal: Path):
    folder = write(journal, facts=True)
    facts = facts_in(journal)
    kept = {path: path.read_bytes() for _, path in list_segments(folder)}
    for path in kept:
        os.utime(path, ns=(0, 0))
    prune(journal, read_to_end(journal))
    for path, content in kept.items():
        path.write_bytes(content)
    assert facts_in(journal) == facts


def test_what_died_in_the_making_is_swept_when_it_is_old(journal: Path):
    folder = write(journal)
    old, young = folder / "00000009.77.tmp", folder / "00000010.78.tmp"
    partial = journal / ".0000abcd.partial"
    partial.mkdir()
    for path in (old, young, partial / "00000001.seg"):
        path.touch()
    for path in (old, partial / "00000001.seg"):
        os.utime(path, ns=(0, 0))
    now_ns = young.stat().st_mtime_ns
    prune(journal, {}, now_ns=now_ns)
    assert not old.exists()
    assert young.exists()
    prune(journal, {}, now_ns=now_ns + 2 * DAY_NS)
    assert not partial.exists()
    assert list_writers(journal) == [folder.name]


def test_nothing_to_prune_is_fine(journal: Path):
    assert prune(journal, {}).segments == 0
